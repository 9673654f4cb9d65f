"""The data that pytorch-forecasting's own tests read, where they are, or made ones."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

SHARED = Path(__file__).parents[2] / "shared/data/stallion/stallion.parquet"
FLAGS = [
    "easter_day",
    "good_friday",
    "new_year",
    "christmas",
    "labor_day",
    "independence_day",
    "revolution_day_memorial",
    "regional_games",
    "fifa_u_17_world_cup",
    "football_gold_cup",
    "beer_capital",
    "music_fest",
]


def stallion_folder(folder):
    """Return `folder` with a `stallion.parquet` in it: the real one where it is, or a made one."""
    if SHARED.is_file():
        shutil.copy(SHARED, folder / "stallion.parquet")
    else:
        made_stallion().to_parquet(folder / "stallion.parquet")
    return folder


def made_stallion(seed=0):
    """Return four monthly series with the columns and the types of the beer demand."""
    generator = np.random.default_rng(seed)
    dates = pd.date_range("2013-01-01", "2017-12-01", freq="MS").astype("datetime64[ms]")
    frames = []
    for number, (agency, sku) in enumerate((a, s) for a in (22, 37) for s in (1, 4)):
        regular = generator.uniform(1000, 2000, len(dates))
        discount = generator.uniform(0, 300, len(dates))
        season = 1 + 0.4 * np.sin(2 * np.pi * dates.month.to_numpy() / 12)
        frame = pd.DataFrame(
            {
                "agency": f"Agency_{agency}",
                "sku": f"SKU_{sku:02d}",
                "volume": 50 * (number + 1) * season * generator.lognormal(0, 0.1, len(dates)),
                "date": dates,
                "industry_volume": generator.integers(4e8, 6e8, len(dates)),
                "soda_volume": generator.integers(6e8, 9e8, len(dates)),
                "avg_max_temp": generator.uniform(15, 35, len(dates)),
                "price_regular": regular,
                "price_actual": regular - discount,
                "discount": discount,
                "avg_population_2017": 30_000 + 1000 * number,
                "avg_yearly_household_income_2017": 100_000 + 1000 * number,
                **{flag: generator.integers(0, 2, len(dates)) for flag in FLAGS},
                "discount_in_percent": 100 * discount / regular,
                "timeseries": number,
            }
        )
        frames.append(frame)
    frame = pd.concat(frames, ignore_index=True)
    # Months without a sale, as in the real data: upstream takes no logarithm then.
    frame.loc[frame.index % 11 == 5, "volume"] = 0.0
    return frame.astype({"agency": "category", "sku": "category"})

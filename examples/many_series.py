"""Forecast many series, in files, with the actors of a Ray cluster or of this machine.

    pip install 'drnn-forecast[ray]'
    python examples/many_series.py

Makes 2,000 daily series in partitions by region, trains on them in parts, forecasts them with two
actors and writes a file per partition. On a cluster, `address` is that of its head, such as
"10.0.0.1:6379", and folders are URLs that all nodes see, such as "s3://bucket/sales".
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

import drnn_forecast as drnn
from drnn_forecast.scale import forecast_ray

HORIZON = 14  # days


def make_files(folder: Path, num_series: int) -> None:
    """Write daily sales as `region=.../part-0.parquet`, every series within one file."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=120, freq="D")
    for number, names in enumerate(np.array_split(np.arange(num_series), 8)):
        week = 10 + 3 * np.sin(2 * np.pi * np.arange(len(days)) / 7)
        sold = rng.gamma(2, 5, (len(names), 1)) * week + rng.normal(size=(len(names), len(days)))
        place = folder / f"region={number}"
        place.mkdir(parents=True)
        frame = {"shop": np.repeat([f"s{name:06}" for name in names], len(days))}
        frame |= {"day": np.tile(days, len(names)), "sold": sold.reshape(-1)}
        pd.DataFrame(frame).to_parquet(place / "part-0.parquet", index=False)


def main(folder: Path, num_series: int = 2000, seconds: float = 30, actors: int = 2) -> int:
    """Return the rows of the forecasts, which are in `folder / "forecasts"`."""
    make_files(folder / "sales", num_series)

    # 1. Train on the files, of which at most so many rows are in memory.
    roles = {"series": "shop", "time": "day", "target": "sold"}
    model = drnn.train(
        folder / "sales",
        HORIZON,
        **roles,
        max_rows_in_memory=60_000,
        max_seconds=seconds,
        season_length=7,
        progress=False,
    )

    # 2. Forecast: an actor has a copy of the model, and a killed one is replaced. The same call
    # goes on after an interruption, since finished partitions are there.
    done = forecast_ray(folder / "sales", model, out=folder / "forecasts", actors=actors)
    rows = int(done.sum("rows"))
    print(f"{rows:,} rows in {done.count()} partitions")
    return rows


if __name__ == "__main__":
    with TemporaryDirectory() as made:
        main(Path(made))

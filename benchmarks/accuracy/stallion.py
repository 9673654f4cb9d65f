"""Compare with the temporal fusion transformer of pytorch-forecasting's tutorial, on its data.

    python benchmarks/accuracy/stallion.py [--seconds 20] [--seeds 0 1 2] [--part test]

The tutorial's dataset and split: monthly beer demand, 350 series, 24 months read, the last 6
forecast; its loss, `QuantileLoss`, and its transformer. Both models train for as many seconds with
the same `fit`, on everything before the forecast, and are scored with their last weights; nothing
is chosen on the test part. `--part validation` scores the 6 months before, to choose settings.
"""

import argparse
import copy
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pictures import draw
from pytorch_forecasting import GroupNormalizer, TemporalFusionTransformer, TimeSeriesDataSet
from pytorch_forecasting.metrics import MAE, QuantileLoss
from runs import RESULTS, keep, kept, recorded, spread
from torch import Tensor

from data import stallion
from drnn_forecast import BatchedTimeSeriesDataSet, DilatedRNNForecaster, fit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import markdown, setting

HORIZON, CONTEXT = 6, 24
SPECIAL_DAYS = [
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
OURS, THEIRS = "DilatedRNN", "TFT of the tutorial"
MODELS = {
    OURS: (
        DilatedRNNForecaster.from_dataset,
        {
            "cell_type": "GRU",
            "hidden_size": 40,
            "dilations": (1, 2, 6),
            "season_length": (1, 12),
            "level_anchor": True,
            "residual": True,
            "dropout": 0.1,
            "head_size": 64,
            "learning_rate": 3e-3,
        },
    ),
    THEIRS: (
        TemporalFusionTransformer.from_dataset,
        {
            "learning_rate": 0.03,
            "hidden_size": 16,
            "attention_head_size": 2,
            "dropout": 0.1,
            "hidden_continuous_size": 8,
        },
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--part", choices=["validation", "test"], default="test")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    records = []
    for seed in args.seeds:
        for name in args.models:
            key = {"model": name, "part": args.part, "seed": seed, "seconds": args.seconds}
            run = partial(train, name, args.part, seed, args.seconds)
            records.append(recorded(RESULTS / "stallion.jsonl", key, run))
    if args.part == "test":
        write(pd.DataFrame(records), args)
        frame = _tutorial_frame()
        past = frame.assign(series=_series(frame), time=frame["time_idx"], value=frame["volume"])
        past = past.loc[past["time"] <= past["time"].max() - HORIZON, ["series", "time", "value"]]
        draw("Stallion", kept("Stallion", args.seeds), past, HORIZON, unit="volume")


def train(name: str, part: str, seed: int, seconds: float) -> dict[str, Any]:
    """Return the record of one run."""
    training, held_out = datasets(part)
    make, options = MODELS[name]
    build = partial(make, training, loss=QuantileLoss(), **copy.deepcopy(options))
    cpu = time.process_time()
    result = fit(
        build,
        training,
        None,
        seed=seed,
        max_seconds=seconds,
        max_epochs=1000,
        gradient_clip_val=0.1,
        schedule="cosine",
        progress=False,
    )
    cpu = time.process_time() - cpu
    x, (actual, _) = next(iter(held_out.to_dataloader(train=False, batch_size=len(held_out))))
    with torch.no_grad():
        output = result.model(x)
        quantiles = result.model.to_quantiles(output)
        points = result.model.to_prediction(output)
    if part == "test" and name == OURS:
        keep(_rows(held_out, x, actual, points), "Stallion", seed)
    return {
        "quantile loss": round(float(QuantileLoss()(quantiles, actual)), 3),
        "MAE": round(float(MAE()(points.unsqueeze(-1), actual)), 3),
        "steps": result.steps,
        "parameters": sum(p.numel() for p in result.model.parameters()),
        "cpu_seconds": round(cpu),
    }


def _rows(dataset: TimeSeriesDataSet, x: Any, actual: Tensor, points: Tensor) -> pd.DataFrame:
    """Return `series`, `window`, `time`, `forecast` and `actual` of every step."""
    index = dataset.x_to_index(x)
    steps = np.arange(actual.shape[1])
    return pd.DataFrame(
        {
            "series": np.repeat(_series(index), len(steps)),
            "window": np.repeat(np.arange(len(index)), len(steps)),
            "time": (index["time_idx"].to_numpy()[:, None] + steps).reshape(-1),
            "forecast": points.numpy().reshape(-1),
            "actual": actual.numpy().reshape(-1),
        }
    )


def _series(frame: pd.DataFrame) -> NDArray[Any]:
    """Return the name of the series of each row."""
    return (frame["agency"].astype(str) + " " + frame["sku"].astype(str)).to_numpy()


def datasets(part: str) -> tuple[TimeSeriesDataSet, TimeSeriesDataSet]:
    """Return the tutorial's training dataset, and the windows after it."""
    frame = _tutorial_frame()
    if part == "validation":
        frame = frame[frame["time_idx"] <= frame["time_idx"].max() - HORIZON]
    training = BatchedTimeSeriesDataSet(
        frame[frame["time_idx"] <= frame["time_idx"].max() - HORIZON],
        time_idx="time_idx",
        target="volume",
        group_ids=["agency", "sku"],
        min_encoder_length=CONTEXT // 2,
        max_encoder_length=CONTEXT,
        min_prediction_length=1,
        max_prediction_length=HORIZON,
        static_categoricals=["agency", "sku"],
        static_reals=["avg_population_2017", "avg_yearly_household_income_2017"],
        time_varying_known_categoricals=["special_days", "month"],
        variable_groups={"special_days": SPECIAL_DAYS},
        time_varying_known_reals=["time_idx", "price_regular", "discount_in_percent"],
        time_varying_unknown_reals=[
            "volume",
            "log_volume",
            "industry_volume",
            "soda_volume",
            "avg_max_temp",
            "avg_volume_by_agency",
            "avg_volume_by_sku",
        ],
        target_normalizer=GroupNormalizer(groups=["agency", "sku"], transformation="softplus"),
        add_relative_time_idx=True,
        add_target_scales=True,
        add_encoder_length=True,
    )
    held_out = BatchedTimeSeriesDataSet.from_dataset(
        training, frame, predict=True, stop_randomization=True
    )
    return training, held_out


def _tutorial_frame() -> pd.DataFrame:
    """Return the table with the tutorial's features."""
    frame = stallion()
    frame["time_idx"] = frame["date"].dt.year * 12 + frame["date"].dt.month
    frame["time_idx"] -= frame["time_idx"].min()
    frame["month"] = frame["date"].dt.month.astype(str).astype("category")
    frame["log_volume"] = np.log(frame["volume"] + 1e-8)
    for group in ("sku", "agency"):
        by = frame.groupby(["time_idx", group], observed=True)["volume"]
        frame[f"avg_volume_by_{group}"] = by.transform("mean")
    days = frame[SPECIAL_DAYS].apply(lambda day: day.map({0: "-", 1: day.name}))
    frame[SPECIAL_DAYS] = days.astype("category")
    return frame


def write(table: pd.DataFrame, args: argparse.Namespace) -> None:
    groups = table.groupby("model", sort=False)[["quantile loss", "MAE", "steps", "cpu_seconds"]]
    seeds = " ".join(map(str, args.seeds))
    lines = [
        "# Stallion, at equal wall-clock time",
        "",
        f"`python benchmarks/accuracy/stallion.py --seconds {args.seconds:g} --seeds {seeds}`: "
        f"mean (lowest to highest). {setting('pytorch-forecasting', 'lightning')}",
        "",
        *markdown(groups.agg(spread).reset_index()),
    ]
    (RESULTS / "stallion.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

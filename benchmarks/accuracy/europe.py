"""Compare quantile forecasts of European load at equal wall-clock time, three seeds.

    python benchmarks/accuracy/europe.py [--seconds 40] [--seeds 0 1 2] [--part test]

14 countries, the last 8 weeks of 2019: 28 origins 48 hours apart, 48 hours ahead, quantiles 0.1 to
0.9. Every model reads the load, the calendar and the measured temperature, which is known ahead:
an oracle. `--part validation` scores the four weeks before instead, to choose settings. Runs are
lines of `benchmarks/results/accuracy/europe.jsonl` and not done again where they are there.
"""

import argparse
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pictures import draw
from pytorch_forecasting import QuantileLoss
from pytorch_forecasting.metrics import NormalDistributionLoss
from runs import RESULTS, keep, kept, recorded, scored_rows, spread

from data import before, europe
from drnn_forecast import ForecastData, fit
from drnn_forecast.evaluation.contenders.neural import NeuralModel, deepar, dilated_rnn, lstm
from drnn_forecast.evaluation.contenders.residuals import residual_quantiles
from drnn_forecast.evaluation.scores import weighted_quantile_loss
from drnn_forecast.model.prediction import predict_points, predict_quantiles

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import markdown, setting

LEVELS = [round(0.1 * step, 1) for step in range(1, 10)]
HORIZON, CONTEXT = 48, 168
VALIDATION, TEST = 14, 28
"""Windows per country."""

BUDGET: dict[str, Any] = {
    "batch_size": 64,
    "steps_per_epoch": 200,
    "patience": 100,
    "schedule": "cosine",
}
OURS = "DilatedRNN"
THEIRS = {"neuralforecast DilatedRNN": 14, "neuralforecast DilatedRNN, 2 series a batch": 2}
"""Series per batch: it cuts every window of a batch before it draws some of them."""

MODELS: dict[str, NeuralModel] = {
    OURS: dilated_rnn(
        learning_rate=5e-3,
        loss=QuantileLoss(LEVELS),
        hidden_size=64,
        dilations=(1, 2, 3),
        segment_length=24,
        season_length=(24, 168),
        level_anchor=True,
        residual=True,
        relative_loss=True,
    ),
    "LSTM": lstm(learning_rate=1e-3),
    "DeepAR": deepar(learning_rate=1e-2, loss=NormalDistributionLoss(quantiles=LEVELS)),
}
"""Learning rates of the last two: those of the demonstration, chosen on validation there."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--part", choices=["validation", "test"], default="test")
    parser.add_argument("--models", nargs="+", default=[*MODELS, *THEIRS])
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    data = europe() if args.part == "test" else before(europe(), TEST * HORIZON)
    windows = TEST if args.part == "test" else VALIDATION
    records = []
    for seed in args.seeds:
        for name in args.models:
            key = {"model": name, "part": args.part, "seed": seed, "seconds": args.seconds}
            if name in THEIRS:
                train = partial(theirs, batch_size=THEIRS[name])
            else:
                train = partial(ours, MODELS[name], part=args.part)
            run = partial(train, data, windows, seed=seed, seconds=args.seconds)
            records.append(recorded(RESULTS / "europe.jsonl", key, run))
    if args.part == "test":
        write(pd.DataFrame(records), args)
        past = before(data, TEST * HORIZON).history
        draw("Europe", kept("Europe", args.seeds), past, HORIZON, unit="MW")


def ours(
    model: NeuralModel, data: ForecastData, windows: int, *, part: str, seed: int, seconds: float
) -> dict[str, Any]:
    """Return the record of a model that `fit` trains, and keep the medians of ours on the test."""
    splits = data.split(
        horizon=HORIZON,
        context_length=CONTEXT,
        validation_windows=VALIDATION,
        test_windows=windows,
    )
    cpu = time.process_time()
    result = fit(
        partial(model.build, splits.training),
        splits.training,
        splits.validation,
        seed=seed,
        max_seconds=seconds,
        max_epochs=1000,
        progress=False,
        **BUDGET,
    )
    cpu = time.process_time() - cpu
    if model.is_point:
        values = _around_points(data, splits, result.model)
    else:
        values = predict_quantiles(result.model, splits.test, LEVELS)
    if part == "test" and model.name == OURS:
        keep(scored_rows(data, splits.test, values[..., len(LEVELS) // 2]), "Europe", seed)
    rows = data.target_rows(splits.test)
    return {**score(data, rows, values), "steps": result.steps, "cpu_seconds": round(cpu)}


def theirs(
    data: ForecastData, windows: int, *, seed: int, seconds: float, batch_size: int
) -> dict[str, Any]:
    """Return the record of neuralforecast's DilatedRNN: same cell, width, context and seconds."""
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MQLoss
    from neuralforecast.models import DilatedRNN

    frame = _with_cycles(data.history).rename(
        columns={"series": "unique_id", "time": "ds", "value": "y"}
    )
    known = [name for name in frame if name not in ("unique_id", "ds", "y")]
    model = DilatedRNN(
        h=HORIZON,
        input_size=CONTEXT,
        cell_type="LSTM",
        dilations=[[1, 4], [24, 84]],
        encoder_hidden_size=40,
        decoder_hidden_size=128,
        futr_exog_list=known,
        loss=MQLoss(quantiles=LEVELS),
        learning_rate=3e-3,
        max_steps=1_000_000,
        num_lr_decays=-1,
        val_check_steps=1_000_000,
        batch_size=batch_size,
        windows_batch_size=BUDGET["batch_size"],
        random_seed=seed,
        max_time={"seconds": int(seconds)},
        enable_progress_bar=False,
        logger=False,
        enable_checkpointing=False,
    )
    cpu = time.process_time()
    library = NeuralForecast(models=[model], freq="h")
    forecasts = library.cross_validation(
        frame, n_windows=windows, step_size=HORIZON, val_size=VALIDATION * HORIZON
    )
    cpu = time.process_time() - cpu
    names = [name for name in forecasts if name.startswith("DilatedRNN")]
    rows = forecasts.rename(columns={"unique_id": "series", "ds": "time"})[["series", "time"]]
    values = np.sort(forecasts[names].to_numpy(), axis=-1)
    return {
        **score(data, rows.reset_index(drop=True), values),
        "steps": library.models[0].train_trajectories[-1][0],
        "cpu_seconds": round(cpu),
    }


def score(data: ForecastData, rows: pd.DataFrame, values: NDArray[Any]) -> dict[str, float]:
    """Return the weighted quantile loss over all countries, and MASE and coverage of the median.

    Args:
        data: With what came.
        rows: `series` and `time` of every step.
        values: Its quantiles, in any shape that ends with them.
    """
    columns = [f"q{level:g}" for level in LEVELS]
    flat = pd.DataFrame(values.reshape(len(rows), len(LEVELS)), columns=columns)
    frame = pd.concat([rows, flat], axis=1).merge(
        data.history.rename(columns={"value": "actual"})[["series", "time", "actual"]]
    )
    is_inside = (frame["q0.1"] <= frame["actual"]) & (frame["actual"] <= frame["q0.9"])
    absolute = (frame["actual"] - frame["q0.5"]).abs().sum() / frame["actual"].abs().sum()
    return {
        "WQL": round(weighted_quantile_loss(frame, LEVELS), 5),
        "MAE %": round(float(100 * absolute), 3),
        "coverage 80 %": round(float(is_inside.mean()), 4),
    }


def write(table: pd.DataFrame, args: argparse.Namespace) -> None:
    metrics = ["WQL", "MAE %", "coverage 80 %", "steps", "cpu_seconds"]
    groups = table.groupby("model", sort=False)[metrics]
    mean = groups.mean()
    verdict = ", ".join(
        f"{1 - mean.loc[OURS, 'WQL'] / mean.loc[name, 'WQL']:.1%} below {name}"
        for name in mean.index
        if name != OURS
    )
    seeds = " ".join(map(str, args.seeds))
    lines = [
        "# European load, quantiles at equal wall-clock time",
        "",
        f"`python benchmarks/accuracy/europe.py --seconds {args.seconds:g} --seeds {seeds}`: mean "
        "(lowest to highest). Temperature is known ahead: an oracle. The LSTM's quantiles are "
        "those of validation residuals. "
        f"{setting('pytorch-forecasting', 'lightning', 'neuralforecast')}",
        "",
        *markdown(groups.agg(spread).reset_index()),
        "",
        f"Weighted quantile loss of {OURS}: {verdict} (bar: 15 %).",
    ]
    (RESULTS / "europe.md").write_text("\n".join(lines) + "\n")


def _around_points(data: ForecastData, splits: Any, model: Any) -> NDArray[Any]:
    """Return quantiles around the points of a point model, from its validation residuals."""
    points, past = (predict_points(model, part) for part in (splits.test, splits.validation))
    of_test, of_past = (data.target_rows(part) for part in (splits.test, splits.validation))
    actuals = of_past.merge(data.history, how="left")["value"].to_numpy(np.float32)
    return residual_quantiles(
        points,
        of_test["series"].to_numpy()[::HORIZON],
        past_points=past,
        past_actuals=actuals.reshape(past.shape),
        past_series=of_past["series"].to_numpy()[::HORIZON],
        quantiles=LEVELS,
    )


def _with_cycles(history: pd.DataFrame) -> pd.DataFrame:
    """Return the history with the calendar as numbers, which neuralforecast reads."""
    hours = (history["time"] - pd.Timestamp("2017-01-01")) / pd.Timedelta("1h")
    cycles = {"day": 24, "week": 168, "year": 8766}
    waves = {
        f"{name}_{wave.__name__}": wave(2 * np.pi * hours / length)
        for name, length in cycles.items()
        for wave in (np.sin, np.cos)
    }
    return history.assign(**waves)


if __name__ == "__main__":
    main()

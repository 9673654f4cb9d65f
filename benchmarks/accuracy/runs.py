"""One training run of the forecaster and its scores, kept so that no run is done twice."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pytorch_forecasting import TimeSeriesDataSet

from data import before
from drnn_forecast import DilatedRNNForecaster, ForecastData, fit
from drnn_forecast.model.prediction import predict_points

RESULTS = Path(__file__).resolve().parents[1] / "results" / "accuracy"
MODELS = Path(__file__).resolve().parents[2] / "build" / "accuracy"
"""Where trained models and their forecasts are kept; not part of the repository."""


@dataclass(frozen=True)
class Task:
    """A data set with its protocol and the settings chosen on its validation part.

    Attributes:
        name: As in the results.
        load: Returns the data, the test part at the end of each series.
        horizon: Time steps of a forecast.
        windows: Windows of the validation part, and of the test part, per series.
        score: Scores of point forecasts: from `series`, `time`, `actual` and `forecast` of every
            step and the history before, to one number per metric.
        split: Options of `ForecastData.split`.
        model: Options of `DilatedRNNForecaster.from_dataset`.
        fit: Options of `fit`.
        stride: Time steps between windows.
        trains_on_validation: Whether the model that is tested has learned the validation part too.
    """

    name: str
    load: Callable[[], ForecastData]
    horizon: int
    windows: int
    score: Callable[[pd.DataFrame, pd.DataFrame], dict[str, float]]
    split: Mapping[str, Any]
    model: Mapping[str, Any]
    fit: Mapping[str, Any]
    stride: int = 1
    trains_on_validation: bool = True

    @property
    def steps(self) -> int:
        """Time steps of the validation part, and of the test part."""
        return self.horizon + (self.windows - 1) * self.stride


@dataclass(frozen=True)
class Change:
    """What a run does differently from its task, by the function that takes the options.

    `start` is called with each model before it is trained, to set its initial weights.
    """

    split: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    start: Callable[[DilatedRNNForecaster], None] | None = None


def windows(
    task: Task, part: str, change: Change = Change()
) -> tuple[ForecastData, TimeSeriesDataSet, TimeSeriesDataSet]:
    """Return the data, the training windows and the held-out windows of a part.

    Args:
        task: What to forecast.
        part: `"validation"`, for which the test part is cut off, or `"test"`.
        change: What is different.
    """
    data = task.load() if part == "test" else before(task.load(), task.steps)
    tests = part == "test" and not task.trains_on_validation
    splits = data.split(
        horizon=task.horizon,
        stride=task.stride,
        validation_windows=task.windows,
        test_windows=task.windows if tests else 0,
        **{**task.split, **change.split},
    )
    return data, splits.training, splits.test if tests else splits.validation


def train(task: Task, part: str, seed: int, change: Change = Change()) -> dict[str, Any]:
    """Return the record of one run, and keep its model for the ensembles if it is of the test."""
    data, training, held_out = windows(task, part, change)
    options = {**task.fit, **change.fit}
    # A loss remembers its last batch, so every model gets one of its own.
    model = copy.deepcopy({**task.model, **change.model})

    def build() -> DilatedRNNForecaster:
        made = DilatedRNNForecaster.from_dataset(training, **model)
        if change.start is not None:
            change.start(made)
        return made

    cpu, wall = time.process_time(), time.perf_counter()
    result = fit(build, training, None, seed=seed, progress=False, **options)
    record = {
        "cpu_seconds": round(time.process_time() - cpu),
        "seconds": round(time.perf_counter() - wall),
        "steps": result.steps,
        "parameters": sum(p.numel() for p in result.model.parameters()),
    }
    if part == "test":
        folder = MODELS / task.name
        folder.mkdir(parents=True, exist_ok=True)
        result.model.save_pretrained(folder / f"seed{seed}")
    values = predict_points(result.model, held_out)
    return {**scores(task, data, held_out, values), **record}


def scores(
    task: Task, data: ForecastData, held_out: TimeSeriesDataSet, values: NDArray[np.float32]
) -> dict[str, float]:
    """Return the scores of point forecasts, `(windows, steps)`, of the held-out windows."""
    past = before(data, task.steps).history.rename(columns={"value": "actual"})
    scored = task.score(scored_rows(data, held_out, values), past)
    return {name: round(float(value), 4) for name, value in scored.items()}


def scored_rows(
    data: ForecastData, held_out: TimeSeriesDataSet, values: NDArray[np.float32]
) -> pd.DataFrame:
    """Return `series`, `window`, `time`, `forecast` and `actual` of every step, in order."""
    rows = data.target_rows(held_out).assign(
        forecast=values.reshape(-1), window=np.repeat(np.arange(len(values)), values.shape[1])
    )
    return rows.merge(data.history.rename(columns={"value": "actual"}), how="left")


def keep(forecasts: pd.DataFrame, name: str, seed: int) -> None:
    """Keep the forecasts of one run for a picture."""
    MODELS.mkdir(parents=True, exist_ok=True)
    forecasts.to_parquet(MODELS / f"{name}-seed{seed}.parquet")


def kept(name: str, seeds: Sequence[int]) -> pd.DataFrame:
    """Return the kept forecasts, means over the seeds."""
    tables = [pd.read_parquet(MODELS / f"{name}-seed{seed}.parquet") for seed in seeds]
    return tables[0].assign(forecast=np.mean([table["forecast"] for table in tables], axis=0))


def recorded(path: Path, key: Mapping[str, Any], run: Callable[[], dict[str, Any]]) -> dict:
    """Return the record under `key` in a file of JSON lines; run only if it is not there yet."""
    known = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    for record in known:
        if all(record.get(name) == value for name, value in key.items()):
            return record
    record = {**key, **run()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")
    print(json.dumps(record), flush=True)
    return record


def summary(records: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> dict[str, str]:
    """Return mean and range over seeds of every metric."""
    return pd.DataFrame(records)[list(metrics)].agg(spread).to_dict()


def spread(values: pd.Series) -> str:
    """Return mean and range."""
    return f"{values.mean():.4g} ({values.min():.4g} to {values.max():.4g})"

"""How often intervals hold beside how much the calibration believes its own windows.

    python -m benchmarks.suite.calibration

The development half, before its test parts: one network for each of three ends of the data, 15
seconds each, whose residuals on held-out windows are calibrated with several values of `BELIEF`
and scored on the windows that follow.
"""

from __future__ import annotations

import logging
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch

from benchmarks.suite.protocol import LEVELS
from benchmarks.suite.task import Task, from_end, long_enough
from benchmarks.suite.tasks import TASKS, dev_split
from drnn_forecast import ForecastData, train
from drnn_forecast.model import Residuals, quantile_loss, residual_parts
from drnn_forecast.training import course

calibration = import_module("drnn_forecast.model.coverage")  # a function has the same name
ROWS: Final = Path(__file__).parents[1] / "results" / "suite" / "calibration.csv"
BELIEFS: Final = (0.0, 1.0, 3.0, 10.0)
ENDS: Final = 3
SECONDS: Final = 15


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.getLogger("drnn_forecast").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for name, task in TASKS.items():
        for end in range(ENDS if task.half == "development" else 0):
            shorter, frame = dev_split(task)
            frame = frame[from_end(frame) > end * shorter.tested].reset_index(drop=True)
            frame = long_enough(shorter, frame)
            found = residuals(shorter, frame, seed=end) if len(frame) else None
            if found is not None:
                rows += [{"task": name, "end": end, **row} for row in scored(*found)]
                pd.DataFrame(rows).to_csv(ROWS, index=False, float_format="%.5g")
                print(pd.DataFrame(rows[-len(BELIEFS) - 1 :]).to_string(), flush=True)


def residuals(
    task: Task, frame: pd.DataFrame, *, seed: int
) -> tuple[list[Residuals], Residuals] | None:
    """Return what quantiles missed on the held-out windows of a network, and on those after it."""
    caught: list[Any] = []

    def caught_and_set(model: Any, parts: Any) -> Any:
        caught.extend(parts)
        return given(model, parts)

    given, course.set_intervals = course.set_intervals, caught_and_set
    try:
        past = frame[from_end(frame) > task.tested].drop(columns="filled")
        options = {"loss": quantile_loss(list(LEVELS)), "max_seconds": SECONDS, "seed": seed}
        model = train(past, task.horizon, progress=False, **options, **task.roles)
    finally:
        course.set_intervals = given
    data = ForecastData.from_frame(frame.drop(columns="filled"), **task.roles)
    windows = {"test_windows": task.windows, "stride": task.step}
    splits = data.split(like=model, validation_windows=1, keep_short=True, **windows)
    (new,) = residual_parts(model, splits.test)
    return ([part[0] for part in caught], new) if caught and new is not None else None


def scored(held: list[Residuals], new: Residuals) -> list[dict[str, Any]]:
    """Return coverage of 80 % and mean pinball loss as forecast, and with each belief."""
    names = ("quantiles", "actual", "weight", "time")
    quantiles, actual, weight, time = (
        np.concatenate([getattr(part, name) for part in held]) for name in names
    )
    times, kept, rows = len(np.unique(time)), calibration.BELIEF, []
    try:
        for belief in (None, *BELIEFS):
            factors = np.ones((quantiles.shape[1], len(new.levels)))
            if belief is not None:
                calibration.BELIEF = belief
                factors = calibration.interval_factors(quantiles, actual, new.levels, weight, times)
            moved = calibration.moved_quantiles(new.quantiles, factors, new.levels)
            error = (new.actual[..., None] - moved)[~np.isnan(new.actual)]
            loss = np.maximum(np.array(new.levels) * error, (np.array(new.levels) - 1) * error)
            inside = calibration.coverage(moved, new.actual, new.levels)[0.8]
            rows.append(
                {
                    "windows": len(actual),
                    "times": times,
                    "new_windows": len(new.actual),
                    "belief": "as forecast" if belief is None else belief,
                    "coverage": inside,
                    "loss": loss.mean(),
                }
            )
    finally:
        calibration.BELIEF = kept
    return rows


if __name__ == "__main__":
    main()

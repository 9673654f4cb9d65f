"""What a forecast is, and its scores: MASE, pooled WQL, coverage, raw and calibrated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from utilsforecast import losses

from benchmarks.suite.task import Task, cut, dev_split, origins
from drnn_forecast.evaluation import weighted_quantile_loss
from drnn_forecast.model import calibrate
from drnn_forecast.model.coverage import interval_factors, moved_quantiles

LEVELS: Final = tuple(round(number / 10, 1) for number in range(1, 10))
COLUMNS: Final = [f"q{level:g}" for level in LEVELS]
Values = NDArray[np.floating]
"""A row for each row of a window's horizon, series after series, a column per level."""

FEWEST_BY_STEP: Final = 20
"""Calibration windows from which on each step of the horizon has its own distances."""


@dataclass
class Forecasts:
    """What a contender gives.

    Attributes:
        test: The windows of the task, as `long_table` makes them.
        calibration: Windows before the first test origin, by which intervals are calibrated; None:
            they are not.
        sums: `actual`, `q0.1` and `q0.9` of the sum over each window's horizon, for contenders
            that draw whole paths.
        settings: What the contender was given, and what it chose.
        note: What a reader of its row has to know.
    """

    test: pd.DataFrame
    calibration: pd.DataFrame | None = None
    sums: pd.DataFrame | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Window:
    """One origin of all series: its number, the rows before it and those of its horizon."""

    number: int
    past: pd.DataFrame
    ahead: pd.DataFrame


def windows(task: Task, frame: pd.DataFrame) -> Iterator[Window]:
    """Yield the windows of a task, the earliest first."""
    for number, steps in enumerate(origins(task)):
        yield Window(number, *cut(task, frame, steps))


def calibration_windows(task: Task, frame: pd.DataFrame) -> Iterator[Window]:
    """Yield the windows that calibrate: those of `dev_split`, none where all series are short."""
    shorter, past = dev_split(task, frame)
    if len(past):
        yield from windows(shorter, past)


def long_table(window: Window, values: Values) -> pd.DataFrame:
    """Return `series`, `time`, `window`, `step`, `actual` and a column per quantile.

    Args:
        window: Of the forecasts; a filled value is no actual.
        values: Sorted here in each row.
    """
    ahead = window.ahead
    table = pd.DataFrame(np.sort(values, axis=1), columns=COLUMNS)
    table.insert(0, "series", ahead["series"].to_numpy())
    table.insert(1, "time", ahead["time"].to_numpy())
    table.insert(2, "window", window.number)
    table.insert(3, "step", ahead.groupby("series", sort=False).cumcount().to_numpy() + 1)
    table.insert(4, "actual", ahead["target"].mask(ahead["filled"]).to_numpy(float))
    return table


def forecast_windows(
    task: Task, frame: pd.DataFrame, values: Callable[[Window], Values], *, least: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the tables of the test windows and of those that calibrate, from their values.

    Of the latter, series with fewer than `least` values before an origin are left out there.
    """
    test = [long_table(window, values(window)) for window in windows(task, frame)]
    earlier = [with_past(window, least) for window in calibration_windows(task, frame)]
    past = [long_table(window, values(window)) for window in earlier if len(window.ahead)]
    return (
        pd.concat(test, ignore_index=True),
        pd.concat(past, ignore_index=True) if past else None,
    )


def with_past(window: Window, least: int) -> Window:
    """Return the window with the series that have so many values before its origin."""
    sizes = window.past.groupby("series", sort=False).size()
    kept = sizes.index[sizes >= least]
    parts = (rows[rows["series"].isin(kept)] for rows in (window.past, window.ahead))
    return Window(window.number, *(part.reset_index(drop=True) for part in parts))


def scores(task: Task, frame: pd.DataFrame, forecasts: Forecasts) -> dict[str, float]:
    """Return the scores of a contender, with NaN for what it does not give.

    `MASE` is a mean over series and origins of the median's mean absolute error, divided by the
    seasonal naive error of all values before the origin; where that is undefined the pair is left
    out. `WQL` is a ratio of sums over all rows, a mean over the levels, as fev has it. `coverage`
    is the share of actuals inside the 80 % interval, bounds included.
    """
    test = forecasts.test
    row = {"MASE": mase(task, frame, test), **_spread(test, "")}
    row["coverage_of_sums"] = np.nan if forecasts.sums is None else coverage(forecasts.sums)
    if forecasts.calibration is not None and len(forecasts.calibration):
        return row | _spread(calibrated(test, forecasts.calibration), "_calibrated")
    return row | {"WQL_calibrated": np.nan, "coverage_calibrated": np.nan}


def mase(task: Task, frame: pd.DataFrame, test: pd.DataFrame) -> float:
    """Return the mean over series and origins of the scaled error of the median."""
    roles = {"id_col": "series", "target_col": "target"}
    found = []
    for window in windows(task, frame):
        own = test[(test["window"] == window.number) & test["actual"].notna()]
        past = window.past.assign(target=window.past["target"].mask(window.past["filled"]))
        of_series = losses.mase(
            own.rename(columns={"actual": "target"}),
            ["q0.5"],
            task.season,
            past[["series", "time", "target"]],
            time_col="time",
            **roles,
        )
        found.append(of_series["q0.5"])
    values = pd.concat(found).replace([np.inf, -np.inf], np.nan)
    return float(values.mean())


def calibrated(test: pd.DataFrame, past: pd.DataFrame) -> pd.DataFrame:
    """Return forecasts with intervals calibrated on earlier windows, in the way of our model.

    Its way multiplies the distances from the median, so that a point forecast, the same at every
    level, has none; it is moved apart by `calibrate`, series without an earlier window excepted.
    """
    if (past["q0.1"] == past["q0.9"]).all():
        known = test["series"].isin(past.loc[past["actual"].notna(), "series"].unique())
        count = past.groupby(["series", "window"]).ngroups
        moved = calibrate(test[known], past, LEVELS, by_step=count >= FEWEST_BY_STEP)
        return pd.concat([moved, test[~known]]).sort_index()
    steps = past["step"].max()
    shape = (-1, steps, len(LEVELS))
    actual = past["actual"].to_numpy().reshape(-1, steps)
    quantiles, times = past[COLUMNS].to_numpy().reshape(shape), past["window"].nunique()
    factors = interval_factors(quantiles, actual, LEVELS, times=times)
    widened = moved_quantiles(test[COLUMNS].to_numpy().reshape(shape), factors, LEVELS)
    return test.assign(**dict(zip(COLUMNS, widened.reshape(-1, len(LEVELS)).T, strict=True)))


def coverage(rows: pd.DataFrame) -> float:
    """Return the share of actuals inside the 80 % interval, bounds included."""
    known = rows[rows["actual"].notna()]
    return float(known["actual"].between(known["q0.1"], known["q0.9"]).mean())


def _spread(rows: pd.DataFrame, suffix: str) -> dict[str, float]:
    """Return what the quantiles score."""
    loss = weighted_quantile_loss(rows, LEVELS)
    return {f"WQL{suffix}": loss, f"coverage{suffix}": coverage(rows)}

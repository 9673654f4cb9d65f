"""The seasonal naive method and statsforecast's models, on the whole history before each origin.

Each origin is fitted anew, two at a time. AutoETS has seasons to 24 steps and none beyond, as
the library itself has it. A task has ten minutes: where one fit shows that all would take longer,
every fit reads the last 8,000, 4,000 or 2,000 values, which the note of the row says. After the
ten minutes the seasonal naive method stands in, as it does where the library finds no model or
gives no finite forecast; the note counts these.
"""

from __future__ import annotations

import signal
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.suite.protocol import (
    LEVELS,
    Forecasts,
    Values,
    Window,
    calibration_windows,
    forecast_windows,
    windows,
)
from benchmarks.suite.task import Task

CAP: Final = 600.0
"""Seconds of a task."""

LENGTHS: Final = (10**9, 8000, 4000, 2000)
"""How much of a history is read at most: all of it, or less where that takes too long."""

LONGEST_SEASON: Final = 24
PROCESSES: Final = 2
CHUNK: Final = 4
"""Histories that a process takes at a time."""

Result = tuple[NDArray[np.float64], str]


def seasonal_naive(task: Task, frame: pd.DataFrame, **_: Any) -> Forecasts:
    """Return the last season again, the same at every level, as fev has it."""

    def values(window: Window) -> Values:
        points = [repeated(own, task.season, task.horizon) for own in _histories(window)]
        return np.repeat(np.concatenate(points)[:, None], len(LEVELS), axis=1)

    return Forecasts(*forecast_windows(task, frame, values), settings={"season": task.season})


def statistical(
    task: Task,
    frame: pd.DataFrame,
    *,
    kind: str,
    cap: float = CAP,
    processes: int = PROCESSES,
    **_: Any,
) -> Forecasts:
    """Return the forecasts of one of `MODELS` within `cap` seconds; see the module."""
    fit = Fit(kind, seasons_of(task, kind), task.horizon, time.time() + cap)
    length = affordable(task, frame, fit, cap * processes)
    how: Counter[str] = Counter()
    with ProcessPoolExecutor(processes) as pool:

        def values(window: Window) -> Values:
            read = [own[-length:] for own in _histories(window)]
            results = list(pool.map(fit, read, chunksize=CHUNK))
            how.update(name for _, name in results)
            return np.concatenate([made for made, _ in results])

        tables = forecast_windows(task, frame, values)
    notes = [f"{count} of {how.total()} {name}" for name, count in how.items() if name]
    if length < LENGTHS[0]:
        notes.insert(0, f"reads the last {length} values, for the cap of {cap:g} s")
    return Forecasts(*tables, settings={"seasons": fit.seasons}, note=", ".join(notes))


@dataclass(frozen=True)
class Fit:
    """A model of `MODELS`, its seasons and horizon in time steps, and when it is to have ended."""

    kind: str
    seasons: tuple[int, ...]
    horizon: int
    deadline: float

    def __call__(self, values: NDArray[np.float64]) -> Result:
        """Return the quantiles after one history, `(horizon, levels)`, and what stood in."""
        try:
            with _until(self.deadline):
                model = MODELS[self.kind](self.seasons)
                made = model.forecast(values, h=self.horizon, level=[20, 40, 60, 80])
        except Exception:  # whatever the library raises for a history that it has no model for
            made = {}
        lower = [f"lo-{width}" for width in (80, 60, 40, 20)]
        upper = [f"hi-{width}" for width in (20, 40, 60, 80)]
        columns = [made.get(name) for name in (*lower, "mean", *upper)]
        if all(column is not None and np.isfinite(column).all() for column in columns):
            return np.stack(columns, axis=1), ""
        points = repeated(values, self.seasons[0], self.horizon)
        return np.repeat(points[:, None], len(LEVELS), axis=1), "as the seasonal naive method"


def affordable(task: Task, frame: pd.DataFrame, fit: Fit, seconds: float) -> int:
    """Return how many values of each history can be read in so many seconds of one process."""
    histories = [window for part in (windows, calibration_windows) for window in part(task, frame)]
    fits = sum(window.past["series"].nunique() for window in histories)
    longest = max(_histories(histories[0]), key=len)
    limit = seconds / fits
    for length in LENGTHS:
        if LENGTHS[0] > length >= len(longest):
            continue
        started = time.time()
        replace(fit, deadline=started + limit)(longest[-length:])
        if time.time() - started < limit:
            return length
    return LENGTHS[-1]


def seasons_of(task: Task, kind: str) -> tuple[int, ...]:
    """Return the seasons that a model is given, time steps."""
    if kind == "MSTL":
        return (task.season, *([task.long_season] if task.long_season else []))
    if kind == "AutoETS" and task.season > LONGEST_SEASON:
        return (1,)
    return (task.season,)


def repeated(values: NDArray[np.float64], season: int, horizon: int) -> NDArray[np.float64]:
    """Return the last season again and again; the last value where there is no whole season."""
    return np.resize(values[-season:] if len(values) >= season else values[-1:], horizon)


def _histories(window: Window) -> Iterator[NDArray[np.float64]]:
    """Yield the values of every series before the origin."""
    for _, values in window.past.groupby("series", sort=False)["target"]:
        yield values.to_numpy(float)


@contextmanager
def _until(limit: float) -> Iterator[None]:
    """Raise `TimeoutError` inside at a time of the clock; keep the library's warnings to itself."""

    def stop(*_: Any) -> None:
        raise TimeoutError

    left = limit - time.time()
    if left <= 0:
        raise TimeoutError
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, left)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _model(name: str, seasons: tuple[int, ...]) -> Any:
    from statsforecast import models

    length = list(seasons) if name == "MSTL" else seasons[0]
    return getattr(models, name)(season_length=length)


MODELS: Final[dict[str, Callable[[tuple[int, ...]], Any]]] = {
    name: partial(_model, name) for name in ("AutoETS", "AutoTheta", "MSTL")
}
"""Makers of statsforecast's models from seasons."""

"""The seasonal naive method and statsforecast's models, on the whole history before each origin.

Each origin is fitted anew, two at a time. AutoETS has seasons to 24 steps and none beyond, as
the library itself has it. A task has ten minutes: what is left after six reads the last 2,000
values, and after ten the seasonal naive method stands in; so it does where the library finds no
model or gives no finite forecast. The note of a row counts these.
"""

from __future__ import annotations

import signal
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.suite.protocol import LEVELS, Forecasts, Values, Window, forecast_windows
from benchmarks.suite.task import Task

CAP: Final = 600.0
WHOLE: Final = 0.6
"""The seconds of a task, and the share of them in which whole histories are read."""

SHORT: Final = 2000
LONGEST_SEASON: Final = 24
PROCESSES: Final = 2
CHUNK: Final = 4
"""Histories that a process takes at a time."""

Job = tuple[NDArray[np.float64], int]
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
    seasons = seasons_of(task, kind)
    started = time.time()
    limits = (started + WHOLE * cap, started + cap)
    job = partial(forecast, kind=kind, seasons=seasons, horizon=task.horizon, limits=limits)
    how: Counter[str] = Counter()
    with ProcessPoolExecutor(processes) as pool:

        def values(window: Window) -> Values:
            results = list(pool.map(job, _histories(window), chunksize=CHUNK))
            how.update(name for _, name in results)
            return np.concatenate([made for made, _ in results])

        tables = forecast_windows(task, frame, values)
    others = {name: count for name, count in how.items() if name != "whole history"}
    note = ", ".join(f"{count} of {how.total()} {name}" for name, count in others.items())
    return Forecasts(*tables, settings={"seasons": list(seasons)}, note=note)


def seasons_of(task: Task, kind: str) -> tuple[int, ...]:
    """Return the seasons that a model is given, time steps."""
    if kind == "MSTL":
        return (task.season, *([task.long_season] if task.long_season else []))
    if kind == "AutoETS" and task.season > LONGEST_SEASON:
        return (1,)
    return (task.season,)


def forecast(
    values: NDArray[np.float64],
    *,
    kind: str,
    seasons: tuple[int, ...],
    horizon: int,
    limits: tuple[float, float],
) -> Result:
    """Return the quantiles after one history, `(horizon, levels)`, and how they were made.

    Args:
        values: The history.
        kind: A key of `MODELS`.
        seasons: Time steps.
        horizon: Time steps.
        limits: The times from which on the history is short, and no model is fitted.
    """
    short = len(values) > SHORT
    ways = [(values, limits[0 if short else 1], "whole history")]
    if short:
        ways.append((values[-SHORT:], limits[1], f"with the last {SHORT} values"))
    for read, limit, name in ways:
        try:
            with _until(limit):
                made = MODELS[kind](seasons).forecast(read, h=horizon, level=[20, 40, 60, 80])
        except TimeoutError:
            continue
        except Exception:  # whatever the library raises for a history that it has no model for
            break
        columns = [f"lo-{width}" for width in (80, 60, 40, 20)]
        upper = [f"hi-{width}" for width in (20, 40, 60, 80)]
        quantiles = np.stack([made[name] for name in (*columns, "mean", *upper)], axis=1)
        if np.isfinite(quantiles).all():
            return quantiles, name
        break
    points = repeated(values, seasons[0], horizon)
    return np.repeat(points[:, None], len(LEVELS), axis=1), "as the seasonal naive method"


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

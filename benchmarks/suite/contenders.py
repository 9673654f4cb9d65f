"""What is compared, by name: `run(task, contender, seed, seconds)` returns forecasts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd

from benchmarks.suite.classical import MODELS, seasonal_naive, statistical
from benchmarks.suite.networks import NETWORKS
from benchmarks.suite.neural import future_hidden, network
from benchmarks.suite.protocol import (
    COLUMNS,
    LEVELS,
    Forecasts,
    Values,
    Window,
    forecast_windows,
    windows,
)
from benchmarks.suite.task import Task, before_test
from drnn_forecast import Ensemble, train
from drnn_forecast.model import quantile_loss

PATHS: Final = 200
"""Of each window, for the intervals of sums."""

Contender = Callable[..., Forecasts]

BEST: Final = (
    "M1 monthly",
    "M3 quarterly",
    "hospital",
    "Europe load",
    "Rossmann",
    "pedestrians",
    "M4 hourly",
    "car parts",
    "ETTh",
    "Walmart",
    "pasta",
    "Beijing",
)
"""The tasks on which the preset `best` is run, six of each half."""


def ours(
    task: Task,
    frame: pd.DataFrame,
    *,
    seed: int,
    seconds: float | None,
    preset: str = "medium",
    overrides: Mapping[str, Any] | None = None,
    **_: Any,
) -> Forecasts:
    """Return the forecasts of `drnn_forecast.train` on what lies before the first test origin.

    Args:
        task: The task.
        frame: All series of it.
        seed: Of the model.
        seconds: The budget from the call on; None: the preset's.
        preset: Of `train`.
        overrides: Arguments of `train` that differ, for ablations.
    """
    logging.getLogger("drnn_forecast").setLevel(logging.ERROR)
    roles = task.roles
    model = train(
        before_test(task, frame).drop(columns="filled"),
        task.horizon,
        preset=preset,
        max_seconds=seconds,
        seed=seed,
        progress=False,
        **{"loss": quantile_loss(list(LEVELS)), **roles, **(overrides or {})},
    )
    keys = ["series", "time"]

    def values(window: Window) -> Values:
        made = model.forecast(future_hidden(window, roles)).astype({"series": str})
        ordered = made.set_index(keys).reindex(pd.MultiIndex.from_frame(window.ahead[keys]))
        return np.asarray(ordered[COLUMNS], np.float64)

    tables = forecast_windows(task, frame, values)
    sums = pd.concat([sums_of(model, window, roles) for window in windows(task, frame)])
    first = model.members[0] if isinstance(model, Ensemble) else model
    settings = {"preset": preset, "overrides": dict(overrides or {}), **first.hparams["record"]}
    return Forecasts(*tables, sums=sums, settings=settings)


def sums_of(model: Any, window: Window, roles: dict[str, Any]) -> pd.DataFrame:
    """Return `actual`, `q0.1` and `q0.9` of the sum over the horizon, by series, from paths."""
    paths = model.paths(future_hidden(window, roles), count=PATHS).astype({"series": str})
    totals = paths.groupby(["series", "path"])["target"].sum().groupby("series")
    ahead = window.ahead.assign(target=window.ahead["target"].mask(window.ahead["filled"]))
    actual = ahead.groupby("series")["target"].sum(
        min_count=len(ahead) // ahead["series"].nunique()
    )
    return pd.DataFrame(
        {"actual": actual, "q0.1": totals.quantile(0.1), "q0.9": totals.quantile(0.9)}
    )


CONTENDERS: Final[dict[str, Contender]] = {
    "seasonal naive": seasonal_naive,
    **{name: partial(statistical, kind=name) for name in MODELS},
    **{name: partial(network, name=name) for name in NETWORKS},
    "ours": ours,
    "ours best": partial(ours, preset="best"),
}
"""All contenders by name; the published ones are read from their file by `report`."""

WITHOUT_SEED: Final = ("seasonal naive", *MODELS)


def applies(task: Task, contender: str, part: str) -> bool:
    """Return whether a contender is run on the part `"test"` or `"validation"` of a task.

    AutoETS has published scores of the test part of fev's tasks.
    """
    if contender == "MSTL":
        return task.long_season is not None
    if contender == "AutoETS" and part == "test":
        return task.fev is None
    return contender != "ours best" or task.name in BEST


def run(
    task: Task,
    contender: str,
    seed: int = 0,
    seconds: float | None = None,
    *,
    frame: pd.DataFrame | None = None,
    **options: Any,
) -> Forecasts:
    """Return the forecasts of one contender for the windows of a task.

    Args:
        task: The task, or that of `dev_split`.
        contender: A key of `CONTENDERS`.
        seed: Of models that draw.
        seconds: Of training; None: the preset's, a minute for the networks.
        frame: All series of the task; None: as the task loads them.
        **options: Of the contender.
    """
    frame = task.load() if frame is None else frame
    if contender in NETWORKS and seconds is None:
        seconds = 60.0
    return CONTENDERS[contender](task, frame, seed=seed, seconds=seconds, **options)

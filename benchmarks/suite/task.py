"""A task, and what lies before and after its origins.

The test part of a series is what its last origins forecast: `windows` of them, `stride` steps
apart, the last one `horizon` steps before the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LEAST: Final = 2
"""How many values more than a horizon a series must have before its first origin, to be kept."""

Half = Literal["development", "report"]


@dataclass(frozen=True)
class Task:
    """What is to be forecast, and how it is scored.

    Attributes:
        name: Of the task.
        half: Rules are chosen on validation windows of the development half.
        family: Of data; a family is in one half.
        freq: A pandas alias.
        horizon: Time steps.
        season: Of the scaled error and of the classical models, time steps.
        read: Returns all series; see `load`.
        windows: Origins of each series.
        stride: Time steps between them; 0 stands for the horizon.
        long_season: A second season, time steps.
        known: Covariates known ahead.
        observed: Covariates known up to the origin, such as weather.
        static: Covariates of a series.
        fev: The name in fev's zero-shot benchmark.
    """

    name: str
    half: Half
    family: str
    freq: str
    horizon: int
    season: int
    read: Callable[[], pd.DataFrame]
    windows: int = 1
    stride: int = 0
    long_season: int | None = None
    known: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    fev: str | None = None

    @property
    def step(self) -> int:
        """Time steps between origins."""
        return self.stride or self.horizon

    @property
    def tested(self) -> int:
        """Time steps of every series that the test part holds."""
        return self.horizon + (self.windows - 1) * self.step

    @property
    def roles(self) -> dict[str, Any]:
        """The arguments of `ForecastData.from_frame`, and of `train`, for the frames."""
        covariates = {name: list(getattr(self, name)) for name in ("known", "observed", "static")}
        return {
            "series": "series",
            "time": "time",
            "target": "target",
            "freq": self.freq,
            **covariates,
        }

    def load(self) -> pd.DataFrame:
        """Return all series: `series`, `time`, `target`, `filled` and the covariates.

        Series with fewer than `horizon` + 2 values before their first origin are left out. Gaps are
        filled from earlier values and marked in `filled` (`benchmarks.suite.frames`).
        """
        roles = ["series", "time", "target", "filled", *self.known, *self.observed, *self.static]
        return long_enough(self, self.read()[roles])


def long_enough(task: Task, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the series that have enough values before their first origin."""
    sizes = frame.groupby("series", sort=False)["target"].transform("size")
    return frame[sizes >= task.tested + task.horizon + LEAST].reset_index(drop=True)


def from_end(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Return how many steps before the end of its series every row lies, 1 the last."""
    left = frame.groupby("series", sort=False).cumcount(ascending=False)
    return np.asarray(left, np.int64) + 1


def before_test(task: Task, frame: pd.DataFrame) -> pd.DataFrame:
    """Return what lies before the first test origin of each series."""
    return frame[from_end(frame) > task.tested].reset_index(drop=True)


def dev_split(task: Task, frame: pd.DataFrame | None = None) -> tuple[Task, pd.DataFrame]:
    """Return the task on what lies before its test part, with at most two origins at its end.

    Rules are chosen on these windows, and never on the test part.
    """
    frame = task.load() if frame is None else frame
    ours = replace(task, windows=min(task.windows, 2))
    return ours, long_enough(ours, before_test(task, frame))


def origins(task: Task) -> list[int]:
    """Return the steps from each origin to the end of a series, the earliest origin first."""
    return [task.horizon + number * task.step for number in reversed(range(task.windows))]


def cut(task: Task, frame: pd.DataFrame, steps: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows before the origin `steps` before the end, and those of its horizon."""
    left = from_end(frame)
    is_past = left > steps
    is_ahead = ~is_past & (left > steps - task.horizon)
    return frame[is_past].reset_index(drop=True), frame[is_ahead].reset_index(drop=True)

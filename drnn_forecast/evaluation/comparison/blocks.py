"""Which windows are forecast from which history: the blocks of folds that share one training."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pytorch_forecasting.data import TimeSeriesDataSet

from drnn_forecast.data import ForecastData, Splits, WindowPlan

logger = logging.getLogger("drnn_forecast.evaluation")

PARTS = ("validation", "test")


@dataclass(frozen=True, eq=False)
class Block:
    """Test windows that are forecast by one training, and the data up to the end of the last.

    `folds` has the fold of each test window of a series, in order of time. Of the validation
    windows the last `calibrating` calibrate intervals and do not stop the training; 0: nothing is
    calibrated, and all of them stop it. `whole` are the data before a sliding window cut them;
    None: nothing was cut.
    """

    data: ForecastData
    windows: WindowPlan
    folds: tuple[int, ...]
    calibrating: int = 0
    whole: ForecastData | None = None

    @property
    def fold_numbers(self) -> tuple[int, ...]:
        """The folds, each once."""
        return tuple(dict.fromkeys(self.folds))

    @cached_property
    def splits(self) -> Splits:
        """The datasets, made on first use; whatever is fitted is fitted on the training rows."""
        return self.data.split(
            horizon=self.windows.horizon,
            context_length=self.windows.context_length,
            min_context_length=self.windows.min_context_length,
            validation_windows=self.windows.validation,
            test_windows=self.windows.test,
            stride=self.windows.stride,
        )

    @cached_property
    def stopping(self) -> TimeSeriesDataSet:
        """The validation windows that stop the training: no target of theirs calibrates."""
        if not self.calibrating:
            return self.splits.validation
        overlapping = -(-self.windows.horizon // self.windows.stride) - 1
        others = min(self.calibrating + overlapping, self.windows.validation - 1)
        targets = self.targets["validation"]
        is_last = among_last(targets, others)[(targets["step"] == 1).to_numpy()]
        return self.splits.validation.filter(lambda index: ~is_last)

    @cached_property
    def without_marks(self) -> Block:
        """The same block, whose windows have lines in the place of what they mask."""
        if self.data.roles.missing != "mask":
            return self
        roles = replace(self.data.roles, missing="linear")
        return replace(self, data=replace(self.data, roles=roles))

    @cached_property
    def known(self) -> pd.DataFrame:
        """`series`, `time` and `actual` of everything observed up to the end of the block."""
        return observed(self.whole or self.data)

    @property
    def steps_tested(self) -> int:
        """Time steps from the first test target to the end of the series."""
        return (self.windows.test - 1) * self.windows.stride + self.windows.horizon

    @cached_property
    def targets(self) -> dict[str, pd.DataFrame]:
        """`fold`, `series`, `window`, `step`, `time` and `actual` of every target, by part.

        The validation windows all belong to the first fold.
        """
        folds = {"validation": self.folds[:1], "test": self.folds}
        return {
            part: _targets(self.data, getattr(self.splits, part), folds[part]) for part in PARTS
        }


def shortest_window(windows: WindowPlan) -> int:
    """Return the fewest time steps of history that a training and its validation need."""
    return replace(windows, test=0).shortest_series


def series_that_hold(
    data: ForecastData,
    windows: WindowPlan,
    count: str,
    *,
    drop_short: bool,
    window_length: int | None = None,
) -> ForecastData:
    """Return the data of the series that hold all windows; `drop_short` leaves the others out.

    `count` is the argument that says how many test windows there are, `window_length` the time
    steps of history that a training has; None: all.
    """
    needed = _needed(windows, window_length)
    is_long = _by_series(data)[data.roles.time].transform("size") >= needed
    if is_long.all():
        return data
    if not drop_short or not is_long.any():
        raise ValueError(_too_short(data, windows, count, window_length))
    kept = replace(data, history=data.history[is_long].reset_index(drop=True))
    dropped = len(data.series_names) - len(kept.series_names)
    logger.warning("Left out %d series with fewer than %d time steps.", dropped, needed)
    return kept


def backtest_blocks(
    data: ForecastData,
    windows: WindowPlan,
    per_training: int,
    window_length: int | None,
    calibrating: int = 0,
) -> Iterator[Block]:
    """Return the blocks of a backtest in order of time, `per_training` folds each."""
    for first in range(0, windows.test, per_training):
        folds = tuple(range(first, min(first + per_training, windows.test)))
        own = replace(windows, test=len(folds))
        # Without any row after the targets of these folds.
        past = data.before((windows.test - 1 - folds[-1]) * windows.stride)
        history = past.history
        if window_length is not None:
            rows = window_length + own.steps_after_validation
            history = _by_series(past).tail(rows).reset_index(drop=True)
        own_data = replace(past, history=history, future=past.future.iloc[:0])
        yield Block(own_data, own, folds, calibrating, past)


def observed(data: ForecastData) -> pd.DataFrame:
    """Return `series`, `time` and `actual` of every row, not a number where a gap was filled."""
    return plainly_named(_observations(data), data)[["series", "time", "actual"]]


def _observations(data: ForecastData) -> pd.DataFrame:
    """Return the history's columns of series, time and target, as far as it was observed."""
    keys = data.history[list(data.roles.keys)]
    return keys.assign(**{data.roles.target: data.observed_target})


def plainly_named(frame: pd.DataFrame, data: ForecastData) -> pd.DataFrame:
    """Return the frame with its roles as column names: `series`, `time` and `actual`."""
    roles = data.roles
    names = {roles.time: "time", roles.target: "actual"}
    others = frame.drop(columns=list(roles.series_columns))
    return others.rename(columns=names).assign(series=data.series_of(frame))


def among_last(targets: pd.DataFrame, count: int) -> NDArray[np.bool_]:
    """Return for each row whether its window is among the last `count` of its series."""
    starts = targets.drop_duplicates("window")  # a first step may lack its actual
    age = starts.groupby("series", observed=True)["time"].rank(ascending=False)
    of_window = pd.Series((age <= count).to_numpy(), index=starts["window"])
    is_last: NDArray[np.bool_] = targets["window"].map(of_window).to_numpy(bool)
    return is_last


def window_series(targets: pd.DataFrame) -> NDArray[Any]:
    """Return the series of every window, `(windows,)`."""
    series: NDArray[Any] = targets.loc[targets["step"] == 1, "series"].to_numpy()
    return series


def _targets(
    data: ForecastData, dataset: TimeSeriesDataSet, folds: tuple[int, ...]
) -> pd.DataFrame:
    """Return what identifies every target of a dataset, in its order, and what came."""
    keys, steps = list(data.roles.keys), dataset.max_prediction_length
    rows = data.target_rows(dataset)
    # The merge keeps the order of the left side, and the history has every target.
    rows = plainly_named(rows.merge(_observations(data), on=keys, how="left"), data)
    windows = len(rows) // steps
    first = rows.iloc[::steps]
    rank = first.groupby("series", observed=True)["time"].rank().to_numpy(int) - 1
    of_rank = np.resize(np.asarray(folds), rank.max() + 1)
    return pd.DataFrame(
        {
            "fold": np.repeat(of_rank[rank], steps),
            "series": rows["series"],
            "window": np.repeat(np.arange(windows), steps),
            "step": np.tile(np.arange(1, steps + 1), windows),
            "time": rows["time"],
            "actual": rows["actual"].to_numpy(np.float32),
        }
    )


def _by_series(data: ForecastData) -> Any:
    """Return the history grouped by series."""
    return data.history.groupby(data.series_of(data.history), sort=False, observed=True)


def _needed(windows: WindowPlan, window_length: int | None) -> int:
    """Return the time steps that all windows need of every series."""
    own_length = 0 if window_length is None else window_length + windows.steps_after_validation
    return max(windows.shortest_series, own_length)


def _too_short(
    data: ForecastData, windows: WindowPlan, count: str, window_length: int | None
) -> str:
    """Return what is wrong where a series does not hold the windows."""
    sizes = _by_series(data).size().to_numpy()
    place = int(sizes.argmin())
    shortest = f"the shortest, {data.series_names[place]!r}, has {sizes[place]}"
    remedy = "or leave out short series with `drop_short`."
    one = _needed(replace(windows, test=1), window_length)
    possible = 1 + (int(sizes[place]) - one) // windows.stride
    if possible < 1:
        window = f" and a window of {window_length}" if window_length else ""
        return (
            f"Every series needs at least {one} time steps for one test window: a context of "
            f"{windows.min_context_length}, a horizon of {windows.horizon}, {windows.validation} "
            f"validation windows{window}; {shortest}. Lower `min_context_length` (by default "
            f"`context_length`), `horizon` or `validation_windows`, {remedy}"
        )
    return (
        f"`{count}` must be at most {possible} with {windows.stride} time steps between them and "
        f"{one} for the first one, got {windows.test}; {shortest}. Lower `{count}`, their "
        f"distance, `min_context_length` (by default `context_length`) or `validation_windows`, "
        f"{remedy}"
    )

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

from drnn_forecast.data import ForecastData, Splits, Windows

logger = logging.getLogger("drnn_forecast.evaluation")

PARTS = ("validation", "test")


@dataclass(frozen=True, eq=False)
class Block:
    """Test windows that are forecast by one training, made from the history before them.

    Attributes:
        data: The series up to the end of the last test window.
        windows: Lengths and numbers of the windows.
        folds: The fold of each test window of a series, in order of time.
    """

    data: ForecastData
    windows: Windows
    folds: tuple[int, ...]

    @property
    def fold_numbers(self) -> tuple[int, ...]:
        """The folds, each once."""
        return tuple(dict.fromkeys(self.folds))

    @cached_property
    def splits(self) -> Splits:
        """The datasets, made on first use; whatever is fitted is fitted on the training rows.

        Raises:
            ValueError: A series is too short, or a held-out window overlaps training.
        """
        splits = self.data.split(
            horizon=self.windows.horizon,
            context_length=self.windows.context_length,
            validation_windows=self.windows.validation,
            test_windows=self.windows.test,
            stride=self.windows.stride,
        )
        check_apart(splits)
        return splits

    @cached_property
    def history(self) -> pd.DataFrame:
        """`series`, `time` and `actual` before the first validation target."""
        return plain(self.data.before(self.windows.steps_after_training).history, self.data)

    def targets(self, part: str) -> pd.DataFrame:
        """Return `fold`, `series`, `window`, `step`, `time` and `actual` of every held-out target.

        Args:
            part: `"validation"`, whose windows all belong to the first fold, or `"test"`.
        """
        return self._targets[part]

    @cached_property
    def _targets(self) -> dict[str, pd.DataFrame]:
        folds = {"validation": self.folds[:1], "test": self.folds}
        return {
            part: _targets(self.data, getattr(self.splits, part), folds[part]) for part in PARTS
        }


def comparison_block(data: ForecastData, windows: Windows, *, drop_short: bool) -> Block:
    """Return the one block of a comparison: all test windows are fold 0.

    Raises:
        ValueError: A series does not hold the windows.
    """
    kept = _kept(data, windows.shortest_series, drop_short=drop_short)
    if kept is None:
        needed = windows.shortest_series
        raise ValueError(
            f"Every series needs at least {needed} time steps for a context of "
            f"{windows.context_length}, a horizon of {windows.horizon}, {windows.validation} "
            f"validation and {windows.test} test windows; {_shortest(data)}. Lower one of them, "
            "or leave out short series with `drop_short`."
        )
    return Block(kept, windows, (0,) * windows.test)


def shortest_window(windows: Windows) -> int:
    """Return the fewest time steps of history that a training and its validation need."""
    validation = (windows.validation - 1) * windows.stride + windows.horizon
    return windows.context_length + windows.horizon + validation


def holding(
    data: ForecastData, windows: Windows, window_length: int | None, *, drop_short: bool
) -> ForecastData:
    """Return the series that hold all folds of a backtest.

    Args:
        data: The series.
        windows: Of the whole backtest, `test` being the number of folds.
        window_length: Time steps of history that a training has; None: all.
        drop_short: Whether to leave out the others.

    Raises:
        ValueError: A series does not hold them, and is not to be left out; or none does.
    """
    kept = _kept(data, _needed(windows, window_length), drop_short=drop_short)
    if kept is None:
        raise ValueError(_too_many_folds(data, windows, window_length))
    return kept


def backtest_blocks(
    data: ForecastData, windows: Windows, per_training: int, window_length: int | None
) -> Iterator[Block]:
    """Return the blocks of a backtest in order of time, `per_training` folds each.

    Args:
        data: Series that hold all folds.
        windows: See `holding`.
        per_training: Folds that share a training.
        window_length: See `holding`.
    """
    for first in range(0, windows.test, per_training):
        folds = tuple(range(first, min(first + per_training, windows.test)))
        yield _backtest_block(data, windows, folds, window_length)


def _backtest_block(
    data: ForecastData, windows: Windows, folds: tuple[int, ...], window_length: int | None
) -> Block:
    """Return the block of some neighbouring folds, without any row after their targets."""
    own = replace(windows, test=len(folds))
    past = data.before((windows.test - 1 - folds[-1]) * windows.stride)
    history = past.history
    if window_length is not None:
        rows = window_length + own.steps_after_validation
        history = _by_series(past).tail(rows).reset_index(drop=True)
    return Block(replace(past, history=history, future=past.future.iloc[:0]), own, folds)


def check_apart(splits: Splits) -> None:
    """Raise where targets of training, validation and test do not follow one another in time.

    Raises:
        ValueError: In some series they overlap.
    """
    ends = _ends(splits.training, "time_idx_last", "max")
    for part in PARTS:
        dataset = getattr(splits, part)
        starts = _ends(dataset, "time_idx_first_prediction", "min")
        overlap = starts[starts <= ends.reindex(starts.index, fill_value=-1)]
        if len(overlap):
            raise ValueError(
                f"The {part} windows must lie after everything that was learned from, but in "
                f"series {overlap.index[0]!r} they overlap it; {len(overlap)} series in all. "
                "Make the datasets with `ForecastData.split`."
            )
        ends = _ends(dataset, "time_idx_last", "max")


def observed(data: ForecastData) -> pd.DataFrame:
    """Return `series`, `time` and `actual` of every observation."""
    return plain(data.history, data)[["series", "time", "actual"]]


def plain(frame: pd.DataFrame, data: ForecastData) -> pd.DataFrame:
    """Return the frame with its roles as column names: `series`, `time` and `actual`."""
    roles = data.roles
    names = {roles.time: "time", roles.target: "actual"}
    if roles.series is None:
        return frame.rename(columns=names).assign(series=data.series_names[0])
    return frame.rename(columns={**names, roles.series: "series"})


def _targets(
    data: ForecastData, dataset: TimeSeriesDataSet, folds: tuple[int, ...]
) -> pd.DataFrame:
    """Return what identifies every target of a dataset, in its order, and what came."""
    keys, steps = list(data.roles.keys), dataset.max_prediction_length
    rows = data.target_rows(dataset)
    # The merge keeps the order of the left side, and every target was observed.
    rows = plain(rows.merge(data.history[[*keys, data.roles.target]], on=keys, how="left"), data)
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


def window_series(targets: pd.DataFrame) -> NDArray[Any]:
    """Return the series of every window, `(windows,)`."""
    return targets.loc[targets["step"] == 1, "series"].to_numpy()


def _ends(dataset: TimeSeriesDataSet, column: str, which: str) -> pd.Series:
    """Return the first or last time index of a column of the dataset's windows, by series."""
    index = dataset.decoded_index
    return index.groupby(dataset.group_ids[0], observed=True)[column].agg(which)


def _by_series(data: ForecastData) -> Any:
    """Return the history grouped by series."""
    series = data.roles.series
    keys = np.zeros(len(data.history)) if series is None else data.history[series]
    return data.history.groupby(keys, sort=False, observed=True)


def _kept(data: ForecastData, needed: int, *, drop_short: bool) -> ForecastData | None:
    """Return the data of the series that are long enough; None where that is not to be had."""
    sizes = _by_series(data)[data.roles.time].transform("size")
    is_long = sizes >= needed
    if is_long.all():
        return data
    if not drop_short or not is_long.any():
        return None
    kept = replace(data, history=data.history[is_long].reset_index(drop=True))
    logger.warning(
        "Left out %d series with fewer than %d time steps.",
        len(data.series_names) - len(kept.series_names),
        needed,
    )
    return kept


def _needed(windows: Windows, window_length: int | None) -> int:
    """Return the time steps that a backtest needs of every series."""
    own_length = 0 if window_length is None else window_length + windows.steps_after_validation
    return max(windows.shortest_series, own_length)


def _too_many_folds(data: ForecastData, windows: Windows, window_length: int | None) -> str:
    """Return what is wrong where a series does not hold the folds."""
    one = _needed(replace(windows, test=1), window_length)
    possible = 1 + (int(_by_series(data).size().min()) - one) // windows.stride
    if possible < 1:
        return (
            f"A backtest needs at least {one} time steps of every series for one fold: a context "
            f"of {windows.context_length}, a horizon of {windows.horizon}, {windows.validation} "
            f"validation windows{f' and a window of {window_length}' if window_length else ''}; "
            f"{_shortest(data)}. Lower one of them, or leave out short series with `drop_short`."
        )
    return (
        f"`folds` must be at most {possible} with {windows.stride} time steps between folds and "
        f"{one} for the first one, got {windows.test}; {_shortest(data)}. Lower `folds`, `step`, "
        "`context_length` or `validation_windows`, or leave out short series with `drop_short`."
    )


def _shortest(data: ForecastData) -> str:
    """Return which series is the shortest, in words."""
    sizes = _by_series(data).size().to_numpy()
    shortest = int(sizes.argmin())
    return f"the shortest, {data.series_names[shortest]!r}, has {sizes[shortest]}"

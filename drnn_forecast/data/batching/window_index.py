"""Which windows a frame holds: their first and last data rows, in compact arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

IntArray = npt.NDArray[np.integer]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SeriesRows:
    """The first and last data row of every series, `(series,)` each, in the sorted data."""

    first: IntArray
    last: IntArray
    sequence_id: IntArray  # numbers in the order of the encoded group ids

    @classmethod
    def from_groups(cls, groups: pd.DataFrame) -> SeriesRows:
        """Return the runs of equal encoded group ids, `groups` having one row per data row."""
        changes = np.zeros(len(groups), dtype=bool)
        changes[:1] = True
        for name in groups.columns:
            ids = groups[name].to_numpy()
            changes[1:] |= ids[1:] != ids[:-1]
        first = np.flatnonzero(changes)
        last = np.append(first[1:], len(groups)) - 1
        keys = groups.iloc[first]
        sequence_id = keys.groupby(list(groups.columns), observed=True).ngroup().to_numpy()
        return cls(first=first, last=last, sequence_id=sequence_id)

    @property
    def is_contiguous(self) -> bool:
        """Whether the rows of each series lie together."""
        return len(np.unique(self.sequence_id)) == len(self.first)

    def find(self, rows: IntArray) -> IntArray:
        """Return the position of the series that holds each data row, shape of `rows`."""
        return np.searchsorted(self.first, rows, side="right") - 1


@dataclass(frozen=True)
class WindowRule:
    """What makes a stretch of a series a window; encoder plus decoder, in time steps."""

    min_length: int
    max_length: int
    min_last_time: int  # earliest time index that a window may end on
    is_predicting: bool  # keep one window per series, the longest that reaches the end


@dataclass(frozen=True)
class WindowIndex:
    """First and last data row of every window, both inclusive, each `(windows,)`."""

    first_row: IntArray
    last_row: IntArray

    def __len__(self) -> int:
        return len(self.first_row)

    @property
    def longest(self) -> WindowIndex:
        """The windows that begin first of those that end at one row, in the order of the rows."""
        order = np.lexsort((self.first_row, self.last_row))
        first, last = self.first_row[order], self.last_row[order]
        is_first = np.append(True, last[1:] != last[:-1])[: len(last)]
        return WindowIndex(first_row=first[is_first], last_row=last[is_first])

    def marked(self, mask: BoolArray) -> WindowIndex:
        """Return the windows where `mask` is true."""
        return WindowIndex(first_row=self.first_row[mask], last_row=self.last_row[mask])

    def to_frame(self, time: IntArray, series: SeriesRows) -> pd.DataFrame:
        """Return pytorch-forecasting's index: a row per window, every column an int32."""
        start_time = time[self.first_row]
        columns = {
            "index_start": self.first_row,
            "index_end": self.last_row,
            "sequence_length": time[self.last_row] - start_time + 1,
            "time": start_time,
            "sequence_id": series.sequence_id[series.find(self.first_row)],
        }
        return pd.DataFrame({name: values.astype(np.int32) for name, values in columns.items()})


def step_lengths(time: IntArray, series: SeriesRows) -> IntArray:
    """Return the time steps from each data row to the next, `(rows - 1,)`; 1 between series."""
    steps = np.diff(time)
    steps[series.first[1:] - 1] = 1
    return steps


def find_windows(
    time: IntArray, steps: IntArray, series: SeriesRows, rule: WindowRule
) -> WindowIndex:
    """Return every window of the data, in pytorch-forecasting's order.

    First come the longest windows that begin at each row, in the order of the rows; after them
    the windows that end at a row where no longest window ends (the growing ones at the beginning
    of a series, or after a gap).

    `time` is the index of every data row, increasing within a series, `steps` its `step_lengths`.
    """
    longest = _find_longest(time, steps, series, rule)
    every_row = np.arange(len(time), dtype=longest.dtype)
    kept = [
        _keep(time, series, rule, first, last)
        for first, last in [(every_row, longest), _find_growing(time, longest, series, rule)]
    ]
    first_row = np.concatenate([first for first, _ in kept])
    last_row = np.concatenate([last for _, last in kept])
    if rule.is_predicting:
        length = time[last_row] - time[first_row]
        sequence_id = series.sequence_id[series.find(first_row)]
        order = np.lexsort((np.arange(len(length)), -length, sequence_id))
        is_longest = np.ones(len(order), dtype=bool)
        is_longest[1:] = np.diff(sequence_id[order]) != 0
        chosen = order[is_longest]
        first_row, last_row = first_row[chosen], last_row[chosen]
    return WindowIndex(first_row=first_row, last_row=last_row)


def _find_longest(
    time: IntArray, steps: IntArray, series: SeriesRows, rule: WindowRule
) -> npt.NDArray[Any]:
    """Return the last row of the longest window that begins at each row, `(rows,)`."""
    dtype = np.int32 if len(time) <= np.iinfo(np.int32).max // 2 else np.int64
    series_end = np.repeat(series.last.astype(dtype), series.last - series.first + 1)
    reach: npt.NDArray[Any]
    if (steps == 1).all():
        reach = np.arange(len(time), dtype=dtype) + min(rule.max_length - 1, len(time))
    else:
        # One clock over all series: each continues one step after the series before it.
        clock = np.concatenate([[0], np.cumsum(steps, dtype=np.int64)])
        reach = np.searchsorted(clock, clock + rule.max_length - 1, side="right").astype(dtype) - 1
    return np.minimum(reach, series_end)


def _find_growing(
    time: IntArray, longest: IntArray, series: SeriesRows, rule: WindowRule
) -> tuple[IntArray, IntArray]:
    """Return first and last row of the windows that end where none of the longest is complete.

    A scan with two ends would close a window at its last row when it is exactly full there, and
    at the row after it when a gap makes it overshoot. At a row where it closes nothing, it notes
    the window from the oldest row still open. Both follow from counting, without the scan.
    """
    is_series_end = np.zeros(len(time), dtype=bool)
    is_series_end[series.last] = True
    is_short = time[longest] - time < rule.max_length - 1
    overshoots: BoolArray = is_short & ~is_series_end[longest]
    closed = np.bincount(longest + overshoots.astype(longest.dtype), minlength=len(longest))
    oldest_open = np.cumsum(closed) - closed
    last_row = np.flatnonzero(closed == 0)
    return oldest_open[last_row].astype(longest.dtype), last_row.astype(longest.dtype)


def _keep(
    time: IntArray, series: SeriesRows, rule: WindowRule, first_row: IntArray, last_row: IntArray
) -> tuple[IntArray, IntArray]:
    """Return the windows that are long enough and end late enough."""
    last_time = time[last_row]
    is_long = last_time - time[first_row] + 1 >= rule.min_length
    is_kept = is_long & (last_time >= rule.min_last_time)
    if rule.is_predicting:
        end_time = time[series.last[series.find(first_row)]]
        is_kept &= end_time - time[first_row] + 1 <= rule.max_length
    return first_row[is_kept], last_row[is_kept]

"""The rows of a history, numbered by series and by time step."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data.frames.axes import Times, as_given
from drnn_forecast.data.frames.frequency import Grid, Stamps
from drnn_forecast.data.frames.kinds import as_numbers, as_text, is_real, labels_of
from drnn_forecast.data.frames.places import shown
from drnn_forecast.data.frames.roles import Roles
from drnn_forecast.data.frames.rows import Rows, carried, joined_labels


@dataclass(frozen=True, eq=False)
class Panel:
    """A history whose series are sorted, complete on one grid and told apart by a code."""

    rows: Rows
    roles: Roles
    labelled: frozenset[str] = frozenset()  # covariates whose numbers are labels, as in training
    ahead: Stamps | None = None  # given ones after the history, which a trading calendar follows

    @cached_property
    def grid(self) -> Grid:
        """The grid that starts at the earliest stamp of all series."""
        if self.roles.freq is None:
            raise ValueError("`roles.freq` must be given; `ForecastData.from_frame` derives it.")
        return Grid.of(self.rows.times, self.roles.freq, self.ahead)

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """The position of each row on the grid (time steps)."""
        return self.grid.positions(self.rows.times)

    def times_at(self, positions: NDArray[np.int64]) -> Times:
        """Return the time at each position in the form that the frame has: stamps or another."""
        return as_given(self.grid.column(positions), self.rows[self.roles.time].dtype)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """The number of rows of each series."""
        return np.bincount(self.rows.codes)

    @cached_property
    def last_rows(self) -> NDArray[np.int64]:
        """The row number of each series' last observation."""
        return np.cumsum(self.sizes) - 1

    @cached_property
    def steps_to_end(self) -> NDArray[np.int64]:
        """How many time steps each row is before the last observation of its series."""
        return self.last_rows[self.rows.codes] - np.arange(len(self.rows.codes))

    @cached_property
    def names(self) -> tuple[Hashable, ...]:
        """The name of each series, as it stands in the frame."""
        return tuple(self.rows.names.tolist())

    @cached_property
    def countries(self) -> tuple[str, ...]:
        """The code of each series' country, where holidays are features."""
        column = self.roles.holiday_column
        if column is None:
            return (str(self.roles.holidays),) * len(self.names)
        return tuple(as_text(self.rows[column].array[self.last_rows]).tolist())

    @cached_property
    def labels(self) -> NDArray[np.object_]:
        """The name of each series as datasets hold it: text."""
        return labels_of(self.rows.names)

    @cached_property
    def lacks_values(self) -> bool:
        """Whether the target or a covariate of numbers is empty in some row."""
        reals = [name for name in self.roles.covariates if self.is_real(name)]
        return any(bool(self.rows[name].hasnans) for name in (self.roles.target, *reals))

    @cached_property
    def is_missing(self) -> NDArray[np.bool_]:
        """In which rows the target is missing."""
        return np.isnan(as_numbers(self.rows[self.roles.target]))

    def up_to_last_targets(self) -> Panel:
        """Return the history without the rows after each series' last known target."""
        known = np.flatnonzero(~self.is_missing)
        last = np.zeros(len(self.sizes), dtype=np.int64)
        np.maximum.at(last, self.rows.codes[known], known)
        is_past = np.arange(len(self.rows.codes)) <= last[self.rows.codes]
        return self if is_past.all() else replace(self, rows=self.rows.marked(is_past))

    @cached_property
    def before(self) -> NDArray[np.float64]:
        """The last known target of each row's series up to the row; before any, the first one."""
        codes, values = self.rows.codes, as_numbers(self.rows[self.roles.target])
        known = carried(values, codes)
        return np.where(np.isnan(known), carried(values[::-1], codes[::-1])[::-1], known)

    def is_real(self, covariate: str) -> bool:
        """Whether the values of a covariate are numbers."""
        return covariate not in self.labelled and is_real(self.rows[covariate])

    def code_of(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """Return the code of the series of each row; -1 where the history lacks it."""
        if self.roles.series is None:
            return np.zeros(len(rows), dtype=np.int64)
        columns = [rows[name] for name in self.roles.series_columns]
        labels = [as_text(column) for column in columns]
        given = pd.Index(labels[0] if len(labels) == 1 else joined_labels(labels))
        codes: NDArray[np.int64] = pd.Index(self.labels).get_indexer(given)
        is_empty = np.any([column.isna() for column in columns], axis=0)
        return np.where(is_empty, -1, codes)

    def keys_of(self, codes: NDArray[np.int64]) -> dict[str, Any]:
        """Return the columns that name the series of each code, as they stand in the frame."""
        rows = self.last_rows[codes]
        return {name: self.rows[name].array[rows] for name in self.roles.series_columns}

    def describe_sizes(self, mask: NDArray[np.bool_]) -> str:
        """Return the marked series with their numbers of rows, for a message."""
        marked = [
            f"{shown(self.names[code])} ({self.sizes[code]} rows)" for code in np.flatnonzero(mask)
        ]
        more = f" and {len(marked) - 5} more" if len(marked) > 5 else ""
        return ", ".join(marked[:5]) + more

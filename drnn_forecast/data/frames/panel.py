"""The rows of a history, numbered by series and by time step."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data.frames.frequency import Grid
from drnn_forecast.data.frames.kinds import as_text, is_real, labels_of
from drnn_forecast.data.frames.places import shown
from drnn_forecast.data.frames.roles import FILLED, Roles
from drnn_forecast.data.frames.rows import Rows


@dataclass(frozen=True, eq=False)
class Panel:
    """A history whose series are sorted, complete on one grid and told apart by a code."""

    rows: Rows
    roles: Roles
    labelled: frozenset[str] = frozenset()  # covariates whose numbers are labels, as in training

    @cached_property
    def grid(self) -> Grid:
        """The grid that starts at the earliest stamp of all series."""
        if self.roles.freq is None:
            raise ValueError("`roles.freq` must be given; `ForecastData.from_frame` derives it.")
        return Grid.of(self.rows.times, self.roles.freq)

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """The position of each row on the grid (time steps)."""
        return self.grid.positions(self.rows.times)

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
    def is_filled(self) -> NDArray[np.bool_]:
        """Which rows were missing: their values are no observations."""
        if FILLED not in self.rows.frame:
            return np.zeros(len(self.rows.codes), dtype=bool)
        marks: NDArray[np.bool_]
        marks = self.rows[FILLED].eq(True).to_numpy(dtype=bool, na_value=False)
        return marks

    def is_real(self, covariate: str) -> bool:
        """Whether the values of a covariate are numbers."""
        return covariate not in self.labelled and is_real(self.rows[covariate])

    def code_of(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """Return the code of the series of each row; -1 where the history lacks it."""
        if self.roles.series is None:
            return np.zeros(len(rows), dtype=np.int64)
        given = pd.Index(as_text(rows[self.roles.series]))
        codes: NDArray[np.int64] = pd.Index(self.labels).get_indexer(given)
        return np.where(rows[self.roles.series].isna(), -1, codes)

    def describe_sizes(self, mask: NDArray[np.bool_]) -> str:
        """Return the marked series with their numbers of rows, for a message."""
        marked = [
            f"{shown(self.names[code])} ({self.sizes[code]} rows)" for code in np.flatnonzero(mask)
        ]
        more = f" and {len(marked) - 5} more" if len(marked) > 5 else ""
        return ", ".join(marked[:5]) + more

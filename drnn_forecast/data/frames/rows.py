"""Rows of a frame, numbered by series, whose keys and columns are taken out once."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from pandas.api.extensions import ExtensionArray

from drnn_forecast.data.frames.kinds import stamps_of
from drnn_forecast.data.frames.roles import ONLY_SERIES, Roles

Names: TypeAlias = NDArray[Any] | ExtensionArray


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a frame, with the series and the stamp of each; a column is read by its name."""

    frame: pd.DataFrame  # with whatever index
    codes: NDArray[np.int64]  # of each row's series, in order of appearance
    names: Names  # of each series
    times: pd.arrays.DatetimeArray
    _columns: dict[str, pd.Series] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, frame: pd.DataFrame, roles: Roles) -> "Rows":
        """Return the rows of a frame whose time column holds time stamps."""
        return cls(frame, *factorized(frame, roles), stamps_of(frame[roles.time]))

    def __getitem__(self, column: str) -> pd.Series:
        """Return a column of the frame, which takes pandas its time, once."""
        if column not in self._columns:
            self._columns[column] = self.frame[column]
        return self._columns[column]

    def marked(self, mask: NDArray[np.bool_]) -> "Rows":
        """Return the rows where `mask` is true, at least one in every series."""
        return Rows(self.frame[mask], self.codes[mask], self.names, self.times[mask])


def factorized(frame: pd.DataFrame, roles: Roles) -> tuple[NDArray[np.int64], Names]:
    """Return the number of each row's series, -1 where it is empty, and the name of each."""
    if roles.series is None:
        return np.zeros(len(frame), dtype=np.int64), np.array([ONLY_SERIES], dtype=object)
    column = frame[roles.series]
    # Text is told apart faster as Python's objects than as Arrow's.
    values = column.to_numpy() if types.is_string_dtype(column.dtype) else column.array
    try:
        codes, names = pd.factorize(values)
    except (TypeError, NotImplementedError) as error:  # of pandas and of Arrow
        raise TypeError(
            f"Series column {roles.series!r} must hold names, got {column.iloc[0]!r}; make text of "
            "what is a list or a record."
        ) from error
    return codes.astype(np.int64), names


def carried(values: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the last known value of each row's series up to the row; not a number before any.

    Args:
        values: `(rows,)`, not a number where one is missing.
        codes: Of the series of each row, which lie together, `(rows,)`.
    """
    is_first = np.append(True, codes[1:] != codes[:-1])[: len(codes)]
    places = np.where(is_first | ~np.isnan(values), np.arange(len(values)), 0)
    result: NDArray[np.float64] = values[np.maximum.accumulate(places)]
    return result

"""Rows of a frame, numbered by series, whose keys and columns are taken out once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from pandas.api.extensions import ExtensionArray

from drnn_forecast.data.frames.kinds import labels_of, stamps_of
from drnn_forecast.data.frames.roles import JOINT, ONLY_SERIES, Roles

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
    """Return the number of each row's series, -1 where it is empty, and the name of each.

    Where several columns name a series together, it is called by their labels, joined.
    """
    if roles.series is None:
        return np.zeros(len(frame), dtype=np.int64), np.array([ONLY_SERIES], dtype=object)
    parts = [factorized_column(frame[column]) for column in roles.series_columns]
    if len(parts) == 1:
        return parts[0]
    codes = np.stack([own for own, _ in parts], axis=1)
    is_empty = (codes < 0).any(axis=1)
    sizes = [max(len(names), 1) for _, names in parts]
    flat = np.ravel_multi_index(codes.clip(min=0).T, sizes)
    numbers, kept = pd.factorize(flat[~is_empty])
    joint = np.full(len(frame), -1, dtype=np.int64)
    joint[~is_empty] = numbers
    places = np.unravel_index(kept, sizes)
    labels = [labels_of(names)[own] for (_, names), own in zip(parts, places, strict=True)]
    return joint, joined_labels(labels)


def factorized_column(column: pd.Series) -> tuple[NDArray[np.int64], Names]:
    """Return the number of each row's name in a column, -1 where it is empty, and the names."""
    # Text is told apart faster as Python's objects than as Arrow's.
    values = column.to_numpy() if types.is_string_dtype(column.dtype) else column.array
    try:
        codes, names = pd.factorize(values)
    except (TypeError, NotImplementedError) as error:  # of pandas and of Arrow
        raise TypeError(
            f"Series column {column.name!r} must hold names, got {column.iloc[0]!r}; make text of "
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


def joined_labels(labels: Sequence[NDArray[np.object_]]) -> NDArray[np.object_]:
    """Return the labels of some columns, joined row by row; others give others.

    Example:
        >>> joined_labels([np.array(["a", "b"]), np.array(["1", "2"])]).tolist()
        ['a/1', 'b/2']
    """
    escaped = [
        [text.replace("\\", "\\\\").replace(JOINT, "\\" + JOINT) for text in own] for own in labels
    ]
    return np.array([JOINT.join(parts) for parts in zip(*escaped, strict=True)], dtype=object)

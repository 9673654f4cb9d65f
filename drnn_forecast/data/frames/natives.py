"""Frames as they come: of other libraries, and with keys in their index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
from pandas.api import types

UNNAMED = "index"
"""The column that an index without a name becomes, as pandas has it."""


def as_pandas(frame: Any) -> Any:
    """Return a frame of any library that narwhals or Arrow knows as one of pandas.

    What is none is returned as it is.
    """
    if frame is None or isinstance(frame, pd.DataFrame):
        return frame
    own = eager(frame)
    if own is not None:
        return own.to_pandas()
    return pa.table(frame).to_pandas() if is_arrow(frame) else frame


def without_rows(frame: Any) -> Any:
    """Return what tells the library and the types of a frame, without its rows; None of pandas'."""
    if isinstance(frame, pd.DataFrame):
        return None
    own = eager(frame)
    if own is not None:
        return own.head(0).to_native()
    return pa.table(frame).slice(0, 0) if is_arrow(frame) else None


def in_form_of(result: pd.DataFrame, frame: Any, keys: Sequence[str]) -> Any:
    """Return a frame of pandas in the library of another one; keys have the types that they had."""
    if isinstance(frame, pd.DataFrame):
        return result
    own = eager(frame)
    if own is None and not is_arrow(frame):
        return result
    import narwhals.stable.v2 as nw

    table = pa.Table.from_pandas(result, preserve_index=False).replace_schema_metadata(None)
    if own is None:
        return table
    native = nw.from_arrow(table, backend=own.implementation)
    given = {key: own.schema[key] for key in keys if key in own.schema}
    return native.with_columns(
        nw.col(key).cast(dtype)
        for key, dtype in given.items()
        if dtype != native.schema[key] and dtype != nw.String
    ).to_native()


def eager(frame: Any) -> Any:
    """Return a frame of another library by the ways that all have, collected; None: it is none."""
    import narwhals.stable.v2 as nw

    own = nw.from_native(frame, pass_through=True)
    if isinstance(own, nw.LazyFrame):
        own = own.collect()
    return own if isinstance(own, nw.DataFrame) else None


def is_arrow(frame: Any) -> bool:
    """Return whether Arrow reads it as a table, which a single column is none of."""
    return hasattr(frame, "__arrow_c_stream__") and not hasattr(frame, "dtype")


def with_keys(frame: Any, columns: Iterable[str], time: str) -> Any:
    """Return a frame that has as columns what it has as levels of its index.

    An index of times without a name is the time column, unless there is one. Columns come first.
    """
    if not isinstance(frame, pd.DataFrame) or frame.columns.nlevels > 1:
        return frame
    lacking = [name for name in columns if name not in frame.columns]
    levels = [name for name in lacking if name in frame.index.names]
    if time in lacking and time not in levels and is_unnamed_time(frame.index):
        return frame.rename_axis(index=time).reset_index()
    return frame.reset_index(level=levels) if levels else frame


def time_of_index(frame: Any) -> str:
    """Return what the time of a frame is called whose index holds it.

    Raises:
        TypeError: It does not.
    """
    index = frame.index if isinstance(frame, pd.DataFrame | pd.Series) else pd.RangeIndex(0)
    for values in map(index.get_level_values, range(index.nlevels)):
        if types.is_datetime64_any_dtype(values.dtype) or isinstance(values.dtype, pd.PeriodDtype):
            return UNNAMED if values.name is None else str(values.name)
    raise TypeError(
        "`time` must name the column of times, got None, and the index of `frame` holds none; pass "
        "it."
    )


def is_unnamed_time(index: pd.Index) -> bool:
    """Return whether an index without a name holds times."""
    is_time = isinstance(index, pd.DatetimeIndex | pd.PeriodIndex)
    return is_time and index.name is None

"""What a column holds, numbers, categories or time stamps, and its values as such."""

import datetime
import decimal
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from pandas.api.extensions import ExtensionArray

Column: TypeAlias = pd.Series | ExtensionArray


def is_real(values: pd.Series) -> bool:
    """Whether a column holds numbers (truth values are categories)."""
    return bool(types.is_numeric_dtype(values.dtype)) and not types.is_bool_dtype(values.dtype)


def is_category(values: pd.Series) -> bool:
    """Whether a column holds text, categories or truth values."""
    if isinstance(values.dtype, pd.CategoricalDtype) or types.is_bool_dtype(values.dtype):
        return True
    # Of Arrow's dictionaries, pandas does not say what they hold.
    held = values.astype(object) if isinstance(values.dtype, pd.ArrowDtype) else values
    kind = types.infer_dtype(held, skipna=True)
    return kind in {"string", "boolean", "empty"}


def is_boxed(values: pd.Series) -> bool:
    """Whether a column holds Python's numbers, for which pandas has no type of numbers."""
    kinds = {"integer", "integer-na", "floating", "mixed-integer-float", "decimal"}
    is_object = types.is_object_dtype(values.dtype)
    return bool(is_object and types.infer_dtype(values, skipna=True) in kinds)


def is_foreign(values: pd.Series) -> bool:
    """Whether a column holds numbers that are none of numpy's."""
    is_extension = bool(types.is_extension_array_dtype(values.dtype))
    return is_boxed(values) or (is_real(values) and is_extension)


def with_numbers(frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Return a frame whose columns of Python's numbers have a type of numbers."""
    numbers = {name: _unboxed(frame[name]) for name in columns if is_boxed(frame[name])}
    return frame.assign(**numbers) if numbers else frame


def _unboxed(values: pd.Series) -> pd.Series:
    """Return a column of Python's numbers as one of pandas' own."""
    try:
        return values.astype(float)
    except OverflowError:
        raise ValueError(
            f"Column {values.name!r} must hold numbers below 1e308, but has one of more digits; "
            "correct it, or give the column in another unit."
        ) from None


def as_numbers(values: Column) -> NDArray[np.float64]:
    """Return numbers, not a number where a value is missing."""
    numbers: NDArray[np.float64] = values.to_numpy(np.float64, na_value=np.nan)
    return numbers


def whole_numbers(values: pd.Series) -> NDArray[np.int64]:
    """Return counted time steps as integers, whatever type they have.

    Raises:
        TypeError: They are no whole numbers.
    """
    is_counted = is_real(values) or is_boxed(values)
    numbers = as_numbers(values) if is_counted else np.array([np.nan])
    if not (numbers == np.floor(numbers)).all():
        raise TypeError(
            f"Time index {values.name!r} must count time steps in whole numbers, got dtype "
            f"{values.dtype}; number the steps, such as by `groupby(series).cumcount()`."
        )
    return numbers.astype(np.int64)


def wholes_of_text(values: pd.Series) -> pd.Series:
    """Return a column of text that is all whole numbers as numbers, any other as it is."""
    if not types.is_string_dtype(values.dtype) or values.isna().any():
        return values
    is_whole = values.str.fullmatch(r"[+-]?\d{1,18}").all()
    return values.astype(np.int64) if is_whole else values


def holds_only_text(values: pd.Series) -> bool:
    """Whether a column is one of pandas' own text, or of categories that are text."""
    if isinstance(values.dtype, pd.ArrowDtype):
        return False
    if isinstance(values.dtype, pd.CategoricalDtype):
        return bool(types.infer_dtype(values.cat.categories) == "string")
    return bool(types.infer_dtype(values, skipna=False) == "string")


def stamps_of(values: pd.Series) -> pd.arrays.DatetimeArray:
    """Return the stamps of a column of time stamps, which an index would take its time to hold.

    Of periods they are the first moments, of counted steps the seconds since 1970.
    """
    if isinstance(values.array, pd.arrays.DatetimeArray):
        return values.array
    if isinstance(values.dtype, pd.PeriodDtype):
        return pd.PeriodIndex(values).to_timestamp().array
    if types.is_integer_dtype(values.dtype):
        return pd.array(values.to_numpy(np.int64).astype("M8[s]"))
    return pd.DatetimeIndex(values).array


def as_text(values: Column) -> NDArray[np.object_]:
    """Return the values as text; equal values give equal text, whatever their type.

    A missing value is "nan", as pytorch-forecasting has it.
    """
    codes, categories = pd.factorize(values)
    texts: NDArray[np.object_] = np.append(labels_of(categories), "nan")[codes]
    return texts


def labels_of(values: Any) -> NDArray[np.object_]:
    """Return the label of each value."""
    return np.array([label(value) for value in np.asarray(values)], dtype=object)


def label(value: Any) -> str:
    """Return a value as text, in which 1, 1.0 and "1" are one, and a date is a stamp at midnight.

    Example:
        >>> [label(value) for value in (1, 1.0, "1", 1.5, True, datetime.date(2024, 5, 1))]
        ['1', '1', '1', '1.5', 'True', '2024-05-01']
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.datetime64 | datetime.datetime):
        stamp = pd.Timestamp(value)
        is_date = stamp.tz is None and stamp == stamp.normalize()
        return str(stamp.date() if is_date else stamp)
    if isinstance(value, decimal.Decimal) and value.is_finite() and value != int(value):
        return str(float(value))
    if isinstance(value, float | np.floating | decimal.Decimal) and np.isfinite(float(value)):
        return str(int(value)) if value == int(value) else str(value)
    return str(value)

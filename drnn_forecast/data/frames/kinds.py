"""What a column holds, numbers, categories or time stamps, and its values as such."""

from typing import TypeAlias

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
    kind = types.infer_dtype(values, skipna=True)
    return kind in {"string", "boolean", "empty"}


def as_numbers(values: pd.Series) -> NDArray[np.float64]:
    """Return numbers, not a number where a value is missing."""
    numbers: NDArray[np.float64] = values.to_numpy(np.float64, na_value=np.nan)
    return numbers


def stamps_of(values: pd.Series) -> pd.arrays.DatetimeArray:
    """Return the stamps of a column of time stamps, which an index would take its time to hold."""
    if isinstance(values.array, pd.arrays.DatetimeArray):
        return values.array
    return pd.DatetimeIndex(values).array


def as_text(values: Column) -> NDArray[np.object_]:
    """Return the values as text; equal values give equal text."""
    codes, categories = pd.factorize(values)
    texts: NDArray[np.object_] = np.array([str(own) for own in categories], dtype=object)[codes]
    return texts

"""How a column that holds no time stamps becomes one that does, in Python that a user can copy."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

YEARS = range(1800, 2200)
"""Years that the first digits of a date may be."""

FORMATS = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Of dates without separators, by the number of digits."""

UNITS = {"s": range(9, 11), "ms": range(12, 14), "us": range(15, 17), "ns": range(18, 20)}
"""Digits of the time since 1970, in each unit."""

TEXTS = {
    r"\d{4}-?Q[1-4]": "pd.PeriodIndex({}, freq='Q').to_timestamp()",
    r"\d{4}M\d{1,2}": "pd.to_datetime({}, format='%YM%m')",
    r"\d{4}-W\d{2}": "pd.to_datetime({} + '-1', format='%G-W%V-%u')",
}
"""Periods as text, and what makes time stamps of a column of them."""


def how_to_convert(values: pd.Series, frame: str) -> str:
    """Return what to do about a time column; `frame` is what its frame is called."""
    column = f"{frame}[{values.name!r}]"
    kind = pd.api.types.infer_dtype(values)
    if kind == "period":
        return f"convert it with `pd.PeriodIndex({column}).to_timestamp()`"
    if kind == "boolean":
        return "give another column as `time`"
    for pattern, expression in TEXTS.items():
        if kind == "string" and values.dropna().str.fullmatch(pattern).all():
            return f"convert it with `{expression.format(column)}`"
    numbers = pd.to_numeric(values, errors="coerce")[values.notna()].to_numpy(np.float64)
    if len(numbers) == 0 or np.isnan(numbers).any():
        return f"convert it with `pd.to_datetime({column}, format=...)`"
    if values.dtype.kind == "O":
        column = f"pd.to_numeric({column})"
    return from_numbers(numbers, values, column)


def from_numbers(numbers: NDArray[np.float64], values: pd.Series, column: str) -> str:
    """Return what makes time stamps of numbers, which the expression `column` has.

    Digits are dates (`202401`, `20240131`) or the time since 1970; other numbers count steps.
    """
    text = pd.Series(numbers).map("{:.0f}".format)
    is_whole = bool((numbers % 1 == 0).all())
    for digits, form in FORMATS.items():
        if is_whole and (text.str.len() == digits).all() and is_dates(text, form):
            is_plain = values.dtype.kind in "iu" and not values.hasnans
            plain = "str)" if is_plain else "'Int64').astype('string')"
            return f"convert it with `pd.to_datetime({column}.astype({plain}, format={form!r})`"
    for unit, lengths in UNITS.items():
        if text.str.len().isin(lengths).all():
            return f"convert it with `pd.to_datetime({column}, unit={unit!r})`"
    return (
        f"convert it with `pd.Timestamp('2024-01-01') + pd.to_timedelta({column}, unit='D')`, and "
        "the time of number 0 and the length of a step in place of these"
    )


def is_dates(text: pd.Series, form: str) -> bool:
    """Return whether all text of digits is dates of a form, in years that are likely."""
    years = text.str[:4].astype(int)
    dates = pd.to_datetime(text, format=form, errors="coerce")
    return bool(years.isin(YEARS).all() and dates.notna().all())

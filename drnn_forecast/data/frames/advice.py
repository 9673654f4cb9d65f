"""What numbers are dates, and how a column that holds no time stamps becomes one that does."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

YEARS = range(1800, 2200)
"""Years that the first digits of a date may be."""

FORMATS = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Of dates without separators, by the number of digits."""

UNITS = {"s": range(9, 11), "ms": range(12, 14), "us": range(15, 17), "ns": range(18, 20)}
"""Digits of the time since 1970, in each unit."""

YEARS_ALONE = FORMATS[4]
"""The form of years, which count steps as well."""

UNITS_IN_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def form_of_numbers(numbers: NDArray[np.float64]) -> str | None:
    """Return the form of dates that whole numbers are, or their unit since 1970; None: neither."""
    if len(numbers) == 0 or not (numbers % 1 == 0).all() or (numbers < 0).any():
        return None
    text = pd.Series(numbers).map("{:.0f}".format)
    for digits, form in FORMATS.items():
        if (text.str.len() == digits).all() and is_dates(text, form):
            return form
    return next((unit for unit, own in UNITS.items() if text.str.len().isin(own).all()), None)


def how_to_convert(values: pd.Series, frame: str) -> str:
    """Return what to do about a time column; `frame` is what its frame is called."""
    column = f"{frame}[{values.name!r}]"
    kind = pd.api.types.infer_dtype(values)
    if kind == "boolean":
        return "give another column as `time`"
    if kind == "floating" or kind.startswith("timedelta"):
        days = column if kind == "floating" else f"{column}.dt.total_seconds()"
        unit = "D" if kind == "floating" else "s"
        return (
            f"convert it with `pd.Timestamp('2024-01-01') + pd.to_timedelta({days}, unit={unit!r})`"
            ", and the time of number 0 and the length of a step in place of these"
        )
    return (
        f"convert it with `pd.to_datetime({column}, format=...)`, or say its form at the command "
        "line, such as `--csv '{date_format: \"%d.%m.%Y\"}'`"
    )


def is_dates(text: pd.Series, form: str) -> bool:
    """Return whether all text of digits is dates of a form, in years that are likely."""
    years = text.str[:4].astype(int)
    dates = pd.to_datetime(text, format=form, errors="coerce")
    return bool(years.isin(YEARS).all() and dates.notna().all())

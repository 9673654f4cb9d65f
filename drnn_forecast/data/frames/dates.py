"""Text of dates and times as people write them, as text in the form of ISO 8601."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data.frames.frequency import best_fit
from drnn_forecast.data.frames.places import shown

CLOCK = (
    r"(?:[ T,]+(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?(?:[:.](?P<second>\d{2})"
    r"(?:[.,](?P<part>\d{1,9}))?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
NUMBERS = re.compile(
    r"\s*(?P<one>\d{4}|\d{1,2})(?P<sign>[./-])(?P<two>\d{4}|\d{1,2})(?:(?P=sign)(?P<three>\d{4}|\d{1,2}))?\.?"
    + CLOCK
)
NAMES = re.compile(
    r"\s*(?:[A-Za-z]{3,9},?\s+)??(?:(?P<one>\d{1,4})[\s.,/-]*)?(?P<name>[A-Za-z]{3,9})\.?"
    r"(?:[\s,./-]*(?P<two>\d{1,4}))?(?:[\s,./-]+(?P<three>\d{4}|\d{2}))?" + CLOCK
)
MONTHS = {
    name.lower(): number
    for number in range(1, 13)
    for name in (
        pd.Timestamp(2024, number, 1).month_name(),
        pd.Timestamp(2024, number, 1).month_name()[:3],
    )
} | {"sept": 9}

ORDERS = {"dmy": "day first", "mdy": "month first", "ymd": "year first"}
CENTURY = 69
"""Years of two digits from this one on are of the last century, as C has it."""


class Dates(NamedTuple):
    """Text in the form of ISO 8601, and how it was read."""

    iso: pd.Series
    said: str


class DoubtfulDateError(ValueError):
    """Dates that are so in more than one order of day and month."""


def dates_of(values: pd.Series, *, is_day_first: bool | None = None) -> Dates | None:
    """Return text of dates in the ISO form; None where it is none, or not all in one form.

    Days come first, or months, if only so every value is a date, or only so the dates are regular.

    Args:
        values: Text, with empty values perhaps.
        is_day_first: The order, where it is given.

    Raises:
        DoubtfulDateError: In two orders all values are dates.
    """
    texts = pd.Series(values.dropna().unique().astype(object))
    if texts.empty or not all(isinstance(text, str) for text in texts):
        return None
    readings = named_months(texts) or numbered(texts)
    if is_day_first is not None:
        wanted = "dmy" if is_day_first else "mdy"
        readings = {order: own for order, own in readings.items() if order == wanted}
    if len(readings) > 1:
        readings = only_different(readings)
    if len(readings) > 1:
        readings = {order: own for order, own in readings.items() if is_regular(own)} or readings
    if not readings:
        return None
    if len(readings) > 1:
        raise DoubtfulDateError(
            f"{' or '.join(ORDERS[order] for order in readings)}, such as {shown(texts[0])}"
        )
    order, iso = next(iter(readings.items()))
    told = ORDERS.get(order, order)
    return Dates(values.map(dict(zip(texts, iso, strict=True))), told)


def numbered(texts: pd.Series) -> dict[str, NDArray[np.object_]]:
    """Return ISO text in every order of day, month and year in which all texts are dates."""
    parts = texts.str.extract("^" + NUMBERS.pattern + r"\s*$")
    if parts["one"].isna().any():
        return {}
    one, two = (parts[name].astype(int) for name in ("one", "two"))
    if parts["three"].isna().all():
        years, months = (one, two) if (parts["one"].str.len() == 4).all() else (two, one)
        # The pattern allows years of four digits in front only.
        return read_as("by month", years, months, one * 0 + 1, parts)
    if parts["three"].isna().any():
        return {}
    three = parts["three"].astype(int)
    orders = {"ymd": (one, two, three), "dmy": (three, two, one), "mdy": (three, one, two)}
    widths = {"ymd": parts["one"].str.len() == 4, "other": parts["three"].str.len() == 4}
    if widths["ymd"].any():
        orders = {"ymd": orders["ymd"]}
    elif widths["other"].any():
        del orders["ymd"]
    found: dict[str, NDArray[np.object_]] = {}
    for order, (years, months, days) in orders.items():
        found |= read_as(order, years, months, days, parts)
    return found


def named_months(texts: pd.Series) -> dict[str, NDArray[np.object_]]:
    """Return ISO text where months have English names: after the day, or before it or the year."""
    parts = texts.str.extract("^" + NAMES.pattern + r"\s*$")
    months = parts["name"].str.lower().map(MONTHS)
    if months.isna().any():
        return {}
    given = [tuple(parts[name].notna().unique()) for name in ("one", "two", "three")]
    if any(len(own) > 1 for own in given):
        return {}
    has_one, has_two, has_three = (own[0] for own in given)
    numbers = {name: parts[name].fillna("1").astype(int) for name in ("one", "two", "three")}
    ones = numbers["one"] * 0 + 1
    if has_one and has_two and not has_three:  # 5 Jan 2024, or 2024-Jan-05
        is_year_first = (parts["one"].str.len() == 4).all()
        years, days = ("one", "two") if is_year_first else ("two", "one")
        return read_as("by name", numbers[years], months, numbers[days], parts)
    if not has_one and has_two and has_three:  # Jan 5, 2024
        return read_as("by name", numbers["three"], months, numbers["two"], parts)
    if has_one != has_two and not has_three:  # 2024 Jan, or Jan 2024
        return read_as("by name", numbers["one" if has_one else "two"], months, ones, parts)
    return {}


def read_as(
    order: str, years: pd.Series, months: pd.Series, days: pd.Series, parts: pd.DataFrame
) -> dict[str, NDArray[np.object_]]:
    """Return ISO text under the name of its order, or nothing where one is no date."""
    is_short = years < 100
    years = years.where(~is_short, years + np.where(years < CENTURY, 2000, 1900))
    stamps = pd.to_datetime(
        pd.DataFrame({"year": years, "month": months.astype(int), "day": days}), errors="coerce"
    )
    hours = parts["hour"].fillna("0").astype(int)
    half = parts["half"].str.lower().str[0]
    is_wrong = stamps.isna() | (half.notna() & ~hours.between(1, 12)) | (hours > 23)
    for name in ("minute", "second"):
        is_wrong |= parts[name].fillna("0").astype(int) > 59
    if is_wrong.any():
        return {}
    hours = hours.where(half.isna(), hours % 12 + 12 * (half == "p"))
    clock = [parts[name].fillna("00") for name in ("minute", "second")]
    zone = parts["zone"].fillna("").replace({"UTC": "Z", "GMT": "Z"})
    rest = ("." + parts["part"]).fillna("")
    iso = stamps.dt.strftime("%Y-%m-%d") + hours.map("T{:02d}".format)
    return {order: (iso + ":" + clock[0] + ":" + clock[1] + rest + zone).to_numpy(object)}


def only_different(readings: dict[str, NDArray[np.object_]]) -> dict[str, NDArray[np.object_]]:
    """Return the readings without those that say the same as another."""
    found: dict[str, NDArray[np.object_]] = {}
    for order, own in readings.items():
        if not any((own == other).all() for other in found.values()):
            found[order] = own
    return found


def is_regular(iso: Iterable[str]) -> bool:
    """Return whether dates lie on a regular grid of which no step is missing."""
    times = pd.to_datetime(pd.Series(list(iso)), format="ISO8601", utc=True)
    stamps = pd.DatetimeIndex(times).tz_localize(None).unique().sort_values()
    best = best_fit(stamps) if len(stamps) > 2 else None
    return best is not None and best[1] == 0

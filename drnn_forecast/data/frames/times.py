"""From a column of text or dates to time stamps."""

import logging
import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from drnn_forecast.data.frames.advice import (
    UNITS_IN_WORDS,
    YEARS_ALONE,
    form_of_numbers,
    how_to_convert,
)
from drnn_forecast.data.frames.dates import DoubtfulDateError, dates_of
from drnn_forecast.data.frames.frequency import is_counted
from drnn_forecast.data.frames.kinds import as_numbers, is_boxed, is_real, stamps_of
from drnn_forecast.data.frames.places import counted, shown
from drnn_forecast.data.frames.zones import NAIVE, zone_name

logger = logging.getLogger("drnn_forecast.data")

READABLE = {"string", "date", "datetime", "datetime64", "mixed", "empty"}
"""What `infer_dtype` calls columns of text and dates."""

OFFSET = re.compile(r"[T ]\d.*?([Zz]|[+-]\d{2}(?::?\d{2})?)$")
"""The end of an ISO 8601 time with its UTC offset."""


MOST_STEPS = 10**11
"""The highest count of steps."""


def quarters(texts: pd.Series) -> pd.Series:
    """Return the first days of quarters such as 2024Q1."""
    bare = texts.str.replace(r"[-. /]", "", regex=True)
    return pd.Series(pd.PeriodIndex(bare, freq="Q").to_timestamp(), index=texts.index)


def months(texts: pd.Series) -> pd.Series:
    """Return the first days of months such as 2024M1."""
    return pd.to_datetime(texts, format="%YM%m")


def weeks(texts: pd.Series) -> pd.Series:
    """Return the Mondays of weeks such as 2024-W05, or the days of such weeks, as 2024-W05-1."""
    bare = texts.str.replace("-", "")
    return pd.to_datetime(bare.where(bare.str.len() == 8, bare + "1"), format="%GW%V%u")


PERIODS = {
    r"\d{4}[-. /]?[Qq][1-4]": (quarters, "in quarters"),
    r"\d{4}M\d{1,2}": (months, "in months"),
    r"\d{4}-?W\d{2}(-?[1-7])?": (weeks, "in weeks from Monday"),
}
"""Periods as text: what makes stamps of a column of them, and their name."""


def parse_times(values: pd.Series, name: str, zone: str | None, freq: str | None) -> Any:
    """Return the column as time stamps in a zone, as periods, or as steps that are counted.

    Without a zone to bring them into (None), stamps stay in their own. Stamps without one are then
    local time, which the log says. With differing UTC offsets and without `zone` they come back in
    UTC. Text and numbers that are dates in another form than ISO 8601 are read in the one form that
    all of them have, which the log says; other whole numbers count steps.

    Raises:
        TypeError: The column holds no times.
        ValueError: A value is none or empty, or may be two dates, some have a zone and others not,
            stamps have a zone and `zone` is `NAIVE`, or a local time is none or two in the zone.
    """
    where = f"Time column {values.name!r} of `{name}`"
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    kind = types.infer_dtype(values)
    check_given(values, where)
    if types.is_datetime64_any_dtype(values.dtype):
        times = stamps_of(values)
    elif kind == "period":
        check_zoneless(zone, where)
        return pd.PeriodIndex(values).array
    elif is_real(values) or is_boxed(values):
        steps = counted_steps(values, freq)
        if steps is not None:
            check_zoneless(zone, where)
            return steps
        times = stamps_of(stamps_of_numbers(values, where, name))
    elif kind in READABLE:
        times = stamps_of(parse_text(values, name, says_utc=zone is None))
    else:
        raise TypeError(
            f"{where} must hold time stamps, periods, whole numbers or ISO 8601 text, got dtype "
            f"{values.dtype}, first {shown(values.iloc[0])}; {how_to_convert(values, name)}."
        )
    check_given(pd.Series(times), where)
    return in_zone(times, zone, where, f"{name}[{values.name!r}]")


def check_given(times: pd.Series, where: str) -> None:
    """Raise where a time is empty."""
    missing = times.isna().to_numpy()
    if missing.any():
        raise ValueError(
            f"{where} must have a time stamp in every row, but {missing.sum()} of {len(missing)} "
            f"are empty, first in row {missing.argmax()} (the first row is 0); fill or drop them."
        )


def check_zoneless(zone: str | None, where: str) -> None:
    """Raise where periods or counts should be in a zone."""
    if zone not in (None, NAIVE):
        raise ValueError(
            f"{where} holds periods or counts, which have no time zone, got `zone` {zone!r}; leave "
            "`zone` out, or give time stamps."
        )


def counted_steps(values: pd.Series, freq: str | None) -> NDArray[np.int64] | None:
    """Return numbers as counts of steps; None where they are dates, or no whole numbers."""
    numbers = as_numbers(values)
    if not (numbers == np.floor(numbers)).all() or np.abs(numbers).max() > MOST_STEPS:
        return None
    if freq is not None and not is_counted(freq):
        return None
    if freq is None and form_of_numbers(numbers) not in (None, YEARS_ALONE):
        return None
    return numbers.astype(np.int64)


def stamps_of_numbers(values: pd.Series, where: str, name: str) -> pd.Series:
    """Return numbers that are dates, or the time since 1970, as stamps, and say so."""
    numbers = as_numbers(values)
    form = form_of_numbers(numbers)
    if form is None:
        raise TypeError(
            f"{where} must hold time stamps, periods, whole numbers or ISO 8601 text, got dtype "
            f"{values.dtype}, first {shown(values.iloc[0])}; {how_to_convert(values, name)}."
        )
    if form.startswith("%"):
        stamps = pd.to_datetime(values.map("{:.0f}".format), format=form)
    else:
        stamps = pd.to_datetime(values.astype(np.int64), unit=form).dt.as_unit("ns")
    logger.warning(
        "%s holds numbers such as %s, read as %s: %s.",
        where,
        shown(values.iloc[0]),
        form if form.startswith("%") else f"{UNITS_IN_WORDS[form]} since 1970, in UTC",
        stamps.iloc[0],
    )
    return stamps


def in_zone(
    times: pd.arrays.DatetimeArray, zone: str | None, where: str, column: str
) -> pd.arrays.DatetimeArray:
    """Return stamps in a zone, or in their own by the name that it is kept under."""
    if times.tz is None:
        return times if zone is None or zone == NAIVE else localized(times, zone, where)
    if zone == NAIVE:
        raise ValueError(
            f"{where} must have no time zone, as the history or the training had none, but is in "
            f"{times.tz}. Convert it to the local time of these, such as "
            f"`pd.to_datetime({column}, utc=True).dt.tz_convert('Europe/Berlin')"
            ".dt.tz_localize(None)`."
        )
    name = zone_name(times.tz) if zone is None else zone
    if name is None:
        raise ValueError(
            f"{where} is in {times.tz}, which has no name to keep it under; give `zone`, such as "
            "'Europe/Berlin' or 'UTC'."
        )
    return times.tz_convert(name)


def zone_of(times: pd.arrays.DatetimeArray) -> str:
    """Return the name of the zone of stamps that `parse_times` returned."""
    return NAIVE if times.tz is None else str(times.tz)


def localized(times: pd.arrays.DatetimeArray, zone: str, where: str) -> pd.arrays.DatetimeArray:
    """Return stamps without a zone as local time of one, and say so."""
    local = times.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    wrong = local.isna()
    if wrong.any():
        raise ValueError(
            f"{where} has no time zone, and is local time of {zone}, which has "
            f"{counted(wrong.sum(), 'stamp')} not once, as clocks change, first "
            f"{times[wrong.argmax()]} in row {wrong.argmax()} (the first row is 0). Give stamps "
            "with their offsets, such as '2024-10-27 02:30+01:00', or in UTC."
        )
    logger.warning("%s has no time zone and is taken as local time of %s.", where, zone)
    return local


def parse_text(
    values: pd.Series, name: str, *, says_utc: bool, is_rewritten: bool = False
) -> pd.Series:
    """Return parsed ISO 8601 text or Python's dates, NaT where a value is empty.

    What was brought into that form, `is_rewritten`, has been in no other one.
    """
    where = f"Time column {values.name!r} of `{name}`"
    try:
        zones = {} if types.is_string_dtype(values) else zones_of(values)
        times = pd.to_datetime(values, format="ISO8601", errors="coerce", utc=len(zones) > 1)
    except ValueError:  # pandas refuses differing offsets of text unless told to use UTC
        zones = zones_of(values)
        times = pd.to_datetime(values, format="ISO8601", errors="coerce", utc=True)
    if len(zones) > 1:
        check_alike(zones, values, where)
        if says_utc:
            logger.warning("%s has differing UTC offsets and was converted to UTC.", where)
    wrong = (times.isna() & values.notna()).to_numpy()
    if wrong.any():
        found = None if is_rewritten else dates_as_written(values, where, name)
        if found is not None:
            return parse_text(found, name, says_utc=says_utc, is_rewritten=True)
        row = int(wrong.argmax())
        raise ValueError(
            f"{where} must hold ISO 8601 time stamps such as '2024-03-31 13:00', but {wrong.sum()} "
            f"of {len(wrong)} values are not, first {shown(values.iloc[row])} in row {row} (the "
            f"first row is 0); {how_to_convert(values, name)}."
        )
    return times


def dates_as_written(values: pd.Series, where: str, name: str) -> pd.Series | None:
    """Return text of dates in another form in that of ISO 8601, and say which; None: in no form."""
    texts = values.astype(object)
    if not texts.map(lambda text: isinstance(text, str)).all():
        return None
    if texts.str.fullmatch(r"\d{1,18}").all():
        return stamps_of_numbers(texts.astype(np.int64), where, name).astype(str)
    stamps, said = next(
        (
            (make(texts), told)
            for pattern, (make, told) in PERIODS.items()
            if texts.str.fullmatch(pattern).all()
        ),
        (None, ""),
    )
    if stamps is None:
        try:
            found = dates_of(texts)
        except DoubtfulDateError as doubt:
            raise ValueError(
                f"{where} may be read in two ways, {doubt}; say which, at the command line by "
                f"`--csv '{{dayfirst: true}}'`, otherwise by `{name}[{values.name!r}] = "
                f"pd.to_datetime({name}[{values.name!r}], format='mixed', dayfirst=True)`."
            ) from None
        if found is None:
            return None
        stamps, said = found
    iso = pd.Series(stamps, index=values.index, name=values.name).astype(str)
    logger.warning("%s is read %s: %s is %s.", where, said, shown(texts.iloc[0]), iso.iloc[0])
    return iso


def zones_of(values: pd.Series) -> dict[str, int]:
    """Return each zone or UTC offset of text or Python's dates and the first row that has it.

    That of stamps without one is "".
    """
    zones: dict[str, int] = {}
    for row, value in enumerate(values):
        if not pd.isna(value):
            zones.setdefault(zone_text(value), row)
    return zones


def zone_text(value: Any) -> str:
    """Return the zone or the UTC offset of a time stamp, "" where it has none."""
    if isinstance(value, str):
        found = OFFSET.search(value)
        return "" if found is None else found[1]
    zone = getattr(value, "tzinfo", None)
    return "" if zone is None else str(zone)


def check_alike(zones: dict[str, int], values: pd.Series, where: str) -> None:
    """Raise where some stamps have a zone and others have none, which pandas takes as UTC."""
    if "" in zones:
        row = zones.pop("")
        raise ValueError(
            f"{where} must have a time zone in every row or in none, but row {row} (the first row "
            f"is 0) has none, {shown(values.iloc[row])}, and row {min(zones.values())} has "
            f"{shown(values.iloc[min(zones.values())])}; write the UTC offset of each."
        )

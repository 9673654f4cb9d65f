"""From a column of text or dates to time stamps."""

import logging
import re
from typing import Any

import pandas as pd
from pandas.api import types

from drnn_forecast.data.frames.advice import how_to_convert
from drnn_forecast.data.frames.kinds import stamps_of
from drnn_forecast.data.frames.places import counted, shown
from drnn_forecast.data.frames.zones import NAIVE, zone_name

logger = logging.getLogger("drnn_forecast.data")

READABLE = {"string", "date", "datetime", "datetime64", "mixed", "empty"}
"""What `infer_dtype` calls columns of text and dates."""

OFFSET = re.compile(r"[T ]\d.*?([Zz]|[+-]\d{2}(?::?\d{2})?)$")
"""The end of an ISO 8601 time with its UTC offset."""


def parse_times(values: pd.Series, name: str, zone: str | None) -> pd.arrays.DatetimeArray:
    """Return the column as time stamps in a zone; None: in their own.

    Stamps without a zone are then local time, which the log says. With differing UTC offsets and
    without `zone` they come back in UTC. Text must be in the ISO 8601 form: where day and month are
    ambiguous, guessing would be silent.

    Raises:
        TypeError: The column holds no time stamps.
        ValueError: A value is none or empty, some have a zone and others not, stamps have a zone
            and `zone` is `NAIVE`, or a local time is none or two in the zone.
    """
    where = f"Time column {values.name!r} of `{name}`"
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    if types.is_datetime64_any_dtype(values.dtype):
        times = stamps_of(values)
    elif types.infer_dtype(values) in READABLE:
        times = stamps_of(parse_text(values, name, says_utc=zone is None))
    else:
        raise TypeError(
            f"{where} must hold time stamps or ISO 8601 text, got dtype {values.dtype}, first "
            f"{shown(values.iloc[0])}; {how_to_convert(values, name)}."
        )
    missing = times.isna()
    if missing.any():
        raise ValueError(
            f"{where} must have a time stamp in every row, but {missing.sum()} of {len(missing)} "
            f"are empty, first in row {missing.argmax()} (the first row is 0); fill or drop them."
        )
    return in_zone(times, zone, where, f"{name}[{values.name!r}]")


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


def parse_text(values: pd.Series, name: str, *, says_utc: bool) -> pd.Series:
    """Return parsed ISO 8601 text or Python's dates, NaT where a value is empty."""
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
        row = int(wrong.argmax())
        raise ValueError(
            f"{where} must hold ISO 8601 time stamps such as '2024-03-31 13:00', but {wrong.sum()} "
            f"of {len(wrong)} values are not, first {shown(values.iloc[row])} in row {row} (the "
            f"first row is 0); {how_to_convert(values, name)}."
        )
    return times


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

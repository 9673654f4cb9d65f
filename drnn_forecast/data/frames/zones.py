"""The names of time zones, by which roles keep them."""

import datetime
import re

import pandas as pd

NAIVE = "naive"
"""The zone of stamps that have none."""

FILE = re.compile(r"tzfile\('(?:.*zoneinfo/)?([^']+)'\)")
"""How `dateutil` shows a zone."""


def checked_zone(zone: str) -> str:
    """Return the name that a zone is kept under.

    Raises:
        ValueError: There is no such zone, or it differs between machines.
    """
    if zone == NAIVE:
        return zone
    found = pandas_zone(zone)
    name = None if found is None else zone_name(found)
    if name is None:
        raise ValueError(
            "`zone` must name a time zone such as 'Europe/Berlin', 'UTC' or 'UTC+01:00', or be "
            f"{NAIVE!r} for stamps without one, got {zone!r}."
        )
    return name


def zone_name(zone: datetime.tzinfo) -> str | None:
    """Return the name by which pandas finds a zone again, on any machine; None where it has none.

    Zones of `zoneinfo`, `pytz` and `dateutil` that are one have one name.
    """
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if name is None and (shown := FILE.fullmatch(repr(zone))):
        name = shown[1]
    if name is None:
        name = offset_name(zone)
    return name if name is not None and pandas_zone(name) is not None else None


def offset_name(zone: datetime.tzinfo) -> str | None:
    """Return "UTC+01:00" for a zone an hour ahead at all times; None where clocks change.

    None also where the zone is that of the machine, which is another one elsewhere.
    """
    offset = None if repr(zone) == "tzlocal()" else zone.utcoffset(None)
    return None if offset is None else str(datetime.timezone(offset))


def pandas_zone(name: str) -> datetime.tzinfo | None:
    """Return the zone of a name, if pandas has one."""
    try:
        zone: datetime.tzinfo | None = pd.Timestamp(0, tz=name).tz
    except (ValueError, LookupError, OSError, AttributeError, TypeError):
        zone = None
    return zone

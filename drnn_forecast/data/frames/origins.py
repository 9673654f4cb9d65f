"""A time within the data from which a forecast is made."""

from __future__ import annotations

from datetime import date, tzinfo
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data.frames.axes import as_given, stamp_of_origin
from drnn_forecast.data.frames.panel import Panel
from drnn_forecast.data.frames.places import some


def from_origin(panel: Panel, origin: Any, name: str = "origin") -> NDArray[np.bool_]:
    """Return which rows are at the origin or later; every series has some before it.

    Args:
        panel: Rows with their series and stamps.
        origin: A time stamp, as text too; without a zone it is local time where the rows have one.
        name: Of the argument that says it.

    Raises:
        ValueError: It is no time stamp, or leaves no row of a series.
    """
    given = panel.rows[panel.roles.time]
    zone = panel.rows.times.tz
    late = np.asarray(panel.rows.times >= time_stamp(stamp_of_origin(origin, given), zone, name))
    kept = np.bincount(panel.rows.codes[~late], minlength=len(panel.names))
    if (kept == 0).any():
        raise ValueError(
            f"`{name}` must leave rows in every series, got {origin!r} with "
            f"{panel.describe_sizes(kept == 0)}. Choose a later time, or leave these series out."
        )
    return late


def check_end(panel: Panel, origin: Any) -> None:
    """Raise where the history before an origin does not reach up to it."""
    given = panel.rows[panel.roles.time]
    zone = panel.rows.times.tz
    following = pd.DatetimeIndex(panel.grid.column(panel.positions[panel.last_rows] + 1))
    is_early = np.asarray(following < time_stamp(stamp_of_origin(origin, given), zone))
    if is_early.any():
        earliest = as_given(following[[following.argmin()]], given.dtype)[0]
        ended = "" if is_early.all() else f" ({some(panel.labels[is_early])})"
        raise ValueError(
            f"`origin` must be at most one time step after the end of every series, got "
            f"{origin!r}, but a series could be forecast from {earliest} on. Choose that "
            f"time, or leave out the series that have ended{ended}."
        )


def time_stamp(origin: Any, zone: tzinfo | None, name: str = "origin") -> pd.Timestamp:
    """Return a time as a stamp in a zone, or without one where the zone is None."""
    try:
        stamp = pd.Timestamp(origin) if isinstance(origin, str | date | np.datetime64) else pd.NaT
    except (ValueError, TypeError):
        stamp = pd.NaT
    if pd.isna(stamp):
        raise ValueError(
            f"`{name}` must be a time stamp such as '2024-03-31 13:00', got {origin!r}."
        )
    if zone is None and stamp.tz is not None:
        raise ValueError(
            f"`{name}` must have no zone, as the time column has none, got {origin!r}."
        )
    if zone is None:
        return stamp
    if stamp.tz is not None:
        return stamp.tz_convert(zone)
    local = stamp.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    if pd.isna(local):
        raise ValueError(
            f"`{name}` must be a time that {zone} has once, got {origin!r}. "
            "As the clocks change, give its offset too, such as '2024-10-27 02:30+01:00'."
        )
    return local

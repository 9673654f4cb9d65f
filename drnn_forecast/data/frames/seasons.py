"""The seasons that a frequency usually has."""

from __future__ import annotations

from drnn_forecast.data.frames.frequency import step_in_days

CYCLES = (("day", 1.0), ("week", 7.0), ("year", 365.25))
"""Length of each cycle, in days."""


def default_seasons(freq: str) -> tuple[int, ...]:
    """Return the usual seasons of a frequency, in time steps, shortest first; maybe none.

    Day and week for steps below a day, the week for days (five steps of business days), the year
    for longer ones.

    Example:
        >>> default_seasons("h"), default_seasons("D"), default_seasons("MS")
        ((24, 168), (7,), (12,))
    """
    if freq.startswith("B"):
        return (5,)
    step = step_in_days(freq)
    names = {"day", "week"} if step < 1 else {"week"} if step < 7 else {"year"}
    seasons = (round(days / step) for name, days in CYCLES if name in names)
    return tuple(season for season in seasons if season > 1)


def default_context(freq: str, horizon: int) -> int:
    """Return how far to look back, in time steps: the longest season, or twice the horizon."""
    return max(2 * horizon, *default_seasons(freq), 2)

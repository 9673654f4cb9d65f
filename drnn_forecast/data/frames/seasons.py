"""The seasons that a frequency usually has."""

from __future__ import annotations

import logging
from fractions import Fraction
from functools import cache

from drnn_forecast.data.frames.cadence import cadence_of

logger = logging.getLogger("drnn_forecast.data")

CLOSE_TO_WHOLE = Fraction(1, 5)
"""How far from a whole number of steps a year may be, where steps are days or weeks, in steps."""


@cache
def default_seasons(freq: str) -> tuple[int, ...]:
    """Return the usual seasons of a frequency, in time steps, shortest first; maybe none.

    Day and week for steps below a day, the week for days, the year for longer ones. They follow
    from the calendar of the alias: months have 12 steps a year at whichever end, business days 5
    a week, business hours 8 a day and 40 a week.

    A season is a whole number of steps: a day or a week counts where the steps divide it (7 minutes
    divide a week, but no day; 2 days no week), and so do months a year. Days and weeks count a year
    where it is within a fifth of a step of a whole number (52 weeks, 26 times two weeks, 73 times
    five days). Years, `"2D"` and `"5MS"` have no season.

    Example:
        >>> default_seasons("h"), default_seasons("D"), default_seasons("ME")
        ((24, 168), (7,), (12,))
        >>> default_seasons("7min"), default_seasons("2D")
        ((1440,), ())
    """
    steps = cadence_of(freq)
    found = [int(count) for count in (steps.per_day, steps.per_week) if count.denominator == 1]
    found = [count for count in found if count > 1]
    if found or steps.per_day > 1:
        return tuple(found)
    year = round(steps.per_year)
    tolerance = 0 if steps.is_of_years else CLOSE_TO_WHOLE
    return (year,) if year > 1 and abs(steps.per_year - year) <= tolerance else ()


def mention_no_season(freq: str, consequence: str) -> None:
    """Say in the log where a frequency has no season, and what follows from that."""
    if not default_seasons(freq):
        logger.warning("Frequency %r has no season of its own: %s.", freq, consequence)

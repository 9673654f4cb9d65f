"""Features made from the time column, in the local time of its zone."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data.frames.cadence import COUNTED, YEAR, cadence_of
from drnn_forecast.data.frames.roles import CALENDAR_PREFIX

HOUR = CALENDAR_PREFIX + "hour"
WEEKDAY = CALENDAR_PREFIX + "weekday"
MONTH = CALENDAR_PREFIX + "month"

A_DAY_OR_TWO = 0.005
"""How far from a whole number of years steps may be for their month to say nothing, in years."""

VOCABULARIES: dict[str, tuple[str, ...]] = {
    HOUR: tuple(f"{hour:02d}" for hour in range(24)),
    WEEKDAY: ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    MONTH: tuple(f"{month:02d}" for month in range(1, 13)),
}


@dataclass(frozen=True, eq=False)
class LocalTimes:
    """Time stamps by the clock and calendar of their zone, as arrays; pandas' fields are slow."""

    stamps: NDArray[np.datetime64]  # local time, without a zone

    @cached_property
    def days(self) -> NDArray[np.datetime64]:
        """The day of each stamp."""
        return self.stamps.astype("M8[D]")

    @cached_property
    def seconds(self) -> NDArray[np.int64]:
        """Whole seconds since midnight."""
        return (self.stamps - self.days).astype("m8[s]").astype(np.int64)

    @property
    def hours(self) -> NDArray[np.int64]:
        """Hours of the day, from 0."""
        return self.seconds // 3600

    @property
    def weekdays(self) -> NDArray[np.int64]:
        """Days of the week, Monday being 0; the first day of numpy, in 1970, was a Thursday."""
        return (self.days.astype(np.int64) + 3) % 7

    @property
    def months(self) -> NDArray[np.int64]:
        """Months of the year, from 0."""
        return self.days.astype("M8[M]").astype(np.int64) % 12

    @cached_property
    def share_of_day(self) -> NDArray[np.float64]:
        """How much of the day is over, between 0 and 1."""
        minutes, seconds = self.seconds // 60 % 60, self.seconds % 60
        return (self.hours + minutes / 60 + seconds / 3600) / 24

    @cached_property
    def share_of_year(self) -> NDArray[np.float64]:
        """How much of the year is over, between 0 and 1."""
        years = self.days.astype("M8[Y]")
        first, next_first = years.astype("M8[D]"), (years + 1).astype("M8[D]")
        days = (self.days - first).astype(np.int64)
        days_of_year = (next_first - first).astype(np.int64)
        share: NDArray[np.float64] = (days + self.share_of_day) / days_of_year
        return share


CODES: dict[str, Callable[[LocalTimes], NDArray[np.int64]]] = {
    HOUR: lambda local: local.hours,
    WEEKDAY: lambda local: local.weekdays,
    MONTH: lambda local: local.months,
}


def calendar_categoricals(freq: str) -> list[str]:
    """Return the names of the categorical features that suit a frequency.

    The hour where steps are not whole days, the weekday below a week, the month from four weeks on,
    unless steps are whole years.
    """
    step = cadence_of(freq)
    if step == COUNTED:
        return []
    years = step.days / float(YEAR)
    suits = {
        HOUR: step.per_day.numerator != 1 and not step.is_of_years,
        WEEKDAY: step.days < 7,
        MONTH: step.days >= 28 and abs(years - round(years)) > A_DAY_OR_TWO,
    }
    return [name for name, is_suited in suits.items() if is_suited]


def calendar_reals(freq: str) -> list[str]:
    """Return the names of the real features that suit a frequency, all between -1 and 1.

    The time of the day below an hour, the time of the year below four weeks.
    """
    days = cadence_of(freq).days
    cycles = ["day"] if days < 1 / 24 else []
    cycles += ["year"] if days < 28 else []
    return [f"{CALENDAR_PREFIX}{cycle}_{wave}" for cycle in cycles for wave in ("sin", "cos")]


def local_stamps(
    times: pd.DatetimeIndex | NDArray[np.datetime64],
) -> NDArray[np.datetime64]:
    """Return stamps by the clock of their zone; an array is local time."""
    if isinstance(times, np.ndarray):
        return times
    stamps: NDArray[np.datetime64] = times.tz_localize(None).to_numpy()
    return stamps


def calendar_features(
    times: pd.DatetimeIndex | NDArray[np.datetime64], freq: str
) -> dict[str, NDArray[Any]]:
    """Return the features of each stamp, by name; an array is local time."""
    local = LocalTimes(local_stamps(times))
    features: dict[str, NDArray[Any]] = {
        name: np.array(VOCABULARIES[name], dtype=object)[CODES[name](local)]
        for name in calendar_categoricals(freq)
    }
    for name in calendar_reals(freq):
        turn = 2 * np.pi * (local.share_of_day if "_day_" in name else local.share_of_year)
        features[name] = np.sin(turn) if name.endswith("_sin") else np.cos(turn)
    return features

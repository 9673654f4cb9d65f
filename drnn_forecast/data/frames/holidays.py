"""Features made from the public holidays of countries, which the package `holidays` knows."""

import logging
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.tseries.frequencies import to_offset

from drnn_forecast.data.frames.cadence import cadence_of
from drnn_forecast.data.frames.places import closest
from drnn_forecast.data.frames.roles import CALENDAR_PREFIX, COUNTRY, Roles

logger = logging.getLogger("drnn_forecast.data")

Days = NDArray[np.datetime64]
"""Days, as `datetime64[D]`."""

DAY: Final = np.timedelta64(1, "D")

ON, BEFORE, AFTER = (CALENDAR_PREFIX + name for name in ("holiday", "holiday_eve", "holiday_past"))
"""Whether a day is a holiday, and whether the next or the last one is to one of no weekend."""

ENDING, BEGINNING = (CALENDAR_PREFIX + name for name in ("holidays_until", "holidays_from"))
"""How many holidays a step has that are no weekend, where it ends or begins with its stamp."""

LONGEST_STEP: Final = 300
"""Days of a step above which every one has about as many holidays."""


def holiday_reals(freq: str) -> list[str]:
    """Return the names of the features that suit a frequency; none where steps are years.

    Weeks have two, since both habits are usual: a stamp at the end, as pandas resamples, and at the
    beginning.
    """
    step = cadence_of(freq)
    if step.per_day >= 1:
        return [ON, BEFORE, AFTER]
    if step.days > LONGEST_STEP:
        return []
    if alias_of(freq) == "W":
        return [ENDING, BEGINNING]
    return [ENDING] if is_ending(freq) else [BEGINNING]


def holiday_features(
    days: Days, codes: NDArray[np.int64], countries: Sequence[str], freq: str
) -> dict[str, NDArray[np.float64]]:
    """Return the features of rows, by name.

    Args:
        days: The local date of each row's stamp.
        codes: The number of each row's series.
        countries: The code of each series' country.
        freq: The pandas frequency alias.

    Raises:
        ImportError: The package `holidays` is not installed.
        ValueError: It has no calendar of a country, or not of those years.
    """
    features = {name: np.zeros(len(days)) for name in holiday_reals(freq)}
    names, places = np.unique(np.asarray(countries, dtype=object), return_inverse=True)
    of_row = places[codes]
    for place in np.unique(of_row):
        rows, country = np.flatnonzero(of_row == place), str(names[place])
        check_years(country, days[rows])
        for name, (start, end) in spans(days[rows], freq).items():
            found = holidays_between(country, start.min(), end.max())
            if name in (ENDING, BEGINNING):
                found = found[~is_weekend(found, country)]
            count = np.searchsorted(found, end) - np.searchsorted(found, start)
            is_far = is_weekend(days[rows], country) if name in (BEFORE, AFTER) else False
            features[name][rows] = np.where(is_far, 0, count)
    return features


def mention_holidays(roles: Roles, columns: Iterable[str]) -> None:
    """Say in the log where `holidays` may be meant otherwise, or does nothing."""
    if roles.holidays is not None and roles.holiday_column is None and roles.holidays in columns:
        logger.warning(
            "`holidays` are those of the country %r, not of the countries in the column of that "
            "name; rename the column to name it.",
            roles.holidays,
        )
    if roles.holidays is not None and not holiday_reals(str(roles.freq)):
        logger.warning(
            "`holidays` make no features of steps of %r, which have about as many each.", roles.freq
        )


def spans(days: Days, freq: str) -> dict[str, tuple[Days, Days]]:
    """Return from which day on, and before which, each feature counts holidays."""
    if cadence_of(freq).per_day >= 1:
        shifts = {ON: 0 * DAY, BEFORE: DAY, AFTER: -DAY}
        return {name: (days + shift, days + shift + DAY) for name, shift in shifts.items()}
    unique, places = np.unique(days, return_inverse=True)
    found = {}
    for name in holiday_reals(freq):
        step = to_offset(freq) * (-1 if name == ENDING else 1)
        others = np.array([pd.Timestamp(day) + step for day in unique], dtype="M8[D]")[places]
        found[name] = (others + DAY, days + DAY) if name == ENDING else (days, others)
    return found


def is_ending(freq: str) -> bool:
    """Whether the stamp of a step is that of its last day, as pandas resamples."""
    return alias_of(freq).endswith(("E", "REQ"))


def alias_of(freq: str) -> str:
    """Return the alias of a frequency without multiple and anchor."""
    alias: str = to_offset(freq).rule_code.split("-")[0]
    return alias


def check_years(country: str, days: Days) -> None:
    """Raise where the calendar of a country does not have some days."""
    calendar, first, last = calendar_of(country), days.min(), days.max()
    if year_of(first) < calendar.start_year or year_of(last) > calendar.end_year:
        raise ValueError(
            f"`holidays` must have a calendar of every year, but that of {country!r} goes from "
            f"{calendar.start_year} to {calendar.end_year}, and the time stamps from {first} to "
            f"{last}; leave out `holidays`, or the rows of other years."
        )


def holidays_between(country: str, first: np.datetime64, last: np.datetime64) -> Days:
    """Return the holidays of the years from one day to another, sorted."""
    years = range(year_of(first), year_of(last) + 1)
    return np.concatenate([holidays_in(country, year) for year in years])


@cache
def holidays_in(country: str, year: int) -> Days:
    """Return the holidays of a year, sorted; none outside the years of the calendar."""
    code, _, subdivision = country.partition("-")
    found = holidays_package().country_holidays(code, subdiv=subdivision or None, years=year)
    return np.array(sorted(found), dtype="M8[D]")


@cache
def calendar_of(country: str) -> Any:
    """Return the class of a country's calendar, which has its years, weekend and subdivisions.

    Raises:
        ImportError: The package `holidays` is not installed.
        ValueError: There is none.
    """
    package = holidays_package()
    code, _, subdivision = country.partition("-")
    known = [own for own in package.list_supported_countries() if len(own) == 2]
    if not COUNTRY.fullmatch(country) or code not in known:
        raise ValueError(
            "`holidays` must give countries by codes of two capitals such as 'DE' or 'DE-BY', of "
            f"which there is a calendar, got {country!r}{closest(country, known)}; "
            "`holidays.list_supported_countries()` lists them."
        )
    calendar = getattr(package, code)
    if subdivision and subdivision not in calendar.subdivisions:
        parts = ", ".join(f"{code}-{own}" for own in calendar.subdivisions) or "none"
        raise ValueError(
            f"`holidays` must give a subdivision that {code!r} has a calendar of, got {country!r}; "
            f"there are {parts}."
        )
    return calendar


def holidays_package() -> Any:
    """Return the package `holidays`, or name the command that installs it."""
    try:
        import holidays
    except ImportError as error:
        raise ImportError(
            "`holidays` needs the package of that name; install it with "
            "`pip install 'drnn-forecast[holidays]'`."
        ) from error
    return holidays


def year_of(day: np.datetime64) -> int:
    """Return the year of a day."""
    return int(day.astype("M8[Y]").astype(int)) + 1970


def is_weekend(days: Days, country: str) -> NDArray[np.bool_]:
    """Return which days are a weekend's; the first day of numpy, in 1970, was a Thursday."""
    weekdays = (days.astype(np.int64) + 3) % 7
    found: NDArray[np.bool_] = np.isin(weekdays, list(calendar_of(country).weekend))
    return found

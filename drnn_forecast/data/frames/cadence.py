"""How many steps of a frequency make a day, a week and a year, by the calendar of its alias."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Final

import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import Tick

from drnn_forecast.data.frames.trading import TRADING

DAY: Final = Fraction(1)
WEEK: Final = Fraction(7)
YEAR: Final = Fraction(1461, 4)
"""Length of each cycle, in days."""


@dataclass(frozen=True)
class Cadence:
    """Steps of one frequency in each cycle, on average.

    Attributes:
        per_day: Steps a day; of business days and hours, a day of business.
        per_week: Steps a week; of business days and hours, a week of business.
        per_year: Steps a year.
        is_of_years: Whether the calendar lays the steps out within each year, so that none straddle
            two.
    """

    per_day: Fraction
    per_week: Fraction
    per_year: Fraction
    is_of_years: bool = False

    @property
    def days(self) -> float:
        """The length of a step, in days, on average; infinite where steps are counted."""
        return float(YEAR / self.per_year) if self.per_year else math.inf


COUNTED: Final = Cadence(Fraction(0), Fraction(0), Fraction(0))
"""That of steps that are counted, of which no calendar is known."""


def in_days(count: Fraction) -> Cadence:
    """Return the cadence of so many steps a day."""
    return Cadence(count, count * WEEK, count * YEAR)


def in_weeks(count: int, per_day: int = 0) -> Cadence:
    """Return the cadence of so many steps a week; `per_day` where the days are not all alike."""
    whole = in_days(count / WEEK)
    return Cadence(Fraction(per_day) or whole.per_day, whole.per_week, whole.per_year)


def in_years(count: int) -> Cadence:
    """Return the cadence of so many steps a year."""
    whole = in_days(count / YEAR)
    return Cadence(whole.per_day, whole.per_week, whole.per_year, is_of_years=True)


OF_ALIAS: Final[Mapping[str, Cadence]] = {
    **dict.fromkeys(("bh", "cbh"), in_weeks(40, per_day=8)),
    "D": in_days(DAY),
    **dict.fromkeys(("B", "C"), in_weeks(5, per_day=1)),
    "W": in_weeks(1),
    **dict.fromkeys(("SMS", "SME"), in_years(24)),
    **dict.fromkeys(("MS", "ME", "BMS", "BME", "CBMS", "CBME", "WOM", "LWOM"), in_years(12)),
    **dict.fromkeys(("QS", "QE", "BQS", "BQE", "REQ"), in_years(4)),
    **dict.fromkeys(("HYS", "HYE", "BHYS", "BHYE"), in_years(2)),
    **dict.fromkeys(("YS", "YE", "BYS", "BYE", "RE"), in_years(1)),
}
"""By pandas' alias without multiple and anchor; hours and shorter steps say their length."""


@cache
def cadence_of(freq: str) -> Cadence:
    """Return the cadence of a pandas frequency alias.

    Raises:
        ValueError: Its calendar is not known.
    """
    if freq.isdigit():
        return COUNTED
    offset = to_offset("B" if freq == TRADING else freq)
    alias = offset.rule_code.split("-")[0]
    if alias not in OF_ALIAS and isinstance(offset, Tick):
        return in_days(Fraction(pd.Timedelta(days=1).value, pd.Timedelta(offset).value))
    one = OF_ALIAS.get(alias)
    if one is None:
        raise ValueError(
            f"`freq` must be hours, minutes or shorter steps, or one of {', '.join(OF_ALIAS)}, "
            f"whose calendars are known here, got {freq!r}; resample the series to one of them."
        )
    n = int(offset.n)
    return Cadence(one.per_day / n, one.per_week / n, one.per_year / n, one.is_of_years)

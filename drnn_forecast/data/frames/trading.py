"""Days of trade, such as those of an exchange, learned from the days that there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from dateutil.easter import easter
from numpy.typing import NDArray

TRADING = "trading"
"""The frequency of such days."""

LEAST = 120
"""Working days from which a calendar is learned without being asked for."""

SHARE = (0.01, 0.08)
"""Of working days without trade, the share there."""

Days = NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class TradingDays:
    """Days in order, those that there were and those to come.

    A weekday is one of trade where most of its days were. Of the days to come those are left out
    that were without trade in every year: by date, as the n-th or the last such weekday of a month,
    or by their distance from Easter.

    Attributes:
        days: Those that there were, and those that are given for the time after them.
        weekdays: Those of trade, Monday being 0.
        closed: What days without trade have in common, see `marks_of`.
    """

    days: Days
    weekdays: frozenset[int]
    closed: frozenset[tuple[Any, ...]]

    @classmethod
    def of(cls, times: Any, ahead: Any = None) -> TradingDays:
        """Return the calendar of some stamps of all series, and of given ones after them."""
        days = np.unique(days_of(times))
        weekdays, closed = learned(days)
        if ahead is not None and len(ahead):
            later = np.unique(days_of(ahead))
            days = np.concatenate([days, later[later > days[-1]]])
        return cls(days, weekdays, closed)

    def until(self, count: int) -> Days:
        """Return at least so many days, those to come among them."""
        days, year = self.days, 370
        while len(days) < count:
            after = days[-1] + np.arange(1, year + 1)
            is_open = np.isin(weekdays_of(after), list(self.weekdays))
            is_closed = [not self.closed.isdisjoint(marks_of(day)) for day in after.tolist()]
            new = after[is_open & ~np.array(is_closed)]
            # Where nothing is left of a week, all its weekdays count.
            days = np.concatenate([days, new if len(new) else after[is_open]])
        return days

    def positions(self, times: Any) -> NDArray[np.int64]:
        """Return the position of each stamp; -1 where it is no day of trade."""
        asked = days_of(times)
        days = self.days
        while days[-1] < asked.max():
            days = self.until(len(days) + 250)
        place = np.searchsorted(days, asked).clip(max=len(days) - 1)
        is_midnight = np.asarray(pd.DatetimeIndex(times).tz_localize(None)) == asked
        return np.where((days[place] == asked) & is_midnight, place, -1)

    def stamps(self, positions: NDArray[np.int64], origin: pd.Timestamp) -> pd.DatetimeIndex:
        """Return the stamp at each position, in the zone and the unit of an origin."""
        days = self.until(int(positions.max()) + 1)[positions]
        stamps = pd.DatetimeIndex(days.astype("M8[s]")).as_unit(origin.unit)
        return stamps if origin.tz is None else stamps.tz_localize(origin.tz)


def are_trading_days(times: pd.DatetimeIndex, codes: NDArray[np.int64]) -> bool:
    """Return whether working days are missing as at an exchange: few, and of all series."""
    days = days_of(times)
    union = np.unique(days)
    working = np.busday_count(union[0], union[-1]) + 1
    share = 1 - len(union) / working
    if working < LEAST or not SHARE[0] <= share <= SHARE[1]:
        return False
    places = np.searchsorted(union, days)
    extent = pd.Series(places).groupby(codes).agg(["min", "max", "size"])
    return bool((extent["max"] - extent["min"] + 1 == extent["size"]).all())


def learned(days: Days) -> tuple[frozenset[int], frozenset[tuple[Any, ...]]]:
    """Return the weekdays of trade, and what the days without it have in common."""
    whole = np.arange(days[0], days[-1] + 1)
    is_there, own = np.isin(whole, days), weekdays_of(whole)
    open_days = frozenset(
        weekday
        for weekday in range(7)
        if (own == weekday).any() and is_there[own == weekday].mean() >= 0.5
    )
    regular = np.isin(own, list(open_days))
    seen: dict[tuple[Any, ...], list[bool]] = {}
    for day, is_open in zip(whole[regular].tolist(), is_there[regular], strict=True):
        for mark in marks_of(day):
            seen.setdefault(mark, []).append(bool(is_open))
    # Once may be chance.
    closed = (mark for mark, found in seen.items() if len(found) > 1 and not any(found))
    return open_days, frozenset(closed)


def marks_of(day: Any) -> list[tuple[Any, ...]]:
    """Return what a day may be known by in every year."""
    number = (day.day - 1) // 7
    is_last = (day + pd.Timedelta(days=7)).month != day.month
    marks: list[tuple[Any, ...]] = [
        ("date", day.month, day.day),
        ("weekday", day.month, day.weekday(), number),
        ("easter", (day - easter(day.year)).days),
    ]
    return [*marks, ("last", day.month, day.weekday())] if is_last else marks


def days_of(times: Any) -> Days:
    """Return the local day of each stamp."""
    days: Days = pd.DatetimeIndex(times).tz_localize(None).to_numpy().astype("M8[D]")
    return days


def weekdays_of(days: Days) -> NDArray[np.int64]:
    """Return the weekday of each day, Monday being 0."""
    return (days.astype(np.int64) + 3) % 7

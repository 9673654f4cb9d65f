"""The regular grid that the time stamps of a frame lie on."""

import logging
import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset, Day, Tick

from drnn_forecast.data.frames.cadence import cadence_of
from drnn_forecast.data.frames.places import counted, in_series, shown
from drnn_forecast.data.frames.trading import TRADING, TradingDays, are_trading_days

logger = logging.getLogger("drnn_forecast.data")

Stamps: TypeAlias = pd.DatetimeIndex | pd.arrays.DatetimeArray

OFF_GRID = -1
# Steps missing per step present, above which a series may have a coarser frequency of its own. The
# densest of those, working days among days, misses two for five.
SPARSE = 0.25
SPANS = {
    "minute": "min",
    "hour": "h",
    "day": "D",
    "week": "W",
    "month": "M",
    "quarter": "Q",
    "year": "Y",
}


@dataclass(frozen=True)
class Grid:
    """Time stamps numbered in steps of one frequency, the origin at position 0.

    Hours and shorter steps are counted in elapsed time, days and longer ones by the calendar of the
    origin's time zone.
    """

    origin: pd.Timestamp
    freq: str
    trading: TradingDays | None = field(default=None, compare=False)

    @classmethod
    def of(cls, times: Stamps, freq: str, ahead: Stamps | None = None) -> "Grid":
        """Return the grid that starts at the earliest of some stamps.

        Of trading days, the stamps are all that there are, and `ahead` some of those to come.
        """
        trading = TradingDays.of(times, ahead) if freq == TRADING else None
        return cls(times[times.asi8.argmin()], freq, trading)

    @property
    def offset(self) -> BaseOffset:
        """The step, as pandas holds it."""
        return to_offset(self.freq)

    @property
    def step(self) -> np.timedelta64 | None:
        """The length of a step; None where days lie between, which differ as clocks change."""
        return elapsed_step(self.freq)

    def positions(self, times: Stamps) -> NDArray[np.int64]:
        """Return the position of each stamp; `OFF_GRID` where it does not lie on the grid."""
        if len(times) == 0:
            return np.empty(0, dtype=np.int64)
        if self.step is not None:
            # Both in UTC, as arrays, which take a tenth of the time of an index of pandas.
            elapsed = times.asi8.view(f"M8[{times.unit}]") - self.origin.asm8
            steps, rest = np.divmod(elapsed, self.step)
            return np.where(rest == np.timedelta64(0), steps, OFF_GRID)
        if self.trading is not None:
            return self.trading.positions(times)
        stamps = self.by_calendar(end=times.max().tz_localize(None))
        found = stamps.as_unit(times.unit).get_indexer(pd.DatetimeIndex(times))
        return np.asarray(found, dtype=np.int64)

    def stamps(self, positions: NDArray[np.int64]) -> pd.DatetimeIndex:
        """Return the stamp at each position."""
        if len(positions) == 0:
            return pd.DatetimeIndex([], dtype=pd.DatetimeIndex([self.origin]).dtype)
        if self.step is not None:
            times = pd.DatetimeIndex(self.in_utc(positions, self.step))
            zone = self.origin.tz
            return times if zone is None else times.tz_localize("UTC").tz_convert(zone)
        if self.trading is not None:
            return self.trading.stamps(positions, self.origin)
        stamps = self.by_calendar(periods=int(positions.max()) + 1)
        return pd.DatetimeIndex(stamps[positions]).as_unit(self.origin.unit)

    def column(self, positions: NDArray[np.int64]) -> pd.DatetimeIndex | NDArray[np.datetime64]:
        """Return the stamp at each position, as an array where there is neither zone nor calendar.

        A frame takes both for the same column, the array in less time.
        """
        if self.step is None or self.origin.tz is not None:
            return self.stamps(positions)
        return self.in_utc(positions, self.step)

    def in_utc(self, positions: NDArray[np.int64], step: np.timedelta64) -> NDArray[np.datetime64]:
        """Return the stamp at each position in UTC, in the unit of the origin."""
        origin: np.datetime64 = self.origin.asm8
        return (origin + np.asarray(positions) * step).astype(origin.dtype)

    def by_calendar(self, **extent: Any) -> pd.DatetimeIndex:
        """Return the first stamps, counted on the local clock.

        Where a stamp falls into the hour that a change of clocks skips, it is the end of that hour;
        where it falls into the hour that is repeated, it is the first.
        """
        local = pd.date_range(self.origin.tz_localize(None), freq=self.offset, **extent)
        return local.tz_localize(
            self.origin.tz, ambiguous=np.ones(len(local), dtype=bool), nonexistent="shift_forward"
        )


def resolve_frequency(
    times: Stamps,
    codes: NDArray[np.int64],
    names: Sequence[Hashable],
    *,
    column: str,
    freq: str | None,
) -> str:
    """Return the pandas frequency alias that every series shares.

    Without `freq`, it is the frequency of the longest series: the one on whose grid all its stamps
    lie with the fewest missing. Gaps are therefore no obstacle, as long as half of the steps are
    there.
    """
    if freq is not None:
        return parse_frequency(freq)
    times = pd.DatetimeIndex(times)
    sizes = np.bincount(codes, minlength=len(names))
    longest = int(sizes.argmax())
    best = best_fit(times[codes == longest])
    if best is None:
        hints = zone_hint(times) + span_hint(times[codes == longest], column)
        raise ValueError(
            f"The frequency of time column {column!r} cannot be inferred: "
            f"{counted(sizes[longest], 'time stamp')}{in_series(names[longest])} lie on no regular "
            "grid of which at least half is present (three stamps are the least); give `freq`, "
            f"such as 'h', 'D' or 'MS'{hints}."
        )
    shared, lacking = best
    if shared == "B" and lacking and are_trading_days(times, codes):
        logger.warning(
            "Working days are missing from time column %r in all series at once: they are taken as "
            "trading days (`freq='trading'`); with `freq='B'` these days count as missing.",
            column,
        )
        return TRADING
    for code in poor_fits(times, codes, shared, len(names)):
        stamps = times[codes == code]
        own, missing = best_fit(stamps) or (shared, math.inf)
        if own != shared and missing < missing_steps(stamps, shared, origin=times.min()):
            raise ValueError(
                f"All series must share one frequency, but that of time column {column!r} is "
                f"{shared!r} in series {shown(names[longest])} and {own!r} in series "
                f"{shown(names[code])}; resample one of them, forecast them apart, or give `freq`."
            )
    return shared


def is_counted(freq: str) -> bool:
    """Return whether a frequency is a number, of steps that are counted."""
    return freq.isdigit()


@cache
def elapsed_step(freq: str) -> np.timedelta64 | None:
    """Return the length of a step of hours or less, None for days and longer ones."""
    if is_counted(freq):
        return np.timedelta64(int(freq), "s")
    if freq == TRADING:
        return None
    offset = to_offset(freq)
    is_elapsed = isinstance(offset, Tick) and not isinstance(offset, Day)
    return pd.Timedelta(offset).to_timedelta64() if is_elapsed else None


@cache
def parse_frequency(freq: str) -> str:
    """Return the alias as pandas spells it; a number is one of steps that are counted."""
    if is_counted(freq) and int(freq) > 0:
        return str(int(freq))
    if freq == TRADING:
        return freq
    try:
        offset = to_offset(freq)
    except ValueError as error:
        raise ValueError(
            "`freq` must be a pandas frequency alias such as '15min', 'h', 'D', 'B', 'W-SUN', 'MS' "
            f"or 'QS', got {freq!r}."
        ) from error
    if offset.n < 1:
        raise ValueError(f"`freq` must step forward, got {freq!r}.")
    alias: str = offset.freqstr
    cadence_of(alias)  # raises where its calendar is not known
    return alias


def best_fit(times: pd.DatetimeIndex) -> tuple[str, float] | None:
    """Return the frequency with the fewest missing steps, and those, or None where none fits."""
    best: tuple[str, float] | None = None
    for freq in dict.fromkeys(candidates(times)):
        missing = missing_steps(times, freq, origin=times[0])
        if missing <= len(times) and (best is None or missing < best[1]):
            best = freq, missing
        if missing == 0:
            break
    return best


def candidates(times: pd.DatetimeIndex) -> Iterator[str]:
    """Yield the frequencies of the series, of stretches of it, of single steps, and guesses."""
    if len(times) < 3:
        return
    for length in (len(times), 12, 7, 3):
        starts = np.linspace(0, max(len(times) - length, 0), 6 if length < len(times) else 1)
        for start in starts.astype(int):
            freq = pd.infer_freq(times[start : start + length])
            if freq is not None:
                yield freq
    steps, counts = np.unique((times[1:] - times[:-1]).to_numpy(), return_counts=True)
    for step in (steps[counts.argmax()], steps[0]):
        length = pd.Timedelta(step)
        days, rest = divmod(length, pd.Timedelta(days=1))
        if not rest:
            yield f"{days}D"
        yield to_offset(length).freqstr
    # Where steps are missing everywhere, no stretch shows that they are months or working days.
    yield from ("MS", "ME", "B")
    # pandas infers no half-months and no last weekdays of a month.
    yield from (f"LWOM-{times[0].day_name()[:3].upper()}", *half_months(times[:2].day.tolist()))


def half_months(days: list[int]) -> Iterator[str]:
    """Yield the frequencies that two neighbouring stamps of half-months may have."""
    for alias, day in (("SMS", max(days)), ("SME", min(days))):
        if 1 < day < 28:
            yield f"{alias}-{day}"


def missing_steps(times: pd.DatetimeIndex, freq: str, *, origin: pd.Timestamp) -> float:
    """Return the steps missing between the stamps of a series, infinite where it has another grid.

    One with a stamp off the grid has, and one that lies on every second of its steps, or third.
    """
    positions = Grid(origin, freq).positions(times)
    if (positions == OFF_GRID).any() or np.gcd.reduce(np.diff(positions)) > 1:
        return math.inf
    return int(positions[-1] - positions[0] + 1 - len(positions))


def zone_hint(times: pd.DatetimeIndex) -> str:
    """Return what a daily or longer frequency needs, where there is a time zone."""
    if times.tz is None:
        return ""
    return f", or `zone`, such as 'Europe/Berlin', if days do not begin at midnight of {times.tz}"


def mention_strides(steps: NDArray[np.int64], freq: str, column: str) -> None:
    """Say where no two stamps are neighbours on a grid, as those of another frequency are not.

    Args:
        steps: Between the stamps of every series, `(stamps,)`.
        freq: Of the grid.
        column: Of times.
    """
    if len(steps) > 1 and steps.min() > 1:
        logger.warning(
            "Time column %r has no two stamps that are one step of %r apart, but %d: all steps "
            "between count as missing. Is `freq`, or that of the model, meant for other data?",
            column,
            freq,
            int(np.median(steps)),
        )


def span_hint(times: pd.DatetimeIndex, column: str) -> str:
    """Return what moves stamps onto a grid that lie anywhere in its steps, one in each."""
    for span, alias in SPANS.items() if times.tz is None and len(times) > 2 else ():
        spans = times.to_period(alias)
        if spans.is_unique and np.ptp(spans.asi8) < 2 * len(spans):
            moved = f"frame[{column!r}].dt.to_period({alias!r}).dt.start_time"
            return f", or, for one row per {span}, move the stamps: `frame[{column!r}] = {moved}`"
    return ""


def poor_fits(
    times: pd.DatetimeIndex, codes: NDArray[np.int64], freq: str, num_series: int
) -> NDArray[np.int64]:
    """Return the series with stamps off the grid of `freq`, or with many steps missing."""
    positions = pd.Series(Grid(times.min(), freq).positions(times))
    extent = positions.groupby(codes).agg(["min", "max", "size"]).reindex(range(num_series))
    missing = extent["max"] - extent["min"] + 1 - extent["size"]
    is_sparse = missing > SPARSE * extent["size"]
    return np.flatnonzero(is_sparse | (extent["min"] == OFF_GRID))

"""The seasons that show in numbers, whatever their calendar says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

LONGEST_SEASON = 2000
"""Time steps; a model looks back over two of them."""

LATEST = 2**14
"""Time steps at the end of each series that are searched."""

LEAST = {True: 0.1, False: 0.3}
"""The least autocorrelation of a season: of the changes from step to step, of the values."""

HALF = 0.4
"""Of the highest peak, by height and by contrast, which a shorter season has at least."""

GAIN = 0.03
"""By how much a second season has to beat the multiples of the first one near it."""

BEYOND = (1.0, 0.5)
"""By how many standard errors a peak, and a gain, exceed the highest of so many lags of noise."""


def shown_seasons(series: Sequence[Numbers]) -> tuple[int, ...]:
    """Return the seasons of some series, shortest first: none, one or two, in time steps.

    A season is a peak of the autocorrelation of the changes, or of the values less a line, that
    stands out from the lags half a season before it and its multiples, in the clearer one. A second
    one is a multiple of the first whose peak is above those of the multiples about it.
    Autocorrelations are means over the series, which may stand in any order and each in a unit of
    its own.

    Example:
        >>> days = np.arange(200.0)
        >>> shown_seasons([np.sin(days * 2 * np.pi / 7)])
        (7,)
    """
    sizes = np.array([len(own) for own in series])
    half = int(np.quantile(sizes, 0.9)) // 2 if len(sizes) else 0
    if half < 3:
        return ()
    clearest: tuple[float, tuple[int, ...]] = (0.0, ())
    for is_of_changes in (True, False):
        # What is slow in values has peaks by chance: two of them have to be there.
        longest = min(half, LONGEST_SEASON if is_of_changes else 2 * LONGEST_SEASON)
        found = Peaks.of(series, longest, is_of_changes=is_of_changes)
        first = found.first()
        if first is None or found.contrast(first) <= clearest[0]:
            continue
        second = found.second(first, below=int(np.median(sizes)) // 4)
        clearest = found.contrast(first), (first,) if second is None else (first, second)
    return clearest[1]


@dataclass(frozen=True, eq=False)
class Peaks:
    """An autocorrelation by lag, `(lags,)`, and the lags at which it peaks.

    Its standard error is given for series of which many move together, and for all of them as one.
    """

    values: Numbers
    error: Numbers
    series_error: Numbers
    lags: NDArray[np.int64]

    @classmethod
    def of(cls, series: Sequence[Numbers], longest: int, *, is_of_changes: bool) -> Peaks:
        """Return those of lags up to `longest`."""
        values, pairs = mean_autocorrelation(series, longest, is_of_changes=is_of_changes)
        error, series_error = (
            1 / np.sqrt(np.maximum(pairs / many, 1e-9))
            for many in (len(series) ** 0.5, len(series))
        )
        middle, least = (
            values[1:-1],
            np.maximum(LEAST[is_of_changes], (folds(longest) + BEYOND[0]) * error[1:-1]),
        )
        is_peak = (middle >= values[:-2]) & (middle >= values[2:]) & (middle > least)
        lags = np.flatnonzero(is_peak) + 1
        fits = lags >= 2 if is_of_changes else (lags >= 6) & (2 * lags < longest)
        return cls(values, error, series_error, lags[fits])

    def first(self) -> int | None:
        """Return the shortest season whose height and contrast are nearly half of the highest."""
        contrasts = np.array([self.contrast(int(lag)) for lag in self.lags])
        is_clear = contrasts > np.maximum(
            self.error[self.lags] * (folds(len(self.values)) + BEYOND[0]), min(LEAST.values())
        )
        lags, contrasts = self.lags[is_clear], contrasts[is_clear]
        if not len(lags):
            return None
        heights = self.values[lags]
        is_high = (contrasts >= HALF * contrasts.max()) & (heights >= HALF * heights.max())
        return self._refined(int(lags[is_high][0])) if is_high.any() else None

    def second(self, first: int, *, below: int) -> int | None:
        """Return the shortest season whose gain over the first is nearly the largest."""
        whole = self.lags[(self.lags > 2 * first) & (self.lags <= below) & (self.lags % first == 0)]
        least = np.maximum(GAIN, (folds(max(below // first, 2)) + BEYOND[1]) * self.series_error)
        gains = {int(lag): self._gain(int(lag), first) for lag in whole}
        gains = {lag: gain for lag, gain in gains.items() if gain >= least[lag]}
        if not gains:
            return None
        return min(lag for lag, gain in gains.items() if gain >= 0.6 * max(gains.values()))

    def _refined(self, season: int) -> int:
        """Return the lag about a season, within a tenth, whose multiples are highest on average.

        A smooth season has a broad peak, on which noise may rule.
        """
        near = np.arange(season - season // 10, season + season // 10 + 1)
        tops = [lag * np.arange(1, (len(self.values) - 1) // int(near[-1]) + 1) for lag in near]
        heights = [np.nanmean(self.values[top]) if len(top) else -1.0 for top in tops]
        return int(near[int(np.argmax(heights))])

    def contrast(self, season: int) -> float:
        """Return the mean height of up to three multiples over the lags between them."""
        tops = np.arange(1, 4) * season
        tops = tops[tops < len(self.values)]
        between = tops - season / 2
        low, high = np.floor(between).astype(int), np.ceil(between).astype(int)
        valleys = (self.values[low] + self.values[high]) / 2
        return float(np.nanmean(self.values[tops] - valleys))

    def _gain(self, lag: int, first: int) -> float:
        """Return the height over the mean of the multiples of `first` about a lag."""
        about = np.arange(round(lag / first) - 3, round(lag / first) + 4)
        others = about[(about >= 2) & (np.abs(about * first - lag) >= first / 2)] * first
        others = others[others < len(self.values)]
        heights = self.values[others[np.isfinite(self.values[others])]]
        return float(self.values[lag] - heights.mean()) if len(heights) else -1.0


def folds(lags: int) -> float:
    """Return how many standard errors the highest of so many lags of noise has."""
    return float(np.sqrt(2 * np.log(lags)))


def mean_autocorrelation(
    series: Sequence[Numbers], longest: int, *, is_of_changes: bool
) -> tuple[Numbers, Numbers]:
    """Return the autocorrelation at lags from 0, and the pairs of values behind it, `(lags,)`.

    Of the changes from step to step, or of the values less a line, without their outermost
    hundredths and without what is missing, which is not a number. Lags of which no series holds two
    have none: not a number.
    """
    total, count = np.zeros(longest + 1), np.zeros(longest + 1)
    for own in series:
        moves = np.diff(own[-LATEST:]) if is_of_changes else without_line(own[-LATEST:])
        known = ~np.isnan(moves)
        if known.sum() < 6:
            continue
        moves = np.clip(moves, *np.quantile(moves[known], (0.01, 0.99)))
        moves = moves - moves[known].mean()
        # In units of the series, so that squares of any unit are numbers.
        largest = np.abs(moves[known]).max()
        if not largest > 0:
            continue
        moves = moves / largest
        lags = np.arange(min(len(moves), longest + 1))
        products, pairs = lagged_sums(np.where(known, moves, 0.0), len(lags)), len(moves) - lags
        if not known.all():
            pairs = np.rint(lagged_sums(known.astype(float), len(lags))).astype(int)
        share = pairs * len(moves) / known.sum()
        kept = np.where(share >= np.maximum(lags, 4), pairs, 0)
        total[: len(lags)] += kept * products / np.maximum(pairs, 1) / np.mean(moves[known] ** 2)
        count[: len(lags)] += kept
    return np.where(count > 0, total / np.maximum(count, 1), np.nan), count


def lagged_sums(values: Numbers, lags: int) -> Numbers:
    """Return the sum of the products of values with those so many steps later, by lag from 0."""
    size = 1 << (2 * len(values) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(values, size)) ** 2
    return np.fft.irfft(spectrum, size)[:lags]


def without_line(values: Numbers) -> Numbers:
    """Return values less a straight line through those that are not missing."""
    step, known = np.arange(len(values)) - (len(values) - 1) / 2, ~np.isnan(values)
    if not known.any():
        return values
    step = step - step[known].mean()
    mean, spread = values[known].mean(), float((step[known] ** 2).sum())
    slope = float((step * (values - mean))[known].sum()) / spread if spread else 0.0
    rest: Numbers = values - mean - slope * step
    return rest

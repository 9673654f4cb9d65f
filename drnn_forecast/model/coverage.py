"""How far quantiles have to move to hold as often as they promise, and how often they do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ENOUGH = 200.0
"""Independent values from which a step of the horizon has factors of its own."""

SHARED = 16
"""By which part of its span the factors of a step may stand for those of another one."""

LEAST = 8
"""Values below which nothing is learned from them."""


FARTHEST = 1e3
"""The largest error, in units of a quantile's distance: the logarithm of zero is not finite."""

USUAL = 1.1
"""The factor of a trained network of which nothing else is known: it is a little too sure."""

BELIEF = 3.0
"""How many times `USUAL` is worth: each time has its own luck, whatever the number of series."""

UNUSUAL = 0.6
"""How far a factor is from `USUAL`, as a logarithm, where each time counts twice."""


def interval_factors(
    quantiles: NDArray[Any],
    actual: NDArray[Any],
    levels: Sequence[float],
    weight: NDArray[Any] | None = None,
    times: int | None = None,
) -> Array:
    """Return by what to multiply each quantile's distance from the median, `(steps, levels)`.

    With their factor the quantiles of a pair hold as many of the actual values between them as they
    promise. An error counts in units of its own forecast's width, so that windows of all series go
    together. A step has the values of as many neighbours as it needs for `ENOUGH` independent ones.
    The factor of a pair is drawn towards that of all pairs, as far as they differ by no more than
    chance, and towards `USUAL`, the more the fewer times the windows are of: what one time did to
    all series says little of the next. Ones where fewer than `LEAST` values are known.

    Quantiles of a pair move alike. That one side was missed more often than the other has been true
    of the next windows too seldom to pay.

    Args:
        quantiles: `(windows, steps, levels)`, in the units of `actual`, whatever they are.
        actual: `(windows, steps)`; not a number where it is not known, and it may be infinite.
        levels: In ascending order, 0.5 among them.
        weight: For how many independent windows each counts, `(windows,)`; None: for one.
        times: How many times the windows are of; None: as many as the weights say.
    """
    steps, middle = quantiles.shape[1], list(levels).index(0.5)
    values = np.asarray(quantiles, dtype=np.float64)
    error = np.asarray(actual, dtype=np.float64) - values[..., middle]
    known = ~np.isnan(error)
    factors = np.ones((steps, len(levels)))
    if known.sum() < LEAST:
        return factors
    offset = np.where(known[..., None], values - values[..., middle, None], 0.0)
    ratios = np.where(offset == 0, np.nan, error[..., None] / np.where(offset == 0, 1.0, offset))
    ratios = ratios.clip(-FARTHEST, FARTHEST)
    widths = np.abs(offset).sum(0) / np.maximum(known.sum(0), 1)[:, None]
    weights = np.ones(len(values)) if weight is None else np.asarray(weight, dtype=np.float64)
    span, shares = _span(error, float(weights.sum() * known.mean()))
    count = float(weights.sum()) if times is None else times
    last, found = -1, factors[0]
    for step in range(steps):
        # Neighbours that have nearly all values in common have the same factors.
        first = min(max(step - step % (1 + span // SHARED) - span // 2, 0), steps - span)
        if first != last:
            near = slice(first, first + span)
            if known[:, near].sum() < LEAST:
                near = slice(None)
            some = ratios[:, near]
            counts = np.repeat(weights * shares[some.shape[1] - 1], some.shape[1])
            found = _pooled_factors(some.reshape(-1, len(levels)), counts, levels, count)
            last = first
        factors[step] = _never_crossing(found, widths[step], middle)
    return factors


def coverage(
    quantiles: NDArray[Any], actual: NDArray[Any], levels: Sequence[float]
) -> dict[float, float]:
    """Return the share of known values inside each interval, by the share that it promises.

    Intervals are the pairs of levels l and 1 - l; arguments are those of `interval_factors`.
    """
    shares = {}
    known = ~np.isnan(actual)
    for low, high in _pairs(levels):
        inside = (quantiles[..., low] <= actual) & (actual <= quantiles[..., high])
        promised = round(levels[high] - levels[low], 9)
        shares[promised] = float(inside[known].mean()) if known.any() else np.nan
    return shares


def moved_quantiles(quantiles: NDArray[Any], factors: Array, levels: Sequence[float]) -> Array:
    """Return quantiles with factors, as `heads.Intervals` moves them."""
    median = quantiles[..., list(levels).index(0.5), None]
    return np.sort(median + factors * (quantiles - median), axis=-1)


def _span(error: Array, windows: float) -> tuple[int, Array]:
    """Return how many steps share their factors, and what each error counts for in every span.

    Errors of neighbouring steps go together, and count for as much less as the squares of their
    correlations say; these are of signs, whatever the size of errors.
    """
    signs, steps = np.sign(np.nan_to_num(error)), np.arange(1, error.shape[1] + 1)
    effects = np.ones(len(steps))
    for lag in steps[:-1]:
        products = signs[:, lag:] * signs[:, :-lag]
        correlation = np.sin(np.pi / 2 * products.sum() / max(np.count_nonzero(products), 1))
        effects += 2 * np.maximum(1 - lag / steps, 0.0) * correlation**2
    enough = windows * steps / effects >= ENOUGH
    return int(np.argmax(enough)) + 1 if enough.any() else len(steps), 1 / effects


def _pooled_factors(ratios: Array, weights: Array, levels: Sequence[float], times: float) -> Array:
    """Return the factor of each level from all ratios, `(values, levels)`."""
    size = float(weights[np.isfinite(ratios).any(-1)].sum())
    own, facts = {}, {}
    for low, high in [*_pairs(levels), *_unpaired(levels)]:
        share = round(abs(2 * levels[high] - 1), 9)
        # Of the two ratios of an error, the one on its own side is above zero.
        outward = np.fmax(ratios[:, low], ratios[:, high]) if low != high else abs(ratios[:, low])
        outward[outward < 0] = np.nan
        facts[low, high] = size * _information(share)
        own[low, high] = _quantile(outward, weights, share, size)
    common = _mean(own, facts)
    factors = np.ones(len(levels))
    for pair, value in own.items():
        found = _drawn(value, common, facts[pair])
        factors[[*pair]] = _believed(found, times) if np.isfinite(found) else 1.0
    return factors


def _believed(factor: float, times: float) -> float:
    """Return a factor drawn towards `USUAL` by as much as there are few times."""
    distance = math.log(max(factor, 1 / FARTHEST) / USUAL)
    count = times * (1 + (distance / UNUSUAL) ** 2)
    return USUAL * math.exp(count / (count + BELIEF) * distance)


def _mean(values: dict[tuple[int, int], float], facts: dict[tuple[int, int], float]) -> float:
    """Return the mean of known values, each weighted by how much is known of it."""
    known = [key for key, value in values.items() if np.isfinite(value)]
    total = sum(facts[key] for key in known)
    return sum(facts[key] * values[key] for key in known) / total if known else np.nan


def _drawn(own: float, other: float, facts: float) -> float:
    """Return a factor drawn towards another as far as they differ by no more than chance.

    `facts` is the inverse of the relative variance of `own`.
    """
    if not np.isfinite(other) or not np.isfinite(own):
        return own if np.isfinite(own) else other
    # Squared once more: what differs by far is known for itself, even to the edge of what comes.
    difference = ((own - other) ** 2 * facts) ** 2
    share = difference / (difference + other**4) if difference > 0 else 0.0
    return share * own + (1 - share) * other


def _quantile(values: Array, weights: Array, level: float, size: float) -> float:
    """Return the quantile whose level a coming value holds to: the (n + 1) p-th smallest of n."""
    known = np.isfinite(values)
    if not known.any():
        return np.nan
    values, weights = values[known], weights[known]
    order = np.argsort(values)
    ends = np.cumsum(weights[order])
    places = (ends - weights[order] / 2) / ends[-1]
    return float(np.interp(level + (level - 0.5) / size, places, values[order]))


def _information(share: float) -> float:
    """Return the inverse of the relative variance of that share's quantile of a normal's size."""
    normal = NormalDist()
    z = normal.inv_cdf((1 + share) / 2)
    return (2 * normal.pdf(z) * z) ** 2 / (share * (1 - share))


def _never_crossing(factors: Array, widths: Array, middle: int) -> Array:
    """Return factors that leave quantiles of usual widths in order, the outer ones widened."""
    reach = factors * widths
    reach[middle:] = np.maximum.accumulate(reach[middle:])
    reach[: middle + 1] = np.maximum.accumulate(reach[middle::-1])[::-1]
    return np.where(widths > 0, reach / np.where(widths > 0, widths, 1.0), factors)


def _pairs(levels: Sequence[float]) -> list[tuple[int, int]]:
    """Return the places of each pair of levels l and 1 - l, the outermost first."""
    places = {round(level, 9): place for place, level in enumerate(levels)}
    found = [(place, places.get(round(1 - level, 9))) for level, place in places.items()]
    return [(low, high) for low, high in found if high is not None and low < high]


def _unpaired(levels: Sequence[float]) -> list[tuple[int, int]]:
    """Return the places of the other levels, the median excepted, each twice."""
    paired = {place for pair in _pairs(levels) for place in pair}
    return [(n, n) for n, level in enumerate(levels) if level != 0.5 and n not in paired]

"""How the errors of a forecast's steps go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from drnn_forecast.model.losses.scores import scores_of_values

Array = NDArray[np.float64]

FADES = np.array([0.0, *np.linspace(0.1, 0.9, 17), 0.925, 0.95, 0.97, 0.98, 0.99])
"""By what the correlation fades from one time step to the next, of the forms that are tried."""

LEAST_EIGENVALUE = 1e-4
"""Of a correlation matrix, so that it has a Cholesky factor in single precision."""


LEAST_WINDOWS = 2
"""Below which nothing is learned of how steps go together."""

MOST_PAIRS = 20_000
"""Pairs of steps, evenly spread, by which three numbers are fitted."""

NOTHING = 1e-9


def step_dependence(
    quantiles: NDArray[Any],
    actual: NDArray[Any],
    levels: Sequence[float],
    weight: NDArray[Any] | None = None,
) -> Array | None:
    """Return the Cholesky factor of the correlations between steps, `(steps, steps)`.

    Of the normal scores of the actual values among their quantiles, pooled over windows. Estimates
    from few windows are drawn towards a correlation that fades with the distance of two steps to a
    constant, by as much as their sampling errors ask for (Ledoit and Wolf, 2003). None where
    fewer than `LEAST_WINDOWS` are known.

    Args:
        quantiles: `(windows, steps, levels)`, as they are forecast.
        actual: `(windows, steps)`; not a number where it is not known.
        levels: Theirs, in any order.
        weight: For how many independent windows each counts, `(windows,)`; None: for one.
    """
    values, came = (
        torch.as_tensor(np.asarray(each, dtype=np.float64)) for each in (quantiles, actual)
    )
    scores = scores_of_values(values, levels, came).numpy()
    weights = np.ones(len(scores)) if weight is None else np.asarray(weight, dtype=np.float64)
    known = np.isfinite(scores)
    scores = np.where(known, scores, 0.0)
    pairs = (known * weights[:, None]).T @ known
    products = (scores * weights[:, None]).T @ scores
    size = np.sqrt(np.diag(products) / np.maximum(np.diag(pairs), NOTHING))
    if weights[known.sum(1) > 1].sum() < LEAST_WINDOWS or not (size > 0).any():
        return None
    size = np.where(size > 0, size, size[size > 0].mean())
    found = products / np.maximum(pairs, NOTHING) / np.outer(size, size)
    fading = _fading(found, pairs)
    found = np.where(pairs > 0, found.clip(-1, 1), fading)
    noise = (1 - fading**2) ** 2 / np.maximum(pairs, 1.0)
    beside = (pairs > 0) & ~np.eye(len(found), dtype=bool)
    apart = ((found - fading) ** 2)[beside].sum()
    share = min(1.0, noise[beside].sum() / apart) if apart > 0 else 1.0
    return _factor(share * fading + (1 - share) * found)


def _fading(found: Array, pairs: Array) -> Array:
    """Return the correlation a f^d + c, with a, c >= 0 and a + c <= 1, that fits best.

    The distance d is that of the steps, as of an autoregression, or of their logarithms, as of a
    random walk. Numbers have to pay for themselves, as Akaike's criterion asks, so that
    correlations that are none stay none.
    """
    steps = np.arange(1.0, len(found) + 1)
    rows, columns = np.triu_indices(len(found), 1)
    every = 1 + len(rows) // MOST_PAIRS
    upper = rows[::every], columns[::every]
    values, weight = found[upper], every * pairs[upper]
    # The variance of a correlation is about one over the pairs that it is of.
    best, least = np.zeros_like(found), float((weight * values**2).sum())
    for times in (steps, np.log(steps)):
        distance = np.abs(times[:, None] - times)
        for fade in FADES:
            powers = fade ** distance[upper]
            for a, c in _amounts(powers, values, weight):
                numbers = 2 * (a > 0) + (c > 0)
                error = float((weight * (a * powers + c - values) ** 2).sum()) + 2 * numbers
                if error < least:
                    best, least = a * fade**distance + c, error
    np.fill_diagonal(best, 1.0)
    return best


def _amounts(powers: Array, mean: Array, weight: Array) -> list[tuple[float, float]]:
    """Return the least squares of a and c together, and of either alone, where none is negative."""
    square, cross, total = (float((weight * each).sum()) for each in (powers**2, powers, 1.0))
    with_powers, alone = (float((weight * each * mean).sum()) for each in (powers, 1.0))
    found = [(0.0, alone / max(total, NOTHING)), (with_powers / max(square, NOTHING), 0.0)]
    determinant = square * total - cross**2
    if determinant > NOTHING * total**2:
        a = (total * with_powers - cross * alone) / determinant
        found.append((a, (square * alone - cross * with_powers) / determinant))
    return [(a / max(a + c, 1.0), c / max(a + c, 1.0)) for a, c in found if a >= 0 and c >= 0]


def _factor(correlation: Array) -> Array:
    """Return the lower Cholesky factor of the positive definite correlation next to a matrix."""
    values, vectors = np.linalg.eigh(correlation)
    positive = (vectors * values.clip(LEAST_EIGENVALUE)) @ vectors.T
    size = np.sqrt(np.diag(positive))
    factor: Array = np.linalg.cholesky(positive / np.outer(size, size))
    return factor

"""Quantile functions, linear in the normal score: at a score, and the score of a value.

A normal score z stands for the level Phi(z). Between two quantiles a value lies on the line through
both, and beyond the outermost ones the last line goes on: a normal tail.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FARTHEST = 4.0
"""The largest score of a value: beyond lies one in thirty thousand."""


def values_at_scores(values: Tensor, levels: Sequence[float], scores: Tensor) -> Tensor:
    """Return the values at some normal scores, `(..., scores)`.

    Args:
        values: Quantiles, `(..., quantiles)`; of a single one, this is every value.
        levels: Theirs, in any order.
        scores: `(..., scores)`.
    """
    values, grid = _ascending(values, levels)
    return on_lines(values, grid, scores)


def on_lines(values: Tensor, grid: Tensor, places: Tensor) -> Tensor:
    """Return the values at some places, `(..., places)`, on lines through those at a grid.

    Args:
        values: At the grid, `(..., grid)`; of a single one, this is every value.
        grid: Ascending, `(grid,)`; beyond its ends the last line goes on.
        places: `(..., places)`.
    """
    if len(grid) == 1:
        return values.expand_as(places)
    right = torch.searchsorted(grid, places.contiguous()).clamp(1, len(grid) - 1)
    share = (places - grid[right - 1]) / (grid[right] - grid[right - 1])
    return values.gather(-1, right - 1).lerp(values.gather(-1, right), share)


def scores_of_values(values: Tensor, levels: Sequence[float], actual: Tensor) -> Tensor:
    """Return the normal score of each actual value, `(...)`, at most `FARTHEST` from zero.

    Not a number where it is not known or its neighbouring quantiles are equal.

    Args:
        values: Quantiles, `(..., quantiles)`, at least two.
        levels: Theirs, in any order.
        actual: `(...)`.
    """
    values, grid = _ascending(values, levels)
    right = (values < actual.unsqueeze(-1)).sum(-1, keepdim=True).clamp(1, len(grid) - 1)
    low, high = values.gather(-1, right - 1), values.gather(-1, right)
    share = (actual.unsqueeze(-1) - low) / (high - low)
    scores = grid[right - 1] + share * (grid[right] - grid[right - 1])
    scores = torch.where(high > low, scores, torch.nan).squeeze(-1)
    return scores.clamp(-FARTHEST, FARTHEST)


def _ascending(values: Tensor, levels: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Return quantiles by ascending level, and the normal scores of the levels."""
    grid, order = torch.as_tensor(levels, dtype=torch.float64).sort()
    scores = torch.special.ndtri(grid).to(device=values.device, dtype=values.dtype)
    return values[..., order.to(values.device)], scores

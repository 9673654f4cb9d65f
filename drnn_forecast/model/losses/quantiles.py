"""The levels of quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pytorch_forecasting.metrics import QuantileLoss

QUANTILE_LEVELS: Final = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""The levels that are forecast by default: the bounds of the 50, 80 and 95 % intervals, and the
median between them."""


def quantile_loss(levels: Sequence[float] = QUANTILE_LEVELS) -> QuantileLoss:
    """Return the quantile loss at some levels.

    Raises:
        ValueError: See `checked_quantiles`.
    """
    return QuantileLoss(checked_quantiles(levels))


def checked_quantiles(quantiles: Sequence[float]) -> list[float]:
    """Return the levels in ascending order.

    Raises:
        ValueError: A level does not lie between 0 and 1, is given twice, or 0.5 is not among them.
    """
    levels = sorted(quantiles)
    if not all(0 < level < 1 for level in levels) or len(set(levels)) < len(levels):
        raise ValueError(
            f"`quantiles` must be different numbers between 0 and 1, got {list(quantiles)}."
        )
    if 0.5 not in levels:
        raise ValueError(
            f"`quantiles` must include 0.5, which is the point forecast, got {list(quantiles)}."
        )
    return levels

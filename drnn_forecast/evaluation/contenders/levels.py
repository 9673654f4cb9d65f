"""The quantile levels that every model is scored at."""

from __future__ import annotations

from pytorch_forecasting.metrics import QuantileLoss

QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""The median, and the bounds of the 50, 80 and 95 % intervals."""


def quantile_loss() -> QuantileLoss:
    """Return the quantile loss at the levels that every model is scored at."""
    return QuantileLoss(list(QUANTILES))

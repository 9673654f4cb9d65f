"""Quantiles as far from the median as they held on other windows, and how steps go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

NEIGHBOURS = 0.5
"""The correlation of neighbouring steps of which nothing is known, and by what it fades.

The errors of two steps share what happens up to the earlier one, so they are neither independent,
with which the sum over a horizon would seem too certain, nor equal."""


class Intervals(nn.Module):
    """What is known of the errors of one target beside its network: nothing before calibration.

    Attributes:
        factors: By what the distance of each quantile from the median is multiplied,
            `(horizon, quantiles)`, in ascending order of their levels.
        dependence: The lower Cholesky factor of the correlations between the normal scores of
            steps, `(horizon, horizon)`.

    Args:
        levels: Of the quantiles, in any order, 0.5 among them.
        horizon: The longest forecast, time steps.
    """

    factors: Tensor
    dependence: Tensor

    def __init__(self, levels: Sequence[float], horizon: int) -> None:
        super().__init__()
        self.levels = tuple(sorted(levels))
        self.median = self.levels.index(0.5)
        self.register_buffer("factors", torch.ones(horizon, len(levels)))
        self.register_buffer("dependence", usual_dependence(horizon))
        untyped: Any = self.register_load_state_dict_pre_hook
        untyped(_fill_in)

    def forward(self, quantiles: Tensor) -> Tensor:
        """Return moved quantiles in ascending order; where all factors are 1, these to the bit.

        Args:
            quantiles: Ascending, `(batch, steps, quantiles)`.
        """
        factors = self.factors[: quantiles.shape[1]].to(quantiles.dtype)
        median = quantiles[..., self.median : self.median + 1]
        moved = (median + factors * (quantiles - median)).sort(dim=-1).values
        return torch.where((factors == 1).all(), quantiles, moved)

    def reset(self) -> None:
        """Forget what was learned, in tensors of its own."""
        self.factors = torch.ones_like(self.factors)
        self.dependence = usual_dependence(len(self.factors)).to(self.dependence)


def usual_dependence(horizon: int) -> Tensor:
    """Return the Cholesky factor of the correlations `NEIGHBOURS` ** |i - j|.

    That of a first-order autoregression, `(horizon, horizon)`.
    """
    step = torch.arange(horizon)
    lag = (step.unsqueeze(1) - step).clamp(min=0)
    first = torch.where(step == 0, 1.0, (1 - NEIGHBOURS**2) ** 0.5)
    return (NEIGHBOURS**lag * first).tril()


def _fill_in(
    module: Intervals, state_dict: dict[str, Any], prefix: str, *others: Any, **options: Any
) -> None:
    """Add to weights that were written before there were intervals those of nothing known."""
    state_dict.setdefault(f"{prefix}factors", torch.ones_like(module.factors))
    known = usual_dependence(len(module.factors)).to(module.dependence)
    state_dict.setdefault(f"{prefix}dependence", known)

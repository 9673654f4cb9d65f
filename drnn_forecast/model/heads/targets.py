"""One target's share of the head's outputs, as its loss takes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pytorch_forecasting.metrics import DistributionLoss, Metric, QuantileLoss
from pytorch_forecasting.utils import to_list
from torch import Tensor, nn

from drnn_forecast.layers import checked_seasons
from drnn_forecast.model.heads.anchors import SeasonalAnchor
from drnn_forecast.model.heads.earning import EarnedAnchors
from drnn_forecast.model.heads.intervals import Intervals
from drnn_forecast.model.heads.linear import LinearHistory
from drnn_forecast.model.losses import has_location, leading


def target_heads(parts: Any, losses: Sequence[Metric]) -> nn.ModuleList:
    """Return the head of every target, as the hyperparameters of a forecaster have it."""
    return nn.ModuleList(
        TargetHead(
            loss,
            output_size=size,
            season_length=parts.season_length,
            level_anchor=parts.level_anchor,
            smoothed_anchors=parts.smoothed_anchors,
            linear_length=parts.linear_length,
            horizon=parts.max_prediction_length,
        )
        for loss, size in zip(losses, to_list(parts.output_size), strict=True)
    )


class TargetHead(nn.Module):
    """The last steps from one target's share of the head's outputs to what its loss takes.

    Shifts the location, or all quantiles, by the anchor and by as much of the linear map as a gate
    of each step lets through, and sorts quantiles, so that they never cross: sorting never raises
    the quantile loss (Chernozhukov et al., 2010). Quantiles about a median then go as far apart as
    its `intervals` say, which are None for other losses.

    With smoothed anchors the outputs are in units of what the mix of anchors usually errs by inside
    the window, and quantiles start as those of a normal error, so that outputs of zero are already
    a forecast.

    Args:
        loss: The loss of this target.
        output_size: Numbers per step that the loss takes.
        season_length: One or several seasons, time steps; None: none.
        level_anchor: Whether the mean of the history is an anchor too.
        smoothed_anchors: Whether the anchors are `EarnedAnchors`.
        linear_length: Time steps of the history that a linear map reads; 0: there is none.
        horizon: The longest forecast, time steps.
    """

    spacing: Tensor
    ranks: Tensor | None

    def __init__(
        self,
        loss: Metric,
        *,
        output_size: int,
        season_length: int | Sequence[int] | None = None,
        level_anchor: bool = False,
        smoothed_anchors: bool = False,
        linear_length: int = 0,
        horizon: int = 1,
    ) -> None:
        super().__init__()
        is_anchored = level_anchor or smoothed_anchors or season_length is not None
        if (is_anchored or linear_length) and not has_location(loss):
            raise ValueError(
                "`season_length`, `level_anchor`, `smoothed_anchors` and `linear_length` need a "
                f"loss with a location in the target's own units, got {type(loss).__name__}. Leave "
                "them out, or pass another loss."
            )
        loss = leading(loss)
        self.anchor: SeasonalAnchor | EarnedAnchors | None = None
        if smoothed_anchors:
            seasons = () if season_length is None else checked_seasons(season_length)
            self.anchor = EarnedAnchors(seasons, horizon=horizon)
        elif is_anchored:
            self.anchor = SeasonalAnchor(season_length, level=level_anchor)
        self.linear = LinearHistory(linear_length, horizon) if linear_length else None
        self.output_size = output_size
        self.num_shifted = 1 if isinstance(loss, DistributionLoss) else output_size
        ranks = None
        if isinstance(loss, QuantileLoss):
            ranks = torch.from_numpy(np.argsort(np.argsort(loss.quantiles)))
        self.register_buffer("ranks", ranks, persistent=False)
        has_median = isinstance(loss, QuantileLoss) and 0.5 in loss.quantiles
        self.intervals = Intervals(loss.quantiles, horizon) if has_median else None
        spacing = normal_spacing(loss, self.num_shifted)
        self.register_buffer("spacing", spacing, persistent=False)

    @property
    def input_size(self) -> int:
        """Numbers per step that this target needs from the head."""
        return self.output_size + self._num_weights + (self.linear is not None)

    @property
    def reads_history(self) -> bool:
        """Whether values of the past target shift the forecast."""
        return self.anchor is not None or self.linear is not None

    def forward(
        self,
        raw: Tensor,
        history: Tensor | None,
        lengths: Tensor,
        known: Tensor | None = None,
    ) -> Tensor:
        """Return what the loss takes, normalised, `(batch, steps, outputs)`.

        Args:
            raw: `(batch, steps, input_size)`.
            history: Past target, normalised, padded on the right, `(batch, time)`; None where
                nothing reads it.
            lengths: Valid time steps of each row of the history, `(batch,)`.
            known: Where nothing stands in for a missing value, `(batch, time)`; None: everywhere.
        """
        output, logits = raw[..., : self.output_size], raw[..., self.output_size :]
        if self.reads_history and history is not None:
            shift, unit = self._shift(history, lengths, logits, known)
            shifted = output[..., : self.num_shifted]
            if unit is not None:
                shifted = (shifted + self.spacing.to(raw.dtype)) * unit.unsqueeze(-1)
            shifted = shifted + shift.unsqueeze(-1)
            output = torch.cat([shifted, output[..., self.num_shifted :]], dim=-1)
        if self.ranks is None:
            return output
        ordered = output.sort(dim=-1).values
        if self.intervals is not None:
            ordered = self.intervals(ordered)
        return ordered.index_select(-1, self.ranks)

    @property
    def _num_weights(self) -> int:
        return self.anchor.num_weights if self.anchor else 0

    def _shift(
        self, history: Tensor, lengths: Tensor, logits: Tensor, known: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return what the location of every step is shifted by, and its unit, `(batch, steps)`."""
        weights, gate = logits[..., : self._num_weights], logits[..., self._num_weights :]
        shift, unit = history.new_zeros(()), None
        if isinstance(self.anchor, EarnedAnchors):
            shift, unit = self.anchor(history, lengths, weights, known)
        elif self.anchor is not None:
            shift = self.anchor(history, lengths, weights)
        if self.linear is not None:
            linear = self.linear(history, lengths, gate.shape[1])
            shift = shift + gate.squeeze(-1).sigmoid() * linear
        return shift, unit


def normal_spacing(loss: Metric, count: int) -> Tensor:
    """Return where the outputs of a loss lie about the location, in mean absolute errors.

    The quantiles of a normal distribution, and 0 for other losses, `(count,)`.
    """
    if not isinstance(loss, QuantileLoss):
        return torch.zeros(count)
    levels = torch.tensor(loss.quantiles, dtype=torch.float64)
    spacing: Tensor = torch.special.ndtri(levels) * math.sqrt(math.pi / 2)
    return spacing.float()

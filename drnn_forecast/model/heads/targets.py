"""One target's share of the head's outputs, as its loss takes it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pytorch_forecasting.metrics import DistributionLoss, Metric, QuantileLoss
from torch import Tensor, nn

from drnn_forecast.model.heads.anchors import SeasonalAnchor
from drnn_forecast.model.heads.linear import LinearHistory
from drnn_forecast.model.losses import has_location, leading


class TargetHead(nn.Module):
    """The last steps from one target's share of the head's outputs to what its loss takes.

    Shifts the location, or all quantiles, by the anchor and by as much of the linear map as a gate
    of each step lets through, and sorts quantiles, so that they never cross: sorting never raises
    the quantile loss (Chernozhukov et al., 2010).

    Args:
        loss: The loss of this target.
        output_size: Numbers per step that the loss takes.
        season_length: One or several seasons, time steps; None: none.
        level_anchor: Whether the mean of the history is an anchor too.
        linear_length: Time steps of the history that a linear map reads; 0: there is none.
        horizon: The longest forecast, time steps.
    """

    def __init__(
        self,
        loss: Metric,
        *,
        output_size: int,
        season_length: int | Sequence[int] | None = None,
        level_anchor: bool = False,
        linear_length: int = 0,
        horizon: int = 1,
    ) -> None:
        super().__init__()
        is_anchored = level_anchor or season_length is not None
        if (is_anchored or linear_length) and not has_location(loss):
            raise ValueError(
                "`season_length`, `level_anchor` and `linear_length` need a loss with a location "
                f"in the target's own units, got {type(loss).__name__}. Leave them out, or pass "
                "another loss."
            )
        loss = leading(loss)
        self.anchor = SeasonalAnchor(season_length, level=level_anchor) if is_anchored else None
        self.linear = LinearHistory(linear_length, horizon) if linear_length else None
        self.output_size = output_size
        self.num_shifted = 1 if isinstance(loss, DistributionLoss) else output_size
        self.ranks = (
            torch.as_tensor(loss.quantiles).argsort().argsort().tolist()
            if isinstance(loss, QuantileLoss)
            else None
        )

    @property
    def input_size(self) -> int:
        """Numbers per step that this target needs from the head."""
        return self.output_size + self._num_weights + (self.linear is not None)

    @property
    def reads_history(self) -> bool:
        """Whether values of the past target shift the forecast."""
        return self.anchor is not None or self.linear is not None

    def forward(self, raw: Tensor, history: Tensor | None, lengths: Tensor) -> Tensor:
        """Return what the loss takes, normalised, `(batch, steps, outputs)`.

        Args:
            raw: `(batch, steps, input_size)`.
            history: Past target, normalised, padded on the right, `(batch, time)`; None where
                nothing reads it.
            lengths: Valid time steps of each row of the history, `(batch,)`.
        """
        output, logits = raw[..., : self.output_size], raw[..., self.output_size :]
        if self.reads_history and history is not None:
            shift = self._shift(history, lengths, logits).unsqueeze(-1)
            shifted = output[..., : self.num_shifted] + shift
            output = torch.cat([shifted, output[..., self.num_shifted :]], dim=-1)
        return output if self.ranks is None else output.sort(dim=-1).values[..., self.ranks]

    @property
    def _num_weights(self) -> int:
        return self.anchor.num_weights if self.anchor else 0

    def _shift(self, history: Tensor, lengths: Tensor, logits: Tensor) -> Tensor:
        """Return what the location of every step is shifted by, `(batch, steps)`."""
        weights, gate = logits[..., : self._num_weights], logits[..., self._num_weights :]
        shift = history.new_zeros(())
        if self.anchor is not None:
            shift = self.anchor(history, lengths, weights)
        if self.linear is not None:
            linear = self.linear(history, lengths, gate.shape[1])
            shift = shift + gate.squeeze(-1).sigmoid() * linear
        return shift

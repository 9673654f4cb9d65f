"""Normal distributions whose likelihood counts only what was observed.

pytorch-forecasting pads the targets of shorter decoders with zeros and asks for their likelihood
too, which a log or softplus scale refuses, and which a joint distribution counts as truth.
"""

from __future__ import annotations

from typing import Any

import torch
from pytorch_forecasting.metrics import (
    DistributionLoss,
    MultivariateNormalDistributionLoss,
    NormalDistributionLoss,
)
from pytorch_forecasting.utils import unpack_sequence, unsqueeze_like
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.utils.rnn import PackedSequence

from drnn_forecast.host import add_losses, transformation_of, without_validation


class _ObservedLoss(DistributionLoss):
    """What both have in common, before the methods of their own bases."""

    def map_x_to_distribution(self, x: Tensor) -> Distribution:
        """Return the distributions of all steps; `check_loss` has checked their support."""
        return without_validation(super().map_x_to_distribution(x))

    def to_prediction(self, y_pred: Tensor, n_samples: int = 100) -> Tensor:
        """Return the mean, `(batch, steps)`: exact on a linear scale, of samples on another."""
        if transformation_of(self) is None:
            # Centre + scale * location, the first parameters of both losses.
            return y_pred[..., 0] + y_pred[..., 1] * y_pred[..., 2]
        means: Tensor = super().to_prediction(y_pred, n_samples=n_samples)
        return means


class ObservedNormalLoss(_ObservedLoss, NormalDistributionLoss):
    """The loss of a normal distribution over the observed steps of each window."""

    def update(self, y_pred: Tensor, target: Any) -> None:
        """Add a batch, its padding replaced by each window's first target before it is masked."""
        actual, weight = target if _has_weight(target) else (target, None)
        values, lengths = unpack_sequence(actual)
        is_padding = torch.arange(values.shape[1], device=values.device) >= lengths.unsqueeze(1)
        values = torch.where(is_padding, values[:, :1], values)
        losses = self.loss(y_pred, values)
        if weight is not None:
            losses = losses * unsqueeze_like(weight, losses)
        add_losses(self, losses, lengths)


class ObservedMultivariateNormalLoss(_ObservedLoss, MultivariateNormalDistributionLoss):
    """The loss of a joint normal distribution over the windows of a batch, step by step.

    Each step is a distribution of the windows that reach it.
    """

    def update(self, y_pred: Tensor, target: Any) -> None:
        """Add a batch; weights have no meaning in a joint likelihood and have to be None."""
        actual = target[0] if _has_weight(target) else target
        values, lengths = unpack_sequence(actual)
        total = y_pred.new_zeros(())
        # Windows that end together share a run of steps, over which the batch does not change.
        ends = lengths.unique().tolist()
        for start, end in zip([0, *ends], ends, strict=False):
            reach = lengths >= end
            total = total + self.loss(y_pred[reach, start:end], values[reach, start:end])
        add_losses(self, total, lengths)


def _has_weight(target: Any) -> bool:
    """Return whether a target comes with its weights; a packed sequence is a tuple as well."""
    return isinstance(target, list | tuple) and not isinstance(target, PackedSequence)

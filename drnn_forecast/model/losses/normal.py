"""Normal distributions whose likelihood counts only what was observed.

pytorch-forecasting pads the targets of shorter decoders with zeros and asks for their likelihood
too, which a log or softplus scale refuses, and which a joint distribution counts as truth.
"""

from __future__ import annotations

from typing import Any

import torch
from pytorch_forecasting.metrics import (
    MultivariateNormalDistributionLoss,
    NormalDistributionLoss,
)
from pytorch_forecasting.utils import unpack_sequence, unsqueeze_like
from torch import Tensor
from torch.distributions import Distribution


class ObservedNormalLoss(NormalDistributionLoss):
    """The loss of a normal distribution over the observed steps of each window."""

    def update(self, y_pred: Tensor, target: Any) -> None:
        """Add a batch, its padding replaced by each window's first target before it is masked.

        Args:
            y_pred: Parameters, `(batch, steps, parameters)`.
            target: Targets `(batch, steps)`, perhaps packed, and weights, or targets alone.
        """
        actual, weight = target if _has_weight(target) else (target, None)
        values, lengths = unpack_sequence(actual)
        is_padding = torch.arange(values.shape[1], device=values.device) >= lengths.unsqueeze(1)
        values = torch.where(is_padding, values[:, :1], values)
        losses = self.loss(y_pred, values)
        if weight is not None:
            losses = losses * unsqueeze_like(weight, losses)
        self._update_losses_and_lengths(losses, lengths)

    def map_x_to_distribution(self, x: Tensor) -> Distribution:
        """Return the distribution of every step, `(batch, steps)`."""
        return _unvalidated(super().map_x_to_distribution(x))

    def to_prediction(self, y_pred: Tensor, n_samples: int = 100) -> Tensor:
        """Return the mean, `(batch, steps)`: exact on a linear scale, of samples on another."""
        if self._transformation is None:
            return _mean(y_pred)
        return super().to_prediction(y_pred, n_samples=n_samples)


class ObservedMultivariateNormalLoss(MultivariateNormalDistributionLoss):
    """The loss of a joint normal distribution over the windows of a batch, step by step.

    Each step is a distribution of the windows that reach it.
    """

    def update(self, y_pred: Tensor, target: Any) -> None:
        """Add a batch; weights have no meaning in a joint likelihood and have to be None.

        Args:
            y_pred: Parameters, `(batch, steps, parameters)`.
            target: Targets `(batch, steps)`, perhaps packed, and None, or targets alone.
        """
        actual = target[0] if _has_weight(target) else target
        values, lengths = unpack_sequence(actual)
        total = y_pred.new_zeros(())
        # Windows that end together share a run of steps, over which the batch does not change.
        ends = lengths.unique().tolist()
        for start, end in zip([0, *ends], ends, strict=False):
            reach = lengths >= end
            total = total + self.loss(y_pred[reach, start:end], values[reach, start:end])
        self._update_losses_and_lengths(total, lengths)

    def map_x_to_distribution(self, x: Tensor) -> Distribution:
        """Return the joint distribution of the batch at every step, `(steps)` of `(batch)`."""
        return _unvalidated(super().map_x_to_distribution(x))

    def to_prediction(self, y_pred: Tensor, n_samples: int = 100) -> Tensor:
        """Return the mean, `(batch, steps)`: exact on a linear scale, of samples on another."""
        if self._transformation is None:
            return _mean(y_pred)
        return super().to_prediction(y_pred, n_samples=n_samples)


def _has_weight(target: Any) -> bool:
    """Return whether a target comes with its weights; a packed sequence is a tuple as well."""
    return isinstance(target, list | tuple) and not isinstance(
        target, torch.nn.utils.rnn.PackedSequence
    )


def _mean(parameters: Tensor) -> Tensor:
    """Return centre + scale * location, the first parameters of both losses."""
    return parameters[..., 0] + parameters[..., 1] * parameters[..., 2]


def _unvalidated(distribution: Distribution) -> Distribution:
    """Return the distribution without torch's own check of values.

    Its support is wrong for log1p, where it refuses zeros; `check_loss` has the right one.
    """
    distribution._validate_args = False
    return distribution

"""A linear forecast from the last values of the target."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from drnn_forecast.layers import checked_integer


class LinearHistory(nn.Module):
    """A linear map from the last values of a window, less their mean, to every step.

    The autoregressive part of Lai et al. (2018, arXiv 1703.07015), for all steps at once. It starts
    at zero, and what a window is short of counts as the mean of what it has.

    Args:
        length: Time steps of the history.
        horizon: The longest forecast, time steps.
    """

    def __init__(self, length: int, horizon: int) -> None:
        super().__init__()
        self.length = checked_integer("linear_length", length, minimum=1)
        steps = checked_integer("horizon", horizon, minimum=1)
        self.weight = nn.Parameter(torch.zeros(steps, self.length))

    def forward(self, history: Tensor, lengths: Tensor, steps: int) -> Tensor:
        """Return the map of the first `steps` steps, `(batch, steps)`, in the units of `history`.

        Args:
            history: Past target, padded on the right, `(batch, time)`.
            lengths: Valid time steps of each row, `(batch,)`.
            steps: At most the horizon.
        """
        if not history.shape[1]:
            return history.new_zeros(history.shape[0], steps)
        index = lengths.unsqueeze(1) + torch.arange(-self.length, 0, device=history.device)
        is_valid = index >= 0
        values = torch.where(is_valid, history.gather(1, index.clamp(min=0)), 0.0)
        mean = values.sum(1, keepdim=True) / is_valid.sum(1, keepdim=True).clamp(min=1)
        centred = torch.where(is_valid, values - mean, 0.0).to(self.weight.dtype)
        return nn.functional.linear(centred, self.weight[:steps])

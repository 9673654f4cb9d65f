"""The convolution that joins the outputs of neighbouring steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from drnn_forecast.layers.checks import check_input
from drnn_forecast.layers.dilations import checked_integer


class OutputFusion(nn.Module):
    """A causal 1 x g convolution that joins the last g outputs of a stack.

    Where all dilations share a divisor g, the output at t has seen only the inputs t, t - g,
    t - 2g, ...; fusing g neighbours restores the rest (Chang et al., 2017, section 4.5).

    Args:
        hidden_size: Features of input and output.
        width: g, time steps.

    Raises:
        ValueError: An argument is below 1.
        TypeError: An argument is not an integer.
    """

    def __init__(self, hidden_size: int, width: int) -> None:
        super().__init__()
        self.width = checked_integer("width", width, minimum=1)
        size = checked_integer("hidden_size", hidden_size, minimum=1)
        self.convolution = nn.Conv1d(size, size, self.width)

    def forward(self, input: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the fused output `(time, batch, hidden)` and the last g - 1 inputs.

        Args:
            input: `(time, batch, hidden)`.
            state: `(g - 1, batch, hidden)`, oldest first; None: zeros.

        Raises:
            ValueError: The input or the state does not have these shapes.
        """
        check_input(input, self.convolution.in_channels)
        shape = (self.width - 1, *input.shape[1:])
        if state is None:
            state = input.new_zeros(shape)
        if state.shape != shape:
            raise ValueError(
                f"`state` must have the shape (width - 1, batch, hidden) = {shape}, "
                f"got {tuple(state.shape)}."
            )
        history = torch.cat([state, input])
        if not len(input):
            return input, state
        fused = self.convolution(history.permute(1, 2, 0)).permute(2, 0, 1)
        return fused, history[len(input) :]

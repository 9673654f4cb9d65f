"""A cell whose state leaks: h_t = 0.9 h_(t-s) + 0.1 tanh(W x_t + U h_(t-s) + b)."""

import torch
from torch import Tensor, nn


class LeakyCell(nn.Module):
    """One step of it: a `RecurrentCell`."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size, self.state_sizes = hidden_size, (hidden_size,)
        self.map = nn.Linear(input_size + hidden_size, hidden_size)

    def forward(
        self, input: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the output `(batch, hidden)` and the state after the step."""
        (h,) = state  # (batch, hidden), of s time steps ago
        h = 0.9 * h + 0.1 * self.map(torch.cat([input, h], 1)).tanh()
        return h, (h,)

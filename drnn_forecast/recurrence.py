"""The inner recurrence h_t = f(W x_t + U h_(t-1) + b) over (steps, lanes, features)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor

TORCH_CELLS: Final[dict[str, Callable[..., Any]]] = {
    "RNN": torch.rnn_tanh,
    "GRU": torch.gru,
    "LSTM": torch.lstm,
}
"""torch's own recurrences, by pytorch-forecasting's spelling of the cell."""


def recurrence(
    cell_type: str, input: Tensor, state: tuple[Tensor, ...], weights: Sequence[Tensor]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the outputs `(steps, lanes, hidden)` and the state after the last step.

    Args:
        cell_type: `"RNN"`, `"GRU"` or `"LSTM"`.
        input: `(steps, lanes, features)`, at least one step.
        state: h, and for an LSTM also c, each `(lanes, hidden)`, before the first step.
        weights: `weight_ih (gates * hidden, features)`, `weight_hh (gates * hidden, hidden)` and
            the two biases `(gates * hidden,)`, in torch's order of gates.
    """
    hidden = tuple(part.unsqueeze(0) for part in state)
    output, *last = TORCH_CELLS[cell_type](
        input,
        hidden if cell_type == "LSTM" else hidden[0],
        list(weights),
        True,  # has_biases
        1,  # num_layers
        0.0,  # dropout
        torch.is_grad_enabled(),  # train: cuDNN keeps what the backward pass needs
        False,  # bidirectional
        False,  # batch_first
    )
    return output, tuple(part.squeeze(0) for part in last)

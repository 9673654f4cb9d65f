"""The recurrence folded by phases, and in torch's own cells: what faster ones fall back to."""

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


def torch_recurrence(
    cell_type: str, input: Tensor, state: tuple[Tensor, ...], weights: Sequence[Tensor]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the output `(time, batch, hidden)` and the state after the last step.

    Args:
        cell_type: `"RNN"`, `"GRU"` or `"LSTM"`.
        input: `(time, batch, features)`, at least one step.
        state: h, and for an LSTM also c, each `(dilation, batch, hidden)`, oldest first.
        weights: The two weights and the two biases, as torch lays them out.
    """
    return folded_recurrence(
        lambda steps, parts: torch_cells(cell_type, steps, parts, weights), input, state
    )


def folded_recurrence(
    run: Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, tuple[Tensor, ...]]],
    input: Tensor,
    state: tuple[Tensor, ...],
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the output `(time, batch, hidden)` and the state after the last step.

    The phases of a dilation never meet, so time-major steps fold into lanes: `time / s` steps
    of `s * batch` lanes are the same memory as `time` steps of `batch`. Whole blocks of s
    steps run first, as a view, then the remainder with the lanes that have it.

    Args:
        run: An undilated recurrence: from `(steps, lanes, features)` and the parts of a state,
            `(lanes, size)`, to outputs `(steps, lanes, hidden)` and the state after them.
        input: `(time, batch, features)`, at least one step.
        state: Parts `(dilation, batch, size)`, oldest first.
    """
    time, batch, features = input.shape
    dilation = len(state[0])
    blocks, rest = divmod(time, dilation)
    whole = blocks * dilation
    parts = tuple(part.reshape(dilation * batch, -1) for part in state)
    outputs = []
    if blocks:
        folded = input[:whole].reshape(blocks, dilation * batch, features)
        output, parts = run(folded, parts)
        outputs.append(output.view(whole, batch, -1))
    if rest:
        folded = input[whole:].reshape(1, rest * batch, features)
        oldest = tuple(part[: rest * batch] for part in parts)
        output, newest = run(folded, oldest)
        outputs.append(output.view(rest, batch, -1))
        parts = tuple(
            torch.cat([part[rest * batch :], new]) for part, new in zip(parts, newest, strict=True)
        )
    joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return joined, tuple(part.view(dilation, batch, -1) for part in parts)


def torch_cells(
    cell_type: str, input: Tensor, state: tuple[Tensor, ...], weights: Sequence[Tensor]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return torch's outputs `(steps, lanes, hidden)` and last state, each part `(lanes, hidden)`.

    Args:
        cell_type: `"RNN"`, `"GRU"` or `"LSTM"`.
        input: `(steps, lanes, features)`, at least one step.
        state: h, and for an LSTM also c, each `(lanes, hidden)`, before the first step.
        weights: The two weights and the two biases, as torch lays them out.
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

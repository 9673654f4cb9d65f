"""Recurrences of a user's own: what such a cell has to be, and its run over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn

from drnn_forecast.layers.dilations import checked_integer

Cell: TypeAlias = "str | Callable[[int, int], nn.Module]"
"""The name of a cell of torch, or what makes a `RecurrentCell` of an input and a hidden size."""

PROBE_BATCH = 3
"""Rows of the one step by which a cell is checked: neither 1 nor a usual width."""


@runtime_checkable
class RecurrentCell(Protocol):
    """One step of a recurrence of your own: an `nn.Module` with these parts.

    It is f in c_t = f(x_t, c_(t-s)) (Chang et al., 2017, equation 1). The layer decides which
    step's state it reads, runs all phases of the dilation side by side as rows of the batch, and
    keeps the state. What a step returns may depend on its two arguments only.

    Attributes:
        hidden_size: Width of the output.
        state_sizes: Widths of the parts of the state, each of which begins as zeros.

    Example:
        >>> class LeakyCell(nn.Module):
        ...     def __init__(self, input_size, hidden_size):
        ...         super().__init__()
        ...         self.hidden_size, self.state_sizes = hidden_size, (hidden_size,)
        ...         self.map = nn.Linear(input_size, hidden_size)
        ...
        ...     def forward(self, input, state):
        ...         output = 0.9 * state[0] + 0.1 * self.map(input).tanh()
        ...         return output, (output,)
    """

    hidden_size: int
    state_sizes: tuple[int, ...]

    def forward(
        self, input: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the output `(batch, hidden)` and the state after the step.

        Args:
            input: `(batch, features)`.
            state: One part `(batch, size)` for each of `state_sizes`.
        """


def checked_cell(cell: Any, input_size: int) -> nn.Module:
    """Return `cell` if one step of it keeps to the protocol."""
    name = type(cell).__name__
    if not isinstance(cell, nn.Module):
        raise TypeError(f"A cell must be a `torch.nn.Module`, got {cell!r}.")
    for attribute in ("hidden_size", "state_sizes"):
        if not hasattr(cell, attribute):
            raise TypeError(
                f"The cell {name} has no attribute `{attribute}`. Set it in `__init__`, as "
                "`RecurrentCell` describes."
            )
    width = checked_integer(f"{name}.hidden_size", cell.hidden_size, minimum=1)
    if not isinstance(cell.state_sizes, tuple | list) or not cell.state_sizes:
        raise TypeError(
            f"`{name}.state_sizes` must be a tuple of the widths of the parts of the state, "
            f"got {cell.state_sizes!r}."
        )
    sizes = [checked_integer(f"{name}.state_sizes", s, minimum=1) for s in cell.state_sizes]
    like = next(cell.parameters(), torch.empty(0))
    with torch.no_grad():
        state = tuple(like.new_zeros(PROBE_BATCH, size) for size in sizes)
        _step(cell, like.new_zeros(PROBE_BATCH, input_size), state, width)
    return cell


def cell_recurrence(
    cell: nn.Module, input: Tensor, state: tuple[Tensor, ...], hidden_size: int
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the outputs `(steps, lanes, hidden)` and the state after the last step."""
    outputs = []
    for step in input.unbind():
        output, state = _step(cell, step, state, hidden_size)
        outputs.append(output)
    return torch.stack(outputs), state


def _step(
    cell: nn.Module, input: Tensor, state: tuple[Tensor, ...], hidden_size: int
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return what one step of the cell returns, checked."""
    result = cell(input, state)
    method = f"`forward` of the cell {type(cell).__name__}"
    if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], tuple | list):
        raise ValueError(
            f"{method} must return a pair, the output and a tuple with the state, "
            f"got {_described(result)}."
        )
    output, after = result
    expected = (input.shape[0], hidden_size)  # `len` would fix the batch of an exported graph
    if not isinstance(output, Tensor) or output.shape != expected:
        raise ValueError(
            f"{method} must return an output of the shape (batch, hidden) = {expected}, "
            f"got {_described(output)}."
        )
    if len(after) != len(state) or any(
        not isinstance(new, Tensor) or new.shape != old.shape
        for new, old in zip(after, state, strict=True)
    ):
        raise ValueError(
            f"{method} must return a state whose parts have the shapes (batch, size) = "
            f"{', '.join(map(_described, state))}, "
            f"got {', '.join(map(_described, after)) or 'no part'}."
        )
    return output, tuple(after)


def _described(value: Any) -> str:
    """Return the shape of a tensor, and the type of anything else."""
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"

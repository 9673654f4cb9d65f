"""What a stack of dilated layers sees and costs: receptive field, serial steps, parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drnn_forecast.layers.dilations import (
    LARGEST_KERNEL,
    MOST_LAYERS,
    WIDEST,
    checked_dilations,
    checked_integer,
)

GATES: Final = {"RNN": 1, "GRU": 3, "LSTM": 4}
"""Blocks of rows in the weights of each cell."""


def receptive_field(
    dilations: Sequence[int], *, recurrent_steps: int = 1, input_kernel_size: int = 1
) -> int:
    """Return how many time steps, the present one included, a few steps in each layer span.

    A recurrence reaches back without end; this is how far it reaches where a path takes at most
    `recurrent_steps` recurrent edges in each layer. With 1 it is the receptive field of a stack
    of causal convolutions of width 2 with these dilations. Where the dilations share a divisor g,
    the output sees every g-th of these steps only.

    Args:
        dilations: One per layer, time steps.
        recurrent_steps: The most recurrent edges of a path in each layer.
        input_kernel_size: k of every layer's input map.

    Raises:
        ValueError: There is no layer, or a number is below its minimum (1; 0 recurrent steps).
        TypeError: A number is not an integer.

    Example:
        >>> receptive_field((1, 2, 4, 8))
        16
    """
    hops = checked_integer("recurrent_steps", recurrent_steps, minimum=0)
    kernel = checked_integer(
        "input_kernel_size", input_kernel_size, minimum=1, maximum=LARGEST_KERNEL
    )
    return 1 + (hops + kernel - 1) * sum(checked_dilations(dilations))


def serial_steps(dilations: Sequence[int], length: int) -> int:
    """Return how many steps of a stack over `length` time steps wait for one another.

    A layer of dilation s runs its s phases side by side, one block of s time steps after another.

    Args:
        dilations: One per layer, time steps.
        length: Of the sequence, time steps.

    Raises:
        ValueError: There is no layer, or a number is below 1.
        TypeError: A number is not an integer.

    Example:
        >>> serial_steps((1, 2, 4), 512), serial_steps((4, 8, 16), 512)
        (896, 224)
    """
    steps = checked_integer("length", length, minimum=1)
    return sum(-(-steps // dilation) for dilation in checked_dilations(dilations))


def parameter_count(
    num_layers: int,
    *,
    input_size: int,
    hidden_size: int,
    cell_type: str = "GRU",
    input_kernel_size: int = 1,
) -> int:
    """Return how many parameters a `DilatedRNN` of layers of one width has.

    Args:
        num_layers: L; the dilations themselves cost no parameter.
        input_size: Features of the input.
        hidden_size: Units of every layer.
        cell_type: `"RNN"`, `"GRU"` or `"LSTM"`.
        input_kernel_size: k of every layer's input map.

    Raises:
        ValueError: A number is below 1, or there is no such cell.
        TypeError: A number is not an integer.

    Example:
        >>> parameter_count(9, input_size=1, hidden_size=20, cell_type="RNN")
        7180
    """
    if cell_type not in GATES:
        raise ValueError(f"`cell_type` must be one of {', '.join(GATES)}, got {cell_type!r}.")
    layers = checked_integer("num_layers", num_layers, minimum=1, maximum=MOST_LAYERS)
    features = checked_integer("input_size", input_size, minimum=1)
    width = checked_integer("hidden_size", hidden_size, minimum=1, maximum=WIDEST)
    kernel = checked_integer(
        "input_kernel_size", input_kernel_size, minimum=1, maximum=LARGEST_KERNEL
    )
    inputs = kernel * (features + (layers - 1) * width)
    return GATES[cell_type] * width * (inputs + layers * (width + 2))

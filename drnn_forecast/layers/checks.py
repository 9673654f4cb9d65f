"""What a layer's arguments and tensors have to be."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from drnn_forecast.layers.dilations import WIDEST, checked_integer


def checked_cell_type(cell_type: str, known: Collection[str]) -> str:
    """Return `cell_type` if it is one of the known cells."""
    if cell_type not in known:
        raise ValueError(f"`cell_type` must be one of {', '.join(known)}, got {cell_type!r}.")
    return cell_type


def checked_widths(hidden_size: int | Sequence[int], num_layers: int) -> tuple[int, ...]:
    """Return the width of every layer.

    Raises:
        ValueError: A width is out of range, or their number is not `num_layers`.
        TypeError: A width is not an integer.
    """
    if isinstance(hidden_size, Sequence) and not isinstance(hidden_size, str):
        if len(hidden_size) != num_layers:
            raise ValueError(
                f"`hidden_size` must be one integer or one per layer ({num_layers}), "
                f"got {len(hidden_size)}: {list(hidden_size)}."
            )
        return tuple(checked_width("hidden_size", width) for width in hidden_size)
    return (checked_width("hidden_size", hidden_size),) * num_layers


def checked_width(name: str, width: object) -> int:
    """Return the units of a layer; `name` is the argument to blame."""
    return checked_integer(name, width, minimum=1, maximum=WIDEST)


def checked_probability(name: str, value: float) -> float:
    """Return `value` if it is at least 0 and below 1; `name` is the argument to blame."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"`{name}` must be a number of at least 0 and below 1, got {value!r}.")
    if not 0 <= value < 1:
        raise ValueError(f"`{name}` must be at least 0 and below 1, got {value}.")
    return float(value)


def check_input(input: Tensor, features: int) -> None:
    """Check that `input` is a batch of sequences of that many features."""
    if input.dim() != 3:
        raise ValueError(
            f"`input` must have three axes, time, batch and features, got {tuple(input.shape)}. "
            "Add a batch axis of 1 to a single sequence."
        )
    if input.shape[-1] != features:
        raise ValueError(
            f"`input` must have {features} features in its last axis, got {input.shape[-1]}."
        )


def check_kind(name: str, tensor: Tensor, *, like: Tensor) -> None:
    """Check that a tensor has the device and dtype of the weights; autocast may mix dtypes."""
    if tensor.device != like.device:
        raise ValueError(
            f"`{name}` must be on the device of the weights, {like.device}, got {tensor.device}. "
            "Move one of them with `.to`."
        )
    if tensor.dtype != like.dtype and not torch.is_autocast_enabled(like.device.type):
        raise ValueError(
            f"`{name}` must have the dtype of the weights, {like.dtype}, got {tensor.dtype}. "
            "Convert one of them with `.to`."
        )

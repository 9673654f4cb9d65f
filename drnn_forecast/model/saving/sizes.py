"""What a configuration asks for, compared with the weights at hand before anything is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from drnn_forecast.model.saving.plain import KIND

LARGEST_NUMBER = 10_000_000
"""Of a hyperparameter: units, time steps, classes or series."""

LARGEST_OF_LOSS = 1_024
"""Of an argument of a loss, whose networks are made to be compared."""

LARGEST_INDEX = 2**63
"""Of a number of the dataset, such as a first time index."""

MOST_NUMBERS = 1_000
MOST_NAMES = 20_000
MOST_PARTS = 2_000
MOST_LOSSES = 100
"""Entries of a list of numbers, such as layers; of one of names, such as columns; of a mapping,
such as the sizes of embeddings; and of losses and metrics."""

UNWRITTEN = 10_000_000
"""Numbers that a model may hold beside those that are written."""


def check_numbers(
    value: Any, place: str, *, largest: int = LARGEST_NUMBER, most: int | None = MOST_NAMES
) -> None:
    """Raise where plain data hold a number or a list that no model has; arrays may be long.

    `most` is how many entries a list without numbers may have, None any number.
    """
    if isinstance(value, dict):
        if value.get(KIND) in ("array", "frame", "tensor"):
            return
        _check_count(value, None if most is None else MOST_PARTS, place)
        for name, entry in value.items():
            check_numbers(entry, f"{place}[{str(name)[:40]!r}]", largest=largest, most=most)
    elif isinstance(value, list):
        has_numbers = any(isinstance(entry, int | float) for entry in value)
        _check_count(value, MOST_NUMBERS if has_numbers else most, place)
        for entry in value:
            check_numbers(entry, place, largest=largest, most=most)
    elif isinstance(value, int) and abs(value) > largest:
        raise ValueError(f"{place} is beyond {largest:,}")


def check_sizes(build: Callable[[], nn.Module], weights: Path) -> None:
    """Raise where a model to be built does not have the shapes of the weights in a file.

    It is built without memory for its numbers, of which there may be any number.
    """
    with safe_open(weights, "pt") as file:
        written = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    with torch.device("meta"):
        model = build()
    parts = model.state_dict()
    for name, shape in written.items():
        expected = tuple(parts[name].shape) if name in parts else None
        if expected != shape:
            raise ValueError(f"{name} has the shape {shape}, and not {expected}")
    known = sum(parts[name].numel() for name in written)
    held = sum(part.numel() for part in (*model.parameters(), *model.buffers()))
    if held > known + UNWRITTEN:
        raise ValueError(f"the configuration is of {held:,} numbers, and there are {known:,}")


def _check_count(value: Any, most: int | None, place: str) -> None:
    """Raise where there are more entries than any model has."""
    if most is not None and len(value) > most:
        raise ValueError(f"{place} has {len(value):,} entries, at most {most:,} are read")

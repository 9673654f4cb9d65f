"""Batches and their data on their way to a device."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, Final

import torch
from torch import Tensor

from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet

ALIGNED: Final = 16
"""Bytes at whose multiples each tensor begins."""


def moved_together(batch: Any, device: torch.device) -> Any:
    """Return a batch on a device, where its tensors came from the host in one copy.

    Args:
        batch: Tensors in dictionaries, lists and tuples; what is no tensor, or is not on the host,
            stays as it is.
        device: Not the host.
    """
    found: dict[int, Tensor] = {}
    _changed(batch, lambda part: found.setdefault(id(part), part))
    sizes = {key: part.numel() * part.element_size() for key, part in found.items()}
    places, total = {}, 0
    for key, size in sizes.items():
        places[key] = slice(total, total + size)
        total += -(-size // ALIGNED) * ALIGNED
    host = torch.empty(total, dtype=torch.uint8, pin_memory=device.type == "cuda")
    for key, part in found.items():
        host[places[key]].view(part.dtype).view(part.shape).copy_(part)
    there = host.to(device, non_blocking=True)

    def moved(part: Tensor) -> Tensor:
        return there[places[id(part)]].view(part.dtype).view(part.shape)

    return _changed(batch, moved)


def on_device(
    dataset: BatchedTimeSeriesDataSet, device: str | torch.device
) -> BatchedTimeSeriesDataSet:
    """Return a dataset of the same windows whose data are on a device, and its batches made there.

    The data on the host, and the dataset itself, stay as they are.
    """
    moved = copy(dataset)
    moved._derived = dict(dataset._derived)
    moved.device = device
    return moved


def data_bytes(dataset: BatchedTimeSeriesDataSet) -> int:
    """Return how many bytes the data of a dataset take on a device."""
    parts: list[Tensor] = []

    def count(part: Tensor) -> Tensor:
        parts.append(part)
        return part

    _changed(dataset.data, count)
    return sum(part.numel() * part.element_size() for part in parts)


def _changed(data: Any, change: Any) -> Any:
    """Return nested tensors changed one by one, those of the host alone."""
    if isinstance(data, Tensor):
        return change(data) if data.device.type == "cpu" else data
    if isinstance(data, Mapping):
        return {name: _changed(part, change) for name, part in data.items()}
    if type(data) in (list, tuple):
        return type(data)(_changed(part, change) for part in data)
    return data

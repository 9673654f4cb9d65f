"""The lengths of a batch's windows where its tensors are, and on the host, which asks for them."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def remember_on_host(lengths: Tensor, known: Tensor) -> Tensor:
    """Return lengths on a device that know their numbers on the host: no step waits for them."""
    if lengths.device.type != "cpu":
        marked: Any = lengths
        marked.known_on_host = known
    return lengths


def on_host(lengths: Tensor) -> Tensor:
    """Return lengths on the host, copied where nobody remembered them."""
    if lengths.device.type == "cpu":
        return lengths
    known: Tensor | None = getattr(lengths, "known_on_host", None)
    return lengths.cpu() if known is None else known

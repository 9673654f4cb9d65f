"""The seeds of training runs, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drnn_forecast.layers import checked_integer

LARGEST_SEED = 2**32 - 1
"""Of numpy's generators."""


def checked_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """Return the seeds, if they are whole numbers from 0 on, at least one and each once."""
    if isinstance(seeds, int | str):
        raise TypeError(f"`seeds` must be a list of whole numbers, got {seeds!r}.")
    checked = tuple(checked_seed("seeds", seed) for seed in seeds)
    if not checked or len(set(checked)) < len(checked):
        raise ValueError(f"`seeds` must hold at least one seed, each once, got {checked}.")
    return checked


def checked_seed(name: str, seed: Any) -> int:
    """Return a seed that every generator takes; `name` is the argument to blame."""
    return checked_integer(name, seed, minimum=0, maximum=LARGEST_SEED)

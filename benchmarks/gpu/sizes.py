"""What is measured on a GPU, and the tiny part of it that a dry run takes."""

from __future__ import annotations

from itertools import product

import torch

from benchmarks.gpu.layers import BOUND, Shape

CHECKED = ((9, 3, 4, 20, 2), (5, 40, 8, 64, 8), (12, 5, 8, 128, 5))
"""Time, batch, features, hidden and dilation of what is checked."""

CELLS = ("GRU", "LSTM")
"""Those that are timed: each has kernels of its own, which take a second or more to compile."""

WORKS = (
    ((512, 512, 6, 64), (torch.float32, torch.bfloat16)),
    ((512, 512, 6, 128), (torch.float32, torch.bfloat16)),
    ((512, 64, 9, 20), (torch.float32,)),
    ((512, 64, 6, 64), (torch.float32,)),
    ((4096, 32, 9, 64), (torch.float32,)),
)
"""Time, batch, layers and units, and the types."""

UNITS = (20, 64, 128)
LANES = (32, 128, 512, 2048, 8192)
STEPS = (16, 64, 256, 1024)
MOST_ROWS = 2**20
"""Lanes times steps of a single layer, at most."""

Point = tuple[str, torch.dtype, int, int, int]


Checked = tuple[tuple[int, ...], ...]


def of(*, dry: bool) -> tuple[list[Shape], list[Point], Checked, tuple[torch.dtype, ...]]:
    """Return the stacks, the grid of single layers, and sizes and types of what is checked."""
    if dry:
        shapes = [Shape(3, 2, 2, 3, "LSTM", torch.float32)]
        grid = [("GRU", torch.float32, 4, 4, 2)]
        return shapes, grid, ((3, 2, 3, 4, 2),), (torch.float32,)
    shapes = [
        Shape(*sizes, cell, dtype) for sizes, dtypes in WORKS for dtype in dtypes for cell in CELLS
    ]
    types = (torch.float32, torch.bfloat16)
    grid = [
        (cell, dtype, units, lanes, steps)
        for steps, lanes, units, dtype, cell in product(STEPS, LANES, UNITS, types, CELLS)
        if lanes * steps <= MOST_ROWS
    ]
    return shapes, grid, CHECKED, tuple(BOUND)

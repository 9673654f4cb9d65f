"""Whether the kernels are the faster ones on a GPU: as `benchmarks/gpu` measured there, else no."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import torch

MEASUREMENTS: Final = Path(__file__).with_name("measured.csv")
"""What `benchmarks/gpu/run.py --rule` writes; there is none before a GPU was at hand."""

NEAR: Final = 2.0
"""By which factor lanes and steps may differ from those measured."""


class Measurement(NamedTuple):
    """Milliseconds of a layer's two passes, or of the forward one alone, on one GPU."""

    gpu: str
    cell: str
    dtype: str
    units: int
    lanes: int
    steps: int
    training: bool
    fold: float
    kernel: float


def read_measurements(path: Path) -> tuple[Measurement, ...]:
    """Return the measurements of a file, none where it is not there."""
    if not path.exists():
        return ()
    with path.open(newline="") as file:
        return tuple(
            Measurement(
                row["gpu"],
                row["cell"],
                row["dtype"],
                int(row["units"]),
                int(row["lanes"]),
                int(row["steps"]),
                row["training"] == "True",
                float(row["fold"]),
                float(row["kernel"]),
            )
            for row in csv.DictReader(file)
        )


MEASURED: Final = read_measurements(MEASUREMENTS)


def is_measured_faster(
    cell_type: str,
    device: torch.device,
    dtype: torch.dtype,
    *,
    lanes: int,
    steps: int,
    hidden: int,
    training: bool,
) -> bool:
    """Return whether the kernels beat the fold in the measurement that is nearest to a run.

    That is one on the same GPU, of the same cell and type, whose layer is as wide once padded, and
    whose lanes and steps are within a factor of `NEAR`. Where there is none, the fold runs.
    """
    wanted = (_name(device), cell_type, str(dtype).removeprefix("torch."), training)
    near = [
        (distance, each)
        for each in MEASURED
        if (each.gpu, each.cell, each.dtype, each.training) == wanted
        and hidden <= each.units < 2 * max(hidden, 16)
        and (distance := _distance(lanes, each.lanes, steps, each.steps)) is not None
    ]
    if not near:
        return False
    _, nearest = min(near)
    return nearest.kernel < nearest.fold


def _distance(lanes: int, own_lanes: int, steps: int, own_steps: int) -> float | None:
    """Return by which factor two runs differ; None: by too much."""
    factors = [max(a / b, b / a) for a, b in ((lanes, own_lanes), (steps, own_steps))]
    return factors[0] * factors[1] if max(factors) <= NEAR else None


@cache
def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type

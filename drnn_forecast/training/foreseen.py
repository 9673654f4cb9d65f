"""The memory that a training step will need, before it is taken."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from lightning.pytorch import LightningModule
from pytorch_forecasting.data import TimeSeriesDataSet

from drnn_forecast.model import DilatedRNNForecaster

MEMORY: Final = Path("/proc/meminfo")
GROUP: Final = Path("/sys/fs/cgroup")

FLOAT: Final = 4
"""Bytes of a number."""

OF_UNIT: Final = 8
"""Numbers of a step that are kept for each unit of a recurrent layer: gates, states, gradients."""

OF_HEAD: Final = 6
"""The same for each hidden unit of the head."""

OF_ANCHOR: Final = 15
"""The same for each anchor, on the horizon and on three horizons before it."""

OF_VALUE: Final = 24
"""The same for each step of the window, whose level, slopes and profiles are taken four times."""

SPARED: Final = 0.9
"""The share of the available memory that a step may take."""


def step_bytes(model: DilatedRNNForecaster, dataset: TimeSeriesDataSet, batch_size: int) -> int:
    """Return about how many bytes a training step takes at most, within a factor of two."""
    parts, horizon = model.hparams, dataset.max_prediction_length
    window = longest_window(dataset)
    variables = len(dataset.reals) + len(dataset.flat_categoricals)
    read = min(parts.context_length or window, window)
    steps = read // (parts.segment_length or 1)
    numbers: int = window * (OF_VALUE + 2 * variables) + read * 2 * model.encoder_features.size
    numbers += steps * OF_UNIT * sum(model.encoder.hidden_sizes)
    numbers += horizon * OF_HEAD * (parts.head_size or 0)
    heads: list[Any] = list(model.target_heads)
    for head in heads:
        numbers += horizon * (OF_ANCHOR * (head.input_size - head.output_size) + head.output_size)
    own = sum(each.numel() for each in model.parameters())
    return int(FLOAT * (batch_size * numbers + 4 * own))


def window_bytes(dataset: TimeSeriesDataSet, batch_size: int) -> int:
    """Return how many bytes the values of a batch take, which any model reads at least."""
    steps = longest_window(dataset) + int(dataset.max_prediction_length)
    return FLOAT * batch_size * steps * (len(dataset.reals) + 2 * len(dataset.flat_categoricals))


def longest_window(dataset: TimeSeriesDataSet) -> int:
    """Return the most time steps that a window looks back, which may be fewer than were asked."""
    longest: int = dataset.index["sequence_length"].max() - dataset.min_prediction_length
    return int(min(dataset.max_encoder_length, longest))


def check_memory(model: LightningModule, dataset: TimeSeriesDataSet, batch_size: int) -> None:
    """Refuse a step that would not fit into the memory of this machine.

    Raises:
        ValueError: It needs more than is available.
    """
    free = available_bytes()
    if free is None or model.device.type != "cpu":
        return
    size = min(batch_size, len(dataset))
    about, others, needed = "more than", "", window_bytes(dataset, size)
    if isinstance(model, DilatedRNNForecaster):
        about, needed = "about", step_bytes(model, dataset, size)
        others = " or `hidden_size`, or read segments (`segment_length`)"
    if needed > free:
        raise ValueError(
            f"`batch_size` must be lower: a step of {batch_size} windows of "
            f"{longest_window(dataset)} time steps and {dataset.max_prediction_length} ahead "
            f"needs {about} {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are available. Lower it, or `context_length`{others}."
        )


def available_bytes() -> int | None:
    """Return how much memory a step may take; None where the system does not tell."""
    try:
        lines = dict(line.split(":", 1) for line in MEMORY.read_text().splitlines())
        free = 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):
        return None
    with suppress(OSError, ValueError):  # a container without a limit, or another kind of system
        limit, used = ((GROUP / f"memory.{name}").read_text() for name in ("max", "current"))
        free = min(free, int(limit) - int(used))
    return int(SPARED * free)

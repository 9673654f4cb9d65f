"""What a network reads where its window lacks a target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pytorch_forecasting.data import TimeSeriesDataSet
from torch import Tensor

from drnn_forecast.data import interpolated, known_neighbours


def anchored(history: Tensor, known: Tensor, seasons: Sequence[int]) -> Tensor:
    """Return a history whose missing values are what a season ago and later says, `(batch, time)`.

    Less the line between what that misses of the known values before and after the gap: after the
    last of them, of that one. Where no season says anything, a gap is a line itself, and a row
    without any known value is zero, the centre of the normalised target.

    Args:
        history: Past target, normalised, `(batch, time)`.
        known: Where it is neither missing nor padding, `(batch, time)`.
        seasons: Time steps.
    """
    usual, has_usual = torch.zeros_like(history), torch.zeros_like(known)
    for season in sorted((own for own in seasons if own > 1), reverse=True):
        value, is_there = _beside(history, known, season)
        usual = torch.where(has_usual, usual, value)
        has_usual = has_usual | is_there
    rest = interpolated(history - usual, known & has_usual)
    line = interpolated(history, known)
    return torch.where(known, history, torch.where(has_usual, usual + rest, line))


def known_steps(missing: Tensor, lengths: Tensor) -> Tensor:
    """Return which steps of padded rows are neither missing nor padding, `(batch, time)`."""
    return ~missing & (torch.arange(missing.shape[1], device=missing.device) < lengths[:, None])


def known_targets(dataset: TimeSeriesDataSet) -> list[Tensor]:
    """Return each target of every row of a dataset, `(rows,)`, not a number where it is missing."""
    targets: list[Tensor] = dataset.data["target"]
    missing: Any = dataset.data.get("missing")
    if missing is None:
        return targets
    pairs = zip(targets, missing, strict=True)
    return [values.masked_fill(lacks, torch.nan) for values, lacks in pairs]


def _beside(history: Tensor, known: Tensor, season: int) -> tuple[Tensor, Tensor]:
    """Return the mean of the known values seasons before and after each step, and where one is."""
    steps = history.shape[1]
    total, count = torch.zeros_like(history), torch.zeros_like(history)
    for place in known_neighbours(known, season):
        is_there = (place >= 0) & (place < steps)
        value = history.gather(1, place.clamp(0, max(steps - 1, 0)))
        total = total + torch.where(is_there, value, 0.0)
        count = count + is_there
    return total / count.clamp(min=1), count > 0

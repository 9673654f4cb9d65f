"""What a network reads where its window lacks a target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pytorch_forecasting.data import TimeSeriesDataSet
from torch import Tensor

from drnn_forecast.data import interpolated, known_neighbours


def anchored(history: Tensor, known: Tensor, seasons: Sequence[int]) -> Tensor:
    """Return a history whose missing values are those of a season before and after, `(batch, time)`.

    On the line between the two, as far as both are known, and moved by what the same misses of the
    known values about the gap. The longest season comes first. Where no season says anything, a gap
    is a line itself, and a row without any known value is zero, the centre of the normalised target.

    Args:
        history: Past target, normalised, `(batch, time)`.
        known: Where it is neither missing nor padding, `(batch, time)`.
        seasons: Time steps.
    """
    line = interpolated(history, known)
    drift = _drift(history, known)
    level = history - drift
    usual, has_usual = torch.zeros_like(history), torch.zeros_like(known)
    for season in sorted((own for own in seasons if own > 1), reverse=True):
        value, is_there = _beside(level, known, season)
        usual = torch.where(has_usual, usual, value)
        has_usual = has_usual | is_there
    rest = interpolated(level - usual, known & has_usual)
    return torch.where(known, history, torch.where(has_usual, drift + usual + rest, line))


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


def _drift(history: Tensor, known: Tensor) -> Tensor:
    """Return the line through the known values of each row, less its middle, `(batch, time)`."""
    step = torch.arange(history.shape[1], device=history.device, dtype=history.dtype)
    count = known.sum(1, keepdim=True).clamp(min=1)
    step = step - (known * step).sum(1, keepdim=True) / count
    mean = torch.where(known, history, 0.0).sum(1, keepdim=True) / count
    moment = torch.where(known, step * (history - mean), 0.0).sum(1, keepdim=True)
    return moment / (known * step.square()).sum(1, keepdim=True).clamp(min=1) * step


def _beside(values: Tensor, known: Tensor, season: int) -> tuple[Tensor, Tensor]:
    """Return what lies between the known values seasons before and after each step, if any does."""
    steps = values.shape[1]
    before, after = known_neighbours(known, season)
    has_before, has_after = before >= 0, after < steps
    low, high = (values.gather(1, place.clamp(0, max(steps - 1, 0))) for place in (before, after))
    step = torch.arange(steps, device=values.device)
    share = ((step - before) / (after - before).clamp(min=1)).to(values.dtype)
    share = torch.where(has_before & has_after, share, has_after.to(values.dtype))
    return (1 - share) * low + share * high, has_before | has_after

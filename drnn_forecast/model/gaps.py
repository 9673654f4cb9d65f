"""What a network reads where its window lacks a target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pytorch_forecasting.data import TimeSeriesDataSet
from torch import Tensor

from drnn_forecast.data import between

POWER = 2.0
"""By which its error counts against what could stand in a gap."""

EXACT = 1e-3
"""Is added to errors, in units of the normalised target."""


def anchored(history: Tensor, known: Tensor, seasons: Sequence[int]) -> Tensor:
    """Return a history with something in the place of its missing values, `(batch, time)`.

    A mix of the line through each gap and, for every season, of what lies between the values of a
    season before and after, as it is and moved by what it misses of the known values about the gap.
    Each weighs by how little it errs on the known values, were they missing, and those that hold on
    to the edges of a gap by how far these are. Without seasons a gap is a line; a row without any
    known value is zero, the centre of the normalised target.

    Args:
        history: Past target, normalised, `(batch, time)`.
        known: Where it is neither missing nor padding, `(batch, time)`.
        seasons: Time steps.
    """
    history = torch.where(known, history, 0.0)
    line, is_there, distance = between(history, known, 1)
    found = [(line, _usual_error(history - line, known & is_there, distance) * distance, is_there)]
    drift = _drift(history, known)
    for season in (own for own in seasons if own > 1):
        usual, has_usual, _ = between(history - drift, known, season)
        usual, counts = drift + usual, known & has_usual
        missed, has_missed, far = between(history - usual, counts, 1)
        moved = usual + missed
        one = torch.ones_like(far)
        error = _usual_error(history - usual, counts, one).expand_as(far)
        found.append((usual, error, has_usual))
        error = _usual_error(history - moved, counts & has_missed, far) * far
        found.append((moved, error, has_usual & has_missed))
    weights = [
        torch.where(is_valid, (error + EXACT) ** -POWER, 0.0) for _, error, is_valid in found
    ]
    total = torch.stack(weights).sum(0)
    mixed = torch.stack([w * each[0] for w, each in zip(weights, found, strict=True)]).sum(0)
    return torch.where(known, history, mixed / torch.where(total > 0, total, 1.0))


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


def _usual_error(errors: Tensor, counts: Tensor, distance: Tensor) -> Tensor:
    """Return the mean absolute error of each row per distance, `(batch, 1)`; 1 without any."""
    total = torch.where(counts, errors.abs(), 0.0).sum(1, keepdim=True)
    whole = torch.where(counts, distance, 0.0).sum(1, keepdim=True)
    return torch.where(whole > 0, total / torch.where(whole > 0, whole, 1.0), 1.0)

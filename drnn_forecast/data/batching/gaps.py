"""Values that a dataset lacks, and what stands in their place."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drnn_forecast.data.frames.roles import BEFORE
from drnn_forecast.data.frames.rows import carried
from drnn_forecast.host import HostDataset, Tensors, without_empty_scales


class GappyDataset(HostDataset):
    """A dataset that may lack values.

    Attributes:
        allow_missing_targets: What is done about them: one of `MISSING`, or `MARKED`; False: they
            are refused.
    """

    allow_missing_targets: str | bool = False

    def get_parameters(self) -> dict[str, Any]:
        """Return the arguments that build an equal `TimeSeriesDataSet`, all but data and device."""
        parameters: dict[str, Any] = super().get_parameters()
        del parameters["device"]
        if not parameters.get("allow_missing_targets"):
            # pytorch-forecasting's own class has no such argument.
            parameters.pop("allow_missing_targets", None)
        return parameters

    def completed(self, tensors: Tensors, columns: Any) -> Tensors:
        """Return the data with a number in every place, and as `missing` which targets are none.

        `columns` are the rows that the data were made of, by name.
        """
        if not self.allow_missing_targets:
            return tensors
        reals, groups = tensors["reals"], tensors["groups"]
        codes = np.append(0, (groups[1:] != groups[:-1]).any(1).cumsum(0).numpy())
        for column in reals.isnan().any(0).nonzero().ravel().tolist():
            values = carried(reals[:, column].double().numpy(), codes)
            # Where nothing comes before, the mean of what is scaled.
            reals[:, column] = torch.from_numpy(np.nan_to_num(values, nan=0.0))
        missing = [values.isnan() for values in tensors["target"]]
        if any(bool(part.any()) for part in missing):
            for name, part, values in zip(
                self.target_names, missing, tensors["target"], strict=True
            ):
                if part.any():
                    before = torch.tensor(np.asarray(columns[f"{BEFORE}{name}"], np.float64))
                    values[part] = before[part].to(values.dtype)
            tensors["missing"] = missing
            for normalizer in self.target_normalizers:
                without_empty_scales(normalizer)
        return tensors


def with_keywords(signature: inspect.Signature, **usual: Any) -> inspect.Signature:
    """Return a signature with more arguments, which are given by name or are as usual."""
    kind = inspect.Parameter.KEYWORD_ONLY
    more = [inspect.Parameter(name, kind, default=value) for name, value in usual.items()]
    return signature.replace(parameters=[*signature.parameters.values(), *more])


def interpolated(values: Tensor, known: Tensor) -> Tensor:
    """Return values whose gaps lie on the line between the known ones about them, `(batch, time)`.

    Before the first and after the last known one of a row, that one; 0 in a row without any.

    Args:
        values: `(batch, time)`.
        known: Which of them are kept, and read for the others.
    """
    return torch.where(known, values, between(values, known, 1)[0])


def drawn(values: Tensor, missing: Tensor, known: Tensor) -> Tensor:
    """Return values with lines through what is missing, in rows in which something is known.

    All are `(batch, time)`.
    """
    is_drawn = missing & known.any(1, keepdim=True)
    return torch.where(is_drawn, interpolated(values, known), values)


def between(values: Tensor, known: Tensor, season: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the known values whole seasons before and after each step say, but for itself.

    Returns:
        A point on the line between them, of one of them where there is no other, where there is
        any, and how far they are: the harmonic mean of both distances, twice that of a single one,
        in time steps. Each `(batch, time)`.
    """
    steps = values.shape[1]
    before, after = known_neighbours(known, season)
    has_before, has_after = before >= 0, after < steps
    low, high = (values.gather(1, place.clamp(0, max(steps - 1, 0))) for place in (before, after))
    low = torch.where(has_before, low, torch.where(has_after, high, 0.0))
    high = torch.where(has_after, high, low)
    step = torch.arange(steps, device=values.device)
    back, ahead = (step - before).to(values.dtype), (after - step).to(values.dtype)
    share = back / (back + ahead)
    distance = 2 * back * ahead / (back + ahead)
    distance = torch.where(
        has_before & has_after, distance, 2 * torch.where(has_before, back, ahead)
    )
    return low + share * (high - low), has_before | has_after, distance


def known_neighbours(known: Tensor, season: int) -> tuple[Tensor, Tensor]:
    """Return the nearest known steps whole seasons before and after each, `(batch, time)` each.

    -1 where there is none before, at least the number of steps where there is none after.
    """
    batch, steps = known.shape
    cycles = torch.nn.functional.pad(known, (0, -steps % season)).view(batch, -1, season)
    count = cycles.shape[1]
    number = torch.arange(count, device=known.device).unsqueeze(-1)
    outside = number.new_full((batch, 1, season), -1)
    before = torch.where(cycles, number, -1).cummax(1)[0]
    after = torch.where(cycles, number, count).flip(1).cummin(1)[0].flip(1)
    before = torch.cat([outside, before[:, :-1]], dim=1)
    after = torch.cat([after[:, 1:], outside + count + 1], dim=1)
    phase = torch.arange(season, device=known.device)
    early = torch.where(before < 0, -1, before * season + phase)
    late = torch.where(after >= count, steps, after * season + phase)
    return early.view(batch, -1)[:, :steps], late.view(batch, -1)[:, :steps]

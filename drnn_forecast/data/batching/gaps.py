"""Values that a dataset lacks: how they are marked, and what stands in their place."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from drnn_forecast.data.batching.build_checks import names_of
from drnn_forecast.data.batching.errors import DatasetError, require
from drnn_forecast.data.frames.kinds import as_numbers, is_real
from drnn_forecast.data.frames.roles import BEFORE, KINDS, MARK, MISSING, OBSERVED
from drnn_forecast.data.frames.rows import carried
from drnn_forecast.host import HostDataset, Tensors, without_empty_scales

MARKED: Final = "marked"
"""Empty values are masked; of their marks, only those are variables that the arguments list."""


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


def checked_method(allow_missing_targets: Any) -> str | bool:
    """Return what is to be done about empty values; False where they are refused."""
    allowed = (True, False, None, MARKED, *(name for name in MISSING if name != "error"))
    if allow_missing_targets not in allowed:
        raise DatasetError(
            "`allow_missing_targets` must be True, which masks them, False, 'zero', 'previous' or "
            f"'linear', got {allow_missing_targets!r}."
        )
    return "mask" if allow_missing_targets is True else allow_missing_targets or False


def with_marks(
    data: pd.DataFrame, arguments: Mapping[str, Any], method: str | bool
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a frame that may lack values, and arguments of a dataset that know of it.

    What it lacks is not a number, in columns of floats, unless `method` puts something there.
    """
    targets, listed = names_of(arguments.get("target")), _reals(arguments)
    names = dict.fromkeys([*targets, *chain(*listed.values())])
    columns = {name: data[name] for name in names if name in data}
    empty = {name: own.isna().to_numpy() for name, own in columns.items() if own.hasnans}
    check_empty_targets(data, targets, empty, method)
    new = {name: own for name, own in arguments.items() if name not in ("self", "data")}
    if not method:
        return data, new
    values = {name: as_numbers(columns[name]) for name in empty if is_real(columns[name])}
    before = {name: _before(data, arguments, name) for name in targets if name in empty}
    made: dict[str, Any] = {**values, **{f"{BEFORE}{name}": own for name, own in before.items()}}
    if method == "zero":
        made |= {name: np.nan_to_num(own, nan=0.0) for name, own in values.items()}
    if method == "previous":
        made |= before
    if method == "mask":
        for own in listed.values():
            marks = [f"{MARK}{name}" for name in own if name in values]
            own += [mark for mark in marks if mark not in own]
    marks = [name for name in chain(*listed.values()) if name.startswith(MARK)]
    nothing = np.zeros(len(data), dtype=bool)
    made |= {mark: empty.get(mark[len(MARK) :], nothing).astype(float) for mark in marks}
    new |= listed
    new["scalers"] = {**(arguments.get("scalers") or {}), **dict.fromkeys(marks)}
    known = ~np.any([empty[name] for name in targets if name in empty] or [nothing], axis=0)
    for name, weight in _weight(data, arguments, known).items():
        new["weight"], made[name] = name, weight
    # Before the first target there is nothing to read and nothing to learn.
    is_begun = ~np.any([np.isnan(own) for own in before.values()] or [nothing], axis=0)
    data = data.assign(**made)
    return (data if is_begun.all() else data[is_begun]), new


def check_empty_targets(
    data: pd.DataFrame,
    targets: list[str],
    empty: Mapping[str, NDArray[np.bool_]],
    method: str | bool,
) -> None:
    """Refuse empty targets where they are not allowed, and where nothing else is there."""
    for name in targets:
        if name not in empty:
            continue
        count, first = int(empty[name].sum()), data.index[empty[name].argmax()]
        require(
            bool(method),
            f"The target {name!r} must be a number in every row, but is empty in {count}, first "
            f"in the row labelled {first!r}. Pass `allow_missing_targets=True`, under which such "
            "rows count in no loss, or fill or drop them.",
        )
        require(
            is_real(data[name]),
            f"Only targets that are numbers may be missing, but {name!r} of type "
            f"{data[name].dtype} is empty in {count} rows, first in the row labelled {first!r}. "
            "Drop these rows, or give them a label of their own.",
        )
        require(
            count < len(data) or f"{BEFORE}{name}" in data,
            f"The target {name!r} must be a number in some row, but is empty in all {count}. Pass "
            "rows in which it is known.",
        )


def _reals(arguments: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the lists of real variables, by argument, which are the caller's to change."""
    kinds = [kind for kind in KINDS if kind.endswith("reals")]
    return {kind: list(arguments[kind]) for kind in kinds if arguments.get(kind)}


def _weight(
    data: pd.DataFrame, arguments: Mapping[str, Any], known: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Return the weight of each row, 0 where a target is missing, by name, where one is needed."""
    weight = arguments.get("weight")
    is_needed = not known.all() and (weight or not arguments.get("predict_mode"))
    if weight != OBSERVED and not is_needed:
        return {}
    given = 1.0 if weight in (None, OBSERVED) else as_numbers(data[weight])
    return {weight or OBSERVED: np.where(known, given, 0.0)}


def _before(data: pd.DataFrame, arguments: Mapping[str, Any], target: str) -> NDArray[np.float64]:
    """Return the last known target of each row's series up to the row, `(rows,)`."""
    if f"{BEFORE}{target}" in data:
        return as_numbers(data[f"{BEFORE}{target}"])
    groups = data.groupby(list(arguments["group_ids"]), observed=True, sort=False)
    codes = groups.ngroup().to_numpy()
    order = np.lexsort((data[arguments["time_idx"]].to_numpy(), codes))
    result: NDArray[np.float64] = np.empty(len(data))
    result[order] = carried(as_numbers(data[target])[order], codes[order])
    return result


def interpolated(values: Tensor, known: Tensor) -> Tensor:
    """Return values whose gaps lie on the line between the known ones about them, `(batch, time)`.

    Before the first and after the last known one of a row, that one; 0 in a row without any.

    Args:
        values: `(batch, time)`.
        known: Which of them are kept, and read for the others.
    """
    return torch.where(known, values, between(values, known, 1)[0])


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

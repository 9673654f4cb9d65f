"""How values that a dataset lacks are marked in its frame; neither torch nor the host is needed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data.batching.errors import DatasetError, require
from drnn_forecast.data.frames.kinds import as_numbers, is_real
from drnn_forecast.data.frames.roles import BEFORE, KINDS, MARK, MISSING, OBSERVED
from drnn_forecast.data.frames.rows import carried

MARKED: Final = "marked"
"""Empty values are masked; of their marks, only those are variables that the arguments list."""


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


def names_of(columns: Any) -> list[str]:
    """Return one name, a list of names or None as a list."""
    if columns is None:
        return []
    return [columns] if isinstance(columns, str) else list(columns)

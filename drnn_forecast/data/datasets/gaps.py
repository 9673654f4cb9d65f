"""What datasets of a history are told about missing values, and which of its windows teach."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drnn_forecast.data.batching.marks import MARKED
from drnn_forecast.data.batching.window_index import WindowIndex
from drnn_forecast.data.frames.panel import Panel
from drnn_forecast.data.frames.roles import KINDS, MARK

if TYPE_CHECKING:
    from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet

logger = logging.getLogger("drnn_forecast.data")


def allowing(panel: Panel, parameters: dict[str, Any], *, is_new: bool = False) -> dict[str, Any]:
    """Return arguments of a dataset that say what is done about missing values.

    Those of a model that is trained stay as they are. `is_new` says whether what is missing may
    still become a variable.
    """
    if "allow_missing_targets" in parameters or panel.roles.missing == "error":
        return parameters
    method: str | bool = panel.roles.missing
    if method == "mask":
        method = True if is_new else MARKED
    return {**parameters, "allow_missing_targets": method}


def teaches(
    dataset: BatchedTimeSeriesDataSet, index: WindowIndex, *, is_needed: bool
) -> NDArray[np.bool_]:
    """Return which windows have a known target to read and one to learn, `(windows,)`.

    Raises:
        ValueError: None has, and one is needed. Otherwise all are then kept.
    """
    ends = index.last_row + 1
    starts = ends - dataset.max_prediction_length
    lacks = dataset.data.get("missing")
    is_known = np.ones(len(dataset.data["time"])) if lacks is None else ~lacks[0].numpy()
    weight = dataset.data["weight"]
    weighs = np.ones(len(is_known)) if weight is None else weight.numpy() != 0
    reads, learns = (np.append(0, np.cumsum(own)) for own in (is_known, weighs))
    is_read = (reads[starts] > reads[index.first_row]) | (starts == index.first_row)
    is_kept: NDArray[np.bool_] = is_read & (learns[ends] > learns[starts])
    if is_needed and not is_kept.any():
        raise ValueError(
            f"Some window of {dataset.max_prediction_length} time steps before those held out "
            f"needs a target that is not missing, but none of {len(is_kept)} has one with another "
            f"before it. Lower `horizon`, or give data with fewer gaps in {dataset.target!r}."
        )
    return is_kept if is_kept.any() else np.ones_like(is_kept)


def is_lacking(columns: Mapping[str, NDArray[Any]]) -> bool:
    """Whether a number is missing in some column."""
    return any(own.dtype.kind == "f" and bool(np.isnan(own).any()) for own in columns.values())


def mention_unmarked(columns: Mapping[str, NDArray[Any]], parameters: Mapping[str, Any]) -> None:
    """Say which covariates are missing here and never were in the training of a model.

    Args:
        columns: Of the rows of windows, by name.
        parameters: Of the training dataset, and what is done about missing values.
    """
    if parameters.get("allow_missing_targets") != MARKED:
        return
    listed = {
        name for kind in KINDS if kind.endswith("reals") for name in parameters.get(kind) or []
    }
    for name in sorted((listed - {parameters["target"]}) & set(columns)):
        if f"{MARK}{name}" not in listed and np.isnan(columns[name]).any():
            logger.warning(
                "No value of covariate %r was missing in training: where one is now, the last one "
                "before it is read.",
                name,
            )

"""Whether a dataset has the codes and scales that a model was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_forecasting import TimeSeriesDataSet
from pytorch_forecasting.data.encoders import EncoderNormalizer, MultiNormalizer, NaNLabelEncoder

from drnn_forecast.data.frames.places import some
from drnn_forecast.data.frames.roles import KINDS

ROUNDING = 1e-6
"""Relative difference of scales that come from the same rows."""


def other_codes(trained: Mapping[str, Any], dataset: TimeSeriesDataSet) -> list[str]:
    """Return in words what a dataset encodes or scales otherwise than the training did.

    Args:
        trained: `get_parameters()` of the training dataset.
        dataset: With the same variables.
    """
    given, targets = dataset.get_parameters(), dataset.target_names
    found = []
    ours, theirs = (part.get("categorical_encoders") or {} for part in (trained, given))
    for name in _categoricals(trained):
        if name not in targets and not is_alike(ours.get(name), theirs.get(name)):
            found.append(f"codes of {name!r}{_labels_in_words(ours.get(name), theirs.get(name))}")
    ours, theirs = (part.get("scalers") or {} for part in (trained, given))
    reals = [dataset.lagged_variables.get(name, name) for name in dataset.reals]
    for name in dict.fromkeys(reals):
        if name not in targets and not is_alike(ours.get(name), theirs.get(name)):
            found.append(f"scale of {name!r}")
    if not is_alike(trained["target_normalizer"], given["target_normalizer"]):
        found.append("scale of the target")
    is_placed = {"relative_time_idx", "encoder_length"} & set(dataset.reals)
    if is_placed and trained["max_encoder_length"] != given["max_encoder_length"]:
        found.append(f"longest context ({given['max_encoder_length']} time steps)")
    return found


def is_alike(one: Any, other: Any) -> bool:
    """Whether two encoders, scalers or normalisers turn values into the same numbers."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, NaNLabelEncoder):
        return _is_equal(getattr(one, "classes_", None), getattr(other, "classes_", None))
    if isinstance(one, MultiNormalizer):
        pairs = list(zip(one.normalizers, other.normalizers, strict=False))
        return len(one.normalizers) == len(other.normalizers) and all(is_alike(*p) for p in pairs)
    ours, theirs = vars(one), vars(other)
    # Of a normaliser that is fitted on each window, what it was fitted on last means nothing.
    is_fitted_anew = isinstance(one, EncoderNormalizer)
    names = [
        name
        for name in ours.keys() & theirs.keys()
        if name not in ("n_samples_seen_", "feature_names_in_")
        and not (is_fitted_anew and name.endswith("_"))
    ]
    return all(_is_equal(ours[name], theirs[name]) for name in names)


def _categoricals(parameters: Mapping[str, Any]) -> list[str]:
    """Return the variables of a training that have an encoder."""
    kinds = [kind for kind in KINDS if kind.endswith("categoricals")]
    return [name for kind in kinds for name in parameters.get(kind) or []]


def _labels_in_words(one: Any, other: Any) -> str:
    """Return which labels an encoder lacks and has in addition."""
    ours, theirs = (list(getattr(part, "classes_", ())) for part in (one, other))
    missing = [label for label in ours if label not in theirs]
    new = [label for label in theirs if label not in ours]
    parts = [f"{word} {some(own, 3)}" for word, own in (("without", missing), ("with", new)) if own]
    return f" ({', '.join(parts)})" if parts else ""


def _is_equal(one: Any, other: Any) -> bool:
    """Whether two values are equal, numbers but for their rounding."""
    if isinstance(one, pd.DataFrame) and isinstance(other, pd.DataFrame):
        is_same_table = one.index.equals(other.index) and one.columns.equals(other.columns)
        return is_same_table and _is_equal(one.to_numpy(), other.to_numpy())
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_equal(one[key], other[key]) for key in one)
    numbers = (int, float, np.generic, np.ndarray, torch.Tensor)
    if isinstance(one, numbers) and isinstance(other, numbers):
        left, right = np.asarray(one), np.asarray(other)
        if left.shape != right.shape or left.dtype.kind not in "biuf":
            return bool(left.shape == right.shape and (left == right).all())
        return bool(np.allclose(left, right, rtol=ROUNDING, atol=0.0, equal_nan=True))
    return bool(one == other)

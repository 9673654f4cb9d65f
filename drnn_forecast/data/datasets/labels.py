"""Series and categories that a model is asked about, against those that it knows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from pytorch_forecasting import NaNLabelEncoder
from pytorch_forecasting.utils import to_list

from drnn_forecast.data.datasets.unknown import labels_asked, silent_encoders
from drnn_forecast.data.frames.roles import KINDS
from drnn_forecast.host import groups_of


def with_known_labels(parameters: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a dataset, of whose unknown labels everything is said here.

    Args:
        parameters: `get_parameters()` of the training dataset.
        columns: What is asked about, by name, at least the columns that hold labels.

    Raises:
        ValueError: The model knows no series, or no label of a column, that it is asked about.

    Warns:
        UserWarning: It does not know some of them.
    """
    silent = silent_encoders(
        parameters.get("categorical_encoders") or {},
        columns,
        label_columns(parameters),
        parameters["group_ids"],
    )
    return {**parameters, "categorical_encoders": silent}


def with_new_labels(
    parameters: Mapping[str, Any], columns: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the arguments of a dataset that knows new series and labels too, and these.

    They get codes behind those of the training, which stay. What is no text gets none, and the
    classes of a target stay.

    Args:
        parameters: `get_parameters()` of the training dataset.
        columns: What is to be known, by name, at least the columns that hold labels.

    Raises:
        ValueError: The model knows no series, or no label of a column: they are others, or the
            same under other names.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with_known_labels(parameters, columns)
    grown, found = dict(parameters.get("categorical_encoders") or {}), {}
    targets = to_list(parameters["target"])
    for name, columns_of in label_columns(parameters).items():
        encoder: Any = grown.get(name)
        is_own = type(encoder) is NaNLabelEncoder and hasattr(encoder, "classes_")
        if not is_own or name in targets or not is_textual(encoder):
            continue
        new = [each for each in labels_asked(columns, columns_of) if each not in encoder.classes_]
        if new:
            grown[name] = _with_classes(encoder, new)
            found[name] = new
    return {**parameters, "categorical_encoders": grown}, found


def label_columns(parameters: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the columns of every encoder by which a model tells series or categories apart."""
    normalizer = parameters.get("target_normalizer")
    parts = getattr(normalizer, "normalizers", [normalizer])
    names = [name for part in parts for name in groups_of(part)]
    for kind in KINDS:
        names += (parameters.get(kind) or []) if kind.endswith("categoricals") else []
    groups = parameters.get("variable_groups") or {}
    return {name: list(groups.get(name, [name])) for name in dict.fromkeys(names)}


def is_textual(encoder: Any) -> bool:
    """Whether an encoder was fitted on text."""
    return all(isinstance(own, str) for own in getattr(encoder, "classes_", (None,)))


def _with_classes(encoder: NaNLabelEncoder, labels: Sequence[str]) -> NaNLabelEncoder:
    """Return an encoder that knows more labels; its own `fit` leaves a code out for each call."""
    grown = copy(encoder)
    codes = {each: len(encoder.classes_) + number for number, each in enumerate(labels)}
    grown.classes_ = {**encoder.classes_, **codes}
    grown.classes_vector_ = np.array(list(grown.classes_))
    return grown

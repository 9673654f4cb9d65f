"""Series and categories that a model is asked about, against those that it knows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from typing import Any

import numpy as np
import pandas as pd
from pytorch_forecasting import NaNLabelEncoder
from pytorch_forecasting.utils import to_list

from drnn_forecast.data.frames.kinds import label, labels_of
from drnn_forecast.data.frames.places import counted, some
from drnn_forecast.data.frames.roles import KINDS
from drnn_forecast.host import groups_of

_is_part: ContextVar[bool] = ContextVar("is_part", default=False)


@contextmanager
def asked_in_parts() -> Iterator[None]:
    """Let what is asked about be a part of more, of which the model may know nothing."""
    before = _is_part.set(True)
    try:
        yield
    finally:
        _is_part.reset(before)


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
    silent, said = dict(parameters.get("categorical_encoders") or {}), []
    for name, columns_of in label_columns(parameters).items():
        encoder: Any = silent.get(name)
        # Without a label for the unknown, the encoder refuses it itself.
        if not getattr(encoder, "add_nan", False) or not hasattr(encoder, "classes_"):
            continue
        asked, known = _asked(columns, columns_of), {label(own): None for own in encoder.classes_}
        unknown = [own for own in asked if own not in known]
        is_series = name in parameters["group_ids"]
        if unknown and len(unknown) == len(asked) and not _is_part.get():
            raise ValueError(_all_unknown(name, unknown, list(known), is_series=is_series))
        if unknown:
            kind = "series" if is_series else "labels"
            said.append(
                f"{len(unknown)} of {counted(len(asked), kind)} in {name!r}: {some(unknown)}"
            )
            silent[name] = copy(encoder)
            silent[name].warn = False
    if said:
        warnings.warn(
            f"The model does not know {'; '.join(said)}. What it forecasts for them rests on "
            "everything but these names; train a model with them for more.",
            UserWarning,
            stacklevel=2,
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
        new = [each for each in _asked(columns, columns_of) if each not in encoder.classes_]
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


def _asked(columns: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return the labels in some columns, each once."""
    parts = [labels_of(pd.unique(columns[name])) for name in names if name in columns]
    return list(dict.fromkeys(own for part in parts for own in part))


def _all_unknown(name: str, asked: list[str], known: list[str], *, is_series: bool) -> str:
    """Return that nothing asked for is known, and what would be."""
    known = [own for own in known if own != "nan"]
    what = "series" if is_series else "label"
    remedy = next(
        (
            f"If these are the same, convert the column: `frame[{name!r}] = frame[{name!r}]{code}`."
            for code, convert in _conversions(known).items()
            if _converts(convert, asked, known)
        ),
        f"Ask for new {'series' if is_series else 'labels'} beside one that the model knows, or "
        "train a model with them.",
    )
    return (
        f"The model must know at least one {what} that it is asked about, but column {name!r} "
        f"has only {some(asked)}, and the model knows {some(known)}. {remedy}"
    )


def _conversions(known: list[str]) -> dict[str, Callable[[str], str]]:
    """Return ways in which one label comes to be written as another, by their pandas code."""
    width = max(map(len, known), default=0)
    integer = ".astype(float).astype(int).astype(str)"
    return {
        integer: lambda own: str(int(float(own))),
        f"{integer}.str.zfill({width})": lambda own: str(int(float(own))).zfill(width),
        ".astype(str).str.strip()": str.strip,
        ".astype(str).str.lower()": str.lower,
        ".astype(str).str.upper()": str.upper,
        ".astype(str).str.title()": str.title,
    }


def _converts(convert: Callable[[str], str], asked: list[str], known: list[str]) -> bool:
    """Whether a conversion takes all labels asked for, and leads to one that is known."""
    try:
        return not set(map(convert, asked)).isdisjoint(known)
    except (ValueError, OverflowError):
        return False

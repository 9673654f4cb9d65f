"""What is said of series and categories that a model does not know, of whichever encoders."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from typing import Any

import pandas as pd

from drnn_forecast.data.frames.kinds import label, labels_of
from drnn_forecast.data.frames.places import counted, some

_is_part: ContextVar[bool] = ContextVar("is_part", default=False)


@contextmanager
def asked_in_parts() -> Iterator[None]:
    """Let what is asked about be a part of more, of which the model may know nothing."""
    before = _is_part.set(True)
    try:
        yield
    finally:
        _is_part.reset(before)


def silent_encoders(
    encoders: Mapping[str, Any],
    columns: Mapping[str, Any],
    named: Mapping[str, Sequence[str]],
    group_ids: Sequence[str],
) -> dict[str, Any]:
    """Return the encoders of a model, of whose unknown labels everything is said here.

    Args:
        encoders: By name: their `classes_`, whether they have `add_nan`, and whether they `warn`.
        columns: What is asked about, by name, at least the columns that hold labels.
        named: The columns of every encoder by which the model tells series or categories apart.
        group_ids: The names of those that tell series apart.

    Raises:
        ValueError: The model knows no series, or no label of a column, that it is asked about.

    Warns:
        UserWarning: It does not know some of them.
    """
    silent, said = dict(encoders), []
    for name, columns_of in named.items():
        encoder: Any = silent.get(name)
        # Without a label for the unknown, the encoder refuses it itself.
        if not getattr(encoder, "add_nan", False) or not hasattr(encoder, "classes_"):
            continue
        asked, known = labels_asked(columns, columns_of), {label(o): None for o in encoder.classes_}
        unknown = [own for own in asked if own not in known]
        is_series = name in group_ids
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
            stacklevel=3,
        )
    return silent


def labels_asked(columns: Mapping[str, Any], names: Sequence[str]) -> list[str]:
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

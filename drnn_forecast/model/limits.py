"""The least and the largest value that a target can have, and values beyond; without torch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from numbers import Real
from typing import Any


def checked_bounds(lower: Any, upper: Any) -> tuple[float, float]:
    """Return the least and the largest value of a target as floats.

    Raises:
        TypeError: One is no number.
        ValueError: `lower` is not below `upper`.
    """
    for name, value in (("lower", lower), ("upper", upper)):
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError(f"`{name}` must be a number, got {value!r}.")
    if not lower < upper:
        raise ValueError(f"`lower` must be below `upper`, got {lower} and {upper}.")
    return float(lower), float(upper)


def bounds_of(model: Any) -> tuple[float, float]:
    """Return the least and the largest value that the targets of a model can have."""
    return model.hparams.get("lower", -math.inf), model.hparams.get("upper", math.inf)


def warn_beyond(model: Any, targets: Sequence[Any], *, is_fixed: bool = False) -> None:
    """Warn of values of the targets that the forecasts of a model cannot follow.

    Args:
        model: A trained one.
        targets: What is known of each, tensors or arrays.
        is_fixed: Whether the bounds of the model cannot be changed any more.

    Warns:
        UserWarning: A value lies out of bounds.
    """
    low, high = bounds_of(model)
    for name, values in zip(model.target_names, targets, strict=True):
        if not len(values):
            continue
        beyond = []
        if values.min() < low:
            beyond.append(("lower", low, float(values.min()), "-math.inf"))
        if values.max() > high:
            beyond.append(("upper", high, float(values.max()), "math.inf"))
        for bound, end, value, free in beyond:
            change = "" if is_fixed else f", or set `model.hparams.{bound} = {free}`"
            warnings.warn(
                f"The target {name!r} has values such as {value:g}, but the model's `{bound}` is "
                f"{end:g}, which no forecast passes. Train again with these data{change}.",
                UserWarning,
                stacklevel=3,
            )

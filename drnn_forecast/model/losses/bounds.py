"""Values that a target cannot have, such as counts below zero."""

from __future__ import annotations

import math
import warnings
from numbers import Real
from typing import Any

import pandas as pd
from pytorch_forecasting.metrics import DistributionLoss, MultiLoss
from torch import Tensor
from torchmetrics import Metric

from drnn_forecast.host import reach
from drnn_forecast.model.losses.reading import (
    has_location,
    leading,
    losses_of_targets,
    normalizers_of,
)


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


def reaches_of(model: Any) -> list[tuple[float, float]]:
    """Return the same of each target, and of what its normaliser can give."""
    low, high = bounds_of(model)
    ends = map(reach, normalizers_of(model.output_transformer))
    return [(max(least, low), min(most, high)) for least, most in ends]


def warn_beyond(model: Any, frame: pd.DataFrame) -> None:
    """Warn of targets in a frame that lie where the forecasts of a model cannot follow them.

    Warns:
        UserWarning: A value lies out of bounds.
    """
    low, high = bounds_of(model)
    single = (model.hparams.get("roles") or {}).get("target")
    for name in [single] if single else model.target_names:
        values = frame.get(name)
        if values is None or not pd.api.types.is_numeric_dtype(values.dtype):
            continue
        beyond = []
        if values.min() < low:
            beyond.append(("lower", low, values.min(), "-math.inf"))
        if values.max() > high:
            beyond.append(("upper", high, values.max(), "math.inf"))
        for bound, end, value, free in beyond:
            warnings.warn(
                f"The target {name!r} has values such as {value:g}, but the model's `{bound}` is "
                f"{end:g}, which no forecast passes. Train again with these data, or set "
                f"`model.hparams.{bound} = {free}`.",
                UserWarning,
                stacklevel=3,
            )


def within(
    loss: Metric, prediction: Tensor | list[Tensor], bounds: tuple[float, float]
) -> Tensor | list[Tensor]:
    """Return outputs of which none that is a value of its target lies out of bounds.

    Parameters of distributions, rates and classes are no values, and stay as they are.

    Args:
        loss: Of one target or several.
        prediction: In target units, `(batch, steps, outputs)`; a list for several targets.
        bounds: The least and the largest value.
    """
    if not any(map(math.isfinite, bounds)):
        return prediction
    parts = prediction if isinstance(prediction, list) else [prediction]
    found = [
        part.clamp(*bounds) if has_values(each) else part
        for each, part in zip(losses_of_targets(loss), parts, strict=True)
    ]
    return found if isinstance(loss, MultiLoss) else found[0]


def has_values(loss: Metric) -> bool:
    """Return whether the outputs of a loss are values of its target: quantiles or a point."""
    return has_location(loss) and not isinstance(leading(loss), DistributionLoss)

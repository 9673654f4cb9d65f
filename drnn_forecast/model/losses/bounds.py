"""Values that a target cannot have, such as counts below zero."""

from __future__ import annotations

import math
from typing import Any

from pytorch_forecasting.metrics import CrossEntropy, DistributionLoss, MultiLoss
from torch import Tensor
from torchmetrics import Metric

from drnn_forecast.host import reach
from drnn_forecast.model.limits import bounds_of
from drnn_forecast.model.losses.reading import (
    has_location,
    leading,
    losses_of_targets,
    normalizers_of,
)


def reaches_of(model: Any) -> list[tuple[float, float]]:
    """Return the same of each target, and of what its normaliser can give."""
    low, high = bounds_of(model)
    ends = map(reach, normalizers_of(model.output_transformer))
    return [(max(least, low), min(most, high)) for least, most in ends]


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


def bounded(loss: Metric, values: Any, bounds: tuple[float, float]) -> Any:
    """Return values of the targets, such as quantiles, of which none lies out of bounds.

    Classes stay as they are. Arguments are those of `within`, but for the values, whatever they
    have been made of.
    """
    if not any(map(math.isfinite, bounds)):
        return values
    parts = values if isinstance(loss, MultiLoss) else [values]
    found = [
        part if isinstance(leading(each), CrossEntropy) else part.clamp(*bounds)
        for each, part in zip(losses_of_targets(loss), parts, strict=True)
    ]
    return found if isinstance(loss, MultiLoss) else found[0]


def has_values(loss: Metric) -> bool:
    """Return whether the outputs of a loss are values of its target: quantiles or a point."""
    return has_location(loss) and not isinstance(leading(loss), DistributionLoss)

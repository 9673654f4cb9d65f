"""Which loss fits which target: what can only fail later is refused when a model is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from pytorch_forecasting.data import NaNLabelEncoder, TimeSeriesDataSet
from pytorch_forecasting.data.encoders import TorchNormalizer
from pytorch_forecasting.metrics import (
    MASE,
    BetaDistributionLoss,
    CrossEntropy,
    DistributionLoss,
    LogNormalDistributionLoss,
    Metric as ForecastMetric,
    MQF2DistributionLoss,
    MultivariateNormalDistributionLoss,
    NegativeBinomialDistributionLoss,
    NormalDistributionLoss,
    PoissonLoss,
    QuantileLoss,
    TweedieLoss,
)
from pytorch_forecasting.metrics.base_metrics._base_metrics import (
    CompositeMetric,
    TorchMetricWrapper,
)
from torch import Tensor
from torchmetrics import Metric

ON_TRANSFORMED_SCALE = (
    MQF2DistributionLoss,
    MultivariateNormalDistributionLoss,
    NormalDistributionLoss,
)
"""Losses that bring their distribution to target units with a transformation of torch."""
WITHOUT_SLOPE = ("count", "relu")
"""Transformations whose slope pytorch-forecasting gives as a float, where a joint one is summed."""


def check_loss(loss: Metric, dataset: TimeSeriesDataSet, number: int) -> None:
    """Refuse a loss that cannot work with a target of a dataset.

    Args:
        loss: Of that target.
        dataset: The training dataset.
        number: Which target it is.

    Raises:
        ValueError: It does not fit the target's type, normaliser or values, the weights or the
            lengths of the dataset, or its parts do not fit each other.
        TypeError: It is no loss.
    """
    if not isinstance(loss, Metric):
        raise TypeError(
            f"`loss` must be a metric of pytorch-forecasting or torchmetrics, got {loss!r}."
        )
    target = dataset.target_names[number]
    for part in _parts(loss):
        _check_type(part, target, dataset.target_normalizers[number])
        _check_normalizer(part, target, dataset.target_normalizers[number])
        _check_values(
            part, target, dataset.target_normalizers[number], dataset.data["target"][number]
        )
        _check_dataset(part, dataset)


def _parts(loss: Metric) -> Iterator[Metric]:
    """Return the metrics that a loss is a sum of, each of which reads the same outputs."""
    if not isinstance(loss, CompositeMetric):
        yield loss
        return
    readings = {_reading(part) for part in loss._metrics}
    if len(readings) > 1:
        raise ValueError(
            f"`loss` must be a sum of losses that read the same outputs, got {loss!r}. Sum point "
            "losses such as MAE and SMAPE with each other, and quantile losses of equal quantiles."
        )
    for part in loss._metrics:
        if isinstance(part, MASE):
            raise ValueError(
                "`loss` must not have MASE in a sum, which pytorch-forecasting gives no history, "
                f"got {loss!r}. Use MASE alone."
            )
        yield from _parts(part)


def _reading(loss: Metric) -> Any:
    """Return what a loss takes the outputs of a network for."""
    if isinstance(loss, QuantileLoss):
        return tuple(loss.quantiles)
    if isinstance(loss, DistributionLoss | CrossEntropy):
        return type(loss)
    return "log rate" if isinstance(loss, PoissonLoss | TweedieLoss) else "point"


def _check_type(loss: Metric, target: str, normalizer: Any) -> None:
    """Refuse classes of a number, and the other way round; torchmetrics know points only."""
    is_categorical = isinstance(normalizer, NaNLabelEncoder)
    if is_categorical and not isinstance(loss, CrossEntropy):
        raise ValueError(
            f"`loss` of the categorical target {target!r} must be CrossEntropy, got "
            f"{_name(loss)}. Pass `loss=CrossEntropy()`, or give the target a number's normaliser."
        )
    if isinstance(loss, CrossEntropy) and not is_categorical:
        raise ValueError(
            f"`loss` of the real target {target!r} must not be CrossEntropy. Pass another loss, or "
            "make the target categorical with `target_normalizer=NaNLabelEncoder()`."
        )
    if getattr(loss, "reduction", "mean") == "none":
        raise ValueError(
            f"`loss` must give one number to train on, got {_name(loss)} with `reduction='none'`. "
            "Pass `reduction='mean'`."
        )


def _check_normalizer(loss: Metric, target: str, normalizer: Any) -> None:
    """Refuse a normaliser from whose space the loss cannot bring its parameters back."""
    transformation = getattr(normalizer, "transformation", None)
    center = getattr(normalizer, "center", False)
    problem = None
    if isinstance(loss, BetaDistributionLoss) and (transformation != "logit" or not center):
        problem = "`transformation='logit'` and `center=True`"
    elif isinstance(loss, LogNormalDistributionLoss) and transformation not in ("log", "log1p"):
        problem = "`transformation='log'` or `'log1p'`"
    elif isinstance(loss, NegativeBinomialDistributionLoss) and (
        center or transformation in ("log", "logit")
    ):
        problem = "`center=False` and neither 'log' nor 'logit' as `transformation`"
    elif (
        isinstance(loss, ON_TRANSFORMED_SCALE)
        and transformation is not None
        and "inverse_torch" not in TorchNormalizer.get_transform(transformation)
    ):
        problem = "a `transformation` of pytorch-forecasting's own names, or `inverse_torch`"
    elif isinstance(loss, MultivariateNormalDistributionLoss) and transformation in WITHOUT_SLOPE:
        problem = f"none of {list(WITHOUT_SLOPE)} as `transformation`"
    if problem:
        raise ValueError(
            f"{_name(loss)} needs a normaliser with {problem}, but that of the target {target!r} "
            f"is {type(normalizer).__name__} with `transformation={transformation!r}` and "
            f"`center={center}`. Pass such a `target_normalizer` to the dataset."
        )


def _check_values(loss: Metric, target: str, normalizer: Any, values: Tensor) -> None:
    """Refuse target values to which the loss gives no likelihood."""
    if isinstance(normalizer, NaNLabelEncoder):
        return
    low, high = float(values.min()), float(values.max())
    support = None
    if isinstance(loss, NegativeBinomialDistributionLoss):
        if low < 0 or bool((values != values.round()).any()):
            support = "whole numbers of at least 0"
    elif isinstance(loss, BetaDistributionLoss):
        support = None if low >= 0 and high <= 1 else "numbers from 0 to 1"
    elif isinstance(loss, PoissonLoss | TweedieLoss | LogNormalDistributionLoss):
        support = None if low >= 0 else "numbers of at least 0"
    elif isinstance(loss, ON_TRANSFORMED_SCALE) and normalizer.transformation is not None:
        is_inside = _is_in_range(normalizer.transformation, torch.tensor([low, high]).double())
        support = None if is_inside else f"inside the range of {normalizer.transformation!r}"
    if support:
        raise ValueError(
            f"{_name(loss)} needs targets that are {support}, but those of {target!r} go from "
            f"{low:g} to {high:g}. Change the target, the loss or the transformation of its "
            "normaliser."
        )


def _is_in_range(transformation: Any, ends: Tensor) -> bool:
    """Return whether a distribution on a transformed scale has a density at both ends."""
    transform = TorchNormalizer.get_transform(transformation)["inverse_torch"]
    latent = transform.inv(ends)
    slope = torch.as_tensor(transform.log_abs_det_jacobian(latent, ends))
    return bool(torch.isfinite(latent).all() and torch.isfinite(slope).all())


def _check_dataset(loss: Metric, dataset: TimeSeriesDataSet) -> None:
    """Refuse weights and lengths that the loss cannot use."""
    is_torchmetric = isinstance(loss, TorchMetricWrapper) or not isinstance(loss, ForecastMetric)
    if dataset.weight is not None and (
        is_torchmetric or isinstance(loss, MASE | MultivariateNormalDistributionLoss)
    ):
        raise ValueError(
            f"{_name(loss)} knows no weights, but the dataset has `weight={dataset.weight!r}`. "
            "Leave the weights out, or use another loss."
        )
    if isinstance(loss, MASE) and dataset.min_encoder_length + dataset.min_prediction_length < 2:
        raise ValueError(
            "MASE needs windows of at least 2 time steps, got `min_encoder_length="
            f"{dataset.min_encoder_length}` and `min_prediction_length="
            f"{dataset.min_prediction_length}`. Raise one of them, or use MAE."
        )
    if isinstance(loss, MQF2DistributionLoss):
        lengths = {dataset.min_prediction_length, dataset.max_prediction_length}
        if lengths != {loss.prediction_length}:
            raise ValueError(
                "MQF2DistributionLoss needs one decoder length, its own `prediction_length="
                f"{loss.prediction_length}`, but the dataset has `min_prediction_length="
                f"{dataset.min_prediction_length}` and `max_prediction_length="
                f"{dataset.max_prediction_length}`. Make all three equal."
            )


def _name(loss: Metric) -> str:
    return type(loss).__name__

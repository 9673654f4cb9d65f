"""Which loss fits which target: what can only fail later is refused when a model is made."""

from __future__ import annotations

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
    MQF2DistributionLoss,
    MultivariateNormalDistributionLoss,
    NegativeBinomialDistributionLoss,
    NormalDistributionLoss,
    PoissonLoss,
    QuantileLoss,
    TweedieLoss,
)
from torch import Tensor
from torchmetrics import Metric

from drnn_forecast.data import OBSERVED
from drnn_forecast.host import is_torchmetric
from drnn_forecast.model.losses.reading import flat_summands

ON_TRANSFORMED_SCALE = (
    MQF2DistributionLoss,
    MultivariateNormalDistributionLoss,
    NormalDistributionLoss,
)
"""Losses that bring their distribution to target units with a transformation of torch."""
WITHOUT_SLOPE = ("count", "relu")
"""Transformations whose slope pytorch-forecasting gives as a float, where a joint one is summed."""


def check_loss(loss: Metric, dataset: TimeSeriesDataSet, number: int) -> None:
    """Refuse a loss that cannot work with a target of a dataset."""
    target, normalizer = dataset.target_names[number], dataset.target_normalizers[number]
    values = dataset.data["target"][number]
    for part in _parts(loss):
        name = type(getattr(part, "torchmetric", part)).__name__
        problem = (
            _of_type(part, isinstance(normalizer, NaNLabelEncoder))
            or _of_normalizer(part, normalizer)
            or _of_values(part, normalizer, values)
            or _of_dataset(part, dataset)
        )
        if problem:
            raise ValueError(f"`loss` {name} of the target {target!r} {problem}")


def _parts(loss: Metric) -> list[Metric]:
    """Return the metrics that a loss is a sum of, each of which reads the same outputs."""
    parts = flat_summands(loss)
    if len({_reading(part) for part in parts}) > 1:
        raise ValueError(
            f"`loss` must be a sum of losses that read the same outputs, got {loss!r}. Sum point "
            "losses such as MAE and SMAPE with each other, and quantile losses of equal quantiles."
        )
    if parts[0] is not loss and any(isinstance(part, MASE) for part in parts):
        raise ValueError(
            "`loss` must not have MASE in a sum, which pytorch-forecasting gives no history, "
            f"got {loss!r}. Use MASE alone."
        )
    return parts


def _reading(loss: Metric) -> Any:
    """Return what a loss takes the outputs of a network for."""
    if isinstance(loss, QuantileLoss):
        return tuple(loss.quantiles)
    if isinstance(loss, DistributionLoss | CrossEntropy):
        return type(loss)
    return "log rate" if isinstance(loss, PoissonLoss | TweedieLoss) else "point"


def _of_type(loss: Metric, is_categorical: bool) -> str | None:
    """Return why a loss cannot read the target at all, or train on it; the rest know points."""
    if is_categorical and not isinstance(loss, CrossEntropy):
        return (
            "cannot learn classes. Pass `loss=CrossEntropy()`, or give the target a number's "
            "normaliser."
        )
    if isinstance(loss, CrossEntropy) and not is_categorical:
        return (
            "cannot learn real numbers. Pass another loss, or make the target categorical with "
            "`target_normalizer=NaNLabelEncoder()`."
        )
    if getattr(loss, "reduction", "mean") == "none":
        return (
            "must give one number to train on, but has `reduction='none'`. Pass `reduction='mean'`."
        )
    return None


def _of_normalizer(loss: Metric, normalizer: Any) -> str | None:
    """Return why a loss cannot bring its parameters back from the normaliser's space."""
    transformation = getattr(normalizer, "transformation", None)
    center = getattr(normalizer, "center", False)
    need = None
    if isinstance(loss, BetaDistributionLoss):
        if transformation != "logit" or not center:
            need = "`transformation='logit'` and `center=True`"
    elif isinstance(loss, LogNormalDistributionLoss):
        if transformation not in ("log", "log1p"):
            need = "`transformation='log'` or `'log1p'`"
    elif isinstance(loss, NegativeBinomialDistributionLoss):
        if center or transformation in ("log", "logit"):
            need = "`center=False` and neither 'log' nor 'logit' as `transformation`"
    elif isinstance(loss, ON_TRANSFORMED_SCALE) and transformation is not None:
        if "inverse_torch" not in TorchNormalizer.get_transform(transformation):
            need = "a `transformation` of pytorch-forecasting's own names, or `inverse_torch`"
        elif isinstance(loss, MultivariateNormalDistributionLoss) and (
            transformation in WITHOUT_SLOPE
        ):
            need = f"none of {list(WITHOUT_SLOPE)} as `transformation`"
    return need and (
        f"needs a normaliser with {need}, got {type(normalizer).__name__} with "
        f"`transformation={transformation!r}` and `center={center}`. Pass such a "
        "`target_normalizer` to the dataset."
    )


def _of_values(loss: Metric, normalizer: Any, values: Tensor) -> str | None:
    """Return why a loss gives no likelihood to the values of a target."""
    if isinstance(normalizer, NaNLabelEncoder):
        return None
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
    return support and (
        f"needs targets that are {support}, got {low:g} to {high:g}. Change the target, the loss "
        "or the transformation of its normaliser."
    )


def _is_in_range(transformation: Any, ends: Tensor) -> bool:
    """Return whether a distribution on a transformed scale has a density at both ends."""
    transform = TorchNormalizer.get_transform(transformation)["inverse_torch"]
    latent = transform.inv(ends)
    slope = torch.as_tensor(transform.log_abs_det_jacobian(latent, ends))
    return bool(torch.isfinite(latent).all() and torch.isfinite(slope).all())


def _of_dataset(loss: Metric, dataset: TimeSeriesDataSet) -> str | None:
    """Return why a loss cannot use the weights or the lengths of a dataset."""
    is_unweighted = is_torchmetric(loss) or isinstance(
        loss, MASE | MultivariateNormalDistributionLoss
    )
    if dataset.weight == OBSERVED and is_unweighted:
        return (
            "knows no weights, by which missing targets are left out. Fill the gaps of the frame "
            "before, or use another loss."
        )
    if dataset.weight is not None and is_unweighted:
        return (
            f"knows no weights, but the dataset has `weight={dataset.weight!r}`. Leave the weights "
            "out, or use another loss."
        )
    if isinstance(loss, MASE) and dataset.min_encoder_length + dataset.min_prediction_length < 2:
        return (
            "needs windows of at least 2 time steps, got `min_encoder_length="
            f"{dataset.min_encoder_length}` and `min_prediction_length="
            f"{dataset.min_prediction_length}`. Raise one of them, or use MAE."
        )
    if isinstance(loss, MQF2DistributionLoss):
        lengths = {dataset.min_prediction_length, dataset.max_prediction_length}
        if lengths != {loss.prediction_length}:
            return (
                f"needs one decoder length, its own `prediction_length={loss.prediction_length}`, "
                f"but the dataset has `min_prediction_length={dataset.min_prediction_length}` and "
                f"`max_prediction_length={dataset.max_prediction_length}`. Make all three equal."
            )
    return None

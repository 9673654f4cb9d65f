"""From the loss that a user gives, or none, to one that fits a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from pytorch_forecasting.data import NaNLabelEncoder, TimeSeriesDataSet
from pytorch_forecasting.metrics import (
    CrossEntropy,
    DistributionLoss,
    MultiLoss,
    MultivariateNormalDistributionLoss,
    NormalDistributionLoss,
    QuantileLoss,
)
from pytorch_forecasting.metrics.base_metrics import CompositeMetric
from torch import Tensor, nn
from torchmetrics import Metric

from drnn_forecast.host import (
    as_forecast_metric,
    register_summands,
    summand_weights,
    summands,
)
from drnn_forecast.model.losses.checks import check_loss
from drnn_forecast.model.losses.normal import ObservedMultivariateNormalLoss, ObservedNormalLoss
from drnn_forecast.model.losses.quantiles import quantile_loss
from drnn_forecast.model.losses.reading import leading, usual_loss
from drnn_forecast.model.magnitudes import usual_moves


def complete_loss(loss: Metric | Sequence[Metric] | None, dataset: TimeSeriesDataSet) -> Metric:
    """Return a loss for every target of the dataset.

    Args:
        loss: One for each target, in a `MultiLoss` or a list, or one for all of them; None:
            `CrossEntropy` for categorical targets and `quantile_loss()` for the others. Those of
            several targets without weights are divided by how large they usually are.
        dataset: The training dataset.
    """
    names = dataset.target_names
    normalizers = dataset.target_normalizers
    if loss is None:
        parts = [
            CrossEntropy() if isinstance(normalizer, NaNLabelEncoder) else quantile_loss()
            for normalizer in normalizers
        ]
    elif isinstance(loss, MultiLoss | list | tuple):
        parts = list(loss)
    else:
        parts = [loss] * len(names)
    if len(parts) != len(names) or (isinstance(loss, MultiLoss) and len(names) == 1):
        raise ValueError(
            f"`loss` must have one loss for each of the {len(names)} target(s) {names}, got "
            f"{loss!r}. Pass a `MultiLoss` with a loss per target for several targets, and a "
            "single loss for one."
        )
    checked = [_fitted(part, dataset, number) for number, part in enumerate(parts)]
    if len(names) == 1:
        return checked[0]
    if isinstance(loss, MultiLoss):
        weights = loss.weights
    else:
        sizes = usual_moves(dataset)
        weights = [1 / usual_loss(part, [size]) for part, size in zip(checked, sizes, strict=True)]
    return register_parts(MultiLoss(_distinct(checked), weights=weights))


def output_size(loss: Metric, normalizer: Any) -> int:
    """Return how many numbers per step a loss of one target takes."""
    loss = leading(loss)
    if isinstance(loss, QuantileLoss):
        return len(loss.quantiles)
    if isinstance(loss, DistributionLoss):
        return len(loss.distribution_arguments)
    return len(normalizer.classes_) if isinstance(normalizer, NaNLabelEncoder) else 1


def register_parts(loss: Metric) -> Metric:
    """Return the loss with its parts as submodules, so that their parameters train.

    pytorch-forecasting keeps the parts of a `MultiLoss` and of a sum in plain lists.
    """
    if isinstance(loss, MultiLoss):
        loss.metrics = nn.ModuleList(register_parts(part) for part in loss.metrics)
    elif isinstance(loss, CompositeMetric):
        for part in summands(loss):
            register_parts(part)
        register_summands(loss)
    return loss


def without_graph(module: nn.Module) -> None:
    """Cut what metrics remember of their last call from its graph, which cannot be copied."""
    for metric in module.modules():
        if isinstance(metric, Metric):
            for name, value in vars(metric).items():
                if isinstance(value, Tensor) and value.grad_fn is not None:
                    setattr(metric, name, value.detach())


def _fitted(given: object, dataset: TimeSeriesDataSet, number: int) -> Metric:
    """Return a checked loss; our own form of one that upstream computes wrongly if ragged."""
    loss = as_forecast_metric(given)
    if loss is None:
        raise TypeError(
            f"`loss` must be a metric of pytorch-forecasting or torchmetrics, got "
            f"a {type(given).__name__}. Pass the metric of that name, such as `MAE()` or `RMSE()`."
        )
    check_loss(loss, dataset, number)
    return _observed(loss)


def _observed(loss: Metric) -> Metric:
    """Return our own form of a loss, or of the parts of a sum, that upstream computes wrongly."""
    if isinstance(loss, CompositeMetric):
        parts = [_observed(part) for part in summands(loss)]
        return register_parts(CompositeMetric(parts, weights=summand_weights(loss)))
    common = {name: getattr(loss, name, None) for name in ("name", "quantiles", "reduction")}
    if type(loss) is NormalDistributionLoss:
        return ObservedNormalLoss(**common)
    if type(loss) is MultivariateNormalDistributionLoss:
        own = {name: getattr(loss, name) for name in ("rank", "sigma_init", "sigma_minimum")}
        return ObservedMultivariateNormalLoss(**common, **own)
    return register_parts(loss)


def _distinct(losses: Sequence[Metric]) -> list[Metric]:
    """Return the losses with a copy where one is shared: each remembers its target's scale."""
    seen: set[int] = set()
    result = []
    for loss in losses:
        result.append(deepcopy(loss) if id(loss) in seen else loss)
        seen.add(id(loss))
    return result

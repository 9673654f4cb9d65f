"""What pytorch-forecasting's losses, and torch's distributions below them, keep to themselves."""

from __future__ import annotations

from typing import Any

from pytorch_forecasting import metrics
from pytorch_forecasting.metrics import DistributionLoss, Metric as ForecastMetric
from pytorch_forecasting.metrics.base_metrics import CompositeMetric
from pytorch_forecasting.metrics.base_metrics._base_metrics import TorchMetricWrapper
from torch import Tensor, nn
from torch.distributions import Distribution
from torchmetrics import Metric


def as_forecast_metric(loss: object) -> Metric | None:
    """Return a metric in pytorch-forecasting's form, torchmetrics' own wrapped; None for no metric.

    After 1.8.0 the function that wraps has another name, and adapts losses of `torch.nn` too. Such
    an adapter counts as no metric: it can be neither copied nor printed, so no model with it saved.
    """
    later = getattr(metrics, "coerce_to_pytorch_forecasting_metric", None)
    wrap = later or metrics.convert_torchmetric_to_pytorch_forecasting_metric
    is_adapter = isinstance(getattr(loss, "_loss", None), nn.Module)
    return wrap(loss) if isinstance(loss, Metric) and not is_adapter else None


def is_torchmetric(metric: Metric) -> bool:
    """Return whether a metric knows no weights because it is torchmetrics' own, wrapped or not.

    The wrapper is exported nowhere.
    """
    is_own = isinstance(metric, ForecastMetric | CompositeMetric)
    return isinstance(metric, TorchMetricWrapper) or not is_own


def summands(metric: Metric) -> list[Metric]:
    """Return the metrics that a sum adds up, which has no public list of them; else itself alone.

    Its attribute `metrics` is what it was made of, before anything was added.
    """
    return list(metric._metrics) if isinstance(metric, CompositeMetric) else [metric]


def summand_weights(metric: Metric) -> list[float]:
    """Return the factors of `summands`, kept in the same private way."""
    return list(metric._weights) if isinstance(metric, CompositeMetric) else [1.0]


def register_summands(metric: CompositeMetric) -> None:
    """Make submodules of a sum's metrics, so that their parameters train: it has a plain list."""
    metric._metrics = nn.ModuleList(metric._metrics)


def transformation_of(loss: Metric) -> Any:
    """Return the normaliser's transformation that a distribution loss saw when it last rescaled.

    Only the loss remembers on which scale its distribution lives.
    """
    return loss._transformation


def tell_transformation(loss: Metric, normalizer: Any) -> None:
    """Let a distribution loss know the normaliser's transformation before it rescales anything."""
    if isinstance(loss, DistributionLoss):
        loss._transformation = getattr(normalizer, "transformation", None)


def add_losses(loss: Any, losses: Tensor, lengths: Tensor) -> None:
    """Add the losses of a batch, `(batch, steps)` or their sum, over the observed steps of each.

    pytorch-forecasting's `update` does so after it has computed them, padding included, in a way
    that a subclass cannot change.
    """
    loss._update_losses_and_lengths(losses, lengths)


def without_validation(distribution: Distribution) -> Distribution:
    """Return the distribution without torch's own check of values.

    It was made by pytorch-forecasting, which gives no access to `validate_args`, and the support
    that it has for log1p is wrong: it refuses zeros.
    """
    distribution._validate_args = False
    return distribution

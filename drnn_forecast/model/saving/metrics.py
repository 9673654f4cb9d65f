"""Losses and metrics as the arguments that make them again."""

from __future__ import annotations

import inspect
from typing import Any

from pytorch_forecasting import metrics as upstream
from pytorch_forecasting.metrics import ImplicitQuantileNetworkDistributionLoss, MultiLoss
from pytorch_forecasting.metrics.base_metrics import CompositeMetric
from torchmetrics import Metric

from drnn_forecast.host import summand_weights, summands
from drnn_forecast.model.losses.normal import ObservedMultivariateNormalLoss, ObservedNormalLoss

WRITABLE = {
    kind.__name__: kind
    for kind in (
        upstream.MAE,
        upstream.MAPE,
        upstream.MASE,
        upstream.RMSE,
        upstream.SMAPE,
        upstream.BetaDistributionLoss,
        upstream.CrossEntropy,
        ImplicitQuantileNetworkDistributionLoss,
        upstream.LogNormalDistributionLoss,
        upstream.MultivariateNormalDistributionLoss,
        upstream.NegativeBinomialDistributionLoss,
        upstream.NormalDistributionLoss,
        upstream.PoissonLoss,
        upstream.QuantileLoss,
        upstream.TweedieLoss,
        ObservedMultivariateNormalLoss,
        ObservedNormalLoss,
    )
}
"""The losses that are made again from their arguments; their networks are among the weights."""
OF_PARTS = {"MultiLoss": MultiLoss, "CompositeMetric": CompositeMetric}


def metric_to_plain(metric: Metric) -> dict[str, Any]:
    """Return the class and the arguments of a metric."""
    name = type(metric).__name__
    if isinstance(metric, MultiLoss):
        parts, weights = metric.metrics, metric.weights
    elif isinstance(metric, CompositeMetric):
        parts, weights = summands(metric), summand_weights(metric)
    elif WRITABLE.get(name) is type(metric):
        return {"class": name, "arguments": _arguments(metric)}
    else:
        raise ValueError(
            f"The loss or metric {name} cannot be written without pickle. Use one of "
            f"{', '.join(sorted(WRITABLE))}, or keep a Lightning checkpoint."
        )
    return {
        "class": name,
        "parts": [metric_to_plain(part) for part in parts],
        "weights": [float(weight) for weight in weights],
    }


def metric_from_plain(value: dict[str, Any]) -> Metric:
    """Return the metric that `metric_to_plain` wrote."""
    name = value["class"]
    if "parts" in value:
        kinds, arguments = OF_PARTS, {"metrics": list(map(metric_from_plain, value["parts"]))}
        arguments["weights"] = value["weights"]
    else:
        kinds, arguments = WRITABLE, value["arguments"]
    if name not in kinds:
        raise ValueError(f"The configuration names the loss or metric {name!r}, unknown here.")
    metric: Metric = kinds[name](**arguments)
    return metric


def _arguments(metric: Metric) -> dict[str, Any]:
    """Return the arguments of a metric's constructors, read off its attributes."""
    if isinstance(metric, ImplicitQuantileNetworkDistributionLoss):
        return {
            "quantiles": list(metric.quantiles),
            "input_size": len(metric.distribution_arguments),
            "hidden_size": len(metric.quantile_network.cos_multipliers),
            "n_loss_samples": metric.n_loss_samples,
        }
    names: set[str] = set()
    for kind in type(metric).__mro__:
        if issubclass(kind, upstream.Metric) and "__init__" in vars(kind):
            signature = inspect.signature(vars(kind)["__init__"])
            names |= {
                name
                for name, parameter in signature.parameters.items()
                if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and name != "self"
            }
            if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
                break
    return {name: getattr(metric, name) for name in sorted(names)}

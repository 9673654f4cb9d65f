"""What the outputs that a loss takes say: points, quantiles and samples, in target units."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from pytorch_forecasting.metrics import (
    MAE,
    RMSE,
    CrossEntropy,
    DistributionLoss,
    ImplicitQuantileNetworkDistributionLoss,
    MQF2DistributionLoss,
    MultiLoss,
    PoissonLoss,
    QuantileLoss,
    TweedieLoss,
)
from pytorch_forecasting.utils import to_list
from torch import Tensor
from torch.distributions import Categorical, Distribution
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric

from drnn_forecast.host import summand_weights, summands, tell_transformation
from drnn_forecast.model.losses.scores import on_lines, values_at_scores

DRAWS = 400
"""Random draws behind quantiles that no formula gives: 10 of them lie below the 2.5 % level."""

EVERYTHING = (-torch.inf, torch.inf)
"""How far a target can reach of which nothing is said."""

WITHOUT_LOCATION = (
    CrossEntropy,
    ImplicitQuantileNetworkDistributionLoss,
    MQF2DistributionLoss,
    PoissonLoss,
    TweedieLoss,
)
"""Losses none of whose outputs lives in the normaliser's space, so that nothing can be anchored."""


def rescaled(
    loss: Metric,
    parameters: Tensor | list[Tensor],
    target_scale: Tensor | list[Tensor],
    normalizer: Any,
) -> Tensor | list[Tensor]:
    """Return the outputs in target units, `(batch, steps, outputs)`; a list for several targets."""
    if isinstance(loss, MultiLoss):
        parts = zip(loss.metrics, parameters, target_scale, normalizer.normalizers, strict=True)
        return [rescaled(*part) for part in parts]  # type: ignore[misc]
    first, *others = flat_summands(loss)
    options = {"target_scale": target_scale, "encoder": normalizer}
    for part in others:
        # Every distribution of a sum remembers on which scale it lives.
        if isinstance(part, DistributionLoss):
            part.rescale_parameters(parameters, **options)
    outputs: Tensor = first.rescale_parameters(parameters, **options)
    return outputs


def prepare(loss: Metric, normalizer: Any) -> None:
    """Let a loss read outputs of a model that it has not rescaled itself, but a view of it has."""
    if normalizer is None:
        return
    if isinstance(loss, MultiLoss):
        for part, each in zip(loss.metrics, normalizer.normalizers, strict=True):
            prepare(part, each)
    else:
        tell_transformation(leading(loss), normalizer)


def point_forecast(loss: Metric, prediction: Any, **options: Any) -> Any:
    """Return the point forecast `(batch, steps)`; a list for several targets.

    Of quantiles it is the median, between its neighbours where 0.5 is not among them.
    """
    if isinstance(loss, MultiLoss):
        pairs = zip(loss.metrics, prediction, strict=True)
        return [point_forecast(part, output, **options) for part, output in pairs]
    part = leading(loss)
    if isinstance(part, QuantileLoss) and 0.5 not in part.quantiles:
        middle = torch.full_like(prediction[..., :1], 0.5)
        return interpolated_quantiles(prediction, part.quantiles, middle).squeeze(-1)
    return part.to_prediction(prediction, **_known(part.to_prediction, options))


def quantile_forecast(loss: Metric, prediction: Any, **options: Any) -> Any:
    """Return the quantiles `(batch, steps, quantiles)`; a list for several targets.

    A point loss has its point forecast as the only quantile. Where no formula gives the quantiles
    they are those of `DRAWS` random draws.
    """
    if isinstance(loss, MultiLoss):
        pairs = zip(loss.metrics, prediction, strict=True)
        return [quantile_forecast(part, output, **options) for part, output in pairs]
    part = leading(loss)
    if isinstance(part, TweedieLoss):
        return part.to_prediction(prediction).unsqueeze(-1)
    options = {"n_samples": DRAWS, **options}
    return part.to_quantiles(prediction, **_known(part.to_quantiles, options))


def draw_samples(
    loss: Metric,
    prediction: Any,
    num_samples: int,
    *,
    dependence: Sequence[Tensor | None] | None = None,
    reaches: Sequence[tuple[float, float]] | None = None,
    scores: Tensor | None = None,
) -> Any:
    """Return random draws from the forecast, `(batch, steps, samples)`; a list for many targets.

    The marginal distribution of a `QuantileLoss` is normal between two quantiles and beyond the
    outermost ones, and steps of a sample belong together as a Gaussian copula says, several targets
    do not. Of other losses, steps belong together only where the loss knows how: for
    `MQF2DistributionLoss` and, by one level for all steps,
    `ImplicitQuantileNetworkDistributionLoss`. Otherwise each step has draws of its own.

    Args:
        loss: Of one target or several.
        prediction: Outputs in target units, `(batch, steps, outputs)`; a list for several targets.
        num_samples: Draws of each window.
        dependence: For each target the Cholesky factor of the copula's correlations,
            `(horizon, horizon)` or None: independent steps.
        reaches: For each target the least and the largest value that there can be.
        scores: Of one target, independent normal numbers behind draws from quantiles,
            `(batch, num_samples, horizon)`; None: from torch's global generator, as all other draws
            are.

    Raises:
        ValueError: A loss has no distribution.
    """
    check_has_samples(loss)
    losses = losses_of_targets(loss)
    outputs = prediction if isinstance(loss, MultiLoss) else [prediction]
    dependence = dependence or [None] * len(losses)
    reaches = reaches or [EVERYTHING] * len(losses)
    parts = zip(losses, outputs, dependence, reaches, strict=True)
    samples = []
    for part, output, factor, ends in parts:
        metric = leading(part)
        if isinstance(metric, QuantileLoss):
            drawn = _quantile_draws(output, metric.quantiles, num_samples, factor, scores)
            samples.append(drawn.clamp(*ends))
        else:
            drawn = _other_draws(metric, output, num_samples)
            samples.append(drawn if isinstance(metric, CrossEntropy) else drawn.clamp(*ends))
    return samples if isinstance(loss, MultiLoss) else samples[0]


def check_has_samples(loss: Metric) -> None:
    """Refuse a loss without a distribution."""
    for part in map(leading, losses_of_targets(loss)):
        if not isinstance(part, DistributionLoss | QuantileLoss | PoissonLoss | CrossEntropy):
            raise ValueError(
                f"Samples need a loss with a distribution, got {type(part).__name__}. Train the "
                "model with `loss=QuantileLoss()` or a distribution loss."
            )


def interpolated_quantiles(values: Tensor, quantiles: Sequence[float], levels: Tensor) -> Tensor:
    """Return the values at other levels, linear between the quantiles, `(..., levels)`.

    Args:
        values: `(..., quantiles)`.
        quantiles: Their levels, in any order.
        levels: Between 0 and 1; beyond the outermost quantiles these are taken.
    """
    grid, order = torch.as_tensor(quantiles, dtype=values.dtype, device=values.device).sort()
    return on_lines(values[..., order], grid, levels.clamp(grid[0], grid[-1]))


def has_location(loss: Metric) -> bool:
    """Return whether a shift of an output of the loss shifts its forecast, in target units."""
    return not isinstance(leading(loss), WITHOUT_LOCATION)


def has_slope_at_zero(loss: Metric) -> bool:
    """Return whether a loss of zero has a finite gradient, which the root of a mean has not."""
    known = (MAE, QuantileLoss, MeanAbsoluteError)
    parts = [each for part in losses_of_targets(loss) for each in flat_summands(part)]
    return all(isinstance(getattr(part, "torchmetric", part), known) for part in parts)


def losses_of_targets(loss: Metric) -> list[Metric]:
    """Return the loss of every target."""
    return list(loss.metrics) if isinstance(loss, MultiLoss) else [loss]


def normalizers_of(transformer: Any) -> list[Any]:
    """Return the normaliser of every target, of the one for all of them."""
    normalizers: list[Any] = to_list(getattr(transformer, "normalizers", transformer))
    return normalizers


def levels_of(loss: Metric) -> list[float] | None:
    """Return the quantile levels of a loss of one target; None for one of points or classes."""
    part = leading(loss)
    return list(part.quantiles) if isinstance(part, QuantileLoss | DistributionLoss) else None


def leading(loss: Metric) -> Any:
    """Return the metric that says what the outputs mean: of a sum, the first one."""
    return flat_summands(loss)[0]


def flat_summands(loss: Metric) -> list[Any]:
    """Return the metrics that a sum, perhaps of sums, adds up; else the metric alone."""
    parts = summands(loss)
    return parts if parts[0] is loss else [each for part in parts for each in flat_summands(part)]


def usual_loss(loss: Metric, sizes: Sequence[float]) -> float:
    """Return about how large a loss is: 1 for one without a unit.

    Args:
        loss: Of one target or several.
        sizes: How far each target usually moves, in its units.
    """
    if isinstance(loss, MultiLoss):
        weighed = zip(loss.weights, loss.metrics, sizes, strict=True)
        return float(sum(abs(w) * usual_loss(part, [size]) for w, part, size in weighed))
    parts = summands(loss)
    if parts[0] is not loss:
        pairs = zip(summand_weights(loss), parts, strict=True)
        return sum(abs(weight) * usual_loss(part, sizes) for weight, part in pairs)
    metric: Any = getattr(loss, "torchmetric", loss)
    if isinstance(metric, MeanSquaredError):
        return sizes[0] ** 2 if metric.squared else sizes[0]
    if isinstance(metric, RMSE):
        return sizes[0] if metric.reduction == "sqrt-mean" else sizes[0] ** 2
    return sizes[0] if isinstance(metric, MAE | QuantileLoss | MeanAbsoluteError) else 1.0


def _quantile_draws(
    output: Tensor,
    levels: Sequence[float],
    num_samples: int,
    dependence: Tensor | None,
    scores: Tensor | None,
) -> Tensor:
    """Return draws of one target from its quantiles, `(batch, steps, samples)`."""
    batch, steps = output.shape[:2]
    if scores is None:
        size = batch, num_samples, steps
        scores = torch.randn(size, dtype=output.dtype, device=output.device)
    # A shorter forecast is the beginning of a longer one: its scores depend on no later ones.
    scores = scores[..., :steps].to(output)
    if dependence is not None:
        scores = scores @ dependence[:steps, :steps].to(output).T
    return values_at_scores(output, levels, scores.transpose(1, 2))


def _other_draws(loss: Any, output: Tensor, num_samples: int) -> Tensor:
    """Return draws of one target from another distribution, `(batch, steps, samples)`."""
    if isinstance(loss, DistributionLoss):
        samples: Tensor = loss.sample(output, num_samples)
        return samples
    if isinstance(loss, PoissonLoss):
        rate = loss.to_prediction(output).unsqueeze(-1)
        return torch.poisson(rate.expand(*rate.shape[:-1], num_samples))
    classes: Distribution = Categorical(logits=output)
    return classes.sample((num_samples,)).movedim(0, -1)


def _known(function: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that a function has."""
    if not options:
        return {}
    names = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in names}

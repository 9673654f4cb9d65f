"""The loss of a batch as its metric has it, computed without a question to the device.

pytorch-forecasting's metrics ask three times whether a loss is finite, and keep sums that nobody
reads; the guard of a training run asks once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pytorch_forecasting.metrics import MultiLoss
from pytorch_forecasting.metrics.base_metrics import MultiHorizonMetric
from pytorch_forecasting.utils import unsqueeze_like
from torch import Tensor
from torchmetrics import Metric


def batch_loss(
    loss: Metric, prediction: Any, target: Any, weight: Tensor | None, lengths: Tensor
) -> Tensor | None:
    """Return the loss of a batch, a number; None where only the metric itself can tell.

    Args:
        loss: Of one target or several.
        prediction: In target units, `(batch, steps, outputs)`; a list for several targets.
        target: `(batch, steps)`, padded on the right; a list for several targets.
        weight: `(batch, steps)` or `(batch, 1)`; None: all are 1.
        lengths: Observed steps of each window, `(batch,)`.
    """
    if isinstance(loss, MultiLoss):
        parts = zip(loss.metrics, prediction, target, strict=True)
        found = [batch_loss(part, own, known, weight, lengths) for part, own, known in parts]
        return _weighed(found, loss.weights)
    if not _is_plain(loss):
        return None
    metric: Any = loss
    losses = metric.loss(prediction, target)
    if weight is not None:
        losses = losses * unsqueeze_like(weight, losses)
    mean: Tensor = metric.mask_losses(losses, lengths).sum() / lengths.sum()
    return mean.sqrt() if metric.reduction == "sqrt-mean" else mean


def _weighed(losses: Sequence[Tensor | None], weights: Sequence[float]) -> Tensor | None:
    """Return the weighed sum of the losses of several targets."""
    known = [loss for loss in losses if loss is not None]
    if len(known) < len(losses):
        return None
    weighed = [loss * weight for loss, weight in zip(known, weights, strict=True)]
    return weighed[0] if len(weighed) == 1 else torch.stack(weighed).sum(0)


def _is_plain(loss: Metric) -> bool:
    """Return whether a loss is a mean of what its `loss` says, as pytorch-forecasting takes it."""
    kind: Any = type(loss)
    return (
        isinstance(loss, MultiHorizonMetric)
        and kind.update is MultiHorizonMetric.update
        and kind.compute is MultiHorizonMetric.compute
        and loss.reduction in ("mean", "sqrt-mean")
    )

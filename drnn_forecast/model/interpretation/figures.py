"""Figures of forecasts and of what they lean on: numbers for `plotting` to draw."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytorch_forecasting.metrics import MASE, CrossEntropy, MQF2DistributionLoss
from pytorch_forecasting.utils import to_list
from torch import Tensor

from drnn_forecast.model.collection import windows_at
from drnn_forecast.model.interpretation.numbers import Interpretation, interpret
from drnn_forecast.model.losses import leading, losses_of_targets, without_graph
from drnn_forecast.plotting import bars, lag_chart, new_figure, saliency_map, window_chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from pytorch_forecasting.models.base import BaseModel


def interpretation_figures(interpretation: Interpretation) -> dict[str, Figure | SubFigure]:
    """Return a figure of each part of an interpretation, by the name of the part."""
    if interpretation.saliency.ndim == 3:
        raise ValueError(
            "`interpretation` must be one of all windows, got one of each of them. Make it with "
            '`reduction="mean"` or "sum", or call `plot_interpretation(x, out, idx)`.'
        )
    dilations = {
        f"layer {number}, dilation {dilation}": value
        for number, (dilation, value) in enumerate(interpretation.by_dilation, start=1)
    }
    return {
        "saliency": saliency_map(
            interpretation.saliency.numpy(), title="What each step of the forecast leans on"
        ),
        "by_lag": lag_chart(interpretation.by_lag.numpy(), title="What the forecast leans on"),
        "by_variable": bars(
            interpretation.by_variable, title="Variables of the encoder", label="share of gradient"
        ),
        "by_dilation": bars(
            dilations, title="Layers", label="mean change without their memory, target units"
        ),
    }


def window_figures(
    model: BaseModel,
    x: Mapping[str, Any],
    out: Mapping[str, Any],
    idx: int = 0,
    *,
    add_loss_to_title: Any = False,
    show_future_observed: bool = True,
    ax: Axes | None = None,
    axes: Sequence[Axes] | None = None,
    quantiles_kwargs: Mapping[str, Any] | None = None,
    prediction_kwargs: Mapping[str, Any] | None = None,
) -> list[Figure | SubFigure]:
    """Return a figure of one window for every target.

    Args:
        model: The model that forecast it.
        x: A batch.
        out: What the network made of it.
        idx: Which window.
        add_loss_to_title: Whether to show the model's loss; or a metric, or losses `(batch,)`.
        show_future_observed: Whether to draw what came.
        ax: Where to draw the only target; None: a figure each.
        axes: Where to draw every target.
        quantiles_kwargs: Of `to_quantiles`.
        prediction_kwargs: Of `to_prediction`.
    """
    names, losses = model.target_names, losses_of_targets(model.loss)
    if ax is not None and len(names) > 1:
        raise ValueError(f"`ax` has room for one target, got {names}. Leave it out.")
    places = [ax] * len(names) if axes is None else axes
    points = to_list(model.to_prediction(out, **(prediction_kwargs or {})))
    quantiles = to_list(model.to_quantiles(out, **(quantiles_kwargs or {})))
    past, future = int(x["encoder_lengths"][idx]), int(x["decoder_lengths"][idx])
    figures = []
    for number, name in enumerate(names):
        actual = to_list(x["decoder_target"])[number][idx, :future]
        history = to_list(x["encoder_target"])[number][idx, :past]
        has_bands = not isinstance(leading(losses[number]), CrossEntropy)
        title = name
        if add_loss_to_title is not False:
            loss = losses[number] if add_loss_to_title is True else add_loss_to_title
            raw = to_list(out["prediction"])[number][idx]
            if not isinstance(leading(losses[number]), MQF2DistributionLoss):
                raw = raw[:future]
            elif loss is not losses[number]:
                # Its parameters are of the window, not of the steps that other metrics read.
                raw = points[number][idx, :future]
            title = f"{name}, loss {_loss_of(loss, raw, actual, history, idx):.4g}"
        bands = (
            quantiles[number][idx, :future] if has_bands else quantiles[number][idx, :future, :0]
        )
        figure = window_chart(
            history.detach().cpu().numpy(),
            points[number][idx, :future].detach().cpu().numpy(),
            bands.detach().cpu().sort(-1)[0].numpy(),
            actual.detach().cpu().numpy() if show_future_observed else None,
            title=title,
            axis=places[number],
        )
        figures.append(figure)
    return figures


def window_interpretation_figure(
    model: BaseModel, x: Mapping[str, Any], out: Mapping[str, Any], idx: int
) -> Figure:
    """Return a figure of one window and of what its forecast leans on, by lag, for each target."""
    number = len(model.target_names)
    figure = new_figure(10, 6 * number)
    axes = figure.subplots(2 * number, squeeze=False)[:, 0]
    window = windows_at(x, slice(idx, idx + 1))
    window_figures(model, x, out, idx, axes=list(axes[::2]))
    for target, axis in enumerate(axes[1::2]):
        by_lag = interpret(model, window, target=target).by_lag
        lag_chart(by_lag.numpy(), title="What it leans on", axis=axis)
    return figure


def _loss_of(loss: Any, raw: Tensor, actual: Tensor, history: Tensor, idx: int) -> float:
    """Return the loss of one window of one target."""
    if isinstance(loss, Tensor):
        return float(loss[idx])
    without_graph(loss)
    fresh = copy.deepcopy(loss)
    options = {"encoder_target": history[None]} if isinstance(loss, MASE) else {}
    return float(fresh(raw[None].detach(), (actual[None], None), **options).detach())

"""Figures of forecasts and of what they lean on: numbers for `plotting` to draw."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pytorch_forecasting.data.encoders import TorchNormalizer
from pytorch_forecasting.metrics import MASE, CrossEntropy
from pytorch_forecasting.utils import to_list
from scipy.stats import skew
from torch import Tensor

from drnn_forecast.model.interpretation.numbers import Interpretation
from drnn_forecast.model.losses import leading, without_graph
from drnn_forecast.plotting import averages_chart, bars, lag_chart, saliency_map, window_chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from pytorch_forecasting.models.base import BaseModel


def interpretation_figures(interpretation: Interpretation) -> dict[str, Figure]:
    """Return a figure of each part of an interpretation, by the name of the part.

    Raises:
        ImportError: matplotlib is not installed.
    """
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
        quantiles_kwargs: Of `to_quantiles`.
        prediction_kwargs: Of `to_prediction`.

    Raises:
        ValueError: There is one `ax` for several targets.
        ImportError: matplotlib is not installed.
    """
    names, losses = model.target_names, getattr(model.loss, "metrics", [model.loss])
    if ax is not None and len(names) > 1:
        raise ValueError(f"`ax` has room for one target, got {names}. Leave it out.")
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
            raw = to_list(out["prediction"])[number][idx, :future]
            loss = losses[number] if add_loss_to_title is True else add_loss_to_title
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
            axis=ax,
        )
        figures.append(figure)
    return figures


def averages_figure(
    model: BaseModel,
    data: Mapping[str, Any],
    name: str,
    *,
    ax: Axes | None = None,
    log_scale: bool | None = None,
) -> Figure | SubFigure:
    """Return a figure of the averages by one variable.

    Values of a variable that a normaliser scales by window or series have no one unit, and are
    drawn as they are scaled. Categories stand in the order of the actuals.

    Args:
        model: The model.
        data: What `averages_by_variable` returned.
        name: Which variable.
        ax: Where to draw; None: a figure of its own.
        log_scale: Whether averages stand on a logarithmic scale; None: where they are above 0 and
            skewed above 1.6.

    Raises:
        ValueError: There is no such variable.
        ImportError: matplotlib is not installed.
    """
    if name not in data["support"]:
        raise ValueError(f"`name` must be one of {list(data['support'])}, got {name!r}.")
    counts = data["support"][name].cpu().numpy()
    averages = {
        kind: data["average"][part][name].cpu().numpy()[counts > 0]
        for kind, part in (("actual", "actual"), ("forecast", "prediction"))
    }
    if log_scale is None:
        lowest = min(values.min() for values in averages.values())
        log_scale = bool(lowest > 0 and skew(averages["actual"]) > 1.6)
    if name in model.hparams.x_reals:
        grid, label = _natural(model, name, np.linspace(-data["std"], data["std"], len(counts)))
        order, places, names = slice(None), grid[counts > 0], None
        width = grid[1] - grid[0] if len(grid) > 1 else 1.0
    else:
        order, label, width = averages["actual"].argsort(kind="stable"), name, 0.9
        labels = list(model.hparams.embedding_labels[name])
        names = [str(labels[code]) for code in np.flatnonzero(counts)[order]]
        places = np.arange(len(names))
    return averages_chart(
        places,
        {kind: values[order] for kind, values in averages.items()},
        counts[counts > 0][order],
        title=f"Averages by {name}",
        label=label,
        width=width,
        names=names,
        log_scale=log_scale,
        axis=ax,
    )


def _natural(
    model: BaseModel, name: str, scaled: NDArray[np.floating]
) -> tuple[NDArray[np.floating], str]:
    """Return the values of a variable in its own units, where it has them, and their label."""
    is_target = name in to_list(model.dataset_parameters["target"])
    scaler = model.dataset_parameters["scalers"].get(name)
    if is_target or isinstance(scaler, TorchNormalizer):
        return scaled, f"{name}, normalised"
    if scaler is None:
        return scaled, name
    return scaler.inverse_transform(scaled.reshape(-1, 1)).reshape(-1), name


def _loss_of(loss: Any, raw: Tensor, actual: Tensor, history: Tensor, idx: int) -> float:
    """Return the loss of one window of one target."""
    if isinstance(loss, Tensor):
        return float(loss[idx])
    without_graph(loss)
    fresh = copy.deepcopy(loss)
    options = {"encoder_target": history[None]} if isinstance(loss, MASE) else {}
    return float(fresh(raw[None].detach(), (actual[None], None), **options).detach())

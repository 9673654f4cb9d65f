"""Scores of several models: by series, by fold, by level, and against their cost.

Every function raises an `ImportError` where matplotlib is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from drnn_forecast.plotting.canvas import literal, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^vP*Xph<>"
MOST_SERIES = 30
"""More series than these are shown as a distribution for each model."""


def error_by_series(errors: pd.DataFrame, *, label: str, title: str) -> Figure:
    """Return a figure with a row per series and a dot per model, the first series on top.

    Of more than 30 series it shows a box per model instead: quartiles, whiskers at the 5th and
    95th percentile, and the mean as a dot.

    `errors` are indexed by series, a column per model; what is not a number is not drawn.
    """
    if len(errors) > MOST_SERIES:
        return _boxes(errors, label, title)
    figure = new_figure(8, 2.2 + 0.32 * len(errors))
    axis = figure.subplots()
    places = range(len(errors))
    for number, model in enumerate(errors):
        axis.plot(errors[model], places, **{**_style(number, model), "linestyle": ""})
    axis.set_yticks(places, [literal(name) for name in errors.index])
    axis.set_ylim(len(errors) - 0.5, -0.5)
    axis.set_xlabel(literal(label))
    axis.set_xlim(left=0)
    return _finished(figure, axis, title, entries=len(errors.columns))


def error_by_fold(
    errors: pd.DataFrame, spread: pd.DataFrame | None = None, *, label: str, title: str
) -> Figure:
    """Return a figure with a line per model over the folds, and bars where a spread is given.

    `errors` are indexed by fold, a column per model, and so is their standard deviation, `spread`.
    """
    figure = new_figure(8, 4.8)
    axis = figure.subplots()
    for number, model in enumerate(errors):
        bars = None if spread is None else spread[model]
        axis.errorbar(errors.index, errors[model], bars, capsize=3, **_style(number, model))
    axis.set_xlabel("fold")
    axis.set_ylabel(literal(label))
    axis.set_xticks(errors.index[:: len(errors) // 20 + 1])
    axis.set_ylim(bottom=0)
    return _finished(figure, axis, title, entries=len(errors.columns))


def calibration_chart(observed: pd.DataFrame, *, title: str) -> Figure:
    """Return a figure of how often actuals lay at or below each quantile, against its level.

    `observed` are shares between 0 and 1, indexed by level, a column per model.
    """
    figure = new_figure(8, 6)
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="#777777", linestyle=":", label="as promised")
    for number, model in enumerate(observed):
        axis.plot(observed.index, observed[model], **_style(number, model))
    axis.set_xlabel("level of the quantile")
    axis.set_ylabel("share of actuals at or below it")
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    axis.set_aspect("equal")
    return _finished(figure, axis, title, entries=len(observed.columns) + 1)


def cost_chart(costs: pd.DataFrame, *, label: str, title: str) -> Figure:
    """Return a figure of each model's error against its time, with the spread of the error.

    `costs`, indexed by model, has `seconds`, `error` and `spread`, which may be not a number.
    """
    figure = new_figure(8, 4.8)
    axis = figure.subplots()
    for number, (model, row) in enumerate(costs.iterrows()):
        spread = np.nan_to_num(row["spread"])
        style = {**_style(number, model), "linestyle": "", "markersize": 9}
        axis.errorbar(row["seconds"], row["error"], spread, capsize=3, **style)
    axis.set_xscale("log")
    axis.margins(0.1)  # whole markers at the edges
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("seconds of training and prediction, logarithmic")
    axis.set_ylabel(literal(label))
    return _finished(figure, axis, title, entries=len(costs))


def _boxes(errors: pd.DataFrame, label: str, title: str) -> Figure:
    """Return a figure with one box per model."""
    figure = new_figure(8, 5.5)
    axis = figure.subplots()
    axis.boxplot(
        [errors[model].dropna() for model in errors],
        whis=(5, 95),
        showfliers=False,
        showmeans=True,
        meanprops={"marker": "o", "markerfacecolor": "#d95f02", "markeredgecolor": "#d95f02"},
        medianprops={"color": "#1b6ca8", "linewidth": 2},
    )
    names = [literal(model) for model in errors]
    axis.set_xticks(range(1, len(names) + 1), names, rotation=30, ha="right")
    axis.set_ylabel(literal(label))
    axis.set_ylim(bottom=0)
    return _finished(figure, axis, title, entries=0)


def _style(number: int, model: object) -> dict[str, Any]:
    """Return how the model of that number is drawn: told apart by form as well as by colour."""
    return {
        "label": literal(model),
        "color": f"C{number}",
        "marker": MARKERS[number % len(MARKERS)],
        "markersize": 6,
        "linewidth": 1.5,
    }


def _finished(figure: Figure, axis: Axes, title: str, *, entries: int) -> Figure:
    """Return the figure with title, grid, and a legend below the axes, where it covers nothing."""
    if entries:
        figure.legend(loc="outside lower center", ncols=min(3, entries), frameon=False, fontsize=10)
    axis.set_title(literal(title), loc="left", fontsize=13)
    axis.grid(alpha=0.3)
    return figure

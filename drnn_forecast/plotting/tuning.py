"""Drawings of a search: its course, its parameters, and what is gained against what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from drnn_forecast.plotting.canvas import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOUR_MAP = "viridis"
"""Low values, the good ones, are dark."""


def history_chart(
    values: pd.Series, pruned: pd.Series, best: pd.Series, *, label: str, title: str
) -> Figure:
    """Return a figure of every trial's value, with the best one so far as a line.

    Args:
        values: Of the complete trials, by number.
        pruned: The best value of those that were stopped early, by number.
        best: The lowest value so far, by number.
        label: What the values are.
        title: Of the figure.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure = new_figure(9, 4.5)
    axis = figure.subplots()
    axis.scatter(values.index, values, color=COLOURS["forecast"], label="complete")
    if len(pruned):
        axis.scatter(
            pruned.index, pruned, facecolors="none", edgecolors=COLOURS["history"], label="pruned"
        )
    axis.step(best.index, best, where="post", color=COLOURS["actual"], label="best so far")
    axis.set_xlabel("trial")
    axis.set_ylabel(label)
    axis.set_title(title, loc="left")
    axis.xaxis.set_major_locator(_ticks(integer=True))
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def parallel_chart(
    positions: pd.DataFrame,
    ticks: Mapping[str, Mapping[float, str]],
    values: pd.Series,
    *,
    label: str,
    title: str,
) -> Figure:
    """Return a figure with an axis per parameter and a line per trial, coloured by its value.

    Args:
        positions: Of every trial on every axis, mostly from 0 to 1; the last trials are on top.
        ticks: By parameter, what stands at a position.
        values: What gives the colour, in the order of `positions`.
        label: What the values are.
        title: Of the figure.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure = new_figure(max(9, 1.35 * positions.shape[1]), 5)
    axis = figure.subplots()
    points = range(positions.shape[1])
    colour = _colours(values, label, figure, axis)
    for (_, line), value in zip(positions.iterrows(), values, strict=True):
        axis.plot(points, line, color=colour.to_rgba(value), alpha=0.8, linewidth=1.6)
    for point, name in zip(points, positions.columns, strict=True):
        axis.axvline(point, color="#999999", linewidth=1)
        for height, text in ticks[name].items():
            axis.annotate(
                text,
                (point, height),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
                bbox={"boxstyle": "round,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.75},
            )
    axis.set_xticks(list(points), [name.replace("_", "\n") for name in positions.columns])
    axis.set_yticks([])
    axis.set_xlim(-0.1, positions.shape[1] - 0.4)
    axis.set_title(title, loc="left")
    for side in axis.spines.values():
        side.set_visible(False)
    return figure


def slice_chart(
    parameters: pd.DataFrame, values: pd.Series, *, label: str, title: str, log: Sequence[str] = ()
) -> Figure:
    """Return a figure with a panel per parameter: every trial's value over the parameter's.

    Args:
        parameters: One row per trial; a trial without the parameter has NaN.
        values: In the order of `parameters`; the colour is the order of the trials.
        label: What the values are.
        title: Of the figure.
        log: Parameters with a logarithmic axis.

    Raises:
        ImportError: matplotlib is not installed.
    """
    columns = min(3, parameters.shape[1])
    rows = -(-parameters.shape[1] // columns)
    figure = new_figure(3.6 * columns + 1, 3 * rows + 0.6)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axis, name in zip(axes.flat, parameters.columns, strict=False):
        shown = parameters[name].notna()
        points = axis.scatter(
            parameters[name][shown],
            values[shown],
            c=values.index[shown],
            cmap="Blues",
            vmin=0,
            vmax=max(values.index.max(), 1),
            edgecolors=COLOURS["history"],
            linewidths=0.6,
        )
        axis.set_xlabel(name)
        axis.grid(alpha=0.3)
        if name in log:
            axis.set_xscale("log")
        elif pd.api.types.is_numeric_dtype(parameters[name]):
            axis.xaxis.set_major_locator(_ticks(integer=_is_whole(parameters[name])))
    for axis in axes[:, 0]:
        axis.set_ylabel(label)
    for axis in axes.flat[parameters.shape[1] :]:
        axis.set_visible(False)
    figure.suptitle(title)
    figure.colorbar(points, ax=axes, label="trial")
    return figure


def front_chart(
    trials: pd.DataFrame,
    front: pd.DataFrame,
    *,
    groups: str,
    labels: tuple[str, str],
    title: str,
) -> Figure:
    """Return a figure of cost against value, with the trials that nothing beats in both joined.

    Args:
        trials: Columns `cost`, `value` and the one that `groups` names.
        front: The same of the best ones, the lowest value first.
        groups: The column that gives the colour and the legend.
        labels: What cost and value are.
        title: Of the figure.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure = new_figure(9, 5)
    axis = figure.subplots()
    axis.plot(
        front["cost"],
        front["value"],
        color=COLOURS["history"],
        drawstyle="steps-pre",
        linewidth=1.2,
        label="nothing better in both",
        zorder=1,
    )
    for index, (name, group) in enumerate(trials.groupby(groups, sort=True)):
        axis.scatter(
            group["cost"], group["value"], color=f"C{index}", label=name, zorder=2, alpha=0.85
        )
    axis.scatter(
        front["cost"], front["value"], s=110, facecolors="none", edgecolors=COLOURS["history"]
    )
    axis.set_xlabel(labels[0])
    axis.set_ylabel(labels[1])
    axis.set_title(title, loc="left")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _colours(values: pd.Series, label: str, figure: Figure, axis: Any) -> Any:
    """Return what maps values to colours, with a bar for it beside the axis."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    colour = ScalarMappable(Normalize(values.min(), values.max()), COLOUR_MAP)
    figure.colorbar(colour, ax=axis, label=label)
    return colour


def _ticks(*, integer: bool) -> Any:
    """Return where an axis has its ticks."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(6, integer=integer)


def _is_whole(values: pd.Series) -> bool:
    """Return whether all numbers are integers."""
    return bool((values.dropna() % 1 == 0).all())

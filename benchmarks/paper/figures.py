"""Draws the curves of an experiment; computes nothing but means and ranges over seeds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import matplotlib as mpl
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

CELLS = ("GRU", "LSTM", "RNN", "CNN")
LEAST = 1e-6  # what a logarithmic axis shows in place of less: tables have six decimals


def learning_curves(
    curves: pd.DataFrame,
    *,
    title: str,
    value: str,
    label: str,
    chance: Mapping[str, tuple[float, str]] | None = None,
    logarithmic: bool = False,
    ordered: bool = False,
) -> Figure:
    """Return a figure with a panel per `panel`: `value` against steps, a line per network.

    The line is the mean over seeds, the band reaches from the least to the greatest. Where there
    are several cells, each has a colour.

    Args:
        curves: The rows of a table of curves, of one setting.
        title: Of the figure.
        value: The column to draw.
        label: Of the vertical axis, with its unit.
        chance: A line and its name by panel.
        logarithmic: The vertical axis; less than `LEAST` is drawn as that.
        ordered: The networks follow one another, as depths do: colours on a scale, solid lines.
    """
    panels = list(curves["panel"].unique())
    networks = list(curves["network"].unique())
    styles = styles_of(networks, ordered=ordered)
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(6 * columns + 1, 3.6 * rows + 1.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey="row")
    for axes, panel in zip(grid.flat, panels, strict=False):
        for network in networks:
            of = curves[(curves["panel"] == panel) & (curves["network"] == network)]
            if logarithmic:
                of = of.assign(**{value: of[value].clip(lower=LEAST)})
            if len(of):
                _draw_line(axes, of, value, *styles[network], network)
        if chance and panel in chance:
            level, name = chance[panel]
            axes.axhline(level, color="black", linewidth=1, linestyle=":", label=name)
        axes.set(title=panel, xlabel="training steps", ylabel=label)
        axes.tick_params(which="both", labelleft=True)
        if logarithmic:
            _scale_logarithmically(axes)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.suptitle(title, fontsize=13)
    _name_lines_once(figure, grid.flat[: len(panels)])
    return figure


def last_values(
    last: pd.DataFrame,
    *,
    title: str,
    label: str,
    axis: str,
    ticks: Mapping[str, str],
    logarithmic: bool = False,
) -> Figure:
    """Return a figure of the column `value` against `network`, with a line per `panel`.

    Args:
        last: A row per panel, network and seed, with a `value`; seeds are averaged.
        title: Of the figure.
        label: Of the vertical axis, with its unit.
        axis: The label of the horizontal axis.
        ticks: The label of every network, in order.
        logarithmic: The vertical axis.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for panel, of in last.groupby("panel", sort=False):
        mean = of.groupby("network")["value"].mean().reindex(ticks)
        axes.plot(list(ticks.values()), mean, marker="o", label=panel)
    axes.set(xlabel=axis, ylabel=label)
    if logarithmic:
        _scale_logarithmically(axes)
    else:
        axes.set_ylim(0, None)
    axes.set_title(title, fontsize=12)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def tried(last: pd.DataFrame, *, title: str, label: str) -> Figure:
    """Return a figure with a panel per `panel`: a column of points per `network`.

    A start of the gates has a colour, a learning rate a marker.

    Args:
        last: A row per panel, network, `gates` and `rate`, with a `value`.
        title: Of the figure.
        label: Of the vertical axis, with its unit.
    """
    panels = list(last["panel"].unique())
    colours = dict(zip(sorted(last["gates"].unique()), mpl.colormaps["tab10"].colors, strict=False))
    markers = dict(zip(sorted(last["rate"].unique()), "vo^s", strict=False))
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(12, 3.8 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, 2, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        of = last[last["panel"] == panel]
        names = list(of["network"].unique())
        for (gates, rate), points in of.groupby(["gates", "rate"]):
            axes.plot(
                [names.index(name) for name in points["network"]],
                points["value"],
                markers[rate],
                color=colours[gates],
                alpha=0.8,
                label=f"{gates} gates, rate {rate:g}",
            )
        axes.set_xticks(range(len(names)), [name.replace(", ", "\n") for name in names], fontsize=8)
        axes.set(title=panel, ylabel=label)
        axes.margins(x=0.1)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    _name_lines_once(figure, grid.flat[: len(panels)])
    figure.suptitle(title, fontsize=13)
    return figure


def styles_of(networks: Sequence[str], *, ordered: bool) -> dict[str, tuple[object, str]]:
    """Return the colour and the line style of every network.

    Ordered ones have colours on a scale. Else every cell has a colour, the same in all figures, and
    its networks differ by their lines; where all have one cell, every network has a colour.
    """
    if ordered:
        scale = mpl.colormaps["viridis"]
        steps = max(1, len(networks) - 1)
        return {name: (scale(0.95 * index / steps), "-") for index, name in enumerate(networks)}
    palette, lines = mpl.colormaps["tab10"].colors, ("-", "--", "-.", ":")
    cells = [re.search("|".join(CELLS), name).group() for name in networks]
    if len(set(cells)) == 1:
        return {name: (palette[index], lines[index]) for index, name in enumerate(networks)}
    return {
        name: (palette[CELLS.index(cell)], lines[cells[:index].count(cell)])
        for index, (name, cell) in enumerate(zip(networks, cells, strict=True))
    }


def _draw_line(
    axes: Axes, of: pd.DataFrame, value: str, colour: object, line: str, name: str
) -> None:
    """Draw the mean and the range over seeds of one network."""
    over_seeds = of.groupby("step")[value].agg(["mean", "min", "max"])
    steps = over_seeds.index
    axes.plot(steps, over_seeds["mean"], color=colour, linestyle=line, label=name)
    axes.fill_between(steps, over_seeds["min"], over_seeds["max"], color=colour, alpha=0.18, lw=0)


def _scale_logarithmically(axes: Axes) -> None:
    """Give the vertical axis a logarithmic scale, with plain numbers at 1, 2 and 5 if it is short.

    More than four powers of ten are long; they alone are numbered then.
    """
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high / low > 1e4:
        return
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")


def _name_lines_once(figure: Figure, panels: Iterable[Axes]) -> None:
    """Put one legend below the panels, in which every line has its name once."""
    handles: dict[str, Artist] = {}
    for axes in panels:
        lines, names = axes.get_legend_handles_labels()
        handles |= dict(zip(names, lines, strict=True))
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=max(1, int(12 * figure.get_figwidth() / (max(map(len, handles)) + 8))),
        frameon=False,
    )

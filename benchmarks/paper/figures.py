"""Draws the curves of an experiment; computes nothing but means and ranges over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import matplotlib as mpl
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator


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

    The line is the mean over seeds, the band reaches from the least to the greatest; a network
    whose name starts with "dilated" is drawn solid, any other dashed.

    Args:
        curves: The rows of a table of curves, of one setting.
        title: Of the figure.
        value: The column to draw.
        label: Of the vertical axis, with its unit.
        chance: A line and its name by panel.
        logarithmic: The vertical axis.
        ordered: The networks follow one another, as depths do: colours on a scale, solid lines.
    """
    panels = list(curves["panel"].unique())
    networks = list(curves["network"].unique())
    colours = colours_of(networks, ordered=ordered)
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(6 * columns + 1, 3.6 * rows + 1.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey="row")
    for axes, panel in zip(grid.flat, panels, strict=False):
        for network in networks:
            of = curves[(curves["panel"] == panel) & (curves["network"] == network)]
            if len(of):
                solid = ordered or network.startswith("dilated")
                _draw_line(axes, of, value, colours[network], network, solid=solid)
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
    """Return a figure with a panel per `panel`: a column per `network`, a point per `choice`.

    Args:
        last: A row per panel, network and choice, with a `value`.
        title: Of the figure.
        label: Of the vertical axis, with its unit.
    """
    panels = list(last["panel"].unique())
    colours = colours_of(sorted(last["choice"].unique()), ordered=True)
    figure = Figure(figsize=(12, 4 * -(-len(panels) // 2)), layout="constrained")
    grid = figure.subplots(-(-len(panels) // 2), 2, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        of = last[last["panel"] == panel]
        names = list(of["network"].unique())
        for choice, points in of.groupby("choice"):
            places = [names.index(name) for name in points["network"]]
            axes.plot(places, points["value"], "o", color=colours[choice], label=choice)
        axes.set_xticks(range(len(names)), [name.replace(", ", "\n") for name in names], fontsize=8)
        axes.set(title=panel, ylabel=label)
        axes.margins(x=0.1)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    _name_lines_once(figure, grid.flat[: len(panels)])
    figure.suptitle(title, fontsize=13)
    return figure


def colours_of(networks: list[str], *, ordered: bool) -> dict[str, object]:
    """Return a colour for every network: from a scale where they are ordered."""
    if ordered:
        scale = mpl.colormaps["viridis"]
        return {
            name: scale(0.95 * index / max(1, len(networks) - 1))
            for index, name in enumerate(networks)
        }
    palette = mpl.colormaps["tab10"].colors
    return {name: palette[index % len(palette)] for index, name in enumerate(networks)}


def _draw_line(
    axes: Axes, of: pd.DataFrame, value: str, colour: object, name: str, *, solid: bool
) -> None:
    """Draw the mean and the range over seeds of one network."""
    over_seeds = of.groupby("step")[value].agg(["mean", "min", "max"])
    axes.plot(
        over_seeds.index,
        over_seeds["mean"],
        color=colour,
        linestyle="-" if solid else "--",
        label=name,
    )
    axes.fill_between(
        over_seeds.index, over_seeds["min"], over_seeds["max"], color=colour, alpha=0.18, lw=0
    )


def _scale_logarithmically(axes: Axes) -> None:
    """Give the vertical axis a logarithmic scale with plain numbers at 1, 2 and 5."""
    axes.set_yscale("log")
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

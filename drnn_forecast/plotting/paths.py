"""Recurrent architectures: the unrolled network, and mean recurrent length by depth.

Every function raises an `ImportError` where matplotlib is not installed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from drnn_forecast.plotting.canvas import COLOURS, literal, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[float, float]

BULGE = 0.45
"""Height of the longest recurrent arc, in distances between layers."""


def unrolled_network(
    edges: Iterable[tuple[int, int, int]],
    path: Sequence[tuple[int, int]],
    *,
    distance: int,
    labels: Sequence[str],
    title: str,
) -> Figure:
    """Return a figure of a network over time, with one path drawn heavy.

    Args:
        edges: (source, target, time steps), nodes counted from the input, which is 0.
        path: (node, time step) of a shortest path, first to last; empty: none is drawn.
        distance: The last time step; the first is 0.
        labels: Of the nodes, from the input up.
        title: Of the figure.
    """
    figure = new_figure(min(5 + 0.4 * distance, 16), 1.8 + 0.8 * len(labels))
    axis = figure.subplots()
    known = list(edges)
    fade = max(0.3, min(1.0, 24 / (distance + 1)))
    forward = [_curve(*edge, time) for edge in known if not edge[2] for time in range(distance + 1)]
    later = [_curve(*e, time) for e in known if e[2] for time in range(distance - e[2] + 1)]
    _draw(axis, forward, "#999999", 0.8, fade, "feed-forward")
    _draw(axis, later, COLOURS["forecast"], 0.9, fade, "recurrent")
    hops = [
        _curve(source, target, end - start, start)
        for (source, start), (target, end) in itertools.pairwise(path)
    ]
    name = f"a shortest path ({len(hops)} edges)" if hops else "no path"
    _draw(axis, hops, COLOURS["actual"], 3.2, 1.0, name)
    nodes = [(time, node) for node in range(len(labels)) for time in range(distance + 1)]
    size = max(2, min(36, 900 / (distance + 1)))
    times, levels = zip(*nodes, strict=True)
    axis.scatter(times, levels, s=size, color="white", edgecolor="#333333", zorder=3)
    axis.set_yticks(range(len(labels)), [*map(literal, labels)], fontsize=11)
    axis.set_xlabel("time step", fontsize=11)
    axis.set_ylim(-0.4, len(labels) - 1 + BULGE + 0.15)
    axis.set_xlim(-0.5, distance + 0.5)
    axis.locator_params(axis="x", integer=True)
    axis.set_title(literal(title), loc="left", fontsize=13)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.tick_params(left=False)
    legend = figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=11)
    for handle in filter(None, legend.legend_handles):
        handle.set_alpha(1)
    return figure


def length_by_depth(lengths: Mapping[str, Mapping[int, float]], *, title: str) -> Figure:
    """Return a figure of mean recurrent length by number of layers, a line for each kind."""
    figure = new_figure(8, 4.8)
    axis = figure.subplots()
    colours = (COLOURS["forecast"], COLOURS["actual"], COLOURS["history"])
    for index, (name, by_depth) in enumerate(lengths.items()):
        axis.plot(
            list(by_depth),
            list(by_depth.values()),
            label=literal(name),
            color=colours[index % len(colours)],
            marker="os^"[index % 3],
            linestyle=("-", "-", "--")[index % 3],
        )
    axis.set_yscale("log", subs=(2, 5))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("{x:g}")
    axis.set_xlabel("layers", fontsize=11)
    axis.set_ylabel("mean recurrent length (edges)", fontsize=11)
    axis.locator_params(axis="x", integer=True)
    axis.set_title(literal(title), loc="left", fontsize=13)
    axis.grid(alpha=0.3, which="both")
    figure.legend(loc="outside lower center", ncols=len(lengths), frameon=False, fontsize=11)
    return figure


def _curve(source: int, target: int, steps: int, start: int) -> list[Point]:
    """Return the points of an edge: an arc where it stays in its layer over several steps."""
    if source != target or steps == 1:
        return [(start, source), (start + steps, target)]
    height = BULGE * (1 - 1 / steps)
    angles = [math.pi * part / 16 for part in range(17)]
    return [
        (start + steps * (1 - math.cos(angle)) / 2, source + height * math.sin(angle))
        for angle in angles
    ]


def _draw(
    axis: Axes, curves: list[list[Point]], colour: str, width: float, alpha: float, label: str
) -> None:
    """Draw curves of one kind, with one entry in the legend."""
    from matplotlib.collections import LineCollection

    axis.add_collection(
        LineCollection(
            curves,
            colors=colour,
            linewidths=width,
            alpha=alpha,
            label=literal(label),
            zorder=2 if width > 2 else 1,
        )
    )

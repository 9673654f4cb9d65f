"""What a forecast leans on: maps of saliency, bars, and quantities by lag.

Every function raises an `ImportError` where matplotlib is not installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drnn_forecast.plotting.canvas import COLOURS, literal, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


def saliency_map(saliency: NDArray[np.floating], *, title: str) -> Figure:
    """Return a figure of how much each step of a forecast leans on each step of the past.

    `saliency` is `(steps, encoder steps)`, the last column directly before the first step.
    """
    steps, length = saliency.shape
    figure = new_figure(10, 4.5)
    axis = figure.subplots()
    extent = (-length - 0.5, -0.5, steps + 0.5, 0.5)
    image = axis.imshow(saliency, aspect="auto", extent=extent, cmap="Blues")
    axis.set_xlabel("time steps before the forecast")
    axis.set_ylabel("step of the forecast")
    axis.set_title(literal(title), loc="left")
    figure.colorbar(image, ax=axis, label="size of the gradient")
    return figure


def bars(values: Mapping[str, float], *, title: str, label: str) -> Figure:
    """Return a figure with one horizontal bar per name, the first one on top."""
    figure = new_figure(7, 1 + 0.35 * len(values))
    axis = figure.subplots()
    axis.barh([*map(literal, values)], list(values.values()), color=COLOURS["forecast"])
    axis.invert_yaxis()
    axis.set_xlabel(literal(label))
    axis.set_title(literal(title), loc="left")
    axis.grid(axis="x", alpha=0.3)
    return figure


def lag_chart(
    by_lag: NDArray[np.floating], *, title: str, axis: Axes | None = None
) -> Figure | SubFigure:
    """Return a figure of a quantity by lag, the first one being lag 1; its own without `axis`."""
    axis = new_figure(10, 3.5).subplots() if axis is None else axis
    axis.bar(range(1, len(by_lag) + 1), by_lag, color=COLOURS["forecast"], width=0.8)
    axis.set_xlabel("lag, time steps")
    axis.set_ylabel("size of the gradient")
    axis.set_title(literal(title), loc="left")
    axis.grid(axis="y", alpha=0.3)
    return axis.figure

"""Forecasts: fans over the horizon, windows, and errors by step.

Every function raises an `ImportError` where matplotlib is not installed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.plotting.canvas import COLOURS, literal, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

BAND_ALPHAS = (0.18, 0.3, 0.42, 0.54)
"""Of the widest interval and those inside it, as far as there are so many."""

CENTRES = {"q0.5": "median forecast", "prediction": "forecast"}
"""What the middle of a forecast is called, by its column."""


def fan_charts(
    forecasts: pd.DataFrame,
    history: pd.DataFrame,
    actuals: pd.DataFrame | None = None,
    *,
    unit: str,
    title: str,
    columns: int = 2,
) -> Figure:
    """Return a figure with one panel per series: history, forecast intervals and what came.

    Args:
        forecasts: `series`, `time` and quantiles (`q0.1`, `q0.5`, `q0.9`, ...), or `prediction`.
        history: `series`, `time` and `actual`, as far back as it is to be shown.
        actuals: `series`, `time` and `actual` over the horizon; None: not drawn.
        unit: Of the target, for the axis.
        title: Of the figure.
        columns: Panels side by side, at most.
    """
    names = list(forecasts["series"].unique())
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(max(7 * columns, 9), 2.6 * rows + 1.2)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        _draw_fan(axis, *(rows_of(frame, name) for frame in (forecasts, history, actuals)))
        axis.set_title(literal(name), loc="left", fontweight="bold")
        axis.set_ylabel(literal(unit))
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.suptitle(literal(title), fontsize=15)
    ncols = min(len(labels), 3 * columns)
    figure.legend(
        handles, labels, loc="outside lower center", ncols=ncols, frameon=False, fontsize=11
    )
    return figure


def error_by_horizon(
    errors: Mapping[str, pd.Series], *, unit: str, step: str, title: str
) -> Figure:
    """Return a figure with the mean absolute error of every model at each step of the horizon.

    Args:
        errors: By model, indexed by step.
        unit: Of the error, for the axis.
        step: What a step is, for the axis, such as `"hours ahead"`.
        title: Of the figure.
    """
    figure = new_figure(10, 5.5)
    axis = figure.subplots()
    for index, (name, series) in enumerate(errors.items()):
        dashed = name.startswith("Seasonal naive")
        axis.plot(
            series.index,
            series.to_numpy(),
            label=literal(name),
            color=f"C{index}",
            linestyle="--" if dashed else "-",
            linewidth=1.5 if dashed else 2.2,
        )
    axis.set_title(literal(title), fontsize=15)
    axis.set_xlabel(literal(step), fontsize=12)
    axis.set_ylabel(f"mean absolute error ({literal(unit)})", fontsize=12)
    axis.set_ylim(bottom=0)
    axis.set_xlim(1, max(series.index.max() for series in errors.values()))
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False, fontsize=11)
    return figure


def window_chart(
    history: NDArray[np.floating],
    point: NDArray[np.floating],
    quantiles: NDArray[np.floating],
    actual: NDArray[np.floating] | None,
    *,
    title: str,
    axis: Axes | None = None,
) -> Figure | SubFigure:
    """Return a figure of one window: its past, its forecast with bands, and what came.

    Args:
        history: `(encoder steps,)`.
        point: `(steps,)`.
        quantiles: `(steps, quantiles)`, in ascending order; pairs from the outside in are bands.
        actual: `(steps,)`; None: not drawn.
        title: Of the figure.
        axis: Where to draw; None: a figure of its own.
    """
    if axis is None:
        axis = new_figure(8, 3.5).subplots()
    ahead = np.arange(len(point))
    marker = "o" if len(point) == 1 else None
    for band in range(quantiles.shape[1] // 2):
        low, high = quantiles[:, band], quantiles[:, -1 - band]
        axis.fill_between(ahead, low, high, color=COLOURS["forecast"], alpha=0.15, linewidth=0)
        if marker:
            axis.vlines(ahead, low, high, color=COLOURS["forecast"], alpha=0.3)
    before = np.arange(-len(history), 0)
    axis.plot(before, history, color=COLOURS["history"], label="observed")
    if actual is not None:
        axis.plot(ahead, actual, color=COLOURS["actual"], marker=marker, label="what came")
    axis.plot(ahead, point, color=COLOURS["forecast"], marker=marker, label="predicted")
    axis.set_xlabel("time steps after the forecast was made")
    axis.set_title(literal(title), loc="left")
    axis.legend(frameon=False)
    axis.grid(alpha=0.3)
    return axis.figure


def bands(forecast: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return the columns of each central interval and what it is called, the widest first."""
    levels = sorted(float(name[1:]) for name in forecast if re.fullmatch(r"q0?\.\d+", str(name)))
    return [
        (f"q{low:g}", f"q{1 - low:g}", f"{100 * (1 - 2 * low):g} % interval")
        for low in levels
        if low < 0.5 and f"q{1 - low:g}" in forecast
    ]


def rows_of(frame: pd.DataFrame | None, name: object) -> pd.DataFrame | None:
    """Return the rows of one series, if there is a frame."""
    return None if frame is None else frame[frame["series"] == name]


def _draw_fan(
    axis: Axes, forecast: pd.DataFrame, history: pd.DataFrame, actual: pd.DataFrame | None
) -> None:
    """Draw one series into an axis."""
    import matplotlib.dates as dates

    time = forecast["time"]
    for (low, high, label), alpha in zip(bands(forecast), BAND_ALPHAS, strict=False):
        axis.fill_between(
            time,
            forecast[low],
            forecast[high],
            color=COLOURS["forecast"],
            alpha=alpha,
            linewidth=0,
            label=label,
        )
    lines = [(forecast, c, "forecast", label) for c, label in CENTRES.items() if c in forecast]
    lines.append((history, "actual", "history", "history"))
    if actual is not None:
        lines.append((actual, "actual", "actual", "what came"))
    for frame, column, colour, label in lines:
        axis.plot(frame["time"], frame[column], color=COLOURS[colour], linewidth=1.6, label=label)
    axis.axvline(time.iloc[0], color="#999999", linewidth=1, linestyle=":")
    locator = dates.AutoDateLocator(minticks=3, maxticks=7)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axis.grid(alpha=0.3)
    axis.margins(x=0.01)

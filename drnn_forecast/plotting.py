"""Draws arrays and frames that it is given; computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

COLOURS = {"history": "#333333", "actual": "#d95f02", "forecast": "#1b6ca8"}
BANDS = (("q0.025", "q0.975", 0.18, "95 % interval"), ("q0.1", "q0.9", 0.35, "80 % interval"))


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
        forecasts: `series`, `time` and the quantiles `q0.025`, `q0.1`, `q0.5`, `q0.9`, `q0.975`.
        history: `series`, `time` and `actual`, as far back as it is to be shown.
        actuals: `series`, `time` and `actual` over the horizon; None: not drawn.
        unit: Of the target, for the axis.
        title: Of the figure.
        columns: Panels side by side.

    Raises:
        ImportError: matplotlib is not installed.
    """
    names = list(forecasts["series"].unique())
    rows = -(-len(names) // columns)
    figure = _figure(7 * columns, 2.6 * rows + 1.2)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        _draw_fan(axis, *(_of(frame, name) for frame in (forecasts, history, actuals)))
        axis.set_title(str(name), loc="left", fontweight="bold")
        axis.set_ylabel(unit)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.suptitle(title, fontsize=15)
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=11
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

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure = _figure(10, 5.5)
    axis = figure.subplots()
    for index, (name, series) in enumerate(errors.items()):
        dashed = name.startswith("Seasonal naive")
        axis.plot(
            series.index,
            series.to_numpy(),
            label=name,
            color=f"C{index}",
            linestyle="--" if dashed else "-",
            linewidth=1.5 if dashed else 2.2,
        )
    axis.set_title(title, fontsize=15)
    axis.set_xlabel(step, fontsize=12)
    axis.set_ylabel(f"mean absolute error ({unit})", fontsize=12)
    axis.set_ylim(bottom=0)
    axis.set_xlim(1, max(series.index.max() for series in errors.values()))
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False, fontsize=11)
    return figure


def saliency_map(saliency: NDArray[np.floating], *, title: str) -> Figure:
    """Return a figure of how much each step of a forecast leans on each step of the past.

    Args:
        saliency: `(steps, encoder steps)`, the last column directly before the first step.
        title: Of the figure.

    Raises:
        ImportError: matplotlib is not installed.
    """
    steps, length = saliency.shape
    figure = _figure(10, 4.5)
    axis = figure.subplots()
    extent = (-length - 0.5, -0.5, steps + 0.5, 0.5)
    image = axis.imshow(saliency, aspect="auto", extent=extent, cmap="Blues")
    axis.set_xlabel("time steps before the forecast")
    axis.set_ylabel("step of the forecast")
    axis.set_title(title, loc="left")
    figure.colorbar(image, ax=axis, label="size of the gradient")
    return figure


def bars(values: Mapping[str, float], *, title: str, label: str) -> Figure:
    """Return a figure with one horizontal bar per name, the first one on top.

    Args:
        values: By name.
        title: Of the figure.
        label: Of the axis of values.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure = _figure(7, 1 + 0.35 * len(values))
    axis = figure.subplots()
    axis.barh(list(values), list(values.values()), color=COLOURS["forecast"])
    axis.invert_yaxis()
    axis.set_xlabel(label)
    axis.set_title(title, loc="left")
    axis.grid(axis="x", alpha=0.3)
    return figure


def lag_chart(by_lag: NDArray[np.floating], *, title: str) -> Figure:
    """Return a figure of a quantity by lag, the first one being lag 1.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure = _figure(10, 3.5)
    axis = figure.subplots()
    axis.bar(range(1, len(by_lag) + 1), by_lag, color=COLOURS["forecast"], width=0.8)
    axis.set_xlabel("lag, time steps")
    axis.set_ylabel("size of the gradient")
    axis.set_title(title, loc="left")
    axis.grid(axis="y", alpha=0.3)
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

    Raises:
        ImportError: matplotlib is not installed.
    """
    if axis is None:
        axis = _figure(8, 3.5).subplots()
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
    axis.set_title(title, loc="left")
    axis.legend(frameon=False)
    axis.grid(alpha=0.3)
    return axis.figure


def _draw_fan(
    axis: Axes, forecast: pd.DataFrame, history: pd.DataFrame, actual: pd.DataFrame | None
) -> None:
    """Draw one series into an axis."""
    import matplotlib.dates as dates

    time = forecast["time"]
    for low, high, alpha, label in BANDS:
        axis.fill_between(
            time,
            forecast[low],
            forecast[high],
            color=COLOURS["forecast"],
            alpha=alpha,
            linewidth=0,
            label=label,
        )
    lines = [(forecast, "q0.5", "forecast", "median forecast")]
    lines.append((history, "actual", "history", "history"))
    if actual is not None:
        lines.append((actual, "actual", "actual", "what came"))
    for frame, column, colour, label in lines:
        axis.plot(frame["time"], frame[column], color=COLOURS[colour], linewidth=1.6, label=label)
    axis.axvline(time.iloc[0], color="#999999", linewidth=1, linestyle=":")
    locator = dates.AutoDateLocator(maxticks=7)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axis.grid(alpha=0.3)
    axis.margins(x=0.01)


def _of(frame: pd.DataFrame | None, name: object) -> pd.DataFrame | None:
    """Return the rows of one series, if there is a frame."""
    return None if frame is None else frame[frame["series"] == name]


def _figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches, that belongs to nobody: pyplot would keep it open."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib; install it with `pip install 'drnn-forecast[plot]'`."
        ) from error
    return Figure(figsize=(width, height), layout="constrained")

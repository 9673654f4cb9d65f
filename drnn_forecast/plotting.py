"""Draws arrays and frames that it is given; computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"history": "#333333", "actual": "#d95f02", "forecast": "#1b6ca8"}
BANDS = (("q0.02", "q0.98", 0.18, "96 % interval"), ("q0.1", "q0.9", 0.35, "80 % interval"))


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
        forecasts: `series`, `time` and the quantiles `q0.02`, `q0.1`, `q0.5`, `q0.9`, `q0.98`.
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

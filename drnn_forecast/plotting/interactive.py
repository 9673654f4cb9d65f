"""Forecasts as pages to look into with the mouse, by plotly."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from drnn_forecast.plotting.canvas import COLOURS
from drnn_forecast.plotting.forecasts import BAND_ALPHAS, CENTRES, bands, rows_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def interactive_fans(
    forecasts: pd.DataFrame,
    history: pd.DataFrame,
    actuals: pd.DataFrame | None = None,
    *,
    unit: str,
    title: str,
    columns: int = 2,
) -> Figure:
    """Return what `fan_charts` draws, as a figure of plotly.

    Raises:
        ImportError: plotly is not installed.
    """
    try:
        from plotly.subplots import make_subplots
    except ImportError as error:
        raise ImportError(
            "Interactive plots need plotly; install it with `pip install 'drnn-forecast[plotly]'`, "
            "or choose `engine='matplotlib'`."
        ) from error
    names = list(forecasts["series"].unique())
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=[f"<b>{_plain(name)}</b>" for name in names],
        vertical_spacing=0.4 / (rows + 1),
    )
    for number, name in enumerate(names):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        parts = (rows_of(frame, name) for frame in (forecasts, history, actuals))
        for trace in _traces(*parts, is_named=number == 0):
            figure.add_trace(trace, **place)
        start = forecasts.loc[forecasts["series"] == name, "time"].iloc[0]
        figure.add_vline(start, line={"color": "#999999", "dash": "dot", "width": 1}, **place)
    height = 300 * rows + 160  # pixels; the legend has its own below the panels
    figure.update_yaxes(title_text=_plain(unit))
    figure.update_layout(
        title={"text": _plain(title), "x": 0.5},
        template="plotly_white",
        height=height,
        hovermode="x unified",
        margin={"b": 90},
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": -60 / height},
    )
    figure.update_layout(legend_yanchor="top")
    return figure


def _traces(
    forecast: pd.DataFrame,
    history: pd.DataFrame,
    actual: pd.DataFrame | None,
    *,
    is_named: bool,
) -> list[Any]:
    """Return the bands and lines of one series, of which a legend names one series' alone."""
    from plotly.graph_objects import Scatter

    red, green, blue = (int(COLOURS["forecast"][place : place + 2], 16) for place in (1, 3, 5))
    traces = []

    def add(frame: pd.DataFrame, column: str, label: str, **style: Any) -> None:
        options = {"legendgroup": label, "showlegend": is_named, **style}
        hover = f"{label}: %{{y:.6g}}<extra></extra>"
        x, y = frame["time"], frame[column]
        traces.append(Scatter(x=x, y=y, name=label, hovertemplate=hover, **options))

    for (low, high, label), alpha in zip(bands(forecast), BAND_ALPHAS, strict=False):
        edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0}}
        add(forecast, low, label, **edge | {"showlegend": False})
        fill: dict[str, Any] = {
            "fill": "tonexty",
            "fillcolor": f"rgba({red}, {green}, {blue}, {alpha})",
        }
        add(forecast, high, label, **edge, **fill)
    lines = [(forecast, c, "forecast", label) for c, label in CENTRES.items() if c in forecast]
    lines.append((history, "actual", "history", "history"))
    if actual is not None:
        lines.append((actual, "actual", "actual", "what came"))
    for frame, column, colour, label in lines:
        mode = "lines" if len(frame) > 1 else "lines+markers"
        add(frame, column, label, mode=mode, line={"color": COLOURS[colour], "width": 2})
    return traces


def _plain(text: object) -> str:
    """Return a name as plotly shows it as it is: it reads tags, and formulas between dollars."""
    return escape(str(text), quote=False).replace("$", "&#36;")

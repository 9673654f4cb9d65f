"""The pictures of a report, each with what it shows in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from drnn_forecast.evaluation.comparison.results import Results
from drnn_forecast.evaluation.report import numbers
from drnn_forecast.evaluation.report.text import metric_text
from drnn_forecast.evaluation.scores import calibration
from drnn_forecast.model import QUANTILE_LEVELS
from drnn_forecast.plotting import (
    calibration_chart,
    cost_chart,
    error_by_fold,
    error_by_horizon,
    error_by_series,
    fan_charts,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HISTORY_SHOWN = 3
"""How many horizons of the past a fan chart shows."""


@dataclass(frozen=True)
class Picture:
    """A figure of a section ("errors" or "forecasts"), its file's name and what it shows."""

    name: str
    section: str
    title: str
    caption: str
    figure: Figure


def pictures(results: Results, *, unit: str) -> Iterator[Picture]:
    """Yield the pictures of the results, those of all models first; none without forecasts."""
    if results.forecasts.empty:
        return
    metric = numbers.headline(results)
    label = f"{metric} ({unit})" if metric == "MAE" else metric
    yield from _errors(results, metric, label, unit)
    yield _calibration(results)
    yield _costs(results, metric, label)
    yield from _fans(results, metric, unit)


def _errors(results: Results, metric: str, label: str, unit: str) -> Iterator[Picture]:
    """Yield the error by step, by series and, of several folds, by fold."""
    title = "Error by step of the horizon"
    figure = error_by_horizon(
        numbers.by_step(results),
        unit=unit,
        step="time steps ahead",
        title="Mean absolute error at each step",
    )
    caption = "Mean absolute error of the median over all windows, series, seeds and folds."
    yield Picture("error_by_horizon", "errors", title, caption, figure)

    title = "Error by series"
    errors = numbers.by_series(results, metric).dropna(how="all")
    best = numbers.best_model(results.table, metric)
    figure = error_by_series(
        errors.sort_values(best, kind="stable"), label=label, title=f"{metric} of each series"
    )
    caption = f"{metric} of each series, a mean over seeds and folds, in the order of {best}."
    yield Picture("error_by_series", "errors", title, caption, figure)

    mean, spread = numbers.by_fold(results, metric)
    if len(mean) > 1:
        title = "Error by fold"
        figure = error_by_fold(mean, spread, label=label, title=f"{metric} of each fold")
        caption = f"{metric} of each fold, a mean over series; bars span one deviation over seeds."
        yield Picture("error_by_fold", "errors", title, caption, figure)


def _calibration(results: Results) -> Picture:
    """Return the calibration curve."""
    observed = pd.DataFrame(
        {name: calibration(part, QUANTILE_LEVELS) for name, part in numbers.by_model(results)}
    )
    title = "Calibration"
    caption = (
        "How often the actual lay at or below each quantile, a mean over series. On the dotted "
        "line a quantile keeps its promise; a curve flatter than the line is too sure of itself."
    )
    figure = calibration_chart(observed, title="Observed against promised")
    return Picture("calibration", "errors", title, caption, figure)


def _costs(results: Results, metric: str, label: str) -> Picture:
    """Return time against accuracy."""
    title = "Time against accuracy"
    figure = cost_chart(numbers.costs(results, metric), label=label, title=f"{metric} against time")
    caption = (
        f"{metric} against the seconds of training and prediction, a mean over seeds; "
        "bars span one deviation over seeds. The best place is the lower left."
    )
    return Picture("time_against_accuracy", "errors", title, caption, figure)


def _fans(results: Results, metric: str, unit: str) -> Iterator[Picture]:
    """Yield the forecasts of every model for the same few windows."""
    windows = numbers.shown_windows(results, metric)
    errors = numbers.by_series(results, metric)
    for number, model in enumerate(errors, start=1):
        forecasts = results.forecasts[results.forecasts["model"] == model]
        found = {shown: numbers.of_window(forecasts, shown) for shown in windows}
        found = {shown: rows for shown, rows in found.items() if len(rows)}
        if not found:
            continue
        own = {shown: metric_text(metric, errors.loc[shown.series, model]) for shown in found}
        labels = {shown: f"{shown.series} ({metric} {own[shown]})" for shown in found}
        ahead = pd.concat([rows.assign(series=labels[shown]) for shown, rows in found.items()])
        past = pd.concat(
            [_past(results.history, shown, rows, labels[shown]) for shown, rows in found.items()]
        )
        title = f"Forecasts of {model}"
        figure = fan_charts(
            ahead, past, ahead[["series", "time", "actual"]], unit=unit, title=title, columns=1
        )
        shown_as = ", ".join(
            f"{shown.series} ({shown.place})" if shown.place else str(shown.series)
            for shown in found
        )
        caption = (
            f"The last window of {shown_as}, as the first seed forecast it. {metric} is that of "
            "all windows of the series."
        )
        yield Picture(f"forecasts_{number}_{_slug(model)}", "forecasts", title, caption, figure)


def _past(
    history: pd.DataFrame, shown: numbers.ShownWindow, rows: pd.DataFrame, label: str
) -> pd.DataFrame:
    """Return what was observed in the last horizons before a window."""
    before = history[(history["series"] == shown.series) & (history["time"] < rows["time"].min())]
    return before.sort_values("time").tail(HISTORY_SHOWN * len(rows)).assign(series=label)


def _slug(name: str) -> str:
    """Return a name as a part of a file name."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "model"

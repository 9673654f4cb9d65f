"""The tables of a report: cells as text, with the numbers that they sort by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from drnn_forecast.evaluation.comparison.results import Results
from drnn_forecast.evaluation.report import numbers
from drnn_forecast.evaluation.report.text import metric_text, number_text

P_VALUES = ("p value", "p vs best baseline")


@dataclass(frozen=True)
class Cell:
    """One cell as shown, and what it sorts by; None sorts last."""

    text: str
    value: float | str | None = None
    is_best: bool = False
    is_text: bool = False


@dataclass(frozen=True)
class ShownTable:
    """A table that a page sorts by any column: the first header names the rows."""

    name: str
    title: str
    note: str
    columns: list[str]
    rows: list[list[Cell]]


def tables(results: Results) -> dict[str, ShownTable]:
    """Return the tables of a report by name."""
    found = [_summary(results), _significance(results), _of_series(results), _runs(results)]
    return {table.name: table for table in found}


def _summary(results: Results) -> ShownTable:
    """Return scores and costs by model, with each metric's best in bold."""
    table = results.table
    metrics = numbers.metrics(table)
    best = {m: numbers.best_model(table, m) for m in metrics if numbers.is_ranked(m)}
    others = [name for name in table if name.removesuffix(" ±") not in metrics]
    rows = []
    for model, row in table.iterrows():
        has_failed = bool(row[metrics].isna().all())
        cells = [
            Cell("failed")
            if has_failed
            else _metric(name, row[name], row[f"{name} ±"], is_best=best.get(name) == model)
            for name in metrics
        ]
        rows.append([_text(model), *cells, *(_cell(row[name], name) for name in others)])
    note = (
        "Mean ± standard deviation over seeds. The best of a column is bold: the smallest error, "
        "the coverage nearest to its promise. A width is only good beside its coverage."
    )
    if any(name.endswith("before") for name in metrics):
        note += " Before: without the calibration on validation windows."
    return ShownTable("table", "Scores and costs", note, ["model", *metrics, *others], rows)


def _significance(results: Results) -> ShownTable:
    """Return the paired tests against the best baseline."""
    frame = results.significance
    note = (
        "A small p-value says that the difference is more than chance among these series; it does "
        "not say which model is better, nor by how much."
    )
    return _plain("significance", "Paired tests over series", note, frame)


def _of_series(results: Results) -> ShownTable:
    """Return the ranking metric by series and model, with each series' best in bold."""
    metric = numbers.headline(results)
    errors = numbers.by_series(results, metric)
    rows = []
    for name, row in errors.iterrows():
        cells = [_metric(metric, value, None, is_best=value == row.min()) for value in row]
        rows.append([_text(name), *cells])
    note = f"{metric}, a mean over seeds and folds. The best of each row is bold."
    return ShownTable("by_series", f"{metric} by series", note, ["series", *errors], rows)


def _runs(results: Results) -> ShownTable:
    """Return every run."""
    note = "Every model, seed and fold, with its settings and costs."
    return _plain("runs", "Runs", note, results.runs)


def _plain(name: str, title: str, note: str, frame: pd.DataFrame) -> ShownTable:
    """Return a frame as it is, without the columns in which nothing stands."""
    if len(frame):
        frame = frame.loc[:, ~(frame.isna() | (frame == "")).all()]
    labels = [column.replace("_", " ") for column in frame]
    rows = [
        [_cell(value, label) for value, label in zip(row, labels, strict=True)]
        for row in frame.itertuples(index=False)
    ]
    return ShownTable(name, title, note, labels, rows)


def _metric(metric: str, mean: float, spread: float | None, *, is_best: bool) -> Cell:
    """Return a metric with its spread; one that is undefined has no value to sort by."""
    text = metric_text(metric, mean, spread)
    return Cell(text) if pd.isna(mean) else Cell(text, float(mean), is_best)


def _cell(value: Any, label: str) -> Cell:
    """Return a number, a text or nothing."""
    if pd.isna(value) or value == "":
        return Cell("")
    if isinstance(value, str | bool) or not hasattr(value, "__float__"):
        return _text(value)
    number = float(value)
    return Cell(f"{number:.2g}" if label in P_VALUES else number_text(number), number)


def _text(value: object) -> Cell:
    """Return a text."""
    return Cell(str(value), str(value), is_text=True)

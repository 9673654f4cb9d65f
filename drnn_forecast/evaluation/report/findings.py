"""What the results say, in sentences: who is best in what, what failed, and what is undefined."""

from __future__ import annotations

import pandas as pd

from drnn_forecast.evaluation.comparison.results import Results, dropped_text, tests_text
from drnn_forecast.evaluation.report import numbers
from drnn_forecast.evaluation.report.text import metric_text


def findings(results: Results) -> list[str]:
    """Return the order of the models, and who is best by each metric."""
    table, metric = results.table, numbers.headline(results)
    ranking = table[metric].dropna().sort_values(kind="stable")
    order = [f"{model} {metric_text(metric, mean)}" for model, mean in ranking.items()]
    wins: dict[str, list[str]] = {}
    for name in filter(numbers.is_ranked, numbers.metrics(table)):
        best = numbers.best_model(table, name)
        if best is not None:
            wins.setdefault(best, []).append(name)
    sentences = [f"{metric}, best first: {', '.join(order)}."] if order else []
    sentences += [
        f"{model} is best in {_listed(wins[model])}." for model in table.index if model in wins
    ]
    nowhere = [str(model) for model in table.index if model not in wins]
    if nowhere and wins:
        sentences.append(f"Best in no column: {_listed(nowhere)}.")
    return sentences


def warnings(results: Results) -> list[str]:
    """Return what has to be known before the scores are read."""
    return [
        *_failures(results),
        *dropped_text(results),
        *_undefined(results),
        *_residuals(results),
        *_notes(results),
        *tests_text(results),
    ]


def _failures(results: Results) -> list[str]:
    """Return each model's failures with their reasons."""
    runs = results.runs
    failed = runs[runs["failure"].notna()]
    total = runs.groupby("model", sort=False).size()
    sentences = []
    for model, part in failed.groupby("model", sort=False):
        reasons = "; ".join(map(str, part["failure"].unique()))
        sentences.append(
            f"{model} failed in {len(part)} of {total[model]} runs, which its scores leave out: "
            f"{reasons}"
        )
    return sentences


def _undefined(results: Results) -> list[str]:
    """Return which metrics leave out which series."""
    scores = results.scores
    missing = scores[scores["value"].isna()]
    metrics: dict[tuple[str, ...], list[str]] = {}
    for metric, part in missing.groupby("metric", sort=False):
        names = tuple(str(name) for name in part["series"].unique())
        metrics.setdefault(names, []).append(str(metric))
    sentences = []
    for names, group in metrics.items():
        shown = _listed(list(names)) if len(names) <= 5 else f"{', '.join(names[:5])}, ..."
        verb, mean = ("is", "its mean") if len(group) == 1 else ("are", "their means")
        sentences.append(
            f"{_listed(group)} {verb} undefined for {len(names)} of {scores['series'].nunique()} "
            f"series, left out of {mean}: {shown}."
        )
    return sentences


def _residuals(results: Results) -> list[str]:
    """Return which models had no quantiles of their own."""
    runs = results.runs
    names = runs.loc[runs["quantiles_from"] == "residuals", "model"].unique()
    if not len(names):
        return []
    return [
        f"Quantiles of {_listed(list(map(str, names)))} come from the residuals of validation "
        "windows, at each step; the others are the models' own."
    ]


def _notes(results: Results) -> list[str]:
    """Return what models do not read."""
    notes = results.table["note"]
    return [f"{model} {note}." for model, note in notes[notes != ""].items()]


def _listed(names: list[str]) -> str:
    """Return names as a list in a sentence.

    Example:
        >>> _listed(["MAE", "MASE", "WQL"])
        'MAE, MASE and WQL'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def setting_rows(results: Results) -> list[tuple[str, str]]:
    """Return the settings as text, name by name, those of one model below its name."""
    rows = []
    for name, value in results.settings.items():
        if isinstance(value, dict):
            rows += [(f"{name}: {inner}", _shown(entry)) for inner, entry in value.items()]
        else:
            rows.append((str(name).replace("_", " "), _shown(value)))
    return rows


def _shown(value: object) -> str:
    """Return a setting as text."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)

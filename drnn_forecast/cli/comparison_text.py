"""The results of a comparison or backtest as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from drnn_forecast import evaluation

if TYPE_CHECKING:
    from drnn_forecast.evaluation import Results

DIGITS = {
    "MAE": ".4g",
    "MASE": ".3f",
    "RMSSE": ".3f",
    "sMAPE": ".2f",
    "WQL": ".4f",
    "coverage 80 %": ".1%",
    "coverage 80 % before": ".1%",
    "width 80 %": ".1f",
    "coverage 95 %": ".1%",
    "coverage 95 % before": ".1%",
    "width 95 %": ".1f",
}
COSTS = {
    "training s": ".1f",
    "prediction s": ".2f",
    "parameters": ",.0f",
    "peak memory MB": ".0f",
    "learning rate": "g",
    "undefined": ".0f",
    "failed": ".0f",
    "common": ".0f",
    "left out": ".0f",
    "p vs best baseline": ".3f",
}


def settings_text(results: Results) -> str:
    """Return every setting on a line of its own; those of the models below one another."""
    lines = ["Settings:"]
    for name, value in results.settings.items():
        if name == "seconds":
            continue
        if isinstance(value, dict):
            lines += [f"  {name}:", *(f"    {key}: {item}" for key, item in value.items())]
        else:
            lines.append(f"  {name}: {value}")
    return "\n".join(lines)


def results_text(results: Results) -> str:
    """Return scores, costs, tests and failures, with what the marks mean."""
    table = results.table
    scores = pd.DataFrame(index=table.index.rename(None))
    for metric, digits in DIGITS.items():
        if metric in table:
            pairs = zip(table[metric], table[f"{metric} ±"], strict=True)
            scores[metric] = [_with_spread(mean, spread, digits) for mean, spread in pairs]
    is_residual = table["quantiles from"] == "residuals"
    of_quantiles = [name for name in scores if name.startswith(("WQL", "coverage", "width"))]
    scores.loc[is_residual, of_quantiles] += " *"
    costs = pd.DataFrame(index=scores.index)
    for name, digits in COSTS.items():
        costs[name] = ["" if pd.isna(value) else format(value, digits) for value in table[name]]
    if table["note"].any():
        costs["note"] = table["note"]
    notes = ["Mean ± deviation over seeds, on the cells that all models have."]
    if is_residual.any():
        notes.append("* quantiles from the residuals of validation windows.")
    parts = [scores.to_string(), " ".join(notes), costs.to_string(), *_remarks(results)]
    return "\n\n".join(parts)


def overhead(results: Results) -> float:
    """Return the time beyond search, training and prediction, over training and prediction."""
    seconds = results.settings["seconds"]
    work = seconds["training"] + seconds["prediction"]
    other = seconds["total"] - seconds["search"] - work
    return other / work if work else float("nan")


def _with_spread(mean: float, spread: float, digits: str) -> str:
    """Return a mean with its deviation, where there is one."""
    if pd.isna(mean):
        return "undefined"
    shown = format(mean, digits)
    return shown if pd.isna(spread) else f"{shown} ± {format(spread, digits)}"


def _remarks(results: Results) -> list[str]:
    """Return what the tables do not say: tests, failures and where the time went."""
    remarks = [*evaluation.dropped_text(results), *evaluation.tests_text(results)]
    tests = results.significance.drop_duplicates("metric")
    for metric, baseline, note in zip(
        tests["metric"], tests["baseline"], tests["note"], strict=True
    ):
        remarks.append(f"Best baseline by {metric}: {baseline}{f' ({note})' if note else ''}.")
    failed = results.runs[results.runs["failure"].notna()]
    for model, rows in failed.groupby("model", sort=False):
        remarks.append(f"{model} failed in {len(rows)} cells: {rows['failure'].iloc[0]}")
    seconds = results.settings["seconds"]
    remarks.append(
        f"Time: {seconds['total']:.0f} s, of which search {seconds['search']:.0f} s, training "
        f"{seconds['training']:.0f} s, prediction {seconds['prediction']:.0f} s; overhead "
        f"{overhead(results):.1%} of training and prediction."
    )
    return remarks

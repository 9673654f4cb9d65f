"""The numbers behind the pictures and sentences of a report."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from drnn_forecast.evaluation.comparison.results import Results
from drnn_forecast.evaluation.scores import error_by_step

PREFERRED = ("MASE", "RMSSE", "MAE")
"""What models are ranked by in pictures: the first of these that any model has."""


def headline(results: Results) -> str:
    """Return the metric by which a report ranks series and models."""
    table = results.table
    found = [name for name in PREFERRED if name in table and table[name].notna().any()]
    return found[0] if found else PREFERRED[-1]


def metrics(table: pd.DataFrame) -> list[str]:
    """Return the columns of a table of results that have a spread."""
    return [name for name in table if f"{name} ±" in table]


def is_ranked(metric: str) -> bool:
    """Return whether a model can be best by a metric.

    Not by a width alone, nor by the coverage before calibration, of which nothing is kept.
    """
    return not metric.startswith("width") and not metric.endswith("before")


def best_model(table: pd.DataFrame, metric: str) -> str | None:
    """Return the model nearest to the promised coverage, or to 0; None where no model has any."""
    promise = re.match(r"coverage (\d+) %", metric)
    distances = (table[metric] - (int(promise[1]) / 100 if promise else 0)).abs().dropna()
    return None if distances.empty else str(distances.idxmin())


def by_series(results: Results, metric: str) -> pd.DataFrame:
    """Return a metric by series and model, a mean over seeds and folds, the table's order.

    Where a series has no score that all models have, it is not a number.
    """
    return _wide(results, metric, ["series"]).reindex(results.scores["series"].unique())


def by_fold(results: Results, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a metric by fold and model, and its deviation over seeds, 0 for a single one."""
    of_seeds = _wide(results, metric, ["fold", "seed"]).groupby(level="fold", sort=False)
    return of_seeds.mean(), of_seeds.std().fillna(0.0)


def by_model(results: Results) -> list[tuple[str, pd.DataFrame]]:
    """Return the forecasts of every model in the cells that all have, in the table's order."""
    parts = dict(tuple(results.common_forecasts.groupby("model", sort=False)))
    return [(name, parts[name]) for name in results.table.index if name in parts]


def by_step(results: Results) -> dict[str, pd.Series]:
    """Return the mean absolute error at each step by model, target units."""
    return {name: error_by_step(part) for name, part in by_model(results)}


def costs(results: Results, metric: str) -> pd.DataFrame:
    """Return `seconds`, `error` and `spread` of every model that has an error."""
    table = results.table
    frame = pd.DataFrame(
        {
            "seconds": table["training s"] + table["prediction s"],
            "error": table[metric],
            "spread": table[f"{metric} ±"],
        }
    )
    return frame.dropna(subset=["seconds", "error"])


@dataclass(frozen=True)
class ShownWindow:
    """One window of one series for a fan chart, and why it is shown, such as "lowest MASE"."""

    series: object
    place: str
    fold: object
    window: object


def shown_windows(results: Results, metric: str) -> list[ShownWindow]:
    """Return the last window of the series that the best model does best, midway and worst by."""
    name = best_model(results.table, metric)
    errors = by_series(results, metric)
    ordered = errors[name].dropna().sort_values(kind="stable") if name else pd.Series(dtype=float)
    places = {0: "lowest", len(ordered) // 2: "median", len(ordered) - 1: "highest"}
    if len(ordered) < 3:
        places = dict.fromkeys(range(len(ordered)), "")
    forecasts = results.forecasts
    windows = []
    for place, word in places.items():
        rows = forecasts[forecasts["series"] == ordered.index[place]]
        last = rows.loc[rows["time"].idxmax()]
        because = f"{word} {metric} of {name}" if word else ""
        windows.append(ShownWindow(last["series"], because, last["fold"], last["window"]))
    return windows


def of_window(forecasts: pd.DataFrame, shown: ShownWindow) -> pd.DataFrame:
    """Return one model's forecasts of a shown window, of its first seed."""
    rows = forecasts[
        (forecasts["series"] == shown.series)
        & (forecasts["fold"] == shown.fold)
        & (forecasts["window"] == shown.window)
    ]
    return rows.drop_duplicates("step")


def _wide(results: Results, metric: str, index: list[str]) -> pd.DataFrame:
    """Return means of a metric on common cells by `index` and model, in the table's order."""
    chosen = results.common[results.common["metric"] == metric]
    means = chosen.pivot_table(
        values="value", index=index, columns="model", sort=False, dropna=False
    )
    return means[[name for name in results.table.index if name in means]]

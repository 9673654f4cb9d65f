"""What a comparison or a backtest gives: frames that anything can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from drnn_forecast.evaluation.scores import METRICS, paired_test, undefined_series

TESTED = ("MASE", "WQL")
"""The scores that models are tested against the best baseline on."""


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """Scores, costs and forecasts of several models, over seeds and folds.

    Attributes:
        scores: `model`, `seed`, `fold`, `series`, `metric` and `value`; NaN where a scaled error
            is undefined. What the metrics are: `drnn_forecast.evaluation.scores_by_series`.
        forecasts: `model`, `seed`, `fold`, `series`, `window`, `step`, `time`, `actual` and a
            column per quantile, in target units.
        validation_forecasts: The same for the validation windows of every training.
        runs: One row per cell, which is a model, a seed and a fold: `model`, `seed`, `fold`,
            `quantiles_from` ("model", or "residuals" of the validation windows), `learning_rate`,
            `validation_loss`, `epochs`, `steps`, `stopped_by`, `training_seconds` (where folds
            share a training, the first of them has its time), `prediction_seconds`, `parameters`,
            `peak_memory_mb` and `failure` (None, or the reason in one line). Models without
            randomness run once, under the first seed.
        history: `series`, `time` and `actual` of every observation.
        significance: `model`, `baseline`, `metric`, `statistic`, `p_value`, `series` and `note`:
            Wilcoxon's test over series against the best baseline.
        settings: Plain values: what was asked for, and what was chosen.
    """

    scores: pd.DataFrame
    forecasts: pd.DataFrame
    validation_forecasts: pd.DataFrame
    runs: pd.DataFrame
    history: pd.DataFrame
    significance: pd.DataFrame
    settings: dict[str, Any]

    def __repr__(self) -> str:
        means = self.table["MASE"].map("{:.3f}".format).to_dict()
        shown = ", ".join(f"{model} {mean}" for model, mean in means.items())
        return f"<{type(self).__name__} of {len(self.runs)} runs; MASE: {shown}; all in .table>"

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per model: every score as mean and `±` (deviation over seeds), then the costs.

        A score is a mean over series, those without it left out, then over folds, then over seeds.
        `training s` and `prediction s` are sums over folds, and means over seeds; `peak memory MB`
        is the highest of all cells. `undefined` counts series without scaled errors, `failed`
        cells that failed. A calibrated comparison has the coverage before it as well.
        """
        models = list(self.settings["models"])
        columns = [*self._score_columns(), *self._cost_columns()]
        return pd.concat(columns, axis=1).reindex(pd.Index(models, name="model"))

    def _score_columns(self) -> list[pd.Series]:
        """Return mean and deviation of every score, by model."""
        cells = self.scores.groupby(["model", "metric", "seed", "fold"])["value"].mean()
        seeds = cells.groupby(["model", "metric", "seed"]).mean().dropna()
        spread = seeds.astype(float).groupby(["metric", "model"]).agg(["mean", "std"])
        known = spread.index.unique("metric")
        columns = []
        for metric in (*METRICS, *known.difference(METRICS)):
            found = spread.xs(metric) if metric in known else spread.iloc[:0].droplevel("metric")
            columns += [found["mean"].rename(metric), found["std"].rename(f"{metric} ±")]
        return columns

    def _cost_columns(self) -> list[pd.Series]:
        """Return what every model cost, and what is to be known about its scores, by model."""
        runs = self.runs.groupby("model")
        finished = self.runs[self.runs["failure"].isna()]
        totals = finished.groupby(["model", "seed"])[["training_seconds", "prediction_seconds"]]
        seconds = totals.sum().groupby("model").mean()
        tests = self.significance
        p_values = tests.drop_duplicates("model")  # of the first score that is tested
        undefined = {name: undefined_series(part) for name, part in self.scores.groupby("model")}
        return [
            seconds["training_seconds"].rename("training s"),
            seconds["prediction_seconds"].rename("prediction s"),
            runs["parameters"].max().rename("parameters"),
            runs["peak_memory_mb"].max().rename("peak memory MB"),
            runs["quantiles_from"].first().rename("quantiles from"),
            runs["learning_rate"].first().rename("learning rate"),
            p_values.set_index("model")["p_value"].rename("p vs best baseline"),
            pd.Series(undefined, name="undefined", dtype="Int64"),
            runs["failure"].count().rename("failed"),
        ]


class Comparison(Results):
    """What `compare` gives (see `Results`): one fold, several seeds."""


class Backtest(Results):
    """What `backtest` gives (see `Results`): several folds, several seeds."""


def significance(
    scores: pd.DataFrame, models: Sequence[str], baselines: Sequence[str]
) -> pd.DataFrame:
    """Return the tests of every model against the baseline with the lowest mean score."""
    rows = []
    means = scores.groupby(["metric", "model"])["value"].mean().dropna()
    for metric in TESTED if "MASE" in means.index else ("MAE", "WQL"):
        of_metric = means[metric] if metric in means.index else means.iloc[:0]
        candidates = [name for name in baselines if name in of_metric.index]
        if not candidates:
            continue
        best = min(candidates, key=of_metric.__getitem__)
        others = [name for name in models if name in of_metric.index and name != best]
        rows += [vars(paired_test(scores, name, best, metric)) for name in others]
    columns = ["model", "baseline", "metric", "statistic", "p_value", "series", "note"]
    return pd.DataFrame(rows, columns=columns)

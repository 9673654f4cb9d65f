"""What a comparison or a backtest gives: frames that anything can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import pandas as pd

from drnn_forecast.evaluation.comparison.common import (
    common_forecasts,
    common_losses,
    common_scores,
    models_without_seed,
    under_every_seed,
)
from drnn_forecast.evaluation.scores import (
    METRICS,
    PairedTest,
    least_p_value,
    paired_test,
    undefined_series,
)
from drnn_forecast.model import QUANTILE_LEVELS

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
        significance: `model`, `baseline`, `metric`, `statistic`, `p_value`, `series`, `dropped`
            and `note`: Wilcoxon's test over series against the best baseline, on the cells that
            both have; `dropped` counts those that one of them has alone.
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
    def common(self) -> pd.DataFrame:
        """The scores of the cells (series, fold, seed) that all models have, in the same columns.

        A model without randomness has its scores under every seed. What a model that failed
        elsewhere lacks is left out for all, so that no mean is of easier cells.
        """
        return common_scores(self.scores, self.runs, list(self.settings["models"]))

    @cached_property
    def common_forecasts(self) -> pd.DataFrame:
        """The forecasts of the cells that all models have."""
        return common_forecasts(self.forecasts, self.common, self.runs)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per model: every score as mean and `±` (deviation over seeds), then the costs.

        A score is a mean over the cells that all models have (`common`): over series, those
        without it left out, then over folds, then over seeds. `WQL` is a ratio of sums over all
        series of a fold and seed (`weighted_quantile_loss`) in place of the mean over series.
        `training s` and `prediction s` are sums over folds, and means over seeds; `peak memory MB`
        is the highest of all cells. `undefined` counts series without scaled errors, `failed`
        runs that failed, `common` the cells (series, fold and seed) that the scores rest on,
        `left out` the series that were too short for the windows. `note` says what a model did not
        read. A calibrated comparison has the coverage before it as well.
        """
        models = list(self.settings["models"])
        columns = [*self._score_columns(), *self._cost_columns()]
        return pd.concat(columns, axis=1).reindex(pd.Index(models, name="model"))

    def _score_columns(self) -> list[pd.Series]:
        """Return mean and deviation of every score, by model."""
        cells = self.common.groupby(["model", "metric", "seed", "fold"])["value"].mean()
        if "WQL" in cells.index.unique("metric") and not self.forecasts.empty:
            pooled = common_losses(self.forecasts, self.common, self.runs, QUANTILE_LEVELS)
            pooled = pooled.assign(metric="WQL").set_index(cells.index.names)["value"]
            cells = pd.concat([cells.drop("WQL", level="metric"), pooled])
        seeds = cells.groupby(["model", "metric", "seed"]).mean().dropna()
        spread = seeds.astype(float).groupby(["metric", "model"]).agg(["mean", "std"])
        is_once = spread.index.isin(models_without_seed(self.runs), level="model")
        spread.loc[is_once, "std"] = float("nan")
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
        common = self.common[self.common["metric"] == "MAE"].groupby("model").size()
        left_out = pd.Series(len(self.settings.get("left_out", ())), index=runs.size().index)
        notes = pd.Series(self.settings.get("notes", {}), dtype=object).reindex(left_out.index)
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
            common.reindex(left_out.index, fill_value=0).rename("common"),
            left_out.rename("left out"),
            notes.fillna("").rename("note"),
        ]


class Comparison(Results):
    """What `compare` gives (see `Results`): one fold, several seeds."""


class Backtest(Results):
    """What `backtest` gives (see `Results`): several folds, several seeds."""


def significance(
    scores: pd.DataFrame, runs: pd.DataFrame, models: Sequence[str], baselines: Sequence[str]
) -> pd.DataFrame:
    """Return the tests of every model against the baseline with the lowest mean score.

    That is the lowest on the cells that all models have; each test is on those that its two have.
    """
    rows = []
    common = common_scores(scores, runs, models)
    means = common.groupby(["metric", "model"])["value"].mean()
    every = under_every_seed(scores, runs)
    for metric in TESTED if "MASE" in means.index else ("MAE", "WQL"):
        of_metric = means[metric] if metric in means.index else means.iloc[:0]
        candidates = [name for name in baselines if name in of_metric.index]
        if not candidates:
            continue
        best = min(candidates, key=of_metric.__getitem__)
        known = set(every.loc[(every["metric"] == metric) & every["value"].notna(), "model"])
        others = [name for name in models if name in known and name != best]
        rows += [vars(paired_test(every, name, best, metric)) for name in others]
    return pd.DataFrame(rows, columns=[field.name for field in fields(PairedTest)])


def dropped_text(results: Results) -> list[str]:
    """Return what the scores leave out: series that were too short, and cells that some lack."""
    sentences = []
    names = list(results.settings.get("left_out", ()))
    if names:
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        sentences.append(f"Left out as too short for the windows: {len(names)} series, {shown}.")
    every = under_every_seed(results.scores[results.scores["metric"] == "MAE"], results.runs)
    cells = every.groupby("model", sort=False).size()
    common = results.table["common"].reindex(cells.index)
    lost = (cells - common)[common > 0]
    if (lost > 0).any():
        each = ", ".join(f"{count} of {model}" for model, count in lost[lost > 0].items())
        sentences.append(
            f"Scores are of the {common.max()} cells (series, fold and seed) that all models have; "
            f"left out, since others failed there, are {each}."
        )
    alone = list(common.index[common == 0])
    if alone:
        sentences.append(f"Not scored, without a cell that the others have: {', '.join(alone)}.")
    return sentences


def tests_text(results: Results) -> list[str]:
    """Return how much the paired tests can say with so many series, where there are any."""
    tests = results.significance
    if tests.empty or tests["p_value"].isna().all():
        return []
    series = int(tests["series"].max())
    return [
        f"With {series} series no p-value can be below {least_p_value(series):.2g}. The test takes "
        "series as independent; those of one market or region move together, and their p-values "
        "are then too small."
    ]

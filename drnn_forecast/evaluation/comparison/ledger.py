"""Outcomes, entered one by one, and the frames that they add up to."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd

from drnn_forecast.evaluation.comparison.blocks import Block, among_last
from drnn_forecast.evaluation.comparison.cells import Outcome
from drnn_forecast.evaluation.scores import INTERVALS, scores_by_series
from drnn_forecast.model import QUANTILE_LEVELS, calibrate, quantile_columns

CELL = ["model", "seed", "fold"]
SCORE = [*CELL, "series", "metric", "value"]
FORECAST = [*CELL, "series", "window", "step", "time", "actual", *quantile_columns(QUANTILE_LEVELS)]


class Ledger:
    """The scores, forecasts and runs of finished work, in the columns of `Results`."""

    def __init__(self, *, scale_season: int, calibrated: bool) -> None:
        """Begin without entries; the arguments are those of `compare`."""
        self.scale_season = scale_season
        self.calibrated = calibrated
        self._runs: list[dict[str, Any]] = []
        self._scores: list[pd.DataFrame] = []
        self._forecasts: dict[str, list[pd.DataFrame]] = {"validation": [], "test": []}

    def enter(self, model: str, seed: int, block: Block, outcome: Outcome) -> None:
        """Enter the outcome of one model and seed, fold by fold."""
        facts = dataclasses.asdict(outcome.facts)
        del facts["validation_seconds"]
        folds = block.fold_numbers
        facts["prediction_seconds"] /= len(folds)
        for fold in folds:
            self._runs.append({"model": model, "seed": seed, "fold": fold, **facts})
            facts["training_seconds"] = 0.0  # the folds of a block share their training
        if outcome.forecasts is None:
            return
        rows = outcome.forecasts.drop(columns="part").assign(model=model, seed=seed)
        past, made = (rows[outcome.forecasts["part"] == part] for part in ("validation", "test"))
        ready = made
        if self.calibrated and outcome.facts.quantiles_from == "model":
            # All folds of a block are calibrated on the windows before the first of them. Quantiles
            # from residuals of these windows hold by themselves what the rule would give them.
            used = past[among_last(past, block.calibrating)]
            ready = calibrate(made, used.drop(columns="fold"), QUANTILE_LEVELS)
        for fold, part in ready.groupby("fold"):
            scores = self._scored(part, block)
            if self.calibrated:
                before = self._scored(made.loc[part.index], block)
                scores = pd.concat([scores, _coverage_before(before)], ignore_index=True)
            self._scores.append(scores.assign(model=model, seed=seed, fold=fold))
        self._forecasts["validation"].append(past)
        self._forecasts["test"].append(ready)

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return `scores`, `forecasts`, `validation_forecasts` and `runs`."""
        return {
            "scores": _joined(self._scores, SCORE),
            "forecasts": _joined(self._forecasts["test"], FORECAST),
            "validation_forecasts": _joined(self._forecasts["validation"], FORECAST),
            "runs": pd.DataFrame(self._runs),
        }

    def _scored(self, forecasts: pd.DataFrame, block: Block) -> pd.DataFrame:
        """Return the scores of the forecasts of one cell."""
        return scores_by_series(
            forecasts, QUANTILE_LEVELS, history=block.known, scale_season=self.scale_season
        )


def _coverage_before(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the coverage before calibration as scores of their own."""
    names = {f"coverage {share} %": f"coverage {share} % before" for share in INTERVALS}
    kept = scores[scores["metric"].isin(names)]
    return kept.assign(metric=kept["metric"].map(names))


def _joined(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Return the parts below one another, with these columns."""
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True)[columns]

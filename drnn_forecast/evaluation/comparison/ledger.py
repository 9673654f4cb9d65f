"""Outcomes, entered one by one, and the frames that they add up to."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd

from drnn_forecast.evaluation.comparison.blocks import Block
from drnn_forecast.evaluation.comparison.cells import Outcome
from drnn_forecast.evaluation.scores import INTERVALS, scores_by_series
from drnn_forecast.model import QUANTILE_LEVELS, calibrate, quantile_columns

CELL = ["model", "seed", "fold"]
TARGET = ["series", "window", "step", "time", "actual"]


class Ledger:
    """The scores, forecasts and runs of finished work, in the columns of `Results`."""

    def __init__(self, *, season_length: int, calibrated: bool) -> None:
        """Begin without entries.

        Args:
            season_length: Of the naive error of scaled scores, time steps.
            calibrated: Whether to calibrate intervals on the validation windows.
        """
        self.season_length = season_length
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
        parts = dict(
            list(outcome.forecasts.drop(columns="part").groupby(outcome.forecasts["part"]))
        )
        past, made = parts["validation"], parts["test"]
        ready = self._calibrated(made, past) if self.calibrated else made
        for fold, rows in ready.groupby("fold"):
            scores = self._scored(rows, block)
            if self.calibrated:
                before = self._scored(made.loc[rows.index], block)
                scores = pd.concat([scores, _coverage_before(before)], ignore_index=True)
            self._scores.append(scores.assign(model=model, seed=seed, fold=fold))
        for part, rows in (("validation", past), ("test", ready)):
            self._forecasts[part].append(rows.assign(model=model, seed=seed))

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return `scores`, `forecasts`, `validation_forecasts` and `runs`."""
        forecast_columns = [*CELL, *TARGET, *quantile_columns(QUANTILE_LEVELS)]
        return {
            "scores": _joined(self._scores, [*CELL, "series", "metric", "value"]),
            "forecasts": _joined(self._forecasts["test"], forecast_columns),
            "validation_forecasts": _joined(self._forecasts["validation"], forecast_columns),
            "runs": pd.DataFrame(self._runs),
        }

    def _scored(self, forecasts: pd.DataFrame, block: Block) -> pd.DataFrame:
        """Return the scores of the forecasts of one cell."""
        return scores_by_series(
            forecasts, QUANTILE_LEVELS, history=block.history, season_length=self.season_length
        )

    def _calibrated(self, forecasts: pd.DataFrame, past: pd.DataFrame) -> pd.DataFrame:
        """Return the forecasts with intervals that held on the validation windows."""
        # All folds of a block are calibrated on the windows before the first of them.
        return calibrate(forecasts, past.drop(columns="fold"), QUANTILE_LEVELS)


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

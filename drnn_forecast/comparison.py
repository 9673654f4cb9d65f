"""Several models on the same windows, with the same covariates and the same budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from lightning.pytorch import LightningModule
from numpy.typing import NDArray
from pytorch_forecasting.data import TimeSeriesDataSet

from drnn_forecast.baselines import QUANTILES, NeuralModel, SeasonalNaive, residual_quantiles
from drnn_forecast.evaluation import scores
from drnn_forecast.frames import ForecastData, Splits
from drnn_forecast.prediction import (
    predict_points,
    predict_quantiles,
    quantile_columns,
    tidy_forecasts,
)
from drnn_forecast.training import fit

Model: TypeAlias = NeuralModel | SeasonalNaive


@dataclass(frozen=True)
class Record:
    """How one model did.

    Attributes:
        model: Its name.
        scores: See `scores`.
        forecasts: `series`, `window`, `step`, `time`, `actual` and a column per quantile.
        quantiles_from: `"model"`, or `"residuals"` of the validation windows.
        learning_rate: None for a naive method.
        validation_loss: The lowest, in the model's own loss; None for a naive method.
        training_seconds: Wall-clock time, validation included.
        prediction_seconds: Wall-clock time for all test windows.
        steps: Optimiser steps.
        stopped_by: The rule that ended training (`FitResult`), or `"nothing to train"`.
        parameters: Trainable numbers.
        fitted: The trained model; None for a naive method.
    """

    model: str
    scores: dict[str, float]
    forecasts: pd.DataFrame
    quantiles_from: str
    learning_rate: float | None = None
    validation_loss: float | None = None
    training_seconds: float = 0.0
    prediction_seconds: float = 0.0
    steps: int = 0
    stopped_by: str = "nothing to train"
    parameters: int = 0
    fitted: LightningModule | None = None


@dataclass(frozen=True)
class Comparison:
    """What `compare` gives: one record per model, in the order they were named."""

    records: tuple[Record, ...]

    @property
    def table(self) -> pd.DataFrame:
        """Scores, costs and settings, one row per model."""
        rows = [
            {
                "model": record.model,
                **record.scores,
                "quantiles from": record.quantiles_from,
                "training s": record.training_seconds,
                "prediction s": record.prediction_seconds,
                "steps": record.steps,
                "stopped by": record.stopped_by,
                "parameters": record.parameters,
                "learning rate": record.learning_rate,
            }
            for record in self.records
        ]
        return pd.DataFrame(rows).set_index("model")

    @property
    def forecasts(self) -> pd.DataFrame:
        """The forecasts of all models, below one another, told apart by the column `model`."""
        parts = [record.forecasts.assign(model=record.model) for record in self.records]
        return pd.concat(parts, ignore_index=True)


def compare(
    data: ForecastData,
    *,
    models: Sequence[Model],
    horizon: int,
    context_length: int,
    validation_windows: int,
    test_windows: int,
    season_length: int,
    seed: int = 0,
    announce: Callable[[str], None] | None = None,
    **fit_options: Any,
) -> Comparison:
    """Return the scores of every model on the test windows.

    Models are trained on the windows before the validation windows, which stop the training and
    give point forecasts their quantiles (marked in the table). The test windows are scored once.

    Args:
        data: The series, with their roles.
        models: What to compare; names must differ.
        horizon: Time steps of a forecast, and between neighbouring windows.
        context_length: Time steps that every model reads.
        validation_windows: Per series.
        test_windows: Per series, at the end.
        season_length: Of the naive error that MASE divides by, time steps.
        seed: Of every training run.
        announce: Called with the name of each model before its turn; None: nobody is told.
        **fit_options: Arguments of `fit`, the same for all: `max_seconds`, `patience`, ...

    Raises:
        ValueError: Two models have one name, or the data do not hold the windows.
    """
    names = [model.name for model in models]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"`models` must be models of different names, got {names}.")
    splits = data.split(
        horizon=horizon,
        context_length=context_length,
        validation_windows=validation_windows,
        test_windows=test_windows,
    )
    held_out = (validation_windows + test_windows) * horizon
    history = _plain(data.before(held_out).history, data)
    records = []
    for model in models:
        if announce is not None:
            announce(model.name)
        record = _run(model, data, splits, {"seed": seed, **fit_options})
        scored = scores(record.forecasts, QUANTILES, history=history, season_length=season_length)
        records.append(replace(record, scores=scored))
    return Comparison(tuple(records))


def _run(model: Model, data: ForecastData, splits: Splits, fit_options: dict[str, Any]) -> Record:
    """Return the record of one model, trained if need be, with its forecasts but no scores."""
    validation, test = splits.validation, splits.test
    details: dict[str, Any] = {}
    if isinstance(model, NeuralModel):
        result = fit(
            lambda: model.build(splits.training), splits.training, validation, **fit_options
        )
        details = {
            "learning_rate": model.options.get("learning_rate"),
            "validation_loss": result.validation_loss,
            "training_seconds": result.seconds,
            "steps": result.steps,
            "stopped_by": result.stopped_by,
            "parameters": sum(p.numel() for p in result.model.parameters() if p.requires_grad),
            "fitted": result.model,
        }
    started = time.perf_counter()
    if isinstance(model, NeuralModel) and not model.is_point:
        values = predict_quantiles(details["fitted"], test, QUANTILES)
        source = "model"
    else:
        points = _points(model, details.get("fitted"), test)
        past = _points(model, details.get("fitted"), validation)
        values = residual_quantiles(
            points,
            _window_series(data, test),
            past_points=past,
            past_actuals=_actuals(data, validation).reshape(past.shape),
            past_series=_window_series(data, validation),
        )
        source = "residuals"
    seconds = time.perf_counter() - started
    return Record(
        model=model.name,
        scores={},
        forecasts=_with_actuals(data, test, values),
        quantiles_from=source,
        prediction_seconds=seconds,
        **details,
    )


def _points(
    model: Model, fitted: LightningModule | None, dataset: TimeSeriesDataSet
) -> NDArray[np.float32]:
    """Return point forecasts, `(windows, steps)`, of a naive method or a trained model."""
    return (
        model.points(dataset)
        if isinstance(model, SeasonalNaive)
        else predict_points(fitted, dataset)
    )


def _with_actuals(
    data: ForecastData, dataset: TimeSeriesDataSet, values: NDArray[np.float32]
) -> pd.DataFrame:
    """Return the forecasts beside what came, in the columns of `Record.forecasts`."""
    windows, steps, _ = values.shape
    tidy = _plain(tidy_forecasts(data.target_rows(dataset), values, QUANTILES), data)
    return pd.DataFrame(
        {
            "series": tidy["series"],
            "window": np.repeat(np.arange(windows), steps),
            "step": np.tile(np.arange(1, steps + 1), windows),
            "time": tidy["time"],
            "actual": _actuals(data, dataset),
            **{column: tidy[column] for column in quantile_columns(QUANTILES)},
        }
    )


def _actuals(data: ForecastData, dataset: TimeSeriesDataSet) -> NDArray[np.float32]:
    """Return what came at every step of every window, `(windows * steps,)`, target units."""
    keys = list(data.roles.keys)
    rows = data.target_rows(dataset).merge(data.history[[*keys, data.roles.target]], on=keys)
    return rows[data.roles.target].to_numpy(np.float32)


def _window_series(data: ForecastData, dataset: TimeSeriesDataSet) -> NDArray[Any]:
    """Return the series of every window, `(windows,)`."""
    rows = _plain(data.target_rows(dataset), data)
    return rows["series"].to_numpy()[:: dataset.max_prediction_length]


def _plain(frame: pd.DataFrame, data: ForecastData) -> pd.DataFrame:
    """Return the frame with its roles as column names: `series`, `time` and `actual`."""
    roles = data.roles
    names = {roles.time: "time", roles.target: "actual"}
    if roles.series is None:
        return frame.rename(columns=names).assign(series="series")
    return frame.rename(columns={**names, roles.series: "series"})

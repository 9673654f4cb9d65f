"""One model, one seed and one block: trained, and its held-out windows forecast."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from lightning.pytorch import LightningModule
from numpy.typing import NDArray
from pytorch_forecasting.data import TimeSeriesDataSet

from drnn_forecast.evaluation.comparison.blocks import PARTS, Block, among_last, window_series
from drnn_forecast.evaluation.contenders.classical import ClassicalModel
from drnn_forecast.evaluation.contenders.naive import SeasonalNaive
from drnn_forecast.evaluation.contenders.neural import NeuralModel
from drnn_forecast.evaluation.contenders.registry import Model
from drnn_forecast.evaluation.contenders.residuals import residual_quantiles
from drnn_forecast.host import isolated_randomness, seed_draws
from drnn_forecast.model import QUANTILE_LEVELS, predict_points, predict_quantiles, tidy_forecasts
from drnn_forecast.training import FitResult, fit

Values = dict[str, NDArray[np.float32]]
"""The forecasts of every part: `(windows, steps)`, or `(windows, steps, quantiles)`."""


@dataclass(frozen=True)
class CellFacts:
    """How the work on one model went, in plain values: the columns of `Results.runs`.

    `validation_seconds`, for the forecasts of the validation windows, is no column.
    """

    quantiles_from: str | None = None
    learning_rate: float | None = None
    validation_loss: float | None = None
    epochs: int = 0
    steps: int = 0
    stopped_by: str = "nothing to train"
    training_seconds: float = 0.0
    prediction_seconds: float = 0.0
    validation_seconds: float = 0.0
    parameters: int = 0
    peak_memory_mb: float | None = None
    failure: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What the work on one model, seed and block gave; no forecasts where it failed.

    They have the columns of `Results.forecasts` and `part`, "validation" or "test". `fit` is the
    training run, where there was one just now.
    """

    facts: CellFacts
    forecasts: pd.DataFrame | None = None
    fit: FitResult[LightningModule] | None = None


def run(model: Model, block: Block, *, seed: int, fit_options: Mapping[str, Any]) -> Outcome:
    """Return the forecasts of one model for the validation and test windows of a block.

    A classical model is fitted anew before the test windows, and forecasts the validation windows
    only where they calibrate. Random draws behind forecasts are those of the seed.
    """
    block = _read_by(model, block)
    facts, result = CellFacts(), None
    values: Values = {}
    seconds = dict.fromkeys(PARTS, 0.0)
    if isinstance(model, NeuralModel):
        result = train_contender(model, block, seed=seed, fit_options=fit_options)
        facts = _training_facts(model, result)
    for part in PARTS:
        dataset, predict = getattr(block.splits, part), _predictor(model, result)
        if isinstance(model, ClassicalModel):
            if part == "validation" and not block.calibrating:
                continue
            started = time.perf_counter()
            predict = partial(model.fit(block.data, dataset).forecast, block.data)
            fitting = time.perf_counter() - started
            facts = replace(facts, training_seconds=facts.training_seconds + fitting)
        started = time.perf_counter()
        with isolated_randomness():
            seed_draws(seed)
            values[part] = predict(dataset)
        seconds[part] = time.perf_counter() - started
    is_point = values["test"].ndim == 2
    facts = replace(
        facts,
        quantiles_from="residuals" if is_point else "model",
        prediction_seconds=seconds["test"],
        validation_seconds=seconds["validation"],
    )
    values = _with_residual_quantiles(block, values) if is_point else values
    return Outcome(facts, _tidy(block, values), result)


def train_contender(
    model: NeuralModel, block: Block, *, seed: int, fit_options: Mapping[str, Any]
) -> FitResult[LightningModule]:
    """Return a model trained on the training windows of a block."""
    block = _read_by(model, block)
    training = block.splits.training
    return fit(partial(model.build, training), training, block.stopping, seed=seed, **fit_options)


def failure_text(error: Exception) -> str:
    """Return an error in one line."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _read_by(model: Model, block: Block) -> Block:
    """Return a block with the windows that a model reads."""
    return block.without_marks if getattr(model, "is_stepwise", False) else block


def _predictor(
    model: Model, result: FitResult[LightningModule] | None
) -> Callable[[TimeSeriesDataSet], NDArray[np.float32]]:
    """Return what forecasts the windows of a dataset, for all but classical models."""
    if isinstance(model, SeasonalNaive):
        return model.points
    network: Any = None if result is None else result.model
    if isinstance(model, NeuralModel) and model.is_point:
        return partial(predict_points, network)
    return partial(predict_quantiles, network, quantiles=QUANTILE_LEVELS)


def _training_facts(model: NeuralModel, result: FitResult[LightningModule]) -> CellFacts:
    """Return how a training run went, with the learning rate that it began with, where known."""
    rate = model.options.get("learning_rate", result.model.hparams.get("learning_rate"))
    return CellFacts(
        learning_rate=None if rate is None else float(rate),
        validation_loss=result.validation_loss,
        epochs=result.epochs,
        steps=result.steps,
        stopped_by=result.stopped_by,
        training_seconds=result.seconds,
        parameters=sum(p.numel() for p in result.model.parameters() if p.requires_grad),
    )


def _with_residual_quantiles(block: Block, points: Values) -> Values:
    """Return quantiles around the points of every part, from residuals on validation windows.

    Where windows calibrate, these are the ones: the residuals of others have stopped the training.
    """
    past = block.targets["validation"]
    count = block.calibrating or block.windows.validation
    is_used = among_last(past, count)[(past["step"] == 1).to_numpy()]
    return {
        part: residual_quantiles(
            points[part],
            window_series(block.targets[part]),
            past_points=points["validation"][is_used],
            past_actuals=past["actual"].to_numpy().reshape(points["validation"].shape)[is_used],
            past_series=window_series(past)[is_used],
        )
        for part in PARTS
    }


def _tidy(block: Block, values: Values) -> pd.DataFrame:
    """Return the forecasts of every part beside what came."""
    parts = []
    for part, of_part in values.items():
        tidy = tidy_forecasts(block.targets[part], of_part, QUANTILE_LEVELS)
        tidy.insert(0, "part", part)
        parts.append(tidy[tidy["actual"].notna()])  # what filled a gap is no score
    return pd.concat(parts, ignore_index=True)

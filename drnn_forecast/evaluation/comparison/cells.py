"""One model, one seed and one block: trained, and its held-out windows forecast."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from lightning.pytorch import LightningModule
from numpy.typing import NDArray

from drnn_forecast.evaluation.comparison.blocks import PARTS, Block, window_series
from drnn_forecast.evaluation.contenders import (
    ClassicalModel,
    Model,
    NeuralModel,
    SeasonalNaive,
    residual_quantiles,
)
from drnn_forecast.model import QUANTILE_LEVELS, predict_points, predict_quantiles, tidy_forecasts
from drnn_forecast.training import FitResult, fit

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Facts:
    """How the work on one model went; plain values.

    Attributes:
        quantiles_from: `"model"`, or `"residuals"` of the validation windows.
        learning_rate: None where nothing is trained by gradients.
        validation_loss: The lowest, in the model's own loss.
        epochs: Epochs begun.
        steps: Optimiser steps.
        stopped_by: The rule that ended training (`FitResult`), or `"nothing to train"`.
        training_seconds: Wall-clock time, validation included.
        prediction_seconds: Wall-clock time for all test windows.
        validation_seconds: Wall-clock time for the forecasts of the validation windows.
        parameters: Trainable numbers.
        peak_memory_mb: See `with_peak_memory`.
        failure: Why it failed, in one line; None where it did not.
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
    """What the work on one model, seed and block gave.

    Attributes:
        facts: How it went.
        forecasts: `part` ("validation" or "test"), `fold`, `series`, `window`, `step`, `time`,
            `actual` and a column per quantile; None where it failed.
        fit: The training run, where there was one just now.
    """

    facts: Facts
    forecasts: pd.DataFrame | None = None
    fit: FitResult | None = None


def run(model: Model, block: Block, *, seed: int, fit_options: Mapping[str, Any]) -> Outcome:
    """Return the forecasts of one model for the validation and test windows of a block."""
    if isinstance(model, NeuralModel):
        return _run_neural(model, block, seed, fit_options)
    if isinstance(model, ClassicalModel):
        return _run_classical(model, block)
    return _run_naive(model, block)


def is_drawn(model: Model) -> bool:
    """Return whether a model depends on a seed."""
    return isinstance(model, NeuralModel)


def failure_text(error: Exception) -> str:
    """Return an error in one line."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _run_neural(
    model: NeuralModel, block: Block, seed: int, fit_options: Mapping[str, Any]
) -> Outcome:
    """Return the outcome of a trained model."""
    splits = block.splits
    result = fit(
        lambda: model.build(splits.training),
        splits.training,
        splits.validation,
        seed=seed,
        **fit_options,
    )
    fitted = result.model
    predict = _point_forecasts if model.is_point else _quantile_forecasts
    values, seconds = _timed_parts(lambda part: predict(fitted, getattr(splits, part)))
    if model.is_point:
        values = _with_residual_quantiles(block, values)
    facts = _facts(seconds, "residuals" if model.is_point else "model")
    facts = replace(
        facts,
        learning_rate=_learning_rate(model, fitted),
        validation_loss=result.validation_loss,
        epochs=result.epochs,
        steps=result.steps,
        stopped_by=result.stopped_by,
        training_seconds=result.seconds,
        parameters=sum(p.numel() for p in fitted.parameters() if p.requires_grad),
    )
    return Outcome(facts, _tidy(block, values), result)


def _run_classical(model: ClassicalModel, block: Block) -> Outcome:
    """Return the outcome of a classical model, which sees unscaled values."""
    splits = block.splits
    started = time.perf_counter()
    # Its parameters rest on what the others learn from: all before the first validation window.
    fitted = model.fit(block.data, splits.validation)
    training = time.perf_counter() - started
    values, seconds = _timed_parts(lambda part: fitted.forecast(block.data, getattr(splits, part)))
    facts = replace(_facts(seconds, "model"), training_seconds=training)
    return Outcome(facts, _tidy(block, values))


def _run_naive(model: SeasonalNaive, block: Block) -> Outcome:
    """Return the outcome of the seasonal naive method."""
    values, seconds = _timed_parts(lambda part: model.points(getattr(block.splits, part)))
    values = _with_residual_quantiles(block, values)
    return Outcome(_facts(seconds, "residuals"), _tidy(block, values))


def _point_forecasts(model: LightningModule, dataset: Any) -> Values:
    """Return points, `(windows, steps)`."""
    return predict_points(model, dataset)


def _quantile_forecasts(model: LightningModule, dataset: Any) -> Values:
    """Return quantiles, `(windows, steps, quantiles)`."""
    return predict_quantiles(model, dataset, QUANTILE_LEVELS)


def _timed_parts(
    predict: Callable[[str], Values],
) -> tuple[dict[str, Values], dict[str, float]]:
    """Return the forecasts of every part, and the seconds that they took."""
    values, seconds = {}, {}
    for part in PARTS:
        started = time.perf_counter()
        values[part] = predict(part)
        seconds[part] = time.perf_counter() - started
    return values, seconds


def _with_residual_quantiles(block: Block, points: dict[str, Values]) -> dict[str, Values]:
    """Return quantiles around the points of every part, from residuals on validation windows."""
    past = block.targets("validation")
    return {
        part: residual_quantiles(
            points[part],
            window_series(block.targets(part)),
            past_points=points["validation"],
            past_actuals=past["actual"].to_numpy().reshape(points["validation"].shape),
            past_series=window_series(past),
        )
        for part in PARTS
    }


def _facts(seconds: dict[str, float], quantiles_from: str) -> Facts:
    """Return what is known of every model."""
    return Facts(
        quantiles_from=quantiles_from,
        prediction_seconds=seconds["test"],
        validation_seconds=seconds["validation"],
    )


def _learning_rate(model: NeuralModel, fitted: LightningModule) -> float | None:
    """Return the learning rate at the start of training, as far as it is known."""
    rate = model.options.get("learning_rate", fitted.hparams.get("learning_rate"))
    return None if rate is None else float(rate)


def _tidy(block: Block, values: dict[str, Values]) -> pd.DataFrame:
    """Return the forecasts of every part beside what came."""
    parts = []
    for part in PARTS:
        tidy = tidy_forecasts(block.targets(part), values[part], QUANTILE_LEVELS)
        tidy.insert(0, "part", part)
        parts.append(tidy)
    return pd.concat(parts, ignore_index=True)

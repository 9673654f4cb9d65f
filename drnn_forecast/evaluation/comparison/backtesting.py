"""Rolling origins: every model again and again, as time goes on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule

from drnn_forecast.data import ForecastData, plan_windows
from drnn_forecast.evaluation.comparison.blocks import (
    backtest_blocks,
    series_that_hold,
    shortest_window,
)
from drnn_forecast.evaluation.comparison.engine import work
from drnn_forecast.evaluation.comparison.plan import (
    LEARNING_RATES,
    calibrating_windows,
    make_plan,
)
from drnn_forecast.evaluation.comparison.results import Backtest
from drnn_forecast.evaluation.contenders.registry import Model
from drnn_forecast.layers import checked_integer
from drnn_forecast.training import FitResult


def backtest(  # noqa: D417 (the others are those of `compare`)
    data: ForecastData,
    horizon: int,
    *,
    context_length: int,
    validation_windows: int,
    folds: int,
    step: int | None = None,
    refit_every: int | None = 1,
    window_length: int | None = None,
    min_context_length: int | None = None,
    models: Sequence[Model | str] | None = None,
    scale_season: int | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    learning_rates: Sequence[float] = LEARNING_RATES,
    max_seconds: float | None = None,
    calibrated: bool = False,
    drop_short: bool = False,
    folder: Path | str | None = None,
    announce: Callable[[str], None] | None = None,
    on_fit: Callable[[str, int, FitResult[LightningModule]], None] | None = None,
    **fit_options: Any,
) -> Backtest:
    """Return how every model would have forecast from origins that move through each series.

    In every fold each series is forecast once, `horizon` steps ahead; the last fold ends with the
    series. A fold knows nothing from its origin on but the covariates known ahead. Datasets,
    encoders and scalers are made anew for every training. Between trainings a model keeps its
    weights and the scalers that it learned with, while each window's target is scaled by its own
    context. The learning rate is searched for before the first fold.

    Origins are counted back from the end of each series. Where series end at different times, one
    may be learned from at a time that lies after the origin of another.

    Arguments that are not listed, and what is raised, are those of `compare`.

    Args:
        data: The series, with their roles.
        horizon: Time steps of a forecast.
        context_length: Time steps that every trained model reads.
        validation_windows: Per series, directly before the first fold of each training, `step`
            time steps apart.
        folds: How many origins.
        step: Time steps between neighbouring origins; None: the horizon.
        refit_every: Folds that share a training; 1: train for every fold; None: train once.
        window_length: Time steps of history before the origin that a training has: a sliding
            window. None: all of them, an expanding one.
    """
    windows = plan_windows(
        horizon=horizon,
        context_length=context_length,
        min_context_length=min_context_length,
        validation_windows=validation_windows,
        test_windows=checked_integer("folds", folds, minimum=1),
        stride=None if step is None else checked_integer("step", step, minimum=1),
    )
    shared = folds if refit_every is None else refit_every
    shared = checked_integer("refit_every", shared, minimum=1)
    if window_length is not None:
        checked_integer("window_length", window_length, minimum=shortest_window(windows))
    plan = make_plan(
        data,
        context_length,
        models=models,
        scale_season=scale_season,
        seeds=seeds,
        learning_rates=learning_rates,
        calibrated=calibrated,
        folder=folder,
        announce=announce,
        on_fit=on_fit,
        fit_options={"max_seconds": max_seconds, **fit_options},
    )
    kept = series_that_hold(
        data, windows, "folds", window_length=window_length, drop_short=drop_short
    )
    calibrating = calibrating_windows(plan, windows.validation, len(kept.series_names))
    return work(
        plan,
        backtest_blocks(kept, windows, shared, window_length, calibrating),
        Backtest,
        total=math.ceil(folds / shared),
        asked=data,
        history=kept,
        windows=dataclasses.replace(windows, test=1),
        folds=folds,
        step=windows.stride,
        refit_every=refit_every,
        window="expanding" if window_length is None else f"sliding, {window_length} time steps",
    )

"""`compare`: several models on the same windows, with the same covariates and the same budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule

from drnn_forecast.data import ForecastData, plan_windows
from drnn_forecast.evaluation.comparison.blocks import Block, series_that_hold
from drnn_forecast.evaluation.comparison.engine import work
from drnn_forecast.evaluation.comparison.plan import (
    LEARNING_RATES,
    calibrating_windows,
    make_plan,
)
from drnn_forecast.evaluation.comparison.results import Comparison
from drnn_forecast.evaluation.contenders.registry import Model
from drnn_forecast.layers import checked_integer
from drnn_forecast.training import FitResult


def compare(
    data: ForecastData,
    horizon: int,
    *,
    context_length: int,
    validation_windows: int,
    test_windows: int,
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
) -> Comparison:
    """Return how every model forecasts the same test windows, over seeds.

    Models learn from the windows before the validation windows, which stop the training and give
    point forecasts their quantiles (marked in the table); classical models are fitted to all values
    before the test windows. The test windows are scored once. A model that fails has its reason in
    `Comparison.runs`, and the others go on.

    The dilated networks have the learning rate of the recipe, others that name none the best of
    `learning_rates` on the validation windows: each is tried under the first seed, with early
    stopping and an equal share of one training budget, which is not taken from the budget of the
    runs. Where the best is the lowest or the highest, the search goes on beyond it by factors of 3,
    with the same share for each, up to five rates in all. `Comparison.settings["search"]` has what
    was tried.

    Args:
        data: The series, with their roles.
        horizon: Time steps of a forecast, and between neighbouring windows.
        context_length: Time steps that every trained model reads.
        validation_windows: Per series, directly before the test windows.
        test_windows: Per series, at the end.
        min_context_length: The fewest time steps that a window of a shorter series has; None:
            `context_length`. Models that cannot read shorter windows are left out, with a reason.
        models: What to compare: models, or names among `MODEL_NAMES`; names in a table must
            differ. None: all of these.
        scale_season: Time steps: the season of the naive error that scaled scores are divided by;
            None: the shortest usual season of the data's frequency.
        seeds: Of training; models without randomness run once.
        learning_rates: What the search tries first, for models other than the dilated networks;
            with one there is no search.
        max_seconds: The most seconds of each training run; None: no limit.
        calibrated: Whether to calibrate intervals on the later half of the validation windows,
            which then stop no training. Quantiles from residuals are taken from these windows, and
            are not calibrated once more. The table then has the coverage before it, too.
        drop_short: Whether to leave out series that do not hold the windows. They are counted in
            the table and named in `Comparison.settings`.
        folder: Where finished work is kept, so that the same call goes on after an interruption;
            None: nowhere. Work under other settings is not found again, and nothing is overwritten.
        announce: Called with a line of text before each piece of work; None: nobody is told.
        on_fit: Called with model name, seed and result of every training run; None: the trained
            models are not kept.
        **fit_options: More arguments of `fit`, the same for all: `max_epochs`, `steps_per_epoch`,
            `batch_size`, `patience`, `gradient_clip_val`, `progress` and `trainer_kwargs`.

    Raises:
        TypeError: An argument has the wrong type, or `fit` has no such option.
        ValueError: An argument is out of range, or the data do not suit it.
        ImportError: A model lacks its extra.
        RuntimeError: Every model failed.
        KeyboardInterrupt: The user stopped the work; the message says what is kept.
    """
    windows = plan_windows(
        horizon=horizon,
        context_length=context_length,
        min_context_length=min_context_length,
        validation_windows=validation_windows,
        test_windows=checked_integer("test_windows", test_windows, minimum=1),
    )
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
    kept = series_that_hold(data, windows, "test_windows", drop_short=drop_short)
    calibrating = calibrating_windows(plan, windows.validation, len(kept.series_names))
    block = Block(kept, windows, (0,) * windows.test, calibrating)
    return work(plan, [block], Comparison, total=1, asked=data, history=kept, windows=windows)

"""`tune`: one call that searches, alone or beside other workers."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lightning.pytorch import Callback
from pytorch_forecasting.data import TimeSeriesDataSet

from drnn_forecast.data import ForecastData
from drnn_forecast.layers import checked_integer
from drnn_forecast.model import Recipe
from drnn_forecast.training.seeds import checked_seeds
from drnn_forecast.training.tuning.space import SearchSpace

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

    from drnn_forecast.training.tuning.result import TuningResult

logger = logging.getLogger("drnn_forecast.training")


LONGEST_NAME = 200
"""Characters, of the 255 bytes that file systems allow."""


def tune(
    data: ForecastData | Sequence[TimeSeriesDataSet],
    horizon: int | None = None,
    *,
    n_trials: int | None = None,
    max_seconds: float | None = None,
    search_space: SearchSpace | None = None,
    fixed: Mapping[str, Any] | None = None,
    objectives: Sequence[str] = ("validation_loss",),
    storage: str | BaseStorage | None = None,
    study_name: str = "drnn_forecast",
    folder: Path | str = "drnn-tuning",
    max_epochs: int = Recipe.max_epochs,
    steps_per_epoch: int | None = Recipe.steps_per_epoch,
    patience: int = Recipe.patience,
    seeds: Sequence[int] = (0,),
    trainer_kwargs: Mapping[str, Any] | None = None,
    callbacks: Sequence[Callback] = (),
    pruner: BasePruner | None = None,
    sampler: BaseSampler | None = None,
    keep_checkpoints: int = 3,
    heartbeat_seconds: int = 60,
    progress: bool = True,
    **windows: Any,
) -> TuningResult:
    """Return the best hyperparameters of the forecaster, its best model and the whole study.

    The same call again resumes the study; the same call in several processes or on several
    machines shares it. A configuration that was finished before is not trained again, and a trial
    that fails is recorded with its reason. Ctrl-C returns what there is.

    Args:
        data: The series with their roles; or a pair of `TimeSeriesDataSet`s, the windows to learn
            from and those to be judged by.
        horizon: Time steps of a forecast; None where the datasets of a pair say it.
        n_trials: Trials of the whole study, of all its workers and calls, that are to be finished:
            complete or pruned. Duplicates and failed ones come on top. None: no limit.
        max_seconds: Of this call. No trial begins after it, and a running one ends its training
            there, to be judged by what it reached; None: no limit.
        search_space: What is drawn; None: `SearchSpace()`.
        fixed: Hyperparameters of the space or of the forecaster, such as `season_length` or
            `loss`, that are the same in every trial.
        objectives: `("validation_loss",)`, or with `"training_seconds"` or `"parameters"` as the
            second one; then nothing is pruned, and the result has a Pareto front.
        storage: A database's URL; `"@"` and the name of a file that holds one, for a URL with a
            password; or a storage of Optuna. None: the URL in the environment variable
            `DRNN_FORECAST_STORAGE`, or the file `study.db` in `folder`. No message repeats it.
            Only databases have heartbeats, by which dead workers are noticed.
        study_name: Under which the study is stored.
        folder: Where models are written, and that file; made where it is missing. Nothing outside
            it is read or written, and it may be moved: the same call goes on there.
        max_epochs: Of each training run.
        steps_per_epoch: Optimiser steps between validations; None: all training windows once.
        patience: Validations without a better loss after which a run stops.
        seeds: Of each configuration's training runs; its value is their mean. The first one also
            seeds the draws.
        trainer_kwargs: More arguments for the trainer.
        callbacks: More callbacks for the trainer. The state that they keep in checkpoints is
            reset before each run.
        pruner: Optuna's; None: `MedianPruner()`. It sees the best loss so far.
        sampler: Optuna's; None: TPE on the joint space, seeded for every trial.
        keep_checkpoints: How many of the best trials' models are kept; of two objectives,
            those of the whole Pareto front.
        heartbeat_seconds: Between two signs of life of a worker; after two without one its trial
            is marked failed, and run once more by another worker.
        progress: Whether to show a progress bar with the best value so far.
        **windows: Further arguments of `ForecastData.split`, such as `context_length` and
            `validation_windows`.

    Raises:
        ValueError: A value is out of range, the space or `fixed` does not fit the datasets, these
            differ in their variables, the study exists with another setup, or it is damaged.
        TypeError: A value has the wrong type.
        ImportError: Optuna is not installed, or the database's driver.
        ConnectionError: The storage does not answer.
        RuntimeError: All trials failed.
    """
    deadline = time.monotonic() + (math.inf if max_seconds is None else max_seconds)
    _check_limits(n_trials, max_seconds, keep_checkpoints, heartbeat_seconds)
    if len(quote(study_name, safe=" ")) > LONGEST_NAME:
        raise ValueError(
            f"`study_name` must be at most {LONGEST_NAME} characters long as the name of a folder, "
            f"got {len(quote(study_name, safe=' '))}."
        )
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "`tune` needs Optuna; install it with `pip install 'drnn-forecast[tune]'`."
        ) from error
    from drnn_forecast.host import quiet_optuna
    from drnn_forecast.training.tuning.places import models_of_study
    from drnn_forecast.training.tuning.problem import make_problem
    from drnn_forecast.training.tuning.result import CHANGED, TuningResult
    from drnn_forecast.training.tuning.storage import heartbeat_of, open_storage
    from drnn_forecast.training.tuning.study import changed_trials, is_new, open_study, pruner_of
    from drnn_forecast.training.tuning.worker import Worker

    problem = make_problem(
        data,
        horizon,
        windows,
        search_space=search_space,
        fixed=fixed,
        callbacks=callbacks,
        trainer_kwargs=trainer_kwargs,
        objectives=tuple(objectives),
        seeds=checked_seeds(seeds),
        max_epochs=max_epochs,
        steps_per_epoch=steps_per_epoch,
        patience=patience,
    )
    pruner = pruner_of(problem.objectives, pruner)
    with quiet_optuna():
        opened = open_storage(storage, folder=Path(folder), heartbeat_seconds=heartbeat_seconds)
        study = open_study(problem, opened, study_name, sampler=sampler, pruner=pruner)
        for trial in changed_trials(study):
            logger.warning("Trial %d counts as failed: %s.", trial.number, CHANGED)
        checkpoints = models_of_study(folder, study_name, is_new=is_new(study))
        worker = Worker(
            study=study,
            problem=problem,
            checkpoints=checkpoints,
            n_trials=n_trials,
            deadline=deadline,
            keep=keep_checkpoints,
            heartbeat_seconds=heartbeat_of(opened),
            progress=progress,
        )
        stopped_by = worker.run()
    return TuningResult(study, problem.objectives, stopped_by, keep_checkpoints, checkpoints)


def _check_limits(
    n_trials: int | None, max_seconds: float | None, keep_checkpoints: int, heartbeat_seconds: int
) -> None:
    """Refuse numbers out of range, and a search without an end."""
    if n_trials is None and max_seconds is None:
        raise ValueError(
            "`n_trials` or `max_seconds` must be given, got None for both: the search would not "
            "end."
        )
    if n_trials is not None:
        checked_integer("n_trials", n_trials, minimum=1)
    if max_seconds is not None and not max_seconds > 0:
        raise ValueError(f"`max_seconds` must be above 0, got {max_seconds}.")
    checked_integer("keep_checkpoints", keep_checkpoints, minimum=1)
    checked_integer("heartbeat_seconds", heartbeat_seconds, minimum=1)

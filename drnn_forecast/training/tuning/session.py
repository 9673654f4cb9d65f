"""One call of `tune`: opens the study, works on it, and shows how far it is."""

from __future__ import annotations

from pathlib import Path

from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from tqdm import tqdm

from drnn_forecast.training.tuning.checkpoints import checkpoint_folder
from drnn_forecast.training.tuning.configuration import recommended
from drnn_forecast.training.tuning.problem import Problem
from drnn_forecast.training.tuning.result import TuningResult
from drnn_forecast.training.tuning.sampler import SeededSampler
from drnn_forecast.training.tuning.storage import heartbeat_of, open_storage
from drnn_forecast.training.tuning.study import (
    FINISHED,
    best_trials,
    loss_of,
    new_trials,
    open_study,
    quiet_optuna,
)
from drnn_forecast.training.tuning.trial import warm_up
from drnn_forecast.training.tuning.worker import Worker


def search(
    problem: Problem,
    *,
    n_trials: int | None,
    timeout: float | None,
    storage: str | BaseStorage | None,
    study_name: str,
    folder: Path,
    pruner: BasePruner | None,
    sampler: BaseSampler | None,
    keep_checkpoints: int,
    heartbeat_seconds: int,
    progress: bool,
) -> TuningResult:
    """Return the study of a problem after this worker's part of it; see `tune`."""
    is_single = len(problem.objectives) == 1
    if pruner is None:
        pruner = MedianPruner() if is_single else NopPruner()
    elif not is_single and not isinstance(pruner, NopPruner):
        raise ValueError(
            f"`pruner` must be None with two objectives, which Optuna cannot prune, got {pruner!r}."
        )
    with quiet_optuna():
        opened = open_storage(storage, folder=folder, heartbeat_seconds=heartbeat_seconds)
        if sampler is None:
            sampler = SeededSampler(problem.seeds[0], is_multivariate=is_single)
        study = open_study(
            opened,
            study_name,
            problem.setup(),
            first=recommended(problem.space),
            sampler=sampler,
            pruner=pruner,
        )
    with tqdm(total=n_trials, unit="trial", desc=study_name, disable=not progress) as bar:
        _show(bar, study)
        if "training_seconds" in problem.objectives:
            warm_up(problem)
        stopped_by = Worker(
            study,
            problem,
            n_trials=n_trials,
            timeout=timeout,
            folder=checkpoint_folder(folder, study_name),
            keep=keep_checkpoints,
            heartbeat_seconds=heartbeat_of(opened),
            announce=lambda study: _show(bar, study),
        ).run()
    return TuningResult(study, problem.objectives, stopped_by, keep_checkpoints)


def _show(bar: tqdm, study: Study) -> None:
    """Bring the progress bar to where all workers together are."""
    bar.n = len(new_trials(study, FINISHED))
    best = best_trials(study)
    if best:
        bar.set_postfix_str(f"best {loss_of(best[0]):.6g} (trial {best[0].number})", refresh=False)
    bar.refresh()

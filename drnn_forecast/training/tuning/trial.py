"""One trial: its configuration drawn, trained with every seed, pruned, and written down."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from optuna import TrialPruned
from optuna.trial import FrozenTrial, Trial, TrialState

from drnn_forecast.training.fitting import FitResult, fit
from drnn_forecast.training.tuning.configuration import draw, hyperparameters, smallest
from drnn_forecast.training.tuning.problem import Problem
from drnn_forecast.training.tuning.study import FINISHED, new_trials, values_of


@dataclass(frozen=True)
class Run:
    """What one training run of a trial gave."""

    validation_loss: float
    training_seconds: float
    parameters: int
    epochs: int
    steps: int


def run_trial(trial: Trial, problem: Problem, checkpoint: Path) -> tuple[float, ...]:
    """Return the values of a trial, one per objective, and leave its best checkpoint.

    A configuration that has been finished before is not trained again: its values come back, and
    the trial is marked as a duplicate.

    Args:
        trial: Optuna's; gets the configuration, the runs and where they ran as attributes.
        problem: What is trained.
        checkpoint: Where to write the best model of all seeds.

    Raises:
        TrialPruned: The trial was stopped early, or is a duplicate of one that was.
    """
    configuration = draw(trial, problem.space)
    for name in ("num_layers", "dilations"):
        trial.set_user_attr(name, configuration[name])
    trial.set_user_attr("configuration", configuration)
    trial.set_user_attr("worker", f"{socket.gethostname()}:{os.getpid()}")
    twin = _twin(trial, configuration)
    if twin is not None:
        trial.set_user_attr("duplicate_of", twin.number)
        if twin.state == TrialState.PRUNED:
            raise TrialPruned
        return tuple(values_of(twin))
    trial.set_user_attr("checkpoint", str(checkpoint))
    runs, is_pruned = _runs(trial, problem, configuration, checkpoint)
    means = {field.name: fmean(getattr(run, field.name) for run in runs) for field in fields(Run)}
    trial.set_user_attr("run", means)
    if is_pruned:
        raise TrialPruned
    return tuple(means[objective] for objective in problem.objectives)


def warm_up(problem: Problem) -> None:
    """Train each cell for one step, so that no trial's seconds hold its kernels' compilation."""
    cells = problem.space.cell_type
    for cell_type in [cells] if isinstance(cells, str) else cells:
        fit(
            partial(problem.build, smallest(problem.space) | {"cell_type": cell_type}),
            problem.training,
            problem.validation,
            max_epochs=1,
            steps_per_epoch=1,
            progress=False,
            trainer_kwargs={**problem.trainer_kwargs, "limit_val_batches": 1},
        )


class _Reporter(Callback):
    """Tells Optuna the best loss so far, and ends the run where it asks for that.

    With several seeds, the mean over the earlier runs' best losses and this one's.
    """

    def __init__(self, trial: Trial, earlier: Sequence[float], max_epochs: int) -> None:
        self._trial = trial
        self._earlier = list(earlier)
        self._step = len(earlier) * max_epochs
        self._best = math.inf
        self.is_pruned = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report, and stop at the end of this epoch where the trial is not worth more."""
        self._best = min(self._best, float(trainer.callback_metrics["val_loss"]))
        if trainer.sanity_checking or not math.isfinite(self._best):
            return
        self._trial.report(fmean([*self._earlier, self._best]), self._step)
        self._step += 1
        if self._trial.should_prune():
            self.is_pruned = trainer.should_stop = True


def _twin(trial: Trial, configuration: dict[str, Any]) -> FrozenTrial | None:
    """Return the first finished trial with the same network, training and context."""
    for other in new_trials(trial.study, FINISHED):
        if _essence(other.user_attrs["configuration"]) == _essence(configuration):
            return other
    return None


def _essence(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return what of a configuration makes a difference: not how its dilations were found."""
    return hyperparameters(configuration) | {"batch_size": configuration["batch_size"]}


def _runs(
    trial: Trial, problem: Problem, configuration: dict[str, Any], checkpoint: Path
) -> tuple[list[Run], bool]:
    """Return a run per seed, fewer where the trial was pruned, and whether it was."""
    runs: list[Run] = []
    for seed in problem.seeds:
        reporter = _Reporter(trial, [run.validation_loss for run in runs], problem.max_epochs)
        reporters = [reporter] if len(problem.objectives) == 1 else []
        result = fit(
            partial(problem.build, configuration),
            problem.training,
            problem.validation,
            seed=seed,
            max_epochs=problem.max_epochs,
            steps_per_epoch=problem.steps_per_epoch,
            batch_size=configuration["batch_size"],
            patience=problem.patience,
            checkpoint=checkpoint.with_suffix(f".seed{seed}.ckpt"),
            progress=False,
            callbacks=[*problem.fresh_callbacks(), *reporters],
            trainer_kwargs=problem.trainer_kwargs,
        )
        _keep_the_better(result, runs, checkpoint)
        runs.append(_run(result))
        if reporter.is_pruned:
            return runs, True
    return runs, False


def _keep_the_better(result: FitResult, earlier: Sequence[Run], checkpoint: Path) -> None:
    """Move the new run's checkpoint into place, or delete it where an earlier seed did better."""
    if result.checkpoint is None:
        return
    if all(result.validation_loss < run.validation_loss for run in earlier):
        result.checkpoint.replace(checkpoint)
    else:
        result.checkpoint.unlink()


def _run(result: FitResult) -> Run:
    """Return the numbers of a training run."""
    return Run(
        validation_loss=result.validation_loss,
        training_seconds=result.seconds,
        parameters=sum(parameter.numel() for parameter in result.model.parameters()),
        epochs=result.epochs,
        steps=result.steps,
    )

"""One trial: its configuration drawn, trained with every seed, pruned, and written down.

Optuna's own `PyTorchLightningPruningCallback` raises in the middle of the fit, so that the loss,
epochs and checkpoint of the run are lost, reports the last loss in place of the best, and would
report the steps of the first seed again for every other one.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, cast

from lightning.pytorch import Callback, LightningModule, Trainer
from optuna import TrialPruned
from optuna.trial import FrozenTrial, Trial, TrialState

from drnn_forecast.model import DilatedRNNForecaster
from drnn_forecast.training.fitting import FitResult, fit
from drnn_forecast.training.tuning.configuration import draw, hyperparameters, smallest
from drnn_forecast.training.tuning.problem import Problem
from drnn_forecast.training.tuning.study import FINISHED, new_trials, seal, values_of

logger = logging.getLogger("drnn_forecast.training")


def run_trial(trial: Trial, problem: Problem, folder: Path, deadline: float) -> tuple[float, ...]:
    """Return the values of a trial, one per objective, and leave its best model in a folder.

    A configuration that has been finished before is not trained again: its values come back, and
    the trial is marked as a duplicate, or pruned as that one was. The trial gets the configuration,
    the runs and where they ran as attributes.
    """
    configuration = draw(trial, problem.space)
    for name in ("num_layers", "dilations"):
        trial.set_user_attr(name, configuration[name])
    trial.set_user_attr("configuration", configuration)
    twin = _twin(trial, configuration)
    if twin is not None:
        trial.set_user_attr("duplicate_of", twin.number)
        if twin.state == TrialState.PRUNED:
            seal(trial, None)
            raise TrialPruned
        seal(trial, values_of(twin))
        return tuple(values_of(twin))
    runs: list[dict[str, float]] = []
    is_pruned = is_cut = False
    for seed in problem.seeds:
        seconds = deadline - time.monotonic()
        is_cut = is_cut or bool(runs and seconds <= 0)
        if is_pruned or is_cut:
            break
        reporter = _Reporter(trial, [run["validation_loss"] for run in runs], problem.max_epochs)
        reporters = [reporter] if len(problem.objectives) == 1 else []
        result = fit(
            partial(problem.build, configuration),
            problem.training,
            problem.validation,
            seed=seed,
            max_epochs=problem.max_epochs,
            max_seconds=max(seconds, 1e-3) if math.isfinite(seconds) else None,
            steps_per_epoch=problem.steps_per_epoch,
            batch_size=configuration["batch_size"],
            patience=problem.patience,
            progress=False,
            callbacks=[*problem.fresh_callbacks(), *reporters],
            trainer_kwargs=problem.trainer_kwargs,
        )
        if all(result.validation_loss < run["validation_loss"] for run in runs):
            _keep(result.model, folder, trial)
        runs.append(_numbers(result))
        is_pruned, is_cut = reporter.is_pruned, result.stopped_by == "max_seconds"
    means = {name: fmean(run[name] for run in runs) for name in runs[0]}
    trial.set_user_attr("run", means)
    trial.set_user_attr("is_cut", is_cut)
    if is_pruned:
        seal(trial, None)
        raise TrialPruned
    values = tuple(means[objective] for objective in problem.objectives)
    seal(trial, values)
    return values


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
    """Tells Optuna the best loss, a mean with those of earlier seeds, and stops if it says so."""

    def __init__(self, trial: Trial, earlier: Sequence[float], max_epochs: int) -> None:
        self._trial = trial
        self._earlier = earlier
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
    """Return the first finished trial with the same network, training and context.

    How the dilations were found makes no difference; one that time cut short is no twin.
    """
    wanted = hyperparameters(configuration), configuration["batch_size"]
    for other in new_trials(trial.study, FINISHED):
        found = other.user_attrs["configuration"]
        is_cut = other.user_attrs.get("is_cut", False)
        if not is_cut and (hyperparameters(found), found["batch_size"]) == wanted:
            return other
    return None


def _keep(model: LightningModule, folder: Path, trial: Trial) -> None:
    """Write a model into the trial's folder; one with parts of the user's own cannot be."""
    try:
        cast("DilatedRNNForecaster", model).save(folder)
    except ValueError as error:
        trial.set_user_attr("not_kept", str(error))
        logger.warning("The model of trial %d is not kept: %s", trial.number, error)


def _numbers(result: FitResult[LightningModule]) -> dict[str, float]:
    """Return the numbers of a training run."""
    return {
        "validation_loss": result.validation_loss,
        "training_seconds": result.seconds,
        "parameters": sum(parameter.numel() for parameter in result.model.parameters()),
        "epochs": result.epochs,
        "steps": result.steps,
    }

"""One worker of a study: begins trials while there are places, and waits for the other workers.

Optuna's `MaxTrialsCallback` counts after each trial only, and counts duplicates: every worker would
finish a trial too many, and a killed worker's last trial would never be run again.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import optuna
import torch
from optuna import TrialPruned
from optuna.exceptions import StorageInternalError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from tqdm import tqdm

from drnn_forecast.training.tuning.places import model_of_trial, remove_model
from drnn_forecast.training.tuning.problem import Problem
from drnn_forecast.training.tuning.study import (
    FINISHED,
    best_trials,
    kept_trials,
    loss_of,
    new_trials,
)
from drnn_forecast.training.tuning.trial import run_trial, warm_up

logger = logging.getLogger("drnn_forecast.training")

FAILURES_IN_A_ROW = 10
DUPLICATES_IN_A_ROW = 50
"""After so many of one worker it stops: something is wrong with all, or there is nothing new."""

MOMENT = 0.5
"""Seconds between the begin of a trial and its first line, more than that takes anywhere."""

SURPLUS = "other workers had begun the last trials"


class _SurplusError(Exception):
    """Other workers had begun the last of the trials at the same moment."""


@dataclass(kw_only=True)
class Worker:
    """Begins the trials of a study, one after the other; see `tune`.

    `heartbeat_seconds` is None where workers give no signs of life: those that are running are then
    neither counted nor waited for.
    """

    study: Study
    problem: Problem
    checkpoints: Path
    n_trials: int | None
    deadline: float
    keep: int
    heartbeat_seconds: int | None
    progress: bool
    _failures: int = 0
    _duplicates: int = 0
    _current: int | None = None
    _others: frozenset[int] = frozenset()
    _first_seen: dict[int, float] = field(default_factory=dict)

    def run(self) -> str:
        """Return why the worker stopped; see `TuningResult`."""
        name = self.study.study_name
        bar = tqdm(total=self.n_trials, unit="trial", desc=name, disable=not self.progress)
        try:
            with bar:
                self._show(bar)
                if "training_seconds" in self.problem.objectives:
                    warm_up(self.problem)
                while (reason := self._reason_to_stop()) is None:
                    if self._has_place():
                        self._run_next()
                        self._show(bar)
                    else:
                        self._wait()
        except KeyboardInterrupt:
            self._give_up()
            return "interrupt"
        except StorageInternalError:
            raise ConnectionError(
                "The `storage` stopped answering. What was finished is stored; "
                "the same call goes on from there."
            ) from None  # what a database says may hold its URL
        return reason

    def _give_up(self) -> None:
        """Mark the trial that was interrupted as failed, where Optuna had no time to."""
        begun = self._nameless() if self._current is None else [self._current]
        for number in begun:
            self.study.tell(number, state=TrialState.FAIL, skip_if_finished=True)

    def _nameless(self) -> list[int]:
        """Return the trials that began here, and were interrupted before they said where.

        Those that another worker has just begun say so within moments.
        """
        time.sleep(MOMENT)
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [
            trial.number
            for trial in running
            if trial.number not in self._others and "worker" not in trial.user_attrs
        ]

    def _reason_to_stop(self) -> str | None:
        """Return why there is nothing more to do, if so."""
        if self.n_trials is not None and self._finished() >= self.n_trials:
            return "n_trials"
        if time.monotonic() >= self.deadline:
            return "max_seconds"
        if self._duplicates >= DUPLICATES_IN_A_ROW:
            return "duplicates"
        return "failures" if self._failures >= FAILURES_IN_A_ROW else None

    def _finished(self) -> int:
        """Return how many trials all workers have finished."""
        return len(new_trials(self.study, FINISHED))

    def _running(self) -> list[FrozenTrial]:
        """Return the trials that a worker runs, or ran when it died a moment ago."""
        if self.heartbeat_seconds is None:
            return []
        return self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _has_place(self, before: float = math.inf) -> bool:
        """Return whether a trial is needed beside those that were begun before some number."""
        if self.n_trials is None:
            return True
        begun = sum(trial.number < before for trial in self._running())
        return self._finished() + begun < self.n_trials

    def _wait(self) -> None:
        """Wait a moment for the other workers, and mark the trials of dead ones as failed."""
        seconds = self.heartbeat_seconds or 1
        for trial in self._running():
            # A worker that died before its first heartbeat left nothing to tell the time by.
            first_seen = self._first_seen.setdefault(trial.number, time.monotonic())
            is_overdue = time.monotonic() - first_seen > 10 * seconds
            if is_overdue and "configuration" not in trial.user_attrs:
                self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        optuna.storages.fail_stale_trials(self.study)
        time.sleep(min(1.0, seconds / 4))

    def _run_next(self) -> None:
        """Run one trial; a failure is recorded, and the study goes on."""
        self._current = None
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        self._others = frozenset(trial.number for trial in running)
        try:
            self.study.optimize(
                self._objective,
                n_trials=1,
                catch=(Exception,),
                callbacks=[self._after],
                gc_after_trial=torch.cuda.is_available(),
            )
        except (ValueError, RuntimeError):  # as Optuna puts it when a trial has ended already
            if not self._was_taken_for_dead():
                raise
            logger.warning(
                "Trial %s was given up: its heartbeat came so late that it was taken for dead.",
                self._current,
            )

    def _was_taken_for_dead(self) -> bool:
        """Return whether another worker ended the trial that has just been run here."""
        if self._current is None:
            return False
        trial = self.study.get_trials(deepcopy=False)[self._current]
        return trial.state == TrialState.FAIL and "reason" not in trial.user_attrs

    def _objective(self, trial: Trial) -> tuple[float, ...]:
        """Return the values of a trial; why it failed becomes an attribute."""
        self._current = trial.number
        try:
            trial.set_user_attr("worker", f"{socket.gethostname()}:{os.getpid()}")
            if not self._has_place(before=trial.number):
                raise _SurplusError
            place = model_of_trial(self.checkpoints, trial.number)
            return run_trial(trial, self.problem, place, self.deadline)
        except TrialPruned:
            raise
        except (Exception, KeyboardInterrupt) as error:
            with suppress(RuntimeError):  # another worker has ended the trial
                trial.set_user_attr("reason", _reason(error))
            raise

    def _after(self, study: Study, trial: FrozenTrial) -> None:
        """Count a trial, tell of a failure, and delete the checkpoints that are not kept."""
        reason = trial.user_attrs.get("reason")
        if trial.state != TrialState.FAIL:
            self._failures = 0
            self._duplicates = self._duplicates + 1 if "duplicate_of" in trial.user_attrs else 0
        elif reason != SURPLUS:
            self._failures += 1
            logger.warning("Trial %d failed: %s", trial.number, reason)
            if self._failures >= FAILURES_IN_A_ROW and not self._finished():
                raise RuntimeError(
                    f"The first {self._failures} trials failed, the last one with {reason}"
                )
        kept = {each.number for each in kept_trials(study, self.keep)}
        ended = (*FINISHED, TrialState.FAIL)
        for other in study.get_trials(deepcopy=False, states=ended):
            if other.number not in kept:
                remove_model(self.checkpoints, other.number)

    def _show(self, bar: tqdm) -> None:
        """Bring the progress bar to where all workers together are."""
        bar.n = self._finished()
        if best := best_trials(self.study)[:1]:
            text = f"best {loss_of(best[0]):.6g} (trial {best[0].number})"
            bar.set_postfix_str(text, refresh=False)
        bar.refresh()


def _reason(error: BaseException) -> str:
    """Return in one line why a trial failed."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped by the user"
    if isinstance(error, _SurplusError):
        return SURPLUS
    return " ".join(f"{type(error).__name__}: {error}".split())

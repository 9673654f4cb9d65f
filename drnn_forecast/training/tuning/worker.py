"""One worker of a study: begins trials while there are places, and waits for the other workers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import optuna
import torch
from optuna import TrialPruned
from optuna.exceptions import StorageInternalError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from drnn_forecast.host import isolated_randomness
from drnn_forecast.training.tuning.checkpoints import delete_others
from drnn_forecast.training.tuning.problem import Problem
from drnn_forecast.training.tuning.study import FINISHED, new_trials, quiet_optuna
from drnn_forecast.training.tuning.trial import run_trial

logger = logging.getLogger("drnn_forecast.training")

FAILURES_IN_A_ROW = 10
DUPLICATES_IN_A_ROW = 50
"""After so many of one worker it stops: something is wrong with all, or there is nothing new."""


class _SurplusError(Exception):
    """Other workers had begun the last of the trials at the same moment."""


class Worker:
    """Begins the trials of a study, one after the other.

    Args:
        study: Shared with other workers, if any.
        problem: What is trained.
        n_trials: Finished trials of all workers together after which to stop; None: no limit.
        timeout: Seconds after which no trial is begun; None: no limit.
        folder: Where checkpoints are written.
        keep: Checkpoints to keep.
        heartbeat_seconds: Between two signs of life of the other workers; None: they give none,
            and those that are running are neither counted nor waited for.
        announce: Called with the number of finished trials and the best values after each trial.
    """

    def __init__(
        self,
        study: Study,
        problem: Problem,
        *,
        n_trials: int | None,
        timeout: float | None,
        folder: Path,
        keep: int,
        heartbeat_seconds: int | None,
        announce: Callable[[Study], None],
    ) -> None:
        self._study = study
        self._problem = problem
        self._n_trials = n_trials
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._folder = folder
        self._keep = keep
        self._heartbeat_seconds = heartbeat_seconds
        self._announce = announce
        self._failures = 0
        self._duplicates = 0
        self._current: int | None = None
        self._first_seen: dict[int, float] = {}

    def run(self) -> str:
        """Return why the worker stopped; see `TuningResult`.

        Raises:
            RuntimeError: No trial of the study was ever finished, and all new ones failed.
            ConnectionError: The storage stopped answering.
        """
        try:
            with quiet_optuna(), isolated_randomness():
                while (reason := self._reason_to_stop()) is None:
                    if self._has_place():
                        self._run_next()
                    else:
                        self._wait()
        except KeyboardInterrupt:
            return "interrupt"
        except StorageInternalError as error:
            raise ConnectionError(
                "The `storage` stopped answering. What was finished is stored; "
                "the same call goes on from there."
            ) from error
        return reason

    def _reason_to_stop(self) -> str | None:
        """Return why there is nothing more to do, if so."""
        if self._n_trials is not None and self._finished() >= self._n_trials:
            return "n_trials"
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "timeout"
        if self._duplicates >= DUPLICATES_IN_A_ROW:
            return "duplicates"
        return "failures" if self._failures >= FAILURES_IN_A_ROW else None

    def _finished(self) -> int:
        """Return how many trials all workers have finished."""
        return len(new_trials(self._study, FINISHED))

    def _running(self) -> list[FrozenTrial]:
        """Return the trials that a worker runs, or ran when it died a moment ago."""
        if self._heartbeat_seconds is None:
            return []
        return self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _has_place(self) -> bool:
        """Return whether one more trial could still be needed."""
        return self._n_trials is None or self._finished() + len(self._running()) < self._n_trials

    def _wait(self) -> None:
        """Wait a moment for the other workers, and mark the trials of dead ones as failed."""
        seconds = self._heartbeat_seconds or 1
        for trial in self._running():
            # A worker that died before its first heartbeat left nothing to tell the time by.
            first_seen = self._first_seen.setdefault(trial.number, time.monotonic())
            is_overdue = time.monotonic() - first_seen > 10 * seconds
            if is_overdue and "configuration" not in trial.user_attrs:
                self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        optuna.storages.fail_stale_trials(self._study)
        time.sleep(min(1.0, seconds / 4))

    def _run_next(self) -> None:
        """Run one trial; a failure is recorded, and the study goes on."""
        self._current = None
        try:
            self._study.optimize(
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
        trial = self._study.get_trials(deepcopy=False)[self._current]
        return trial.state == TrialState.FAIL and "reason" not in trial.user_attrs

    def _objective(self, trial: Trial) -> tuple[float, ...]:
        """Return the values of a trial; why it failed becomes an attribute."""
        self._current = trial.number
        try:
            self._check_place(trial.number)
            return run_trial(trial, self._problem, self._folder / f"trial-{trial.number:04}.ckpt")
        except TrialPruned:
            raise
        except (Exception, KeyboardInterrupt) as error:
            with suppress(RuntimeError):  # another worker has ended the trial
                trial.set_user_attr("reason", _reason(error))
            raise

    def _check_place(self, number: int) -> None:
        """Give way where workers that began earlier have taken the last places."""
        if self._n_trials is None:
            return
        before = sum(trial.number < number for trial in self._running())
        if self._finished() + before >= self._n_trials:
            raise _SurplusError

    def _after(self, study: Study, trial: FrozenTrial) -> None:
        """Count, tell, and clear away after a trial."""
        reason = trial.user_attrs.get("reason")
        if trial.state != TrialState.FAIL:
            self._failures = 0
            self._duplicates = self._duplicates + 1 if "duplicate_of" in trial.user_attrs else 0
        elif reason != _reason(_SurplusError()):
            self._failures += 1
            logger.warning("Trial %d failed: %s", trial.number, reason)
            if self._failures >= FAILURES_IN_A_ROW and not self._finished():
                raise RuntimeError(
                    f"The first {self._failures} trials failed, the last one with {reason}"
                )
        delete_others(study, self._keep)
        self._announce(study)


def _reason(error: BaseException) -> str:
    """Return in one line why a trial failed."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped by the user"
    if isinstance(error, _SurplusError):
        return "other workers had begun the last trials"
    return " ".join(f"{type(error).__name__}: {error}".split())

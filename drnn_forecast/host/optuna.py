"""Optuna's private, experimental and renamed parts."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna import storages
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy import event
from sqlalchemy.engine import Connection


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna's progress and its remarks on experimental parts off the screen."""
    logger = logging.getLogger("optuna")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        logger.setLevel(level)


def retry_once() -> dict[str, Any]:
    """Return the argument of a storage by which a dead worker's trial runs once more.

    Both the argument and the class were renamed in Optuna 4.9.
    """
    if hasattr(storages, "RetryHeartbeatStaleTrialCallback"):
        retry = storages.RetryHeartbeatStaleTrialCallback(max_retry=1)
        return {"heartbeat_stale_trial_callback": retry}
    return {"failed_trial_callback": storages.RetryFailedTrialCallback(max_retry=1)}


def retried_trial(trial: FrozenTrial) -> int | None:
    """Return the number of the trial that this one repeats, if any.

    Optuna's function for it is experimental, and its class was renamed.
    """
    number: int | None = trial.system_attrs.get("failed_trial")
    return number


def lock_from_the_start(storage: RDBStorage) -> None:
    """Have every transaction of a SQLite storage begin with the file's write lock.

    A lock that comes with the first write is too late: two workers could both find the same trial
    waiting, or give up for a lock that the other holds, without waiting for each other. Optuna
    has no setting for it; its `engine` is not documented.
    """

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(storage.engine, "begin", begin)

"""One study of Optuna: made, or resumed where everything that decides a value is the same."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

SETUP = "setup"
"""The study's attribute that says what its values depend on."""

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def open_study(
    storage: BaseStorage,
    name: str,
    setup: dict[str, Any],
    *,
    first: dict[str, Any],
    sampler: BaseSampler,
    pruner: BasePruner,
) -> Study:
    """Return the study of a name, new or resumed; its setup is stored with it.

    A new study begins with a trial of the values `first`.

    Raises:
        ValueError: The study exists with another search space, direction, budget or dataset.
    """
    directions = [StudyDirection.MINIMIZE] * len(setup["objectives"])
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=directions,
        sampler=sampler,
        pruner=pruner,
        load_if_exists=True,
    )
    found = study.user_attrs.get(SETUP)
    if study.directions != directions:
        shown = ", ".join(direction.name.lower() for direction in study.directions)
        raise ValueError(
            f"`study_name` {name!r} exists in this storage with other directions: {shown}, where "
            f"this one has {len(directions)} to minimize. Choose another name."
        )
    if found is None and study.get_trials(deepcopy=False):
        raise ValueError(
            f"`study_name` {name!r} exists in this storage, but `tune` did not make it. "
            "Choose another name."
        )
    if found is None:
        study.set_user_attr(SETUP, setup)
        if first:
            study.enqueue_trial(first, skip_if_exists=True)
    elif found != setup:
        raise ValueError(
            f"`study_name` {name!r} exists in this storage with another "
            f"{_differences(found, setup)}. Choose another name, or pass what it began with."
        )
    return study


def new_trials(
    study: Study, states: tuple[TrialState, ...] = (TrialState.COMPLETE,)
) -> list[FrozenTrial]:
    """Return the trials in some states that are no duplicates."""
    trials = study.get_trials(deepcopy=False, states=states)
    return [trial for trial in trials if "duplicate_of" not in trial.user_attrs]


def best_trials(study: Study) -> list[FrozenTrial]:
    """Return the complete trials, the lowest loss first; with two objectives the Pareto front."""
    trials = new_trials(study)
    if len(study.directions) > 1:
        front = {trial.number for trial in study.best_trials}
        trials = [trial for trial in trials if trial.number in front]
    return sorted(trials, key=lambda trial: (loss_of(trial), trial.number))


def loss_of(trial: FrozenTrial) -> float:
    """Return the validation loss of a complete trial."""
    return float(values_of(trial)[0])


def values_of(trial: FrozenTrial) -> list[float]:
    """Return a trial's value of each objective; none where it has not finished."""
    return list(trial.values or [])


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


def _differences(found: dict[str, Any], setup: dict[str, Any]) -> str:
    """Return which parts differ, and how."""
    parts = []
    for name in setup:
        old, new = found.get(name), setup[name]
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
            old, new = ({key: side.get(key) for key in keys} for side in (old, new))
        parts.append(f"`{name}`: {old}, not {new}")
    return "; another ".join(parts)

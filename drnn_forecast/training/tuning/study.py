"""One study of Optuna: made, or resumed where everything that decides a value is the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from drnn_forecast.model import Recipe, facts_of
from drnn_forecast.training.tuning.configuration import first_trial
from drnn_forecast.training.tuning.problem import Problem
from drnn_forecast.training.tuning.storage import told

SETUP = "setup"
"""The study's attribute that says what its values depend on."""

DIGEST = "digest"
"""A trial's attribute by which a change of the others, and of its values, is seen."""

DESCRIBED = ("configuration", "num_layers", "dilations")
"""Attributes that every trial has."""

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class SeededSampler(TPESampler):
    """Optuna's TPE sampler with a seed of its own for every trial.

    One worker draws the same again with the same seed, a resumed study goes on where it was, and
    several workers never draw the same, as samplers of one seed would.
    """

    def __init__(self, seed: int, *, multivariate: bool) -> None:
        self._seeds, self._multivariate = seed, multivariate
        self._restart(0)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Seed the draws of this trial."""
        self._restart(trial.number)
        super().before_trial(study, trial)

    def _restart(self, number: int) -> None:
        """Become the sampler of one trial."""
        seed = int(np.random.SeedSequence([self._seeds, number]).generate_state(1)[0])
        super().__init__(seed=seed, multivariate=self._multivariate, constant_liar=True)


def pruner_of(objectives: tuple[str, ...], pruner: BasePruner | None) -> BasePruner:
    """Return the user's pruner or the usual one; none where two objectives forbid it."""
    if len(objectives) == 1:
        return pruner or MedianPruner()
    if pruner is None or isinstance(pruner, NopPruner):
        return NopPruner()
    raise ValueError(
        f"`pruner` must be None with two objectives, which Optuna cannot prune, got {pruner!r}."
    )


def open_study(
    problem: Problem,
    storage: BaseStorage,
    name: str,
    *,
    sampler: BaseSampler | None,
    pruner: BasePruner,
) -> Study:
    """Return the study of a name, new or resumed; the problem's setup is stored with it."""
    directions = [StudyDirection.MINIMIZE] * len(problem.objectives)
    with told():
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=directions,
            sampler=sampler or SeededSampler(problem.seeds[0], multivariate=len(directions) == 1),
            pruner=pruner,
            load_if_exists=True,
        )
        # In this order: another worker, which has just made it, says what it is before a trial.
        has_trials = bool(study.get_trials(deepcopy=False))
        found, setup = study.user_attrs.get(SETUP), problem.setup()
    wrong = None
    if study.directions != directions:
        shown = ", ".join(direction.name.lower() for direction in study.directions)
        wrong = f"with other directions: {shown}, where this one has {len(directions)} to minimize"
    elif found is None and has_trials:
        wrong = "but was not made by `tune`"
    elif found is not None and found != setup:
        wrong = f"with another {_differences(found, setup)}"
    if wrong is not None:
        raise ValueError(
            f"`study_name` {name!r} exists in this storage {wrong}. "
            "Choose another name, or pass what it began with."
        )
    if found is None:
        study.set_user_attr(SETUP, setup)
        if first := first_trial(problem.space, Recipe.of(facts_of(problem.training))):
            study.enqueue_trial(first, skip_if_exists=True)
    return study


def seal(trial: Trial, values: Sequence[float] | None) -> None:
    """Give a trial that is about to end a digest of its values and of what led to them.

    `values` is None for one that is pruned.
    """
    digest = _digest(trial.number, values, trial.params, trial.user_attrs)
    trial.set_user_attr(DIGEST, digest)


def is_sound(trial: FrozenTrial) -> bool:
    """Return whether a finished trial is as it was when it ended."""
    values = trial.values if trial.state == TrialState.COMPLETE else None
    found = trial.user_attrs.get(DIGEST)
    is_known = set(DESCRIBED) <= set(trial.user_attrs)
    return is_known and found == _digest(trial.number, values, trial.params, trial.user_attrs)


def changed_trials(study: Study) -> list[FrozenTrial]:
    """Return the finished trials that were changed since; they count as failed."""
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    return [trial for trial in trials if not is_sound(trial)]


def is_new(study: Study) -> bool:
    """Return whether no trial of a study has begun."""
    return all(trial.state == TrialState.WAITING for trial in study.get_trials(deepcopy=False))


def new_trials(
    study: Study, states: tuple[TrialState, ...] = (TrialState.COMPLETE,)
) -> list[FrozenTrial]:
    """Return the finished trials in some states that are as they were, and no duplicates."""
    trials = study.get_trials(deepcopy=False, states=states)
    return [trial for trial in trials if "duplicate_of" not in trial.user_attrs and is_sound(trial)]


def best_trials(study: Study) -> list[FrozenTrial]:
    """Return the complete trials, the lowest loss first; with two objectives the Pareto front."""
    trials = new_trials(study)
    if len(study.directions) > 1:
        found = [values_of(trial) for trial in trials]
        trials = [
            trial
            for trial, own in zip(trials, found, strict=True)
            if not any(other != own and _are_below(other, own) for other in found)
        ]
    return sorted(trials, key=lambda trial: (loss_of(trial), trial.number))


def kept_trials(study: Study, count: int) -> list[FrozenTrial]:
    """Return the trials whose checkpoints are kept: the best ones, or the whole front."""
    best = best_trials(study)
    return best if len(study.directions) > 1 else best[:count]


def loss_of(trial: FrozenTrial) -> float:
    """Return the validation loss of a complete trial."""
    return float(values_of(trial)[0])


def values_of(trial: FrozenTrial) -> list[float]:
    """Return a trial's value of each objective; none where it has not finished."""
    return list(trial.values or [])


def _are_below(values: list[float], others: list[float]) -> bool:
    """Return whether no value is above the other one of its objective."""
    return all(value <= other for value, other in zip(values, others, strict=True))


def _digest(
    number: int,
    values: Sequence[float] | None,
    parameters: Mapping[str, Any],
    attributes: Mapping[str, Any],
) -> str:
    """Return a digest of what a trial says."""
    others = {name: value for name, value in attributes.items() if name != DIGEST}
    told = [number, None if values is None else [*map(float, values)], dict(parameters), others]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _differences(found: dict[str, Any], setup: dict[str, Any]) -> str:
    """Return which parts differ, and how."""
    parts = []
    for name in setup:
        if name not in found:
            parts.append(f"`{name}`, of which it has no record")
            continue
        old, new = found[name], setup[name]
        if isinstance(old, dict) and isinstance(new, dict):
            keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
            old, new = ({key: side.get(key) for key in keys} for side in (old, new))
        if old != new:
            parts.append(f"`{name}`: {old}, not {new}")
    return "; another ".join(parts)

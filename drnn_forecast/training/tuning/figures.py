"""Optuna's pictures of a study, of what its trials came to in place of what was drawn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import FanovaImportanceEvaluator
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from drnn_forecast.host import quiet_optuna
from drnn_forecast.training.tuning.study import FINISHED, new_trials, values_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARCHITECTURE = ("num_layers", "dilation_base", "start_exponent")
TRIALS_FOR_IMPORTANCES = 5


def study_figures(study: Study, objectives: tuple[str, ...]) -> dict[str, Figure]:
    """Return the figures of a study by name; at least one of its trials is complete."""
    from optuna.visualization import matplotlib as drawings

    with quiet_optuna():
        shown = _resolved_study(study)
        drawn = {name for trial in shown.get_trials(deepcopy=False) for name in trial.params}
        architecture = [name for name in ARCHITECTURE if name in drawn]
        loss: dict[str, Any] = {"target_name": objectives[0]}
        if len(objectives) > 1:
            loss["target"] = lambda trial: values_of(trial)[0]
        fanova = FanovaImportanceEvaluator(seed=0)
        draw: dict[str, Callable[[Study], Any]] = {
            "history": partial(drawings.plot_optimization_history, **loss),
            "parallel": partial(drawings.plot_parallel_coordinate, **loss),
            "slice": partial(drawings.plot_slice, params=architecture, **loss),
        }
        if len(new_trials(study)) >= TRIALS_FOR_IMPORTANCES:
            draw["importances"] = partial(drawings.plot_param_importances, evaluator=fanova, **loss)
        if len(objectives) > 1:
            draw["pareto"] = partial(drawings.plot_pareto_front, target_names=list(objectives))
        else:
            draw["pruning"] = drawings.plot_intermediate_values
        return {name: _figure(each, shown) for name, each in draw.items()}


def _figure(draw: Callable[[Study], Any], study: Study) -> Figure:
    """Return a figure, and leave nothing of it behind: Optuna draws with pyplot, in its style."""
    import numpy as np
    from matplotlib import pyplot, rc_context

    with rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Attempting to set identical low and high")
        figure: Figure = np.ravel(draw(study))[0].figure
    # An axis for each parameter needs room for its numbers.
    figure.set_figwidth(max(figure.get_figwidth(), 1.2 * len(figure.axes)))
    pyplot.close(figure)
    return figure


def _resolved_study(study: Study) -> Study:
    """Return a study of the finished trials, without duplicates, whose parameters are resolved."""
    trials = new_trials(study, FINISHED)
    values: dict[str, list[Any]] = {}
    for trial in trials:
        for name, value in _resolved_parameters(trial).items():
            values.setdefault(name, []).append(value)
    distributions = {name: _distribution(name, each) for name, each in values.items()}
    copy = optuna.create_study(directions=study.directions)
    for trial in trials:
        parameters = _resolved_parameters(trial)
        copy.add_trial(
            optuna.create_trial(
                state=trial.state,
                values=values_of(trial) if trial.state == TrialState.COMPLETE else None,
                params=parameters,
                distributions={name: distributions[name] for name in parameters},
                intermediate_values=trial.intermediate_values,
            )
        )
    return copy


def _resolved_parameters(trial: FrozenTrial) -> dict[str, Any]:
    """Return what a trial drew, with the architecture and context that came of it."""
    configuration = trial.user_attrs["configuration"]
    drawn = {name: value for name, value in trial.params.items() if name != "layers_below_longest"}
    resolved = {name: configuration[name] for name in (*ARCHITECTURE, "context_length")}
    return {name: value for name, value in (drawn | resolved).items() if value is not None}


def _distribution(name: str, values: list[Any]) -> BaseDistribution:
    """Return one that holds some values: numbers in a range, words as choices."""
    if isinstance(values[0], str):
        return CategoricalDistribution(sorted(set(values)))
    if all(isinstance(value, int) for value in values):
        return IntDistribution(min(values), max(values))
    return FloatDistribution(min(values), max(values), log=name == "learning_rate")

"""What a trial trains: the datasets, the space and the budget, checked before any training."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from lightning.pytorch import Callback, LightningModule
from pytorch_forecasting.data import TimeSeriesDataSet
from pytorch_forecasting.models import BaseModel

from drnn_forecast.data import closest
from drnn_forecast.host import isolated_randomness
from drnn_forecast.layers import checked_integer
from drnn_forecast.model import DilatedRNNForecaster
from drnn_forecast.training.tuning.configuration import fit_space, hyperparameters, smallest
from drnn_forecast.training.tuning.space import Range, SearchSpace

OBJECTIVES = ("validation_loss", "training_seconds", "parameters")
SPACE = tuple(field.name for field in fields(SearchSpace))


@dataclass(frozen=True, eq=False)
class Problem:
    """Everything that decides the value of a configuration.

    Attributes:
        training: Windows to learn from.
        validation: Windows that are judged by.
        space: What is drawn, with the contexts of these windows.
        options: Hyperparameters of the forecaster that are not in the space.
        objectives: What is lowered, the validation loss first.
        seeds: Of the training runs of each configuration.
        max_epochs: Of each run.
        steps_per_epoch: Of each run; None: all windows once.
        patience: Validations without a better loss that end a run.
        callbacks: The user's.
        trainer_kwargs: More arguments of the trainer.
        callback_states: What the callbacks keep in checkpoints, as it is before the first run.
    """

    training: TimeSeriesDataSet
    validation: TimeSeriesDataSet
    space: SearchSpace
    options: Mapping[str, Any]
    objectives: tuple[str, ...]
    seeds: tuple[int, ...]
    max_epochs: int
    steps_per_epoch: int | None
    patience: int
    callbacks: tuple[Callback, ...]
    trainer_kwargs: Mapping[str, Any]
    callback_states: tuple[dict[str, Any], ...] = field(init=False)

    def __post_init__(self) -> None:
        checked_integer("max_epochs", self.max_epochs, minimum=1)
        checked_integer("patience", self.patience, minimum=1)
        if self.steps_per_epoch is not None:
            checked_integer("steps_per_epoch", self.steps_per_epoch, minimum=1)
        _check_seeds(self.seeds)
        _check_objectives(self.objectives)
        _check_datasets(self.training, self.validation)
        states = tuple(copy.deepcopy(callback.state_dict()) for callback in self.callbacks)
        object.__setattr__(self, "callback_states", states)
        with isolated_randomness():
            self.build(smallest(self.space))

    def build(self, configuration: Mapping[str, Any]) -> LightningModule:
        """Return the untrained model of a configuration."""
        # A loss carries its running sums, so that every model needs its own.
        options = copy.deepcopy(dict(self.options))
        return DilatedRNNForecaster.from_dataset(
            self.training, **hyperparameters(configuration), **options
        )

    def fresh_callbacks(self) -> list[Callback]:
        """Return the user's callbacks with the state that they had before the first run."""
        for callback, state in zip(self.callbacks, self.callback_states, strict=True):
            callback.load_state_dict(copy.deepcopy(state))
        return list(self.callbacks)

    def setup(self) -> dict[str, Any]:
        """Return, as plain data, what two runs must share to be one study."""
        setup = {
            "search_space": self.space.to_dict(),
            "objectives": self.objectives,
            "fixed": {name: _plain(value) for name, value in sorted(self.options.items())},
            "budget": [self.seeds, self.max_epochs, self.steps_per_epoch, self.patience],
            "datasets": [_variables(self.training), len(self.training), len(self.validation)],
        }
        return json.loads(json.dumps(setup))


def with_fixed(space: SearchSpace, fixed: Mapping[str, Any]) -> tuple[SearchSpace, dict[str, Any]]:
    """Return the space with what is fixed in it, and the forecaster's other hyperparameters.

    Raises:
        ValueError: A name is neither of the space nor of the forecaster, or a value of the space
            is not one value.
    """
    known = sorted({*SPACE, *_hyperparameter_names()})
    for name, value in fixed.items():
        if name not in known:
            raise ValueError(
                f"`fixed` must name hyperparameters of the search space or the forecaster, got "
                f"{name!r}{closest(name, known)}; the search space has {', '.join(SPACE)}."
            )
        if name in SPACE and name != "dilations" and isinstance(value, list | tuple | Range):
            raise ValueError(
                f"`fixed` must give {name!r} one value, got {value!r}. "
                "Pass several values in `search_space`."
            )
    of_space = {name: value for name, value in fixed.items() if name in SPACE}
    if "dilations" in of_space:
        of_space |= {"dilations": (tuple(of_space["dilations"]),), "with_schedules": False}
    options = {name: value for name, value in fixed.items() if name not in SPACE}
    return replace(space, **of_space), options


def make_problem(
    training: TimeSeriesDataSet,
    validation: TimeSeriesDataSet,
    *,
    search_space: SearchSpace | None,
    fixed: Mapping[str, Any] | None,
    callbacks: Sequence[Callback],
    trainer_kwargs: Mapping[str, Any] | None,
    **others: Any,
) -> Problem:
    """Return the checked problem that the arguments of `tune` mean."""
    for name, dataset in {"train": training, "validation": validation}.items():
        if not isinstance(dataset, TimeSeriesDataSet):
            raise TypeError(f"`{name}` must be a TimeSeriesDataSet, got {dataset!r}.")
    space, options = with_fixed(search_space or SearchSpace(), fixed or {})
    arguments = dict(trainer_kwargs or {})
    more = arguments.pop("callbacks", None) or []  # a trainer takes one as well as several
    return Problem(
        training=training,
        validation=validation,
        space=fit_space(space, training.max_encoder_length),
        options=options,
        callbacks=(*callbacks, *([more] if isinstance(more, Callback) else more)),
        trainer_kwargs=arguments,
        **others,
    )


def _hyperparameter_names() -> set[str]:
    """Return what the forecaster can be given, pytorch-forecasting's own included."""
    parameters = [
        name
        for owner in (DilatedRNNForecaster, BaseModel)
        for name in inspect.signature(owner.__init__).parameters
    ]
    return set(parameters) - {"self", "kwargs", "dataset_parameters"}


def _check_seeds(seeds: tuple[int, ...]) -> None:
    """Refuse no seeds, the same seed twice, and what is no seed."""
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"`seeds` must hold at least one seed, each once, got {seeds}.")
    for seed in seeds:
        checked_integer("seeds", seed, minimum=0)


def _check_objectives(objectives: tuple[str, ...]) -> None:
    """Refuse what cannot be lowered."""
    others = objectives[1:]
    if objectives[:1] != ("validation_loss",) or len(others) > 1 or set(others) - {*OBJECTIVES[1:]}:
        raise ValueError(
            "`objectives` must be ('validation_loss',), alone or with one of "
            f"{OBJECTIVES[1:]} behind it, got {objectives}."
        )


def _check_datasets(training: TimeSeriesDataSet, validation: TimeSeriesDataSet) -> None:
    """Refuse datasets that no one model reads."""
    ours, theirs = _variables(training), _variables(validation)
    different = [name for name in ours if ours[name] != theirs[name]]
    if different:
        found = "; ".join(f"{name}: {ours[name]} and {theirs[name]}" for name in different)
        raise ValueError(
            f"`train` and `validation` must have the same variables and lengths, got {found}. "
            "Make one from the other with `TimeSeriesDataSet.from_dataset`."
        )


def _variables(dataset: TimeSeriesDataSet) -> dict[str, Any]:
    """Return what a model sees of a dataset."""
    return {
        "target": dataset.target,
        "reals": list(dataset.reals),
        "categoricals": list(dataset.flat_categoricals),
        "max_encoder_length": dataset.max_encoder_length,
        "max_prediction_length": dataset.max_prediction_length,
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON has it, or the name of its class where JSON has none."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return type(value).__name__

"""What a trial trains: the datasets, the space and the budget, checked before any training."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from lightning.pytorch import Callback, LightningModule
from pytorch_forecasting.data import TimeSeriesDataSet
from pytorch_forecasting.models import BaseModel

from drnn_forecast.data import ForecastData, closest, described, fingerprint
from drnn_forecast.host import isolated_randomness
from drnn_forecast.layers import checked_integer
from drnn_forecast.model import DilatedRNNForecaster, Recipe
from drnn_forecast.training.fitting import check_settings
from drnn_forecast.training.tuning.configuration import fit_space, hyperparameters, smallest
from drnn_forecast.training.tuning.space import Range, SearchSpace

OBJECTIVES = ("validation_loss", "training_seconds", "parameters")
ELSEWHERE = (
    *("accelerator", "devices", "num_nodes", "logger", "default_root_dir"),
    *("enable_progress_bar", "enable_model_summary"),
)
"""Arguments of a trainer that say where it runs and what it shows."""

SPACE = tuple(field.name for field in fields(SearchSpace))


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """Everything that decides the value of a configuration; see `tune`.

    `options` are hyperparameters that are not in the space, `callback_states` what the callbacks
    keep in checkpoints, as it is before the first run.
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
        check_settings(self.max_epochs, None, self.steps_per_epoch, 1, self.patience, None)
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
        """Return, as plain data, what two runs must share to be one study.

        Where a run takes place, `ELSEWHERE`, may differ from worker to worker.
        """
        trainer = {n: described(v) for n, v in self.trainer_kwargs.items() if n not in ELSEWHERE}
        setup = {
            "search_space": asdict(self.space),
            "objectives": self.objectives,
            "fixed": dict(sorted(self.options.items())),
            "budget": [self.seeds, self.max_epochs, self.steps_per_epoch, self.patience],
            "trainer_kwargs": trainer,
            "datasets": [_variables(self.training), len(self.training), len(self.validation)],
            "data": {
                "training": fingerprint(self.training),
                "validation": fingerprint(self.validation),
            },
        }
        plain: dict[str, Any] = json.loads(json.dumps(setup, default=described))
        return plain


def make_problem(
    data: ForecastData | Sequence[TimeSeriesDataSet],
    horizon: int | None,
    windows: Mapping[str, Any],
    *,
    search_space: SearchSpace | None,
    fixed: Mapping[str, Any] | None,
    callbacks: Sequence[Callback],
    trainer_kwargs: Mapping[str, Any] | None,
    **others: Any,
) -> Problem:
    """Return the checked problem that the arguments of `tune` mean."""
    training, validation = _datasets(data, horizon, windows)
    space, options = _with_fixed(search_space or SearchSpace(), fixed or {})
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


def _datasets(
    data: ForecastData | Sequence[TimeSeriesDataSet],
    horizon: int | None,
    windows: Mapping[str, Any],
) -> tuple[TimeSeriesDataSet, TimeSeriesDataSet]:
    """Return the datasets for training and validation, made of a frame or as they are given."""
    if isinstance(data, ForecastData):
        steps = checked_integer("horizon", horizon, minimum=1)
        recipe = Recipe.of(data.facts(steps))
        splits = data.split(**recipe.shared | dict(windows), horizon=steps)
        return splits.training, splits.validation
    given = tuple(data) if isinstance(data, tuple | list) else (data,)
    if len(given) != 2 or not all(isinstance(each, TimeSeriesDataSet) for each in given):
        raise TypeError(
            "`data` must be a ForecastData, or the pair (training, validation) of "
            f"TimeSeriesDataSets, got {', '.join(type(each).__name__ for each in given)}."
        )
    if horizon is not None or windows:
        names = [*(["horizon"] if horizon is not None else []), *windows]
        raise TypeError(
            f"`{names[0]}` is for a ForecastData; a pair of datasets has its windows. Leave it out."
        )
    return given[0], given[1]


def _with_fixed(space: SearchSpace, fixed: Mapping[str, Any]) -> tuple[SearchSpace, dict[str, Any]]:
    """Return the space with what is fixed in it, and the forecaster's other hyperparameters."""
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


def _hyperparameter_names() -> set[str]:
    """Return what the forecaster can be given, pytorch-forecasting's own included."""
    classes = (DilatedRNNForecaster, BaseModel)
    names = {name for owner in classes for name in inspect.signature(owner.__init__).parameters}
    return names - {"self", "kwargs", "dataset_parameters"}


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
            f"The two datasets of `data` must have the same variables and lengths, got {found}. "
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

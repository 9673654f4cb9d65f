"""What is asked of a comparison or a backtest, checked before anything is trained."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from drnn_forecast.data import ForecastData, default_seasons
from drnn_forecast.evaluation.comparison.blocks import Block
from drnn_forecast.evaluation.comparison.cells import failure_text
from drnn_forecast.evaluation.comparison.identity import described
from drnn_forecast.evaluation.comparison.store import Store
from drnn_forecast.evaluation.contenders import (
    MODEL_NAMES,
    ClassicalModel,
    Model,
    NeuralModel,
    SeasonalNaive,
    named_models,
)
from drnn_forecast.layers import checked_integer
from drnn_forecast.model import QUANTILE_LEVELS, DilatedRNNForecaster, misses_needed
from drnn_forecast.training import FitResult, check_settings, fit

LEARNING_RATES = (1e-3, 3e-3, 1e-2)
"""What the search tries by default."""

BUDGET = (
    "max_epochs",
    "max_seconds",
    "steps_per_epoch",
    "batch_size",
    "patience",
    "gradient_clip_val",
    "progress",
    "trainer_kwargs",
)
"""The arguments of `fit` that are the same for every model."""


@dataclass(frozen=True)
class Plan:
    """What is asked for, beside the data and their windows.

    Attributes:
        models: What to compare.
        seeds: Of every model that depends on one.
        season_length: Of the naive error that MASE and RMSSE divide by, time steps.
        learning_rates: Tried for every trained model that names none.
        fit_options: Every argument of `BUDGET`.
        calibrated: Whether intervals are calibrated on the validation windows.
        store: Where finished work is kept.
        announce: Told of every piece of work before it begins.
        on_fit: Given model name, seed and result of every training run.
    """

    models: tuple[Model, ...]
    seeds: tuple[int, ...]
    season_length: int
    learning_rates: tuple[float, ...]
    fit_options: Mapping[str, Any]
    calibrated: bool
    store: Store
    announce: Callable[[str], None]
    on_fit: Callable[[str, int, FitResult], None]

    @property
    def baselines(self) -> list[str]:
        """The names of the models that are no dilated networks."""
        return [model.name for model in self.models if not is_dilated(model)]

    def settings(self) -> dict[str, Any]:
        """Return what to show of the plan, as plain values."""
        return {
            "season_length": self.season_length,
            "seeds": list(self.seeds),
            "quantiles": list(QUANTILE_LEVELS),
            "learning_rates": list(self.learning_rates),
            "calibrated": self.calibrated,
            "budget": {
                name: value if isinstance(value, int | float | None) else described(value)
                for name, value in self.fit_options.items()
                if name != "progress"
            },
            "models": {model.name: model_text(model) for model in self.models},
        }


def make_plan(
    data: ForecastData,
    *,
    models: Sequence[Model | str] | None,
    context_length: int,
    season_length: int | None,
    seeds: Sequence[int],
    learning_rates: Sequence[float],
    calibrated: bool,
    folder: Any,
    announce: Callable[[str], None] | None,
    on_fit: Callable[[str, int, FitResult], None] | None,
    fit_options: Mapping[str, Any],
) -> Plan:
    """Return the plan, with what was left to be derived.

    Raises:
        TypeError: An argument has the wrong type, or `fit` has no such option.
        ValueError: An argument is out of range, or two models have one name.
        ImportError: A model lacks its extra.
    """
    context_length = checked_integer("context_length", context_length, minimum=1)
    if season_length is None:
        season_length = min(default_seasons(data.freq), default=1)
    return Plan(
        models=_checked_models(models, data, context_length),
        seeds=_checked_seeds(seeds),
        season_length=checked_integer("season_length", season_length, minimum=1),
        learning_rates=_checked_rates(learning_rates),
        fit_options=_checked_options(fit_options),
        calibrated=calibrated,
        store=Store(folder),
        announce=announce or (lambda line: None),
        on_fit=on_fit or (lambda name, seed, result: None),
    )


def first_checks(plan: Plan, block: Block) -> None:
    """Refuse what cannot be scored, and say what cannot be scored in part.

    Raises:
        ValueError: The season is too long, or there are too few windows to calibrate on.
    """
    _check_season(plan, block)
    if plan.calibrated:
        _check_calibration(block)
    note = _undefined_note(plan, block)
    if note is not None:
        plan.announce(note)


def refusals(plan: Plan, block: Block) -> dict[str, str]:
    """Return why a model cannot work on such data, by the name of every model that cannot.

    Raises:
        ImportError: A model lacks its extra.
        ValueError: No model can.
    """
    found = {}
    for model in plan.models:
        try:
            _check_model(model, block)
        except ValueError as error:
            found[model.name] = failure_text(error)
    if len(found) == len(plan.models):
        raise ValueError(f"No model can work on such data. {'; '.join(found.values())}")
    return found


def is_dilated(model: Model) -> bool:
    """Return whether a model is a `DilatedRNNForecaster`."""
    maker = getattr(model, "from_dataset", None)
    return getattr(maker, "__self__", None) is DilatedRNNForecaster


def model_text(model: Model) -> str:
    """Return a model's class and options for people to read."""
    if isinstance(model, NeuralModel):
        maker = getattr(model.from_dataset, "__self__", model.from_dataset)
        kind = getattr(maker, "__name__", type(maker).__name__)
        shown = {name: value for name, value in model.options.items() if name != "roles"}
        return f"{kind}({', '.join(f'{name}={_short(value)}' for name, value in shown.items())})"
    if isinstance(model, ClassicalModel):
        return f"seasons of {list(model.seasons)}, reads at most {model.history_length} time steps"
    return repr(model)


def _short(value: Any) -> str:
    """Return a value for people to read: a loss by its name and quantiles."""
    if isinstance(value, torch.nn.Module):
        quantiles = getattr(value, "quantiles", None)
        return f"{type(value).__name__}({quantiles if quantiles else ''})"
    return repr(value)


def _check_season(plan: Plan, block: Block) -> None:
    """Raise where a series is not longer than the season before its held-out windows."""
    sizes = block.history.groupby("series", observed=True).size()
    short = sizes[sizes <= plan.season_length]
    if len(short):
        raise ValueError(
            f"`season_length` must be shorter than what was observed before the held-out windows, "
            f"got {plan.season_length} with {short.iloc[0]} time steps of series "
            f"{short.index[0]!r}. Give a shorter season, or fewer windows."
        )


def _check_calibration(block: Block) -> None:
    """Raise where there are too few validation windows over all series."""
    needed = misses_needed(QUANTILE_LEVELS)
    found = block.windows.validation * len(block.data.series_names)
    if found < needed:
        raise ValueError(
            f"`calibrated` needs at least {needed} validation windows over all series, got "
            f"{found}. Raise `validation_windows`."
        )


def _undefined_note(plan: Plan, block: Block) -> str | None:
    """Return which series have no scaled errors, in words; None where all have them."""
    steps = block.history.groupby("series", observed=True)["actual"].diff(plan.season_length)
    errors = steps.abs().groupby(block.history["series"], observed=True).sum()
    flat = errors.index[errors == 0].tolist()
    if not flat:
        return None
    more = f" and {len(flat) - 3} more" if len(flat) > 3 else ""
    return (
        f"Note: {len(flat)} of {len(errors)} series repeat themselves exactly after "
        f"{plan.season_length} time steps, so MASE and RMSSE are undefined there and left out of "
        f"the means: {', '.join(map(repr, flat[:3]))}{more}."
    )


def _check_model(model: Model, block: Block) -> None:
    """Raise where a model cannot work on the windows of a block."""
    if isinstance(model, NeuralModel):
        model.check(block.splits.training)
    elif isinstance(model, ClassicalModel):
        model.check(block.data, block.splits.validation)
    elif model.season_length > block.windows.context_length:
        raise ValueError(
            f"The season of {model.name} must fit into the context, got `context_length` "
            f"{block.windows.context_length}. Lengthen the context, or choose a shorter season."
        )


def _checked_models(
    models: Sequence[Model | str] | None, data: ForecastData, context_length: int
) -> tuple[Model, ...]:
    """Return the models, those given by name made."""
    if isinstance(models, str):
        raise TypeError(f"`models` must be a list of names or models, got {models!r}.")
    given = list(MODEL_NAMES if models is None else models)
    for model in given:
        if not isinstance(model, str | NeuralModel | ClassicalModel | SeasonalNaive):
            raise TypeError(
                f"`models` must be names or models such as `dilated_rnn()`, got {model!r}."
            )
    named = [model for model in given if isinstance(model, str)]
    made = iter(named_models(named, data, context_length=context_length) if named else [])
    chosen = tuple(next(made) if isinstance(model, str) else model for model in given)
    names = [model.name for model in chosen]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"`models` must be models of different names, got {names}.")
    return chosen


def _checked_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """Return the seeds, each once."""
    if isinstance(seeds, int | str):
        raise TypeError(f"`seeds` must be a list of whole numbers, got {seeds!r}.")
    checked = tuple(checked_integer("seeds", seed, minimum=0) for seed in seeds)
    if not checked or len(set(checked)) < len(checked):
        raise ValueError(f"`seeds` must be different whole numbers, got {list(seeds)}.")
    return checked


def _checked_rates(rates: Sequence[float]) -> tuple[float, ...]:
    """Return the learning rates, each once."""
    checked = tuple(float(rate) for rate in rates)
    is_good = all(math.isfinite(rate) and rate > 0 for rate in checked)
    if not checked or not is_good or len(set(checked)) < len(checked):
        raise ValueError(f"`learning_rates` must be different numbers above 0, got {list(rates)}.")
    return checked


def _checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return every option of `BUDGET`, with the defaults of `fit`."""
    unknown = sorted(set(options) - set(BUDGET))
    if unknown:
        raise TypeError(f"There is no option {unknown}; those of training are {list(BUDGET)}.")
    defaults = inspect.signature(fit).parameters
    complete = {name: options.get(name, defaults[name].default) for name in BUDGET}
    checked = ("max_epochs", "max_seconds", "steps_per_epoch", "batch_size", "patience")
    check_settings(**{name: complete[name] for name in checked}, checkpoint=None)
    return complete

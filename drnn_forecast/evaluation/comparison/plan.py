"""What is asked of a comparison or a backtest, checked before anything is trained."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule

from drnn_forecast.data import ForecastData, default_seasons, described, mention_no_season
from drnn_forecast.evaluation.comparison.blocks import Block, observed
from drnn_forecast.evaluation.comparison.cells import failure_text
from drnn_forecast.evaluation.comparison.store import Store
from drnn_forecast.evaluation.contenders.classical import ClassicalModel
from drnn_forecast.evaluation.contenders.naive import SeasonalNaive
from drnn_forecast.evaluation.contenders.neural import NeuralModel
from drnn_forecast.evaluation.contenders.registry import Model, default_names, named_models
from drnn_forecast.layers import checked_integer
from drnn_forecast.model import QUANTILE_LEVELS, DilatedRNNForecaster, misses_needed
from drnn_forecast.training import FitResult, check_settings, checked_seeds, fit

LEARNING_RATES = (1e-3, 3e-3, 1e-2)
"""What the search tries first by default."""

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
    """What is asked for, beside the data and their windows: checked arguments of `compare`.

    `fit_options` has every argument of `BUDGET`; `store` is where finished work is kept.
    """

    models: tuple[Model, ...]
    scale_season: int
    seeds: tuple[int, ...]
    learning_rates: tuple[float, ...]
    fit_options: Mapping[str, Any]
    calibrated: bool
    store: Store
    announce: Callable[[str], None]
    on_fit: Callable[[str, int, FitResult[LightningModule]], None]

    @property
    def baselines(self) -> list[str]:
        """The names of the models that are no dilated networks."""
        makers = {
            model.name: getattr(getattr(model, "from_dataset", None), "__self__", None)
            for model in self.models
        }
        return [name for name, maker in makers.items() if maker is not DilatedRNNForecaster]

    @property
    def searched(self) -> list[str]:
        """The names of the models that `learning_rates` are for: those without a rate of their own.

        The dilated networks have that of the recipe.
        """
        return [
            model.name
            for model in self.models
            if isinstance(model, NeuralModel) and not model.has_rate
        ]

    def settings(self) -> dict[str, Any]:
        """Return what to show of the plan, as plain values."""
        return {
            "scale_season": self.scale_season,
            "seeds": list(self.seeds),
            "quantiles": list(QUANTILE_LEVELS),
            "learning_rates": list(self.learning_rates),
            "learning_rates_of": self.searched,
            "calibrated": self.calibrated,
            "budget": {
                name: value if isinstance(value, int | float | None) else described(value)
                for name, value in self.fit_options.items()
                if name != "progress"
            },
            "models": {model.name: _model_text(model) for model in self.models},
        }

    def notes(self, data: ForecastData) -> dict[str, str]:
        """Return what a classical model does not read of the data, by its name, where it is so."""
        longest = int(data.panel.sizes.max())
        found = {}
        for model in self.models:
            if isinstance(model, ClassicalModel):
                most = model.history_length
                cut = f"reads the last {most:,} time steps of longer series"
                found[model.name] = [cut if longest > most else "", model.note]
        return {name: "; ".join(filter(None, said)) for name, said in found.items() if any(said)}


def make_plan(
    data: ForecastData,
    context_length: int,
    *,
    models: Sequence[Model | str] | None,
    scale_season: int | None,
    seeds: Sequence[int],
    learning_rates: Sequence[float],
    calibrated: bool,
    folder: Path | str | None,
    announce: Callable[[str], None] | None,
    on_fit: Callable[[str, int, FitResult[LightningModule]], None] | None,
    fit_options: Mapping[str, Any],
) -> Plan:
    """Return the plan, with what was left to be derived."""
    if scale_season is None:
        scale_season = min(default_seasons(data.freq), default=1)
        mention_no_season(data.freq, "MASE and RMSSE are scaled by changes from step to step")
    return Plan(
        models=_checked_models(models, data, context_length),
        scale_season=checked_integer("scale_season", scale_season, minimum=1),
        seeds=checked_seeds(seeds),
        learning_rates=_checked_rates(learning_rates),
        fit_options=_checked_options(fit_options),
        calibrated=calibrated,
        store=Store(folder),
        announce=announce or (lambda line: None),
        on_fit=on_fit or (lambda name, seed, result: None),
    )


def calibrating_windows(plan: Plan, validation_windows: int, series: int) -> int:
    """Return how many of the validation windows calibrate; 0 where nothing is to be calibrated.

    They are the later half, or as many more as the widest interval needs: the others stop the
    training, and what has chosen a model no longer says how far it is off.

    Raises:
        ValueError: There are too few.
    """
    if not plan.calibrated:
        return 0
    needed = misses_needed(QUANTILE_LEVELS)
    if any(_gives_points(model) for model in plan.models):
        # The outermost quantile of residuals has to be one of them on either side.
        needed = 2 * needed + 1
    least = -(-needed // series)
    if least >= validation_windows:
        raise ValueError(
            f"`calibrated` needs at least {needed} validation windows over all series beside one "
            f"of each that stops the training, got {validation_windows} of each of {series} "
            f"series. Raise `validation_windows` to {least + 1} or more."
        )
    return max(least, -(-validation_windows // 2))


def check_block(plan: Plan, block: Block) -> None:
    """Refuse what cannot be scored, and announce what cannot be scored in part."""
    if block.targets["test"]["actual"].isna().all():
        raise ValueError(
            f"The held-out windows must have a target that is not missing to be scored, but have "
            f"none in the last {block.steps_tested} time steps of every series. Hold out more "
            "windows, or give data that end with known targets."
        )
    past = observed((block.whole or block.data).before(block.steps_tested))
    season, names = plan.scale_season, past.groupby("series", observed=True)
    sizes = names.size()
    short = sizes[sizes <= season]
    if len(short) == len(sizes):
        raise ValueError(
            f"`scale_season` must be shorter than what was observed before the held-out windows, "
            f"got {season} with {short.iloc[0]} time steps of series "
            f"{short.index[0]!r}. Give a shorter season, or fewer windows."
        )
    errors = names["actual"].diff(season).abs().groupby(past["series"], observed=True).sum()
    flat = errors.index[(errors == 0) & (sizes > season)]
    for found, what in (
        (flat, f"repeat themselves exactly after {season} time steps"),
        (short.index, f"have no more than {season} time steps before the first test window"),
    ):
        if len(found):
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            plan.announce(
                f"Note: {len(found)} of {len(sizes)} series {what}, so MASE and RMSSE are "
                f"undefined there and left out of the means: "
                f"{', '.join(map(repr, found[:3].tolist()))}{more}."
            )


def refusals(plan: Plan, block: Block) -> dict[str, str]:
    """Return why a model cannot work on such data, by the name of every model that cannot."""
    found = {}
    for model in plan.models:
        try:
            _check_model(model, block)
        except ValueError as error:
            found[model.name] = failure_text(error)
    if len(found) == len(plan.models):
        raise ValueError(f"No model can work on such data. {'; '.join(found.values())}")
    return found


def _check_model(model: Model, block: Block) -> None:
    """Raise where a model cannot work on the windows of a block."""
    if isinstance(model, NeuralModel):
        model.check(block.splits.training)
    elif isinstance(model, ClassicalModel):
        first = block.splits.validation if block.calibrating else block.splits.test
        model.check(block.data, first)
    elif model.season_length > block.windows.min_context_length:
        raise ValueError(
            f"The season of {model.name} must fit into the context, got "
            f"{block.windows.min_context_length} time steps for the shortest "
            "(`min_context_length`, by default `context_length`). Lengthen the context, or choose "
            "a shorter season."
        )


def _gives_points(model: Model) -> bool:
    """Return whether quantiles have to be added to a model's forecasts."""
    return isinstance(model, SeasonalNaive) or getattr(model, "is_point", False)


def _model_text(model: Model) -> str:
    """Return a model's class and options for people to read."""
    if isinstance(model, NeuralModel):
        maker = getattr(model.from_dataset, "__self__", model.from_dataset)
        kind = getattr(maker, "__name__", type(maker).__name__)
        shown = {name: value for name, value in model.options.items() if name != "roles"}
        return f"{kind}({', '.join(f'{name}={_short(value)}' for name, value in shown.items())})"
    if isinstance(model, ClassicalModel):
        return (
            f"seasons of {list(model.seasons)}, reads at most {model.history_length:,} time steps"
        )
    return repr(model)


def _short(value: Any) -> str:
    """Return a value for people to read: a loss by its name and quantiles."""
    if isinstance(value, torch.nn.Module):
        return f"{type(value).__name__}({getattr(value, 'quantiles', None) or ''})"
    return repr(value)


def _checked_models(
    models: Sequence[Model | str] | None, data: ForecastData, context_length: int
) -> tuple[Model, ...]:
    """Return the models, those given by name made."""
    if isinstance(models, str):
        raise TypeError(f"`models` must be a list of names or models, got {models!r}.")
    given = list(default_names(data, context_length) if models is None else models)
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

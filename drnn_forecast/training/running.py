"""The whole job: from data to a trained model."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from inspect import Parameter, signature
from itertools import chain, count
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch import Callback
from pytorch_forecasting.data import TimeSeriesDataSet
from pytorch_forecasting.models.base import BaseModel

from drnn_forecast.data import (
    Facts,
    ForecastData,
    PartedData,
    Roles,
    closest,
    described,
    fingerprint,
)
from drnn_forecast.host import is_first_process, launched_processes
from drnn_forecast.layers import checked_integer, checked_seasons
from drnn_forecast.model import PRESETS, DilatedRNNForecaster, Ensemble, Recipe
from drnn_forecast.training.course import Course, Trained
from drnn_forecast.training.race import race
from drnn_forecast.training.restoring import Unfinished
from drnn_forecast.training.seeds import checked_seed

logger = logging.getLogger("drnn_forecast.training")


def _arguments(*functions: Callable[..., Any]) -> set[str]:
    """Return the arguments that functions take by name."""
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    found = (signature(function).parameters.values() for function in functions)
    return {each.name for each in chain(*found) if each.kind in kinds} - {"self"}


_FRAME = _arguments(ForecastData.from_frame) - {"frame"}
_PARTS = _arguments(PartedData.from_parts) - {"place", "roles", "weight"}
_SPLIT = _arguments(ForecastData.split, TimeSeriesDataSet.__init__) - {"horizon", "like"}
_MODEL = _arguments(DilatedRNNForecaster.from_dataset, BaseModel.__init__) - {"dataset", "recipe"}


NONE_IS_A_VALUE = ("read_length", "linear_length", "segment_length")
"""Settings whose None is a choice; that of others leaves them to the recipe."""


def train(
    data: ForecastData | PartedData | str | PathLike[str] | Any,
    horizon: int,
    *,
    preset: str = "medium",
    max_seconds: float | None = None,
    max_steps: int | None = None,
    seed: int = 0,
    folder: Path | str | None = None,
    overwrite: bool = False,
    accelerator: str = "auto",
    callbacks: Sequence[Callback] = (),
    weight: str | None = None,
    progress: bool = True,
    **overrides: Any,
) -> DilatedRNNForecaster | Ensemble:
    """Return a model of the data, trained with the settings of its recipe.

    Args:
        data: A `ForecastData`, or a tidy frame, whose roles are then given by the arguments of
            `ForecastData.from_frame`: `series`, `time`, `target`, `known`, ... Or a folder of
            Parquet files, a path or a URL, beside the same arguments and, as it may be,
            `max_rows_in_memory` and `partitioning` (`PartedData.from_parts`): recipe and
            validation then rest on a sample, and training reads the files in parts.
        horizon: Time steps to forecast.
        preset: `"fast"`, `"medium"` or `"best"`: a budget of 15, 60 or 600 seconds. The last is
            spent on a race of several recipes, whose best networks are an `Ensemble`.
        max_seconds: The budget from the call to the model, the pass over files that are read in
            parts aside; None: the preset's.
        max_steps: Optimiser steps in place of the budget, as `model.card()` tells them; None: as
            many as there is time for.
        seed: Of initial weights, order of windows and dropout; an ensemble counts on from it.
        folder: Where the model is saved; None: nowhere. Until then `<folder>.unfinished` beside it
            keeps restore points: after a kill the same call goes on there, and gives the model that
            it would have given (`fit`).
        overwrite: Whether a model in the folder may be replaced.
        accelerator: Of Lightning's trainer.
        callbacks: Of Lightning's trainer, in the run that is validated.
        weight: A column with the weight of every row in the loss.
        progress: Whether to show Lightning's progress bar.
        **overrides: Settings of the recipe (`Recipe`), arguments of `ForecastData.split` and of
            `DilatedRNNForecaster.from_dataset`, those of `TimeSeriesDataSet` and `BaseModel`
            included, by name.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of range or unknown, or the data are refused.
        FileExistsError: There is something at `folder`.
        RuntimeError: The validation loss was never finite.
    """
    called = time.monotonic()
    steps = checked_integer("horizon", horizon, minimum=1)
    checked_seed("seed", seed)
    if max_steps is not None:
        checked_integer("max_steps", max_steps, minimum=1)
    budget = _budget(preset, max_seconds)
    _check_folder(folder, overwrite)
    data, overrides = _with_roles(data, overrides, weight)
    launch = launched_processes()
    _check_alone(launch, preset)
    recipe, of_split, of_model = _sorted_out(data.facts(steps), overrides)
    splits = data.split(horizon=steps, weight=weight, **of_split)
    if isinstance(data, PartedData):
        called = time.monotonic()
    if not recipe.season_length:
        logger.warning(
            "No season shows in the values: forecasts are anchored on none; `season_length` gives "
            "one."
        )

    versions = [version(name) for name in ("drnn-forecast", "torch")]
    given = (steps, preset, budget, max_steps, seed, weight, overrides, versions)
    with nullcontext() if folder is None else _begun(folder, data, *given) as kept:
        _check_folder(folder, overwrite)  # another call may just have filled it
        called -= kept.before if kept else 0.0

        def left() -> float:
            return max(budget - (time.monotonic() - called), 1e-3)

        points = kept.folder if kept else None
        trainer = {"accelerator": accelerator, **launch}
        course = Course(splits, max_steps, tuple(callbacks), trainer, progress, points)
        numbers = count()

        def run(recipe: Recipe, seed: int, seconds: float) -> Trained:
            build = partial(
                DilatedRNNForecaster.from_dataset, splits.training, recipe=recipe, **of_model
            )
            with kept.kept(budget - left()) if kept else nullcontext():
                name = f"{next(numbers)}-"
                found = course.run(build, recipe, seed=seed, max_seconds=seconds, name=name)
            found.tell()
            record = {"recipe": recipe.explain().splitlines(), "seed": seed, **found.record()}
            found.model.hparams["record"] = {**found.model.hparams["record"], **record}
            return found

        if preset == "best":
            trained = race(run, recipe, fixed=list(overrides), seed=seed, left=left)
        else:
            trained = [run(recipe, seed, left())]
        models = [each.model for each in trained]
        model = models[0] if len(models) == 1 else Ensemble(models)
        if folder is not None and kept is not None and is_first_process():
            model.save(folder)
            kept.remove()
    return model


def _begun(
    folder: Path | str, data: ForecastData | PartedData, *given: Any
) -> AbstractContextManager[Unfinished]:
    """Return what there is of a call with these data and settings, to be held while it works."""
    return Unfinished.beside(folder, described((fingerprint(data), *given)))


def _budget(preset: str, max_seconds: float | None) -> float:
    """Return the seconds of a preset, or those that are given."""
    if preset not in PRESETS:
        raise ValueError(f"`preset` must be one of {', '.join(PRESETS)}, got {preset!r}.")
    if max_seconds is None:
        return PRESETS[preset]
    if not max_seconds >= 1:
        raise ValueError(f"`max_seconds` must be at least 1, got {max_seconds}; raise it.")
    return max_seconds


def _check_folder(folder: str | PathLike[str] | None, overwrite: bool) -> None:
    """Refuse a folder that is there, or whose parent is not."""
    if folder is None:
        return
    if Path(folder).exists() and not overwrite:
        raise FileExistsError(
            f"`folder` {str(folder)!r} exists; choose another name, or pass `overwrite=True`."
        )
    if not Path(folder).parent.is_dir():
        raise FileNotFoundError(
            f"The parent of `folder`, {str(Path(folder).parent)!r}, does not exist; make it first."
        )


def _check_alone(launch: Mapping[str, Any], preset: str) -> None:
    """Refuse a race of recipes among several processes, whose clocks would part their ways."""
    if launch and preset == "best":
        raise ValueError(
            "`preset` must be 'fast' or 'medium' where several processes train one model, got "
            "'best'; give `max_seconds` for more."
        )


def _with_roles(
    data: ForecastData | PartedData | pd.DataFrame | str | PathLike[str],
    overrides: dict[str, Any],
    weight: str | None,
) -> tuple[ForecastData | PartedData, dict[str, Any]]:
    """Return the data with roles, and the overrides that are no roles."""
    is_place = isinstance(data, str | PathLike)
    of_data = _FRAME | _PARTS if is_place else _FRAME
    roles = {name: value for name, value in overrides.items() if name in of_data}
    if isinstance(data, ForecastData | PartedData):
        if roles:
            raise ValueError(
                f"`{next(iter(roles))}` is for frames, but `data` is a {type(data).__name__}, "
                "which has its roles; leave it out."
            )
        return data, overrides
    others = {name: value for name, value in overrides.items() if name not in roles}
    if "target" not in roles:
        raise ValueError(
            f"`target` must name a column of the {'files' if is_place else 'frame'} `data`; pass "
            "it, or a ForecastData."
        )
    if isinstance(data, str | PathLike):
        if "time" not in roles:
            raise ValueError("`time` must name a column of the files `data`; pass it.")
        options = {name: roles.pop(name) for name in _PARTS & set(roles)}
        return PartedData.from_parts(data, Roles(**roles), weight=weight, **options), others
    return ForecastData.from_frame(data, **roles), others


def _sorted_out(
    facts: Facts, overrides: dict[str, Any]
) -> tuple[Recipe, dict[str, Any], dict[str, Any]]:
    """Return the recipe with overrides, the arguments of `split`, and the user's for the model."""
    overrides = {k: v for k, v in overrides.items() if v is not None or k in NONE_IS_A_VALUE}
    if overrides.get("season_length") is not None:
        seasons = overrides["season_length"]
        is_none = isinstance(seasons, Sequence) and not seasons
        facts = replace(facts, seasons=() if is_none else checked_seasons(seasons))
    recipe = Recipe.of(facts)
    own = set(recipe.names)
    names = [*_SPLIT, *_MODEL, *own]
    for name in overrides:
        if name not in names:
            remedy = closest(name, names)
            if name in ("max_epochs", "steps_per_epoch", "patience"):
                remedy = "; the length of the training is given by `max_seconds` or `max_steps`"
            raise ValueError(f"There is no setting `{name}`{remedy}.")
    recipe = recipe | {name: value for name, value in overrides.items() if name in own}
    of_split = {"keep_short": not overrides.get("drop_short"), **recipe.dataset}
    of_split |= {name: value for name, value in overrides.items() if name in _SPLIT}
    of_model = {name: value for name, value in overrides.items() if name in _MODEL - _SPLIT}
    return recipe, of_split, of_model

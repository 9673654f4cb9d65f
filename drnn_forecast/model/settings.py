"""From a dataset to the hyperparameters of the model that follow from it."""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from pytorch_forecasting.data import TimeSeriesDataSet
from pytorch_forecasting.metrics import MAE, MultiLoss, QuantileLoss
from pytorch_forecasting.utils import get_embedding_size
from torchmetrics import Metric

from drnn_forecast.data import Facts
from drnn_forecast.layers import (
    Cell,
    checked_integer,
    checked_seasons,
    recommend_dilations,
    resolve_dilations,
)
from drnn_forecast.model.card import first_record
from drnn_forecast.model.gaps import known_targets
from drnn_forecast.model.losses import complete_loss, has_location, losses_of_targets, output_size
from drnn_forecast.model.magnitudes import count_series, series_starts
from drnn_forecast.model.recipe import Recipe

SCHEDULE: Final = ("num_layers", "dilation_base", "start_exponent")

OF_FACTS: Final = ("cell_type", "hidden_size", "head_size", "dropout", "learning_rate", "lower")
"""Settings that follow from what the targets show, where they are None."""

ANCHORED: Final = ("season_length", "smoothed_anchors", "linear_length", "relative_loss")
"""The same, where the loss has a location."""

LOGARITHMS: Final = {"log": 0, "log1p": -1}
"""Transformations of a normaliser, and what every target must lie above for them."""


def fitted_hyperparameters(
    options: Mapping[str, Any], dataset: TimeSeriesDataSet
) -> dict[str, Any]:
    """Return the hyperparameters with everything that was left to follow from the dataset."""
    options = dict(options)
    if options.get("roles") is None:
        options["roles"] = getattr(dataset, "roles", None)
    if options.get("record") is None:
        options["record"] = first_record(dataset)
    check_transformations(dataset)
    check_learning_rate(options.get("learning_rate"))
    options["loss"] = loss = complete_loss(options["loss"], dataset)
    options |= left_to_recipe(options, dataset, is_anchored=has_anchors(loss, dataset))
    check_anchors(options, dataset)
    options["dilations"] = pop_dilations(options, dataset)
    options["embedding_sizes"] = embedding_sizes(dataset, options.get("embedding_sizes"))
    if options.get("relative_loss"):
        check_relative_loss(loss, dataset)
    options["num_series"] = count_series(dataset)
    sizes = list(map(output_size, losses_of_targets(loss), dataset.target_normalizers))
    if options.get("upper") is None:
        options["upper"] = math.inf
    options.setdefault("output_size", sizes if isinstance(loss, MultiLoss) else sizes[0])
    return options


def check_learning_rate(rate: float | None) -> None:
    """Refuse a learning rate under which nothing, or nothing finite, is learned."""
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"`learning_rate` must be a number above 0, got {rate}.")


def left_to_recipe(
    options: dict[str, Any], dataset: TimeSeriesDataSet, *, is_anchored: bool
) -> dict[str, Any]:
    """Return what was None, as the recipe has it, which is taken out of the options.

    Without a recipe it is that of the facts of the dataset.
    """
    given: Recipe | None = options.pop("recipe", None)
    open_ones = [name for name in (*OF_FACTS, *ANCHORED) if options.get(name) is None]
    recipe = given or (Recipe.of(facts_of(dataset)) if open_ones else Recipe())
    found: dict[str, Any] = {name: getattr(recipe, name) for name in open_ones if name in OF_FACTS}
    if given is not None and options.get("context_length") is None:
        found["context_length"] = given.read_length
    if given is not None and options.get("dilations") is None:
        found |= _segments(options | found, given, dataset)
    anchored: dict[str, Any] = {name: getattr(recipe, name) for name in ANCHORED}
    anchored["relative_loss"] &= is_relative(options["loss"], dataset)
    if "season_length" in open_ones:
        longest = dataset.max_encoder_length
        fits = [each for each in recipe.season_length if each <= longest]
        anchored["season_length"] = tuple(fits)
    if not is_anchored:
        anchored |= {"season_length": (), "smoothed_anchors": False, "linear_length": 0}
    found |= {name: value for name, value in anchored.items() if name in open_ones}
    if found.get("linear_length", 0) is None:
        found["linear_length"] = read_length(options | found, dataset)
    if is_none(found.get("season_length", options.get("season_length"))):
        found["season_length"] = None
    return found


def _segments(
    options: Mapping[str, Any], recipe: Recipe, dataset: TimeSeriesDataSet
) -> dict[str, Any]:
    """Return the recipe's segments, where they fit what is read, and the base of the dilations."""
    read, segment = read_length(options, dataset), recipe.segment_length
    found: dict[str, Any] = {}
    base = recipe.dilation_base
    if segment is not None and options.get("segment_length") is None and read >= 2 * segment:
        found = {"segment_length": segment, "context_length": read - read % segment}
    elif segment is not None:
        base = Recipe.dilation_base
    return found if options.get("dilation_base") is not None else {**found, "dilation_base": base}


def is_none(season_length: Any) -> bool:
    """Return whether a season length means that the forecast is not anchored on any season."""
    return season_length is None or (isinstance(season_length, Sequence) and not season_length)


def has_anchors(loss: Metric, dataset: TimeSeriesDataSet) -> bool:
    """Return whether there is something to shift and to read.

    Each loss has a location, and each target is among the encoder's reals.
    """
    return all(map(has_location, losses_of_targets(loss))) and set(dataset.target_names) <= set(
        dataset.reals
    )


def facts_of(dataset: TimeSeriesDataSet) -> Facts:
    """Return what the targets of a dataset show; of several the first one, and all its signs."""
    first, *others = (values.double().numpy() for values in known_targets(dataset))
    starts = series_starts(dataset.data["groups"])
    sizes = np.diff(np.append(starts, len(first)))
    facts = Facts.of(first, sizes, dataset.max_prediction_length)
    return replace(facts, is_signed=facts.is_signed or any((each < 0).any() for each in others))


def pop_dilations(options: dict[str, Any], dataset: TimeSeriesDataSet) -> tuple[int, ...]:
    """Return the dilations that the options mean for `dataset`, and take them out of these.

    Without a list and without `num_layers`, the depth is that of the best schedule of its base
    and start by `recommend_dilations`.
    """
    length = read_length(options, dataset)
    segment = options.get("segment_length")
    if segment is not None:
        checked_integer("segment_length", segment, minimum=1)
        if length % segment:
            raise ValueError(
                f"`segment_length` must divide the {length} time steps that the encoder reads, "
                f"got {segment}. Change it, `context_length` or `max_encoder_length`."
            )
        length //= segment
    chosen = options.pop("dilations", None)
    depth, base, start = (options.pop(name, None) for name in SCHEDULE)
    if chosen is None and base is None:
        base = Recipe.dilation_base
    if chosen is None and depth is None:
        best = recommend_dilations(
            max(length, 1), dilation_base=base, start_exponent=0 if start is None else start
        )[0]
        depth = len(best.dilations)
    dilations = resolve_dilations(
        chosen, num_layers=depth, dilation_base=base, start_exponent=start
    )
    unused = [dilation for dilation in dilations if dilation >= length]
    if unused:
        warnings.warn(
            f"`dilations` {unused} reach past the {length} time steps that the encoder reads, "
            "so those layers have no recurrence to use. "
            "Lower `num_layers`, or lengthen `max_encoder_length` or `context_length`.",
            UserWarning,
            stacklevel=4,
        )
    return dilations


def read_length(options: Mapping[str, Any], dataset: TimeSeriesDataSet) -> int:
    """Return how many time steps the encoder reads at most."""
    longest: int = dataset.max_encoder_length
    context = options.get("context_length")
    if context is None:
        return longest
    return min(longest, checked_integer("context_length", context, minimum=1))


def importable_cell(cell_type: Cell) -> Cell:
    """Return `cell_type` if a checkpoint can name it."""
    try:
        pickle.dumps(cell_type)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            "`cell_type` must be importable, since checkpoints keep its name, "
            f"got {cell_type!r}. Define it at the top level of a module."
        ) from error
    return cell_type


def check_anchors(options: Mapping[str, Any], dataset: TimeSeriesDataSet) -> None:
    """Refuse to start a forecast from values that the windows of `dataset` do not hold."""
    seasons, linear = options.get("season_length"), options.get("linear_length") or 0
    checked_integer("linear_length", linear, minimum=0)
    others = options.get("level_anchor") or options.get("smoothed_anchors")
    if seasons is None and not others and not linear:
        return
    longest = 0 if seasons is None else max(checked_seasons(seasons))
    for name, length in (("season_length", longest), ("linear_length", linear)):
        if length > dataset.max_encoder_length:
            raise ValueError(
                f"`{name}` must be at most the {dataset.max_encoder_length} time steps of the "
                f"longest window, got {length}. Leave it out, or raise `max_encoder_length`."
            )
    for name in dataset.target_names:
        if name not in dataset.reals:
            raise ValueError(
                "`season_length`, `level_anchor`, `smoothed_anchors` and `linear_length` need the "
                f"real target {name!r} among the encoder's variables, got {list(dataset.reals)}. "
                "Add it to the dataset's `time_varying_unknown_reals`, or leave them out."
            )


def check_transformations(dataset: TimeSeriesDataSet) -> None:
    """Refuse a target that its normaliser takes the logarithm of where there is none."""
    for name, normalizer, values in zip(
        dataset.target_names, dataset.target_normalizers, dataset.data["target"], strict=True
    ):
        transformation = getattr(normalizer, "transformation", None)
        bound = LOGARITHMS.get(transformation) if isinstance(transformation, str) else None
        if bound is not None and float(values.min()) <= bound:
            raise ValueError(
                f"The normaliser of {name!r} has `transformation={transformation!r}`, which needs "
                f"targets above {bound}, got {float(values.min()):g}. Change the target, or use "
                "another transformation, such as 'softplus'."
            )


def is_relative(loss: Metric, dataset: TimeSeriesDataSet) -> bool:
    """Return whether the loss of a window can be divided by how far its target moves."""
    transformation = getattr(dataset.target_normalizer, "transformation", None)
    return type(loss) in (MAE, QuantileLoss) and transformation is None


def check_relative_loss(loss: Metric, dataset: TimeSeriesDataSet) -> None:
    """Refuse what a loss relative to how far each window moves has no meaning for."""
    normalizer = dataset.target_normalizer
    if type(loss) not in (MAE, QuantileLoss):
        raise ValueError(
            "`relative_loss` needs one target with MAE or QuantileLoss, which grow with the "
            f"target's units, got {type(loss).__name__}. Pass `relative_loss=False`."
        )
    if getattr(normalizer, "transformation", None) is not None:
        raise ValueError(
            "`relative_loss` needs a normaliser whose scale is in the target's units, got "
            f"`transformation={normalizer.transformation!r}`. Pass `relative_loss=False`."
        )


def embedding_sizes(
    dataset: TimeSeriesDataSet, chosen: Mapping[str, tuple[int, int]] | None
) -> dict[str, tuple[int, int]]:
    """Return (classes, width) for every categorical; the user's choice over the rule of thumb."""
    encoders = dataset.get_parameters()["categorical_encoders"]
    own = {name: dataset.lagged_variables.get(name, name) for name in dataset.categoricals}
    classes = {name: len(encoders[of].classes_) for name, of in own.items() if of in encoders}
    unknown = sorted(set(chosen or {}) - set(classes))
    if unknown:
        raise ValueError(
            f"`embedding_sizes` names {unknown}, which are not categorical variables of the "
            f"dataset; those are {sorted(classes)}."
        )
    for name, size in (chosen or {}).items():
        is_pair = isinstance(size, Sequence) and len(size) == 2
        if not is_pair or size[0] < classes[name] or size[1] < 1:
            raise ValueError(
                f"`embedding_sizes` of {name!r} must be (classes, width) with at least the "
                f"{classes[name]} classes of the dataset and a width of at least 1, got {size!r}."
            )
    return {name: (n, get_embedding_size(n)) for name, n in classes.items()} | dict(chosen or {})

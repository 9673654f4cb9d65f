"""From a search space to one configuration whose dilations fit into what the encoder reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from drnn_forecast.layers import dilation_schedule, recommend_dilations
from drnn_forecast.model import Recipe
from drnn_forecast.training.tuning.space import Range, SearchSpace, highest, is_drawn, lowest

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

SCHEDULE = "schedule"
"""The choice beside the lists of dilations: a schedule of M and l0."""

FLOATS = ("dropout", "learning_rate")
OF_RECIPE = ("hidden_size", "cell_type", "dropout", "learning_rate", "batch_size")
SCHEDULES = ("dilation_base", "start_exponent", "layers_below_longest")
"""What says which schedule is meant."""


def first_trial(space: SearchSpace, recipe: Recipe | None = None) -> dict[str, Any]:
    """Return the drawn values that a new study begins with; Optuna draws those left out.

    They are the recipe's where the space holds them. The depth is that of the best memory over the
    longest context, as `recommend_dilations` ranks it, with the lowest exponent, since a higher one
    buys speed, not memory; without the recipe's base, or without schedules, it decides these too.
    """
    recipe = Recipe() if recipe is None else recipe
    wanted = {name: getattr(recipe, name) for name in OF_RECIPE}
    lowered = replace(space, start_exponent=int(lowest(space.start_exponent)))
    if _holds(space.dilation_base, recipe.dilation_base):
        lowered = replace(lowered, dilation_base=recipe.dilation_base)
    names = [name for name in SCHEDULES if name in _names_in_use(space)]
    families = (SCHEDULE,) if space.with_schedules else _families(space)
    choices = [families, *(_whole_numbers(getattr(lowered, name)) for name in names)]
    longest = int(highest(space.context_length))
    found: dict[tuple[int, ...], dict[str, Any]] = {}
    for combination in product(*choices):
        values = dict(zip(["dilations", *names], combination, strict=True))
        values["context_length"] = longest
        found.setdefault(tuple(_resolved(values, lowered)["dilations"]), values)
    first = wanted | found[recommend_dilations(longest, candidates=found)[0].dilations]
    ranges = {name: getattr(space, name) for name in first} | {"dilations": _families(space)}
    return {
        name: value
        for name, value in first.items()
        if is_drawn(ranges[name]) and _holds(ranges[name], value)
    }


def draw(trial: BaseTrial, space: SearchSpace) -> dict[str, Any]:
    """Return the configuration of a trial: keyword arguments of the forecaster, and `batch_size`.

    Its `dilations` are those of the schedule or list drawn; `num_layers`, `dilation_base` and
    `start_exponent` say where they come from, the last two None for a list. Every parameter is
    drawn in every trial, so that all stay in Optuna's joint search space.
    """
    values = {"dilations": _drawn(trial, "dilations", _families(space))}
    for name in _names_in_use(space):
        values[name] = _drawn(trial, name, getattr(space, name))
    return _resolved(values, space)


def smallest(space: SearchSpace) -> dict[str, Any]:
    """Return the configuration at the lower end of everything."""
    values = {name: _lowest(name, getattr(space, name)) for name in _names_in_use(space)}
    return _resolved(values | {"dilations": _families(space)[0]}, space)


def hyperparameters(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a configuration the forecaster takes."""
    described = ("batch_size", "num_layers", "dilation_base", "start_exponent")
    return {name: value for name, value in configuration.items() if name not in described}


def fit_space(space: SearchSpace, length: int) -> SearchSpace:
    """Return the space with the contexts of windows of `length` time steps, where it fits them."""
    if space.context_length is None:
        choices = tuple(sorted({max(length // 2, 1), max(length, 1)}))
        space = replace(space, context_length=choices if len(choices) > 1 else choices[0])
    longest = highest(space.context_length)
    if longest > length:
        raise ValueError(
            f"`search_space.context_length` must be at most the {length} time steps of the "
            f"windows, got {longest}. Lower it, or give the datasets a longer context."
        )
    for entry in space.dilations:
        if max(entry) >= longest:
            raise ValueError(
                f"`search_space.dilations` must stay below the {longest} time steps that the "
                f"encoder reads, got {entry}. Take out {max(entry)}, or lengthen the context."
            )
    if space.with_schedules and _smallest_top(space, highest(space.dilation_base)) >= longest:
        raise ValueError(
            f"`search_space.dilation_base` must leave a schedule below the {longest} time steps "
            f"that the encoder reads, got {highest(space.dilation_base)} with a `start_exponent` "
            f"of at least {lowest(space.start_exponent)} and "
            f"{space.num_layers or 'one or more'} layers. Lower one of them."
        )
    return space


def _resolved(values: Mapping[str, Any], space: SearchSpace) -> dict[str, Any]:
    """Return the configuration that drawn values mean; see `SearchSpace` for the rules."""
    base = start = None
    if values["dilations"] == SCHEDULE:
        base = int(values["dilation_base"])
        context = _long_enough(values["context_length"], _smallest_top(space, base), space)
        start, num_layers = _fitting_schedule(values, context, space)
        dilations = dilation_schedule(num_layers, dilation_base=base, start_exponent=start)
    else:
        dilations = tuple(int(part) for part in values["dilations"].split(","))
        context = _long_enough(values["context_length"], max(dilations), space)
    others = {name: value for name, value in values.items() if name not in SCHEDULES}
    return others | {
        "context_length": context,
        "dilations": list(dilations),
        "num_layers": len(dilations),
        "dilation_base": base,
        "start_exponent": start,
    }


def _fitting_schedule(
    values: Mapping[str, Any], context: int, space: SearchSpace
) -> tuple[int, int]:
    """Return l0 and L of a schedule below `context`: the drawn ones, lowered where they must be."""
    base, start = int(values["dilation_base"]), int(values["start_exponent"])
    highest_exponent = 0
    while base ** (highest_exponent + 1) < context:
        highest_exponent += 1
    if space.num_layers is not None:
        return min(start, highest_exponent - space.num_layers + 1), space.num_layers
    start = min(start, highest_exponent)
    return start, max(highest_exponent - start + 1 - int(values["layers_below_longest"]), 1)


def _smallest_top(space: SearchSpace, base: int) -> int:
    """Return the largest dilation, time steps, of the smallest schedule with a base."""
    exponent = int(lowest(space.start_exponent)) + (space.num_layers or 1) - 1
    return int(base**exponent)


def _long_enough(context: int, dilation: int, space: SearchSpace) -> int:
    """Return the context drawn, or the next one of the space that is longer than a dilation."""
    if context > dilation:
        return int(context)
    if isinstance(space.context_length, tuple):
        return min(choice for choice in space.context_length if choice > dilation)
    return dilation + 1


def _families(space: SearchSpace) -> tuple[str, ...]:
    """Return the names of what dilations may come from: the lists and the schedules."""
    lists = tuple(", ".join(map(str, entry)) for entry in space.dilations)
    return (SCHEDULE, *lists) if space.with_schedules else lists


def _names_in_use(space: SearchSpace) -> list[str]:
    """Return the fields of the space that have a say beside `dilations`."""
    idle = {"num_layers", "dilations", "with_schedules"}
    if space.num_layers is not None:
        idle |= {"layers_below_longest"}
    if not space.with_schedules:
        idle |= set(SCHEDULES)
    return [field.name for field in fields(space) if field.name not in idle]


def _drawn(trial: BaseTrial, name: str, values: Any) -> Any:
    """Return one of the values; a single one is not drawn, so that Optuna does not count it."""
    if not is_drawn(values):
        return _lowest(name, values)
    if isinstance(values, tuple):
        return trial.suggest_categorical(name, values)
    if name in FLOATS:
        return trial.suggest_float(name, values.low, values.high, log=values.log)
    return trial.suggest_int(name, int(values.low), int(values.high), log=values.log)


def _lowest(name: str, values: Any) -> Any:
    """Return the smallest value in the type of the hyperparameter."""
    value = lowest(values)
    return value if name in FLOATS or isinstance(value, str) else int(value)


def _holds(values: Any, value: Any) -> bool:
    """Return whether a range or some choices hold a value."""
    if isinstance(values, Range):
        return bool(values.low <= value <= values.high)
    return value in values if isinstance(values, tuple) else bool(value == values)


def _whole_numbers(values: Any) -> tuple[int, ...]:
    """Return every integer of a range, some choices or one value."""
    if isinstance(values, Range):
        return tuple(range(int(values.low), int(values.high) + 1))
    return values if isinstance(values, tuple) else (values,)

"""Datasets with the codes and scales of a model that is trained already."""

from collections.abc import Mapping
from typing import Any

from drnn_forecast.layers import checked_integer


def parameters_like(model: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the dataset that a model was made from."""
    parameters = getattr(model, "dataset_parameters", None)
    if not isinstance(parameters, Mapping):
        raise TypeError(
            f"`like` must be a model made by `from_dataset`, got {type(model).__name__}, which has "
            "no `dataset_parameters`."
        )
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise TypeError(f"`like` decides {given}; leave them out.")
    return dict(parameters)


def zone_like(model: Any) -> str | None:
    """Return the time zone of the roles that a model keeps, if it keeps one."""
    hyperparameters: Mapping[str, Any] = getattr(model, "hparams", {})
    zone: str | None = (hyperparameters.get("roles") or {}).get("zone")
    return zone


def lengths_like(
    parameters: Mapping[str, Any],
    *,
    horizon: int | None,
    context_length: int | None,
    min_context_length: int | None,
) -> dict[str, int]:
    """Return horizon and contexts (time steps), those of training where one is None."""
    longest = parameters["max_prediction_length"]
    horizon = longest if horizon is None else checked_integer("horizon", horizon, minimum=1)
    if horizon > longest:
        raise ValueError(
            f"`horizon` must be at most that of `like` ({longest} time steps), got {horizon}; "
            "lower it, or train a new model."
        )
    context = parameters["max_encoder_length"]
    if context_length is not None:
        context = checked_integer("context_length", context_length, minimum=1)
    shortest = min(parameters["min_encoder_length"], context)
    return {
        "horizon": horizon,
        "context_length": context,
        "min_context_length": shortest if min_context_length is None else min_context_length,
    }

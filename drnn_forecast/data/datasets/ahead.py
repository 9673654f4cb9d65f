"""The columns behind a forecast of a trained model, from a user's frame, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data.datasets.gaps import allowing, is_lacking, mention_unmarked
from drnn_forecast.data.frames.data import ForecastData
from drnn_forecast.data.frames.horizon import as_trained, window_columns
from drnn_forecast.data.frames.intake import take_in
from drnn_forecast.data.frames.panel import Panel
from drnn_forecast.data.frames.roles import Roles
from drnn_forecast.layers import checked_integer


def within_horizon(parameters: dict[str, Any], horizon: int | None) -> dict[str, Any]:
    """Return the parameters of a dataset for a horizon of at most the trained one."""
    longest = parameters["max_prediction_length"]
    if horizon is None or horizon == longest:
        return parameters
    steps = checked_integer("horizon", horizon, minimum=1)
    if steps > longest:
        raise ValueError(
            f"`horizon` must be at most the {longest} time steps that the model was trained for, "
            f"got {steps}. Train a model with a longer horizon."
        )
    return parameters | {"max_prediction_length": steps, "min_prediction_length": steps}


def rows_ahead(
    data: pd.DataFrame | ForecastData,
    roles: Roles,
    *,
    future: pd.DataFrame | None,
    origin: Any = None,
) -> tuple[Panel, pd.DataFrame | None]:
    """Return the history up to its end, or to an origin within it, and the rows after it."""
    if isinstance(data, ForecastData):
        data = data.in_zone(roles.zone).with_future(future)
        data = data if origin is None else data.until(origin)
        return data.panel, data.future
    return take_in(data, roles, future=future, origin=origin)


def columns_ahead(
    panel: Panel, future: pd.DataFrame | None, parameters: Mapping[str, Any]
) -> tuple[Panel, dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the history as training read it, the columns of its last windows, and parameters.

    Args:
        panel: The history.
        future: The rows after it.
        parameters: Of the training dataset; what comes back says what is done about missing values.
    """
    panel = as_trained(panel, parameters)
    lags = parameters.get("lags") or {}
    lag = max((max(steps) for steps in lags.values()), default=0)
    columns = window_columns(
        panel,
        future,
        context=parameters["max_encoder_length"] + lag,
        horizon=parameters["max_prediction_length"],
        least=max(parameters["min_encoder_length"] + lag, 1),
    )
    parameters = {**parameters, "weight": None}
    if is_lacking(columns):
        parameters = allowing(panel, parameters)
        mention_unmarked(columns, parameters)
    return panel, columns, parameters

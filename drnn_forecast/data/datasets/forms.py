"""The form of a user's frame, in which a forecast of it comes back: its library, its targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pandas as pd

from drnn_forecast.data.frames.data import ForecastData
from drnn_forecast.data.frames.natives import as_pandas, in_form_of
from drnn_forecast.data.frames.roles import Roles
from drnn_forecast.data.frames.wide import side_by_side

LONG = "long"
"""The form of data whose forecast is one of pandas, with a row for each of several targets."""


def without_form(data: Any) -> Any:
    """Return data, a frame or a `ForecastData`, of which forecasts come back in pandas.

    Those of a `ForecastData` have a row for each target, as its history has.
    """
    if isinstance(data, ForecastData):
        return dataclasses.replace(data, form=LONG)
    return as_pandas(data)


def in_form(result: pd.DataFrame, data: Any, keys: Sequence[str], roles: Roles | None) -> Any:
    """Return a forecast in the form that the data, a frame or a `ForecastData`, came in.

    Columns that are keys of both have the types of the data.
    """
    form = data.form if isinstance(data, ForecastData) else data
    if isinstance(form, str):
        return result
    if roles is not None:
        result = side_by_side(result, roles)
    return result if form is None else in_form_of(result, form, keys)

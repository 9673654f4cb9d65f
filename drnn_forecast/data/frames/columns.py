"""The frame that a dataset reads, and what its columns are to pytorch-forecasting."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data.frames.calendar import (
    calendar_categoricals,
    calendar_features,
    calendar_reals,
    local_stamps,
)
from drnn_forecast.data.frames.holidays import holiday_features, holiday_reals
from drnn_forecast.data.frames.kinds import Column, as_numbers, as_text
from drnn_forecast.data.frames.panel import Panel
from drnn_forecast.data.frames.roles import BEFORE, TIME_INDEX


def variables(panel: Panel) -> dict[str, list[str]]:
    """Return the columns of the model frame by the argument of `TimeSeriesDataSet` that lists them.

    Numbers are reals; text, categories and booleans are categoricals. The name of the series is a
    static categorical, where there is more than one.
    """
    roles = panel.roles
    reals = {name for name in roles.covariates if panel.is_real(name)}
    listed = {
        f"{part}_{kind}": [name for name in names if (name in reals) == (kind == "reals")]
        for part, names in (
            ("static", roles.static),
            ("time_varying_known", roles.known),
            ("time_varying_unknown", roles.observed),
        )
        for kind in ("categoricals", "reals")
    }
    if len(panel.names) > 1:
        listed["static_categoricals"].insert(0, roles.group)
    if roles.calendar:
        listed["time_varying_known_categoricals"] += calendar_categoricals(panel.grid.freq)
        listed["time_varying_known_reals"] += calendar_reals(panel.grid.freq)
    if roles.holidays is not None:
        listed["time_varying_known_reals"] += holiday_reals(panel.grid.freq)
    listed["time_varying_unknown_reals"].append(roles.target)
    return listed


def model_frame(rows: pd.DataFrame, positions: NDArray[np.int64], panel: Panel) -> pd.DataFrame:
    """Return the columns that a dataset needs, one row for each of `rows`."""
    roles = panel.roles
    times = pd.DatetimeIndex(panel.rows.times)
    columns = model_columns(rows, times, panel.rows.codes, panel)
    columns = {TIME_INDEX: positions, roles.group: panel.labels[panel.rows.codes], **columns}
    if panel.lacks_values:
        columns[f"{BEFORE}{roles.target}"] = panel.before
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))


def model_columns(
    rows: Mapping[str, Column] | pd.DataFrame,
    times: pd.DatetimeIndex | NDArray[np.datetime64],
    codes: NDArray[np.int64],
    panel: Panel,
) -> dict[str, Any]:
    """Return target, covariates, calendar and holidays of rows, by name; codes are of series."""
    roles = panel.roles
    columns: dict[str, Any] = {roles.target: as_numbers(rows[roles.target]).astype(np.float32)}
    for name in roles.covariates:
        values = rows[name]
        columns[name] = as_numbers(values) if panel.is_real(name) else as_text(values)
    if roles.calendar:
        columns |= calendar_features(times, panel.grid.freq)
    if roles.holidays is not None:
        columns |= holidays_of_rows(times, codes, panel)
    return columns


def holidays_of_rows(
    times: pd.DatetimeIndex | NDArray[np.datetime64], codes: NDArray[np.int64], panel: Panel
) -> dict[str, NDArray[np.float64]]:
    """Return the features made from the holidays of each row's country, by name."""
    days = local_stamps(times).astype("M8[D]")
    return holiday_features(days, codes, panel.countries, panel.grid.freq)

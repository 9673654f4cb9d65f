"""Scores of a trained model on data that it is shown."""

from __future__ import annotations

import logging
from contextlib import suppress

import pandas as pd

from drnn_forecast.data import ForecastData, Roles, default_seasons, without_form
from drnn_forecast.evaluation.comparison.blocks import observed, plainly_named
from drnn_forecast.evaluation.scores import METRICS, scores_by_series
from drnn_forecast.layers import checked_integer
from drnn_forecast.model import (
    QUANTILE_LEVELS,
    DilatedRNNForecaster,
    Ensemble,
    Forecaster,
    quantile_columns,
)
from drnn_forecast.training import drift

logger = logging.getLogger("drnn_forecast.evaluation")


def evaluate(
    model: Forecaster,
    data: ForecastData | pd.DataFrame,
    *,
    windows: int = 1,
    scale_season: int | None = None,
) -> pd.DataFrame:
    """Return the scores of every series, one row each, over the last windows of the data.

    From each origin the model reads nothing after it but covariates known ahead. Columns are
    `METRICS`, as the table of `compare` has them; scores are in the units that `scores_by_series`
    says. The log says where series are left out as too short, and where the model errs more than
    it did in training (`model.drift`).

    Args:
        model: A trained model with the quantiles 0.025, 0.1, 0.25, 0.5, 0.75, 0.9 and 0.975.
        data: The history, with the roles of the training.
        windows: How many, one horizon apart, the last one ending with the data.
        scale_season: Time steps, of the denominator of MASE; None: the longest usual season of the
            frequency, or 1.

    Raises:
        TypeError: `windows` or `scale_season` is no whole number.
        ValueError: The data are refused or too short, no target of the windows is known, or the
            model lacks a quantile.
    """
    count = checked_integer("windows", windows, minimum=1)
    roles = Roles.from_dict(model.hparams["roles"])
    if isinstance(data, ForecastData):
        data = data.in_zone(roles.zone)
    else:
        data = ForecastData.from_roles(data, roles)
    data = without_form(data)
    if scale_season is None:
        scale_season = max(default_seasons(data.freq), default=1)
    horizon, whole = model.hparams["max_prediction_length"], data
    data = _long_enough(data, model, count)
    actual, parts = observed(data), []
    for window in range(count, 0, -1):
        forecast = plainly_named(model.forecast(data.before(window * horizon)), data)
        missing = [name for name in quantile_columns(QUANTILE_LEVELS) if name not in forecast]
        if missing:
            raise ValueError(
                f"`model` must have the quantiles {list(QUANTILE_LEVELS)} to be scored, {missing} "
                "are missing. Train it with `loss=quantile_loss()`."
            )
        parts.append(forecast.merge(actual.dropna(), on=["series", "time"]))
    rows = pd.concat(parts, ignore_index=True)
    if rows.empty:
        raise ValueError(
            f"The last {count} windows must have a target that is not missing to be scored, but "
            f"have none in their {count * horizon} time steps. Give more `windows`, or data that "
            "end with known targets."
        )
    scores = scores_by_series(
        rows,
        QUANTILE_LEVELS,
        history=actual,
        scale_season=checked_integer("scale_season", scale_season, minimum=1),
    )
    table = scores.pivot_table(
        index="series", columns="metric", values="value", dropna=False, observed=True
    )
    if isinstance(model, DilatedRNNForecaster | Ensemble):
        with suppress(ValueError):  # series that hold one window alone have none to compare
            found = drift(model, whole, windows=count)
            if found.is_worse or found.missed:
                logger.warning("%s", found)
    return table[list(METRICS)]


def _long_enough(data: ForecastData, model: Forecaster, windows: int) -> ForecastData:
    """Return the data of the series that have history before so many windows; at least one has."""
    horizon, sizes = model.hparams["max_prediction_length"], data.panel.sizes
    parameters = getattr(model, "members", [model])[0]
    least = getattr(parameters, "dataset_parameters", {}).get("min_encoder_length", 1)
    is_short = sizes < windows * horizon + max(least, 1)
    if is_short.all():
        raise ValueError(
            f"`windows` must leave history before the first, got {windows} of {horizon} time steps "
            f"with a longest series of {sizes.max()}. Lower it, or give longer series."
        )
    if is_short.any():
        logger.warning("Not scored, since too short: %s.", data.panel.describe_sizes(is_short))
    return data.only(~is_short[data.panel.rows.codes])

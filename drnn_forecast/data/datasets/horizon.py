"""The windows right after the last observations."""

from typing import Any

import pandas as pd

from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet
from drnn_forecast.data.batching.renewal import renewed
from drnn_forecast.data.datasets.ahead import columns_ahead, rows_ahead
from drnn_forecast.data.datasets.labels import with_known_labels
from drnn_forecast.data.datasets.targets import target_columns
from drnn_forecast.data.frames.data import ForecastData
from drnn_forecast.data.frames.panel import Panel
from drnn_forecast.data.frames.roles import TIME_INDEX, Roles


def past_the_end(
    data: pd.DataFrame | ForecastData,
    roles: Roles,
    parameters: dict[str, Any],
    *,
    future: pd.DataFrame | None,
    like: BatchedTimeSeriesDataSet | None,
    origin: Any = None,
) -> tuple[BatchedTimeSeriesDataSet, dict[str, Any]]:
    """Return the windows past the end of some data, or from an origin within it, and their rows.

    Those of a user's frame are those of `forecast_dataset` and `target_rows` of a `ForecastData`,
    which copies the frame to keep it.
    """
    panel, later = rows_ahead(data, roles, future=future, origin=origin)
    dataset = make_forecast_dataset(panel, later, parameters, like)
    return dataset, target_columns(panel, dataset)


def make_forecast_dataset(
    panel: Panel,
    future: pd.DataFrame | None,
    parameters: dict[str, Any],
    like: BatchedTimeSeriesDataSet | None,
) -> BatchedTimeSeriesDataSet:
    """Return one window per series whose targets are the steps after its last observation.

    Targets and observed covariates, which nobody knows there, hold the last observed value.
    The arguments are those of `ForecastData.forecast_dataset`, and the history and its future rows.
    """
    panel, columns, parameters = columns_ahead(panel, future, parameters)
    parameters = with_known_labels(parameters, columns)
    if like is not None:
        dataset = renewed(like, columns, parameters)
    else:
        frame = pd.DataFrame(columns)
        dataset = BatchedTimeSeriesDataSet.from_parameters(
            parameters, frame, predict=True, min_prediction_idx=int(frame[TIME_INDEX].min())
        )
    dataset.roles = panel.roles.to_dict()
    return dataset

"""Roles that travel with a dataset, so that a model made from it understands tidy frames."""

from typing import TypeVar

from pytorch_forecasting import TimeSeriesDataSet

from drnn_forecast.data.frames.panel import Panel

D = TypeVar("D", bound=TimeSeriesDataSet)


def with_roles(dataset: D, panel: Panel) -> D:
    """Return the dataset, whose attribute `roles` is now what `Roles.to_dict` gives.

    A plain attribute and no parameter: `get_parameters` must build a `TimeSeriesDataSet` too.
    """
    dataset.roles = panel.roles.to_dict()
    return dataset

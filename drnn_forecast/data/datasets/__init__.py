"""The datasets of a history: its splits, the steps past its end, and their way back."""

from drnn_forecast.data.datasets.horizon import make_forecast_dataset
from drnn_forecast.data.datasets.likeness import lengths_like, parameters_like
from drnn_forecast.data.datasets.splits import Splits, make_splits, new_parameters
from drnn_forecast.data.datasets.targets import target_rows

__all__ = [
    "Splits",
    "lengths_like",
    "make_forecast_dataset",
    "make_splits",
    "new_parameters",
    "parameters_like",
    "target_rows",
]

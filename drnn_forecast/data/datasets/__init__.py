"""The datasets of a history: its splits, the steps past its end, and their way back."""

from drnn_forecast.data.datasets.horizon import make_forecast_dataset
from drnn_forecast.data.datasets.splits import Splits, make_splits
from drnn_forecast.data.datasets.targets import target_rows

__all__ = ["Splits", "make_forecast_dataset", "make_splits", "target_rows"]

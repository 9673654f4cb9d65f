"""A tidy frame with its roles, frequency and splits, and the datasets made from it."""

from drnn_forecast.data.datasets.splits import Splits
from drnn_forecast.data.frames.data import ForecastData
from drnn_forecast.data.frames.files import read_table, write_table
from drnn_forecast.data.frames.roles import Roles

__all__ = ["ForecastData", "Roles", "Splits", "read_table", "write_table"]

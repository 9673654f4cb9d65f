"""A tidy frame with its roles, frequency and splits, and the datasets made from it."""

from drnn_forecast.frames.data import ForecastData
from drnn_forecast.frames.files import read_table, write_table
from drnn_forecast.frames.roles import Roles
from drnn_forecast.frames.splits import Splits

__all__ = ["ForecastData", "Roles", "Splits", "read_table", "write_table"]

"""A tidy frame with its roles and its frequency, checked, up to the arrays that datasets read."""

from drnn_forecast.data.frames.data import ForecastData
from drnn_forecast.data.frames.files import read_table, write_table
from drnn_forecast.data.frames.roles import Roles

__all__ = ["ForecastData", "Roles", "read_table", "write_table"]

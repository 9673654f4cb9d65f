"""Draws arrays and frames that it is given; computes nothing."""

from drnn_forecast.plotting.forecasts import error_by_horizon, fan_charts, window_chart
from drnn_forecast.plotting.interpretation import bars, lag_chart, saliency_map

__all__ = [
    "bars",
    "error_by_horizon",
    "fan_charts",
    "lag_chart",
    "saliency_map",
    "window_chart",
]

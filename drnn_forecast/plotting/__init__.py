"""Draws arrays and frames that it is given; computes nothing."""

from drnn_forecast.plotting.forecasts import error_by_horizon, fan_charts, window_chart
from drnn_forecast.plotting.interpretation import averages_chart, bars, lag_chart, saliency_map
from drnn_forecast.plotting.memory import length_by_depth, unrolled_network
from drnn_forecast.plotting.scores import (
    calibration_chart,
    cost_chart,
    error_by_fold,
    error_by_series,
)
from drnn_forecast.plotting.tuning import front_chart, history_chart, parallel_chart, slice_chart

__all__ = [
    "averages_chart",
    "bars",
    "calibration_chart",
    "cost_chart",
    "error_by_fold",
    "error_by_horizon",
    "error_by_series",
    "fan_charts",
    "front_chart",
    "history_chart",
    "lag_chart",
    "length_by_depth",
    "parallel_chart",
    "saliency_map",
    "slice_chart",
    "unrolled_network",
    "window_chart",
]

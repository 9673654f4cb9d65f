"""From the encoder's last state to a forecast of every step of the horizon at once."""

from drnn_forecast.model.heads.anchors import SeasonalAnchor, seasonal_moves, seasonal_values
from drnn_forecast.model.heads.intervals import Intervals
from drnn_forecast.model.heads.linear import LinearHistory
from drnn_forecast.model.heads.perceptron import MultiHorizonHead
from drnn_forecast.model.heads.targets import TargetHead, target_heads

__all__ = [
    "Intervals",
    "LinearHistory",
    "MultiHorizonHead",
    "SeasonalAnchor",
    "TargetHead",
    "seasonal_moves",
    "seasonal_values",
    "target_heads",
]

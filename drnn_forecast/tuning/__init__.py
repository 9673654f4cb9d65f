"""The search for good hyperparameters: the space, `tune` and its result."""

from drnn_forecast.tuning.space import Range, SearchSpace, seasonal_dilations
from drnn_forecast.tuning.tuner import tune

__all__ = ["Range", "SearchSpace", "seasonal_dilations", "tune"]

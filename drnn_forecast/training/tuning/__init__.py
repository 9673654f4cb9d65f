"""The search for good hyperparameters: the space, `tune` and its result."""

from drnn_forecast.training.tuning.space import Range, SearchSpace, seasonal_dilations
from drnn_forecast.training.tuning.tuner import tune

__all__ = ["Range", "SearchSpace", "seasonal_dilations", "tune"]

"""Several models on the same windows: compared once, or at origins that move through time."""

from drnn_forecast.evaluation.comparison.backtesting import backtest
from drnn_forecast.evaluation.comparison.comparing import compare
from drnn_forecast.evaluation.comparison.results import Backtest, Comparison, Results

__all__ = ["Backtest", "Comparison", "Results", "backtest", "compare"]

"""Dilated recurrent networks for long, seasonal series: a pytorch-forecasting model.

Every public name is loaded when it is first used, so the torch layers stand alone: they load
neither Lightning nor pytorch-forecasting.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drnn_forecast.baselines import SeasonalNaive, deepar, dilated_rnn, lstm
    from drnn_forecast.batching import BatchedTimeSeriesDataSet
    from drnn_forecast.comparison import backtest, compare
    from drnn_forecast.dilations import dilation_schedule
    from drnn_forecast.ensemble import Ensemble
    from drnn_forecast.forecaster import DilatedRNNForecaster
    from drnn_forecast.frames import ForecastData
    from drnn_forecast.layers import (
        DilatedCell,
        DilatedRNN,
        DilatedRNNLayer,
        OutputFusion,
        RecurrentCell,
    )
    from drnn_forecast.memory import mean_recurrent_length, recommend_dilations
    from drnn_forecast.sample import load_sample
    from drnn_forecast.training import fit
    from drnn_forecast.tuning import SearchSpace, tune

__version__ = "0.1.0"

__all__ = [
    "BatchedTimeSeriesDataSet",
    "DilatedCell",
    "DilatedRNN",
    "DilatedRNNForecaster",
    "DilatedRNNLayer",
    "Ensemble",
    "ForecastData",
    "OutputFusion",
    "RecurrentCell",
    "SearchSpace",
    "SeasonalNaive",
    "backtest",
    "compare",
    "deepar",
    "dilated_rnn",
    "dilation_schedule",
    "fit",
    "load_sample",
    "lstm",
    "mean_recurrent_length",
    "recommend_dilations",
    "tune",
]

_HOMES = {
    "BatchedTimeSeriesDataSet": "batching",
    "DilatedCell": "layers",
    "DilatedRNN": "layers",
    "DilatedRNNForecaster": "forecaster",
    "DilatedRNNLayer": "layers",
    "Ensemble": "ensemble",
    "ForecastData": "frames",
    "OutputFusion": "layers",
    "RecurrentCell": "layers",
    "SearchSpace": "tuning",
    "SeasonalNaive": "baselines",
    "backtest": "comparison",
    "compare": "comparison",
    "deepar": "baselines",
    "dilated_rnn": "baselines",
    "dilation_schedule": "dilations",
    "fit": "training",
    "load_sample": "sample",
    "lstm": "baselines",
    "mean_recurrent_length": "memory",
    "recommend_dilations": "memory",
    "tune": "tuning",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value  # the next use finds it without asking here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

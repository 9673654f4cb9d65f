"""What a forecast leans on: steps of the encoder, dilations, and the values of variables."""

from drnn_forecast.model.interpretation.figures import (
    averages_figure,
    interpretation_figures,
    window_figures,
)
from drnn_forecast.model.interpretation.methods import InterpretableModel
from drnn_forecast.model.interpretation.numbers import (
    Interpretation,
    averages_by_variable,
    contributions,
    dependency,
    interpret,
    saliency_by_lag,
)

__all__ = [
    "InterpretableModel",
    "Interpretation",
    "averages_by_variable",
    "averages_figure",
    "contributions",
    "dependency",
    "interpret",
    "interpretation_figures",
    "saliency_by_lag",
    "window_figures",
]

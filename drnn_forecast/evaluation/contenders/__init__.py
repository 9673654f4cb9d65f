"""The other models under one face: trained, classical and naive, with quantiles for all."""

from drnn_forecast.evaluation.contenders.classical import (
    ClassicalModel,
    FittedClassical,
    auto_ets,
    auto_theta,
    mstl,
    seasonal_naive,
)
from drnn_forecast.evaluation.contenders.naive import SeasonalNaive
from drnn_forecast.evaluation.contenders.neural import (
    NeuralModel,
    deepar,
    dilated_rnn,
    gru,
    lstm,
    nhits,
    tft,
)
from drnn_forecast.evaluation.contenders.registry import MODEL_NAMES, Model, named_models
from drnn_forecast.evaluation.contenders.residuals import residual_quantiles

__all__ = [
    "MODEL_NAMES",
    "ClassicalModel",
    "FittedClassical",
    "Model",
    "NeuralModel",
    "SeasonalNaive",
    "auto_ets",
    "auto_theta",
    "deepar",
    "dilated_rnn",
    "gru",
    "lstm",
    "mstl",
    "named_models",
    "nhits",
    "residual_quantiles",
    "seasonal_naive",
    "tft",
]

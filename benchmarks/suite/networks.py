"""What the neural contenders are given, and where their settings come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pytorch_forecasting.metrics import NormalDistributionLoss

from benchmarks.suite.protocol import LEVELS
from drnn_forecast.evaluation import deepar, lstm, nhits, tft
from drnn_forecast.model import quantile_loss


@dataclass(frozen=True)
class Settings:
    """What a network is given, and where it comes from.

    Attributes:
        make: The package's maker of the contender.
        options: Of the network.
        fixed: Whether every window has to look back equally far.
        stepwise: Whether it feeds on its own forecasts, and so reads no observed covariates.
        source: Of the options and of `context`.
        batch_size: Windows per step.
        horizons: How many horizons a window looks back at least.
        is_point: Whether it forecasts one number a step; it then stands at every level, and only
            calibration spreads it.
    """

    make: Callable[..., Any]
    options: Callable[[], dict[str, Any]]
    source: str
    batch_size: int = 64
    horizons: int = 3
    fixed: bool = False
    stepwise: bool = False
    is_point: bool = False


def _quantiles() -> Any:
    return quantile_loss(list(LEVELS))


NETWORKS: Final = {
    "NHiTS": Settings(
        nhits,
        lambda: {"hidden_size": 512, "loss": _quantiles()},
        "Challu et al. 2023: look-back of 5 horizons, 3 stacks of one block, 2 layers of 512, no "
        "dropout; in batches of 256 windows",
        batch_size=256,
        horizons=5,
        fixed=True,
    ),
    "DeepAR": Settings(
        deepar,
        lambda: {
            "hidden_size": 40,
            "rnn_layers": 2,
            "dropout": 0.1,
            "loss": NormalDistributionLoss(quantiles=list(LEVELS)),
        },
        "Salinas et al. 2020 and GluonTS: 2 layers of 40 LSTM cells, dropout 0.1, batches of 64; "
        "looks back a week of hours, as there",
        stepwise=True,
    ),
    "TFT": Settings(
        tft,
        lambda: {
            "hidden_size": 40,
            "hidden_continuous_size": 20,
            "attention_head_size": 4,
            "dropout": 0.1,
            "loss": _quantiles(),
        },
        "Lim et al. 2021: 4 heads, dropout 0.1, batches of 64, 168 hours for 24, 90 days for 30; "
        "of their sizes (10 to 320) 40, with which a minute holds several epochs",
    ),
    "LSTM": Settings(
        lstm,
        dict,
        "the package's plain contender: 2 layers of 64 LSTM cells, mean absolute error",
        stepwise=True,
        is_point=True,
    ),
}
"""The neural contenders by name."""

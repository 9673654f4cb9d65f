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
        options: Of the network, where they differ from the maker's.
        fixed: Whether every window has to look back equally far.
        stepwise: Whether it feeds on its own forecasts, and so reads no observed covariates.
        source: Of the options and of how far it looks back.
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


NETWORKS: Final = {
    "NHiTS": Settings(
        nhits,
        lambda: {"loss": quantile_loss(list(LEVELS))},
        "as the package's `nhits` (neuralforecast, Challu et al. 2023), in batches of 256 windows; "
        "looks back 5 horizons, as in the paper",
        batch_size=256,
        horizons=5,
        fixed=True,
    ),
    "DeepAR": Settings(
        deepar,
        lambda: {"loss": NormalDistributionLoss(quantiles=list(LEVELS))},
        "as the package's `deepar` (GluonTS, Salinas et al. 2020), in batches of 64; looks back a "
        "week of hours, as in the paper",
        stepwise=True,
    ),
    "TFT": Settings(
        tft,
        lambda: {"loss": quantile_loss(list(LEVELS))},
        "as the package's `tft` (Lim et al. 2021), in batches of 64; looks back 168 hours for 24, "
        "three horizons of days, as in the paper",
    ),
    "LSTM": Settings(
        lstm,
        dict,
        "as the package's `lstm`, in batches of 64",
        stepwise=True,
        is_point=True,
    ),
}
"""The neural contenders by name."""

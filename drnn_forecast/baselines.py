"""The other models under one face: what is trained, what is naive, and quantiles for both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from numpy.typing import NDArray
from pytorch_forecasting import DeepAR, RecurrentNetwork
from pytorch_forecasting.data import TimeSeriesDataSet
from pytorch_forecasting.metrics import MAE, NormalDistributionLoss, QuantileLoss

from drnn_forecast.forecaster import DilatedRNNForecaster
from drnn_forecast.heads import seasonal_values

QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
"""pytorch-forecasting's own default levels; 0.1 and 0.9 bound the 80 % interval."""


@dataclass(frozen=True)
class NeuralModel:
    """A model that is trained.

    Attributes:
        name: As shown in tables.
        from_dataset: Makes the model from a dataset and keyword arguments.
        options: Arguments of `from_dataset`, the learning rate among them.
        is_point: Whether it gives one number per step, so that quantiles have to be added.
    """

    name: str
    from_dataset: Callable[..., LightningModule]
    options: Mapping[str, Any] = field(default_factory=dict)
    is_point: bool = False

    def build(self, training: TimeSeriesDataSet) -> LightningModule:
        """Return an untrained model for the windows of `training`."""
        return self.from_dataset(training, **self.options)


@dataclass(frozen=True)
class SeasonalNaive:
    """The values one season ago, again.

    Attributes:
        season_length: Time steps.
    """

    season_length: int

    @property
    def name(self) -> str:
        """As shown in tables."""
        return f"Seasonal naive ({self.season_length})"

    def points(self, dataset: TimeSeriesDataSet) -> NDArray[np.float32]:
        """Return the forecast of every window, `(windows, steps)`, in target units.

        Raises:
            ValueError: A window is shorter than the season.
        """
        parts = []
        for x, _ in dataset.to_dataloader(train=False, batch_size=1024, num_workers=0):
            steps = x["decoder_target"].shape[1]
            values, valid = seasonal_values(
                x["encoder_target"], x["encoder_lengths"], [self.season_length], steps
            )
            if not valid.all():
                raise ValueError(
                    f"`season_length` must fit into every window, got {self.season_length} with "
                    f"a window of {int(x['encoder_lengths'].min())} time steps. "
                    "Lengthen the context, or choose a shorter season."
                )
            parts.append(values[..., 0])
        return torch.cat(parts).numpy()


def dilated_rnn(name: str = "DilatedRNN", **options: Any) -> NeuralModel:
    """Return our forecaster; `options` are its hyperparameters."""
    return NeuralModel(name, DilatedRNNForecaster.from_dataset, options)


def lstm(name: str = "LSTM", **options: Any) -> NeuralModel:
    """Return pytorch-forecasting's `RecurrentNetwork`, which takes point losses only."""
    options = {"cell_type": "LSTM", "loss": MAE(), **options}
    return NeuralModel(name, RecurrentNetwork.from_dataset, options, is_point=True)


def deepar(name: str = "DeepAR", **options: Any) -> NeuralModel:
    """Return pytorch-forecasting's `DeepAR` with a normal distribution."""
    options = {"loss": NormalDistributionLoss(quantiles=list(QUANTILES)), **options}
    return NeuralModel(name, DeepAR.from_dataset, options)


def quantile_loss() -> QuantileLoss:
    """Return the quantile loss at the levels that every model is scored at."""
    return QuantileLoss(list(QUANTILES))


def residual_quantiles(
    points: NDArray[np.float32],
    series: NDArray[Any],
    *,
    past_points: NDArray[np.float32],
    past_actuals: NDArray[np.float32],
    past_series: NDArray[Any],
    quantiles: Sequence[float] = QUANTILES,
) -> NDArray[np.float32]:
    """Return quantiles around point forecasts, `(windows, steps, quantiles)`, in target units.

    The residuals of earlier windows, divided by their series' mean absolute residual, are pooled
    over series; their quantiles at each step, times the series' scale, surround its forecast.

    Args:
        points: Forecasts, `(windows, steps)`.
        series: The series of each of them, `(windows,)`.
        past_points: Forecasts of earlier windows, not used in training, `(past windows, steps)`.
        past_actuals: What came, of the same shape.
        past_series: The series of each earlier window, `(past windows,)`.
        quantiles: Levels between 0 and 1.

    Raises:
        ValueError: A series has no earlier window.
    """
    residuals = past_actuals - past_points
    scales = {
        name: max(float(np.abs(residuals[past_series == name]).mean()), np.finfo("f4").tiny)
        for name in np.unique(past_series).tolist()
    }
    unseen = sorted(set(np.unique(series).tolist()) - set(scales))
    if unseen:
        raise ValueError(f"Series {unseen} have no earlier window to take residuals from.")
    past_scale = np.array([scales[name] for name in past_series])[:, None]
    spread = np.quantile(residuals / past_scale, quantiles, axis=0)  # (quantiles, steps)
    scale = np.array([scales[name] for name in series])[:, None, None]
    return (points[..., None] + scale * spread.T[None]).astype(np.float32)

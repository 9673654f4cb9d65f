"""The models that are trained, each with what it asks of a dataset.

Every maker takes a name, as shown in tables, and arguments of the model's own `from_dataset`; the
models but ours are pytorch-forecasting's. Left to themselves the makers set sizes of one order, 56
to 82 thousand parameters on the sample; NHiTS, whose first layer reads the whole window at once,
has 800 thousand. No learning rate is set: each model then has its own default.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from lightning.pytorch import LightningModule
from pytorch_forecasting import DeepAR, NHiTS, RecurrentNetwork, TemporalFusionTransformer
from pytorch_forecasting.data import TimeSeriesDataSet
from pytorch_forecasting.metrics import MAE, NormalDistributionLoss

from drnn_forecast.model import QUANTILE_LEVELS, DilatedRNNForecaster, quantile_loss

PLATEAU = {"reduce_on_plateau_patience": 2}
"""Validations without a better loss after which the learning rate is divided, for every model."""

STACK = {"hidden_size": 64, "rnn_layers": 2, "dropout": 0.0, **PLATEAU}
"""Of the recurrent networks that are not dilated."""


def accept(training: TimeSeriesDataSet) -> None:
    """Accept any dataset."""


@dataclass(frozen=True)
class NeuralModel:
    """A model that is trained.

    Attributes:
        name: As shown in tables.
        from_dataset: Makes the model from a dataset and `options`, the learning rate among them.
        is_point: Whether it gives one number per step, so that quantiles have to be added.
        check: Raises a `ValueError` for a dataset that the model cannot learn from.
    """

    name: str
    from_dataset: Callable[..., LightningModule]
    options: Mapping[str, Any] = field(default_factory=dict)
    is_point: bool = False
    check: Callable[[TimeSeriesDataSet], None] = accept

    def build(self, training: TimeSeriesDataSet) -> LightningModule:
        """Return an untrained model for the windows of `training`, which `check` accepts."""
        self.check(training)
        # A loss is a module with a state, so two models must not share it.
        return self.from_dataset(training, **copy.deepcopy(dict(self.options)))

    def with_options(self, **options: Any) -> NeuralModel:
        """Return the same model with some options set otherwise, such as the learning rate."""
        return replace(self, options={**self.options, **options})


def dilated_rnn(name: str = "DilatedRNN", **options: Any) -> NeuralModel:
    """Return our forecaster; what is not given, its recipe says, from the training windows."""
    return NeuralModel(name, DilatedRNNForecaster.from_dataset, options)


def lstm(name: str = "LSTM", **options: Any) -> NeuralModel:
    """Return `RecurrentNetwork` with two layers of 64 LSTM cells; it refuses quantile losses."""
    return _recurrent(name, {"cell_type": "LSTM", **options})


def gru(name: str = "GRU", **options: Any) -> NeuralModel:
    """Return `RecurrentNetwork` with two layers of 64 GRU cells; it refuses quantile losses."""
    return _recurrent(name, {"cell_type": "GRU", **options})


def deepar(name: str = "DeepAR", **options: Any) -> NeuralModel:
    """Return `DeepAR` with two layers of 64 LSTM cells and a normal distribution."""
    defaults = {"loss": NormalDistributionLoss(quantiles=list(QUANTILE_LEVELS)), **STACK}
    return NeuralModel(
        name, DeepAR.from_dataset, {**defaults, **options}, check=partial(_check_stepwise, name)
    )


def nhits(name: str = "NHiTS", **options: Any) -> NeuralModel:
    """Return `NHiTS` with three stacks of 64 units and a quantile loss.

    Without any covariate that varies in time it reads no static ones either: upstream fails there.
    """
    defaults = {"hidden_size": 64, "dropout": 0.0, "loss": quantile_loss(), **PLATEAU}
    return NeuralModel(
        name, _nhits, {**defaults, **options}, check=partial(_check_fixed_length, name)
    )


def tft(name: str = "TFT", **options: Any) -> NeuralModel:
    """Return `TemporalFusionTransformer` with 32 units, 4 heads and a quantile loss."""
    defaults = {
        "hidden_size": 32,
        "hidden_continuous_size": 16,
        "attention_head_size": 4,
        "dropout": 0.1,
        "loss": quantile_loss(),
        **PLATEAU,
    }
    return NeuralModel(name, TemporalFusionTransformer.from_dataset, {**defaults, **options})


def _recurrent(name: str, options: Mapping[str, Any]) -> NeuralModel:
    """Return a `RecurrentNetwork`."""
    return NeuralModel(
        name,
        RecurrentNetwork.from_dataset,
        {"loss": MAE(), **STACK, **options},
        is_point=True,
        check=partial(_check_stepwise, name),
    )


def _nhits(training: TimeSeriesDataSet, **options: Any) -> LightningModule:
    """Return a `NHiTS`."""
    if {*_varying(training, "known"), *_varying(training, "unknown")} <= {training.target}:
        options = {"static_categoricals": [], "static_reals": [], **options}
    model: LightningModule = NHiTS.from_dataset(training, **options)
    return model


def _check_stepwise(name: str, training: TimeSeriesDataSet) -> None:
    """Raise where a model that feeds on its own forecasts cannot learn from the windows."""
    unknown = [
        variable for variable in _varying(training, "unknown") if variable != training.target
    ]
    if unknown:
        raise ValueError(
            f"{name} forecasts step by step, so every covariate has to be known ahead, but "
            f"{unknown} are `observed` up to now only. Leave out this model or these columns."
        )
    if training.min_encoder_length < 2:
        raise ValueError(
            f"{name} needs windows of at least 2 time steps of history, got "
            f"`min_context_length` {training.min_encoder_length}."
        )


def _check_fixed_length(name: str, training: TimeSeriesDataSet) -> None:
    """Raise where windows look back over different numbers of steps."""
    if training.min_encoder_length != training.max_encoder_length:
        raise ValueError(
            f"{name} needs windows of one length, got {training.min_encoder_length} to "
            f"{training.max_encoder_length} time steps. Leave out this model, or set "
            "`min_context_length` to `context_length`."
        )


def _varying(training: TimeSeriesDataSet, kind: str) -> list[str]:
    """Return the variables that vary in time and are "known" or "unknown" ahead."""
    parameters = training.get_parameters()
    return [
        name
        for values in ("categoricals", "reals")
        for name in parameters[f"time_varying_{kind}_{values}"] or ()
    ]

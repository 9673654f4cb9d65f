"""The models that are trained, each with what it asks of a dataset.

Every maker takes a name, as shown in tables, and arguments of the model's own `from_dataset`; the
models but ours are pytorch-forecasting's. Left to themselves the makers set what the authors of the
model published, or recommend in their own implementation; each says where it does not, and why. No
learning rate is set but for ours, which has the recipe's: a comparison searches one. Batches,
clipping of gradients, early stopping and time are the comparison's, the same for all.
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
from pytorch_forecasting.metrics import MAE, RMSE, SMAPE, NormalDistributionLoss
from torch import nn

from drnn_forecast.data import MARK
from drnn_forecast.model import QUANTILE_LEVELS, DilatedRNNForecaster, quantile_loss

PLATEAU = {"reduce_on_plateau_patience": 2}
"""Validations without a better loss after which the learning rate is divided, for every model."""


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
        has_recipe: Whether what `options` leave out, its recipe says, the learning rate too.
        is_stepwise: Whether it feeds on its own forecasts, so that it reads no mark of what is
            missing, which nobody knows ahead, but lines through the gaps.
    """

    name: str
    from_dataset: Callable[..., LightningModule]
    options: Mapping[str, Any] = field(default_factory=dict)
    is_point: bool = False
    check: Callable[[TimeSeriesDataSet], None] = accept
    has_recipe: bool = False
    is_stepwise: bool = False

    @property
    def has_rate(self) -> bool:
        """Whether there is no learning rate to be searched for."""
        return self.has_recipe or "learning_rate" in self.options

    def build(self, training: TimeSeriesDataSet) -> LightningModule:
        """Return an untrained model for the windows of `training`, which `check` accepts."""
        self.check(training)
        # A loss is a module with a state, so two models must not share it.
        options = copy.deepcopy(dict(self.options))
        if training.weight is not None:
            # MASE, which upstream's models log unless told otherwise, fails with weights.
            options.setdefault("logging_metrics", nn.ModuleList([SMAPE(), MAE(), RMSE()]))
        return self.from_dataset(training, **options)

    def with_options(self, **options: Any) -> NeuralModel:
        """Return the same model with some options set otherwise, such as the learning rate."""
        return replace(self, options={**self.options, **options})


def dilated_rnn(name: str = "DilatedRNN", **options: Any) -> NeuralModel:
    """Return our forecaster; what is not given, its recipe says, from the training windows."""
    return NeuralModel(name, DilatedRNNForecaster.from_dataset, options, has_recipe=True)


def lstm(name: str = "LSTM", **options: Any) -> NeuralModel:
    """Return `RecurrentNetwork` with two layers of 64 LSTM cells; it refuses quantile losses.

    There is no paper of it. Two layers without dropout are those of neuralforecast's `LSTM`, whose
    128 units take four times as long a step on a CPU. Upstream's defaults are two layers too, of 10
    units with a dropout of 0.1, which lowered the validation loss of the sample more slowly.
    """
    return _recurrent(name, {"cell_type": "LSTM", **options})


def gru(name: str = "GRU", **options: Any) -> NeuralModel:
    """Return `RecurrentNetwork` with two layers of 64 GRU cells: see `lstm`."""
    return _recurrent(name, {"cell_type": "GRU", **options})


def deepar(name: str = "DeepAR", **options: Any) -> NeuralModel:
    """Return `DeepAR` with two layers of 40 LSTM cells and a normal distribution.

    Layers, cells, a dropout of 0.1 and Adam's weight decay of 1e-8 are those of GluonTS, the
    implementation of its authors (`DeepAREstimator` of `gluonts.torch`). The distribution is that
    of the paper for real values (Salinas et al., 2020); GluonTS's Student's t is none of
    pytorch-forecasting's. Of lags it reads the last value, as in the paper: GluonTS adds more, but
    every model here reads the same datasets.
    """
    defaults = {
        "loss": NormalDistributionLoss(quantiles=list(QUANTILE_LEVELS)),
        "hidden_size": 40,
        "rnn_layers": 2,
        "dropout": 0.1,
        "weight_decay": 1e-8,
        **PLATEAU,
    }
    return NeuralModel(
        name,
        DeepAR.from_dataset,
        {**defaults, **options},
        check=partial(_check_stepwise, name),
        is_stepwise=True,
    )


def nhits(name: str = "NHiTS", **options: Any) -> NeuralModel:
    """Return `NHiTS` with three stacks of two layers of 512 units and a quantile loss.

    One block a stack, max-pooling over 2, 2 and 1 time steps, forecasts at every 4th, 2nd and 1st
    one with linear interpolation, no dropout and no weight decay are the defaults of `NHITS` of
    neuralforecast, the implementation of its authors (Challu et al., 2023).

    Without any covariate that varies in time it reads no static ones either: upstream fails there.
    """
    defaults = {
        "n_blocks": [1, 1, 1],
        "n_layers": 2,
        "hidden_size": 512,
        "pooling_sizes": [2, 2, 1],
        "downsample_frequencies": [4, 2, 1],
        "dropout": 0.0,
        "weight_decay": 0.0,
        "loss": quantile_loss(),
        **PLATEAU,
    }
    return NeuralModel(
        name, _nhits, {**defaults, **options}, check=partial(_check_fixed_length, name)
    )


def tft(name: str = "TFT", **options: Any) -> NeuralModel:
    """Return `TemporalFusionTransformer` with 32 units, 4 heads and a quantile loss.

    One LSTM layer, 4 heads and a dropout of 0.1 are its authors' for hourly electricity (Lim et
    al., 2021, and their code). Of their 160 units a step of 64 windows of 168 + 48 hours takes 2.2
    seconds on one CPU core, four times that of 32, so that a minute holds few. The tutorial of
    pytorch-forecasting has 16 units, 2 heads and the same dropout, and the optimiser Ranger, which
    needs another package; here it is Adam, as in the paper.
    """
    defaults = {
        "lstm_layers": 1,
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
    defaults = {"loss": MAE(), "hidden_size": 64, "rnn_layers": 2, "dropout": 0.0, **PLATEAU}
    return NeuralModel(
        name,
        RecurrentNetwork.from_dataset,
        {**defaults, **options},
        is_point=True,
        check=partial(_check_stepwise, name),
        is_stepwise=True,
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
        variable
        for variable in _varying(training, "unknown")
        if variable != training.target and not variable.startswith(MARK)
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

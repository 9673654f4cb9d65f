"""Training that goes on with newer data."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from lightning.pytorch import Trainer

from drnn_forecast.data import ForecastData, Roles
from drnn_forecast.host import quiet_lightning
from drnn_forecast.model import QUIET_TRAINER, DilatedRNNForecaster, Recipe, warn_beyond
from drnn_forecast.training.fitting import fit

SLOWER = 0.3
"""The learning rate of an update, as a share of the first one: what was learned is kept."""


@dataclass(frozen=True)
class UpdateReport:
    """How an update changed a model.

    Attributes:
        before: The loss on the newest windows before the update.
        after: The same after it.
        is_kept: Whether the new weights were kept, since they have the lower loss.
        steps: Optimiser steps done.
        seconds: Wall-clock time of training and validation.
    """

    before: float
    after: float
    is_kept: bool
    steps: int
    seconds: float


def update(
    model: DilatedRNNForecaster,
    data: ForecastData | pd.DataFrame,
    *,
    max_seconds: float = 60,
    seed: int = 0,
    progress: bool = True,
) -> UpdateReport:
    """Go on training with newer data, in place, and return how the loss changed.

    Encoders and scalers stay the model's own. The newest windows stop the training, and decide
    whether its weights are kept. Where it fails, the model is as it was.

    Args:
        model: A trained model that understands tidy frames.
        data: The newer data, old rows included where they are to count.
        max_seconds: The budget of the training.
        seed: Of the order of windows and dropout.
        progress: Whether to show Lightning's progress bar.

    Raises:
        ValueError: The data are refused, or the model was not trained on a tidy frame.
        RuntimeError: The validation loss was never finite.
    """
    if model.hparams.roles is None:
        raise ValueError(
            "`model` must know the roles of columns, as one trained on `ForecastData.split` does; "
            "train it on such datasets."
        )
    if not isinstance(data, ForecastData):
        data = ForecastData.from_roles(data, Roles.from_dict(model.hparams.roles))
    splits = data.split(like=model, validation_windows=Recipe.validation_windows, keep_short=True)
    warn_beyond(model, splits.complete.data["target"])
    before = _loss(model, splits.validation)

    def build() -> DilatedRNNForecaster:
        learner = copy.deepcopy(model)
        learner.hparams.learning_rate = SLOWER * model.hparams.learning_rate
        learner.train()
        return learner

    result = fit(
        build,
        splits.training,
        splits.validation,
        seed=seed,
        max_seconds=max_seconds,
        progress=progress,
    )
    is_kept = result.validation_loss < before
    if is_kept:
        model.load_state_dict(result.model.state_dict())
    return UpdateReport(before, result.validation_loss, is_kept, result.steps, result.seconds)


def _loss(model: DilatedRNNForecaster, dataset: Any) -> float:
    """Return the mean of the model's own loss over the windows of a dataset."""
    loader = dataset.to_dataloader(False, 2 * Recipe.batch_size, num_workers=0)
    with quiet_lightning(), torch.no_grad():
        trainer = Trainer(**{**QUIET_TRAINER, "inference_mode": True})
        (logged,) = trainer.validate(copy.deepcopy(model), loader, verbose=False)
    return logged["val_loss"]

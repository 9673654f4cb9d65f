"""What pytorch-forecasting asks of a model, and keeps about it, under private names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from pytorch_forecasting.models.base import _BasePtForecaster
from pytorch_forecasting.models.base._base_model import PredictCallback
from torch.utils.data import DataLoader

if TYPE_CHECKING:
    from pytorch_forecasting.models.base import BaseModel

PackageContainer = _BasePtForecaster
"""The base of the class that names a model, what it can do and what it is tested with.

An alias, since pytorch-forecasting's look-up counts every subclass as a model of its own.
"""


class PredictionCallback(PredictCallback):
    """A callback for which a model predicts: its `predict_step` looks for one of that class."""


def special_hyperparameters(model: BaseModel) -> set[str]:
    """Return the hyperparameters that are attributes only, since YAML cannot hold them.

    pytorch-forecasting takes them out of `hparams` and puts them back into its checkpoints.
    """
    return set(model.hparams_special)


def suite_frame() -> pd.DataFrame:
    """Return the frame that pytorch-forecasting's suite of models is run with."""
    # It comes with the tests of a release, and asks for their packages.
    from pytorch_forecasting.tests._data_scenarios import data_with_covariates

    return data_with_covariates()


def suite_loaders(frame: pd.DataFrame, **options: Any) -> dict[str, DataLoader[Any]]:
    """Return the suite's loaders for training, validation and test of a frame.

    Args:
        frame: See `suite_frame`.
        **options: Arguments of `TimeSeriesDataSet`.
    """
    from pytorch_forecasting.tests._data_scenarios import make_dataloaders

    loaders: dict[str, DataLoader[Any]] = make_dataloaders(frame, **options)
    return loaders

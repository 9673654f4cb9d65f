"""What pytorch-forecasting asks of a model, and keeps about it, under private names."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from pytorch_forecasting.models.base import _BasePtForecaster
from pytorch_forecasting.models.base._base_model import PredictCallback
from torch import nn
from torch.utils.data import DataLoader
from typing_extensions import Self

if TYPE_CHECKING:
    from pytorch_forecasting.models.base import BaseModel

PackageContainer = _BasePtForecaster
"""The base of the class that names a model, what it can do and what it is tested with.

An alias, since pytorch-forecasting's look-up counts every subclass as a model of its own.
"""


class PredictionCallback(PredictCallback):
    """A callback for which a model predicts: its `predict_step` looks for one of that class."""


class PreciseLoss:
    """A model whose loss keeps its own networks in float32 or better, however the model is cast.

    They read levels and scales, which half precision would round. Every cast and every move of a
    module goes through the one private method.
    """

    loss: Any

    def _apply(self, *args: Any, **kwargs: Any) -> Self:
        moved: Self = super()._apply(*args, **kwargs)  # type: ignore[misc]
        for part in moved.loss.parameters():
            part.data = part.data.to(torch.promote_types(part.dtype, torch.float32))
        return moved


def with_part(module: Any, **parts: nn.Module) -> Any:
    """Return a copy of a module with other parts and the same weights.

    The copy's table of parts, which is private, is the module's own until it has another.
    """
    other = copy(module)
    other._modules = {**module._modules, **parts}
    return other


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM be heard at the end.

    A model's `__init__` in pytorch-forecasting tries which hyperparameters YAML can hold, and takes
    an interrupt in that moment for one that it cannot: it would drop it, and go on. torch's modes,
    under which tensors are made, make a `RuntimeError` of one.
    """
    handlers: dict[int, Any] = {}
    heard: list[tuple[int, Any]] = []
    if threading.current_thread() is threading.main_thread():
        known = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        handlers = {number: own for number, own in known.items() if callable(own)}
    for number in handlers:
        signal.signal(number, lambda *told: heard.append(told))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for number, place in heard[:1]:
        handlers[number](number, place)


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

"""What is refused when a dataset is used: devices, windows, loaders, overwritten values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import pandas as pd
import torch
from pytorch_forecasting.data.encoders import TorchNormalizer

from drnn_forecast.data.batching.errors import DatasetError, UnsupportedOverwriteError, quoted


def check_device(device: str | torch.device | None) -> torch.device:
    """Return the torch device, the CPU for None.

    Raises:
        DatasetError: This machine has no such device.
    """
    try:
        checked = torch.device("cpu" if device is None else device)
        torch.empty(1, device=checked)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise DatasetError(
            f"`device` must be a device of this machine, got {device!r}: {reason} "
            f"({torch.cuda.device_count()} CUDA devices found.) Pass 'cpu' or None."
        ) from error
    return checked


def check_index(index: pd.DataFrame, num_rows: int | None) -> None:
    """Refuse a frame of windows that does not point into the data.

    Args:
        index: The frame.
        num_rows: Rows of the data; None if not known yet.

    Raises:
        DatasetError: It lacks `index_start` or `index_end`, or a window lies outside the data.
    """
    missing = [name for name in ("index_start", "index_end") if name not in index.columns]
    if missing:
        raise DatasetError(
            f"`index` must have the columns 'index_start' and 'index_end', got "
            f"{quoted(index.columns)}. Assign rows of the dataset's own `index`."
        )
    if num_rows is None or len(index) == 0:
        return
    first, last = int(index["index_start"].min()), int(index["index_end"].max())
    if first < 0 or last >= num_rows or (index["index_start"] > index["index_end"]).any():
        raise DatasetError(
            f"`index` must hold windows within the {num_rows} rows of the data, got rows {first} "
            f"to {last}. Assign rows of the dataset's own `index`."
        )


def check_window_numbers(chosen: npt.NDArray[Any], num_windows: int) -> None:
    """Refuse numbers of windows that are not there.

    Raises:
        IndexError: A number is no integer, or outside the dataset.
    """
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
        raise IndexError(
            f"Window numbers must be a flat list of at least one integer, got {chosen.dtype} "
            f"of shape {chosen.shape}."
        )
    outside = chosen[(chosen < -num_windows) | (chosen >= num_windows)]
    if len(outside):
        raise IndexError(
            f"A window number must be from 0 to {num_windows - 1}, got {outside[0]}: the dataset "
            f"has {num_windows} windows."
        )


def check_loader(device: torch.device, batch_sampler: Any, arguments: Mapping[str, Any]) -> None:
    """Refuse a loader that the dataset cannot serve.

    Raises:
        DatasetError: `batch_sampler` is an unknown name, or the batches are made on a device
            while the loader has workers or pins memory.
    """
    if isinstance(batch_sampler, str) and batch_sampler != "synchronized":
        raise DatasetError(
            f"`batch_sampler` must be 'synchronized', a sampler or None, got {batch_sampler!r}."
        )
    if device.type == "cpu":
        return
    for name in ("num_workers", "pin_memory"):
        if arguments.get(name):
            raise DatasetError(
                f"`{name}` must be left out when batches are made on {device}, got "
                f"{arguments[name]!r}. Leave it out, or build the dataset with device=None."
            )


def check_overwrite(dataset: Any, variable: str, target: Any) -> None:
    """Refuse what cannot be overwritten.

    Raises:
        DatasetError: `target` is no part of a window.
        UnsupportedOverwriteError: The variable is a target or the weight, or has a normaliser of
            pytorch-forecasting's own.
    """
    if not isinstance(target, str) or target not in ("all", "decoder", "encoder"):
        raise DatasetError(
            f"`target` must be 'all', 'decoder' or 'encoder', got {target!r}. "
            "It is the part of the windows to overwrite."
        )
    scaler = dataset._scalers.get(variable, dataset._categorical_encoders.get(variable))
    if variable in dataset.target_names:
        role = "the target"
    elif dataset.weight is not None and variable == dataset.weight:
        role = "the weight"
    elif isinstance(scaler, TorchNormalizer):
        role = f"scaled by a {type(scaler).__name__}"
    else:
        return
    raise UnsupportedOverwriteError(
        f"`variable` to overwrite must be a covariate with a scikit-learn scaler or an encoder, "
        f"got {variable!r}, which is {role}. Change the frame and build the dataset anew."
    )

"""What is refused when a dataset is used: devices, windows, loaders, overwritten values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import pandas as pd
import torch
from pytorch_forecasting.data.encoders import TorchNormalizer

from drnn_forecast.data.batching.errors import (
    DatasetError,
    UnsupportedOverwriteError,
    quoted,
    require,
)
from drnn_forecast.host import HostDataset


def check_device(device: str | torch.device | None) -> torch.device:
    """Return the torch device, the CPU for None; refuse one that this machine lacks."""
    try:
        checked = torch.device("cpu" if device is None else device)
        torch.empty(1, device=checked)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise DatasetError(
            f"`device` must be a device of this machine, got {device!r}: "
            f"{str(error).splitlines()[0]} ({torch.cuda.device_count()} CUDA devices found.) Pass "
            "'cpu' or None."
        ) from error
    return checked


def check_index(index: pd.DataFrame, num_rows: int) -> None:
    """Refuse a frame of windows that does not point into the data's rows."""
    require(
        {"index_start", "index_end"} <= set(index.columns),
        "`index` must have the columns 'index_start' and 'index_end', got "
        f"{quoted(index.columns)}. Assign rows of the dataset's own `index`.",
    )
    if len(index) == 0:
        return
    first, last = int(index["index_start"].min()), int(index["index_end"].max())
    require(
        first >= 0 and last < num_rows and bool((index["index_start"] <= index["index_end"]).all()),
        f"`index` must hold windows within the {num_rows} rows of the data, got rows {first} to "
        f"{last}. Assign rows of the dataset's own `index`.",
    )


def check_window_numbers(chosen: npt.NDArray[Any], num_windows: int) -> None:
    """Refuse numbers of windows that are not there, with an `IndexError`."""
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


def check_missing(dataset: HostDataset, is_known: bool) -> None:
    """Refuse windows that lack targets where not every step of a window is treated alike."""
    require(
        is_known or "missing" not in dataset.data,
        "Missing targets need a `target_normalizer` and `scalers` of pytorch-forecasting's own "
        f"classes and transformations, and no repeated time steps, got {dataset.target_normalizer}."
        " Fill the targets before, or use another normaliser.",
    )


def check_loader(device: torch.device, batch_sampler: Any, arguments: Mapping[str, Any]) -> None:
    """Refuse an unknown sampler, and workers or pinned memory where batches are on a device."""
    require(
        not isinstance(batch_sampler, str) or batch_sampler == "synchronized",
        f"`batch_sampler` must be 'synchronized', a sampler or None, got {batch_sampler!r}.",
    )
    for name in ("num_workers", "pin_memory"):
        require(
            device.type == "cpu" or not arguments.get(name),
            f"`{name}` must be left out when batches are made on {device}, got "
            f"{arguments.get(name)!r}. Leave it out, or build the dataset with device=None.",
        )


def check_overwrite(dataset: HostDataset, variable: str, target: Any) -> None:
    """Refuse what is no part of a window, and variables whose scaling needs the window."""
    require(
        isinstance(target, str) and target in ("all", "decoder", "encoder"),
        f"`target` must be 'all', 'decoder' or 'encoder', got {target!r}. "
        "It is the part of the windows to overwrite.",
    )
    scaler = dataset.fitted_scalers.get(variable, dataset.fitted_encoders.get(variable))
    is_scaled = isinstance(scaler, TorchNormalizer)
    role = f"scaled by a {type(scaler).__name__}" if is_scaled else None
    role = "the weight" if variable == dataset.weight else role
    role = "the target" if variable in dataset.target_names else role
    require(
        role is None,
        f"`variable` to overwrite must be a covariate with a scikit-learn scaler or an encoder, "
        f"got {variable!r}, which is {role}. Change the frame and build the dataset anew.",
        UnsupportedOverwriteError,
    )

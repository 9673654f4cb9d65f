"""What pytorch-forecasting's normalisers were fitted to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from pytorch_forecasting.data.encoders import (
    EncoderNormalizer,
    GroupNormalizer,
    TorchNormalizer,
)


def added_to_scales(normalizer: TorchNormalizer) -> float:
    """Return what a normaliser has added to the scales that it fitted, so that none is zero.

    It depends on the type of the values it is fitted on: a window is a tensor, a table of series
    is not.
    """
    is_tensor = isinstance(normalizer, EncoderNormalizer)
    return float(torch.finfo(torch.float32).eps if is_tensor else np.finfo(np.float16).eps)


def quantile_fractions(normalizer: EncoderNormalizer) -> dict[str, float]:
    """Return the fractions "lower", "center" and "upper" of a robust normaliser.

    It keeps the user's in a private attribute, and the defaults in its `fit`.
    """
    return {"lower": 0.25, "center": 0.5, "upper": 0.75, **normalizer._method_kwargs}


def scales_by_series(
    normalizer: Any, groups: npt.NDArray[np.int64], group_ids: list[str]
) -> npt.NDArray[np.float64] | None:
    """Return center and scale of every series from a normaliser's table at once, `(series, 2)`.

    `get_parameters` looks up one series after another, 0.1 ms each. None where it has to: the
    table has other keys than the group ids, or the class is another.

    Args:
        normalizer: Fitted on the targets.
        groups: Encoded group ids of every series, `(series, group ids)`.
        group_ids: The columns that they come from.
    """
    if type(normalizer) is not GroupNormalizer or normalizer.scale_by_group:
        return None
    if normalizer._groups == []:
        parameters = normalizer.get_parameters(groups[0].tolist(), [])
        return np.broadcast_to(np.asarray(parameters, np.float64), (len(groups), 2))
    if normalizer._groups != group_ids:
        return None
    index = normalizer.norm_.index
    is_tuple = isinstance(index, pd.MultiIndex)
    keys = pd.MultiIndex.from_arrays(list(groups.T)) if is_tuple else groups[:, 0]
    found = index.get_indexer(keys)
    scales: npt.NDArray[np.float64] = normalizer.norm_.to_numpy()[found]
    scales[found < 0] = [normalizer.missing_[name] for name in normalizer.names]
    return scales

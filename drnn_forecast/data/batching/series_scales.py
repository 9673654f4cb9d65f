"""Center and scale of the targets of every series, as fitted before."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from pytorch_forecasting.data.encoders import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    NaNLabelEncoder,
    TorchNormalizer,
)
from torch import Tensor


def series_scales(normalizer: Any, groups: Tensor, group_ids: list[str]) -> list[Tensor | None]:
    """Return a table of center and scale per series for each target, `(series, 2)`.

    An `EncoderNormalizer` has None: its scale belongs to the window.

    Args:
        normalizer: The dataset's target normaliser.
        groups: Encoded group ids of every series, `(series, group ids)`.
        group_ids: The columns that they come from.
    """
    parts = normalizer.normalizers if isinstance(normalizer, MultiNormalizer) else [normalizer]
    return [
        None if isinstance(part, EncoderNormalizer) else _series_scale(part, groups, group_ids)
        for part in parts
    ]


def _series_scale(normalizer: Any, groups: Tensor, group_ids: list[str]) -> Tensor:
    """Return center and scale of one target for every series, `(series, 2)`."""
    if type(normalizer) in (TorchNormalizer, NaNLabelEncoder):
        parameters = [normalizer.get_parameters(groups[0], group_ids)]
    elif type(normalizer) is GroupNormalizer and _is_looked_up_by_series(normalizer, group_ids):
        return torch.from_numpy(_group_scale(normalizer, groups.numpy()).astype(np.float32))
    else:
        parameters = [normalizer.get_parameters(row, group_ids) for row in groups]
    # The collate function of pytorch-forecasting stacks tensors as they are and makes float32 of
    # everything else.
    if isinstance(parameters[0], Tensor):
        table = torch.stack(parameters)
    else:
        table = torch.from_numpy(np.array(parameters, dtype=np.float32))
    return table.expand(len(groups), -1)


def _is_looked_up_by_series(normalizer: GroupNormalizer, group_ids: list[str]) -> bool:
    """Whether the normaliser's table has one key per group id, in the dataset's order."""
    names = normalizer._groups
    return not normalizer.scale_by_group and names in ([], group_ids)


def _group_scale(normalizer: GroupNormalizer, groups: npt.NDArray[np.int64]) -> Any:
    if not normalizer._groups:
        parameters = normalizer.get_parameters(groups[0].tolist(), [])
        return np.broadcast_to(parameters, (len(groups), 2)).copy()
    index = normalizer.norm_.index
    if isinstance(index, pd.MultiIndex):
        found = index.get_indexer(pd.MultiIndex.from_arrays(list(groups.T)))
    else:
        found = index.get_indexer(groups[:, 0])
    scales = normalizer.norm_.to_numpy()[found]
    scales[found < 0] = [normalizer.missing_[name] for name in normalizer.names]
    return scales

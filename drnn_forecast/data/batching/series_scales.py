"""Center and scale of the targets of every series, as fitted before."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pytorch_forecasting.data.encoders import EncoderNormalizer, NaNLabelEncoder, TorchNormalizer
from torch import Tensor

from drnn_forecast.host import scales_by_series


def series_scales(dataset: Any, groups: Tensor) -> list[Tensor | None]:
    """Return a table of center and scale per series for each target, `(series, 2)`.

    An `EncoderNormalizer` has None: its scale belongs to the window.

    Args:
        dataset: A `TimeSeriesDataSet`.
        groups: Encoded group ids of every series, `(series, group ids)`.
    """
    return [
        None if isinstance(part, EncoderNormalizer) else _table(part, groups, dataset.group_ids)
        for part in dataset.target_normalizers
    ]


def _table(normalizer: Any, groups: Tensor, group_ids: list[str]) -> Tensor:
    table = scales_by_series(normalizer, groups.numpy(), group_ids)
    if table is not None:
        return torch.from_numpy(table.astype(np.float32))
    is_one = type(normalizer) in (TorchNormalizer, NaNLabelEncoder)
    rows = groups[:1] if is_one else groups
    parameters = [normalizer.get_parameters(row, group_ids) for row in rows]
    # As the collate function of pytorch-forecasting stacks them.
    if isinstance(parameters[0], Tensor):
        return torch.stack(parameters).expand(len(groups), -1)
    return torch.from_numpy(np.array(parameters, dtype=np.float32)).expand(len(groups), -1)

"""Where the data of a training run lie: on the GPU that trains, if they fit there."""

from __future__ import annotations

from typing import Final

import torch
from pytorch_forecasting.data import TimeSeriesDataSet

from drnn_forecast.data import BatchedTimeSeriesDataSet, data_bytes, on_device

ACCELERATORS: Final = ("auto", "gpu", "cuda")
"""Those of Lightning's trainer that train on a GPU where there is one."""

SHARE: Final = 0.1
"""Of the free memory of the GPU, that the data of one dataset may take."""


def placed(dataset: TimeSeriesDataSet, accelerator: str) -> TimeSeriesDataSet:
    """Return a dataset whose batches are made on the GPU that trains; else the dataset itself.

    Of several GPUs each has a process of its own, whose data stay on the host.
    """
    if (
        accelerator not in ACCELERATORS
        or not isinstance(dataset, BatchedTimeSeriesDataSet)
        or getattr(dataset, "stream", None) is not None
        or dataset.device.type != "cpu"
        or torch.cuda.device_count() != 1
    ):
        return dataset
    free, _ = torch.cuda.mem_get_info()
    return on_device(dataset, "cuda") if data_bytes(dataset) <= SHARE * free else dataset

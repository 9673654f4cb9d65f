"""A drop-in `TimeSeriesDataSet` whose batches are gathered with tensor indexing in one step."""

from drnn_forecast.batching.dataset import BatchedTimeSeriesDataSet
from drnn_forecast.batching.refusals import DatasetError

__all__ = ["BatchedTimeSeriesDataSet", "DatasetError"]

"""A drop-in `TimeSeriesDataSet` whose batches are gathered with tensor indexing in one step."""

from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet
from drnn_forecast.data.batching.errors import DatasetError
from drnn_forecast.data.batching.renewal import renewable, renewed

__all__ = ["BatchedTimeSeriesDataSet", "DatasetError", "renewable", "renewed"]

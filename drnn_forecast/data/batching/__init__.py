"""A drop-in `TimeSeriesDataSet` whose batches are gathered with tensor indexing in one step."""

"""The command `predict`."""

from __future__ import annotations

import sys
from pathlib import Path

from drnn_forecast.data import read_table, write_table
from drnn_forecast.model import DilatedRNNForecaster


def predict(
    checkpoint: Path, data: Path, *, future: Path | None = None, out: Path | None = None
) -> None:
    """Forecasts past the end of every series of a table with a trained checkpoint.

    Args:
        checkpoint: What fit wrote. It is a pickle: use only files that you trust.
        data: CSV or Parquet file with the columns of the training table.
        future: CSV or Parquet file of future rows: series, time and covariates known ahead. Rows
            of the table whose target is empty after a series' last observation serve as well.
        out: CSV or Parquet file to write; by default CSV to the screen.
    """
    model = DilatedRNNForecaster.load_from_checkpoint(checkpoint)
    rows = None if future is None else read_table(future)
    result = model.forecast(read_table(data), future=rows)
    if out is None:
        result.to_csv(sys.stdout, index=False)
    else:
        write_table(result, out)
        print(f"Written: {out}")

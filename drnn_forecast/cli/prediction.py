"""The command `predict`."""

from __future__ import annotations

import sys
from pathlib import Path

import drnn_forecast as drnn
from drnn_forecast import data as tables


def predict_table(
    model: Path,
    data: Path,
    *,
    future: Path | None = None,
    horizon: int | None = None,
    origin: str | None = None,
    out: Path | None = None,
    unsafe: bool = False,
) -> None:
    """Forecasts every series of a table with a trained model.

    Args:
        model: The folder that fit wrote, or a Lightning checkpoint of this package's own parts.
        data: CSV or Parquet file with the columns of the training table.
        future: CSV or Parquet file of future rows: series, time and covariates known ahead. Rows
            of the table whose target is empty after a series' last observation serve as well.
        horizon: Time steps; by default those of the training.
        origin: The time of the first forecast; by default the step after the end of every series.
        out: CSV or Parquet file to write; by default CSV to the screen.
        unsafe: Whether a checkpoint may hold other parts: it can then run any code as you.
    """
    result = drnn.load(model, unsafe=unsafe).forecast(
        tables.read_table(data),
        future=None if future is None else tables.read_table(future),
        horizon=horizon,
        origin=origin,
    )
    if out is None:
        result.to_csv(sys.stdout, index=False)
    else:
        tables.write_table(result, out)
        print(f"Written: {out}")

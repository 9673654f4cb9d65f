"""The command `predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import drnn_forecast as drnn
from drnn_forecast import data as tables
from drnn_forecast.cli.outputs import check_file
from drnn_forecast.cli.table import read_for

if TYPE_CHECKING:
    import pandas as pd


def predict_table(
    model: Path,
    data: Path,
    *,
    future: Path | None = None,
    horizon: int | None = None,
    origin: str | None = None,
    out: Path | None = None,
    csv: dict[str, Any] | None = None,
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
        csv: How CSV files are written, as in `fit`.
        unsafe: Whether a checkpoint may hold other parts: it can then run any code as you.
    """
    asked = (model, unsafe, data, future, horizon, origin, csv)
    if out is None:
        _forecast(*asked).to_csv(sys.stdout, index=False)
        return
    check_file("out", out, inputs=[model, data, future], suffixes=tables.SUFFIXES)
    with tables.held("out", out):
        tables.write_table(_forecast(*asked), out)
    print(f"Written: {out}")


def _forecast(
    model: Path,
    unsafe: bool,
    data: Path,
    future: Path | None,
    horizon: int | None,
    origin: str | None,
    csv: dict[str, Any] | None,
) -> pd.DataFrame:
    """Return the forecast."""
    forecaster = drnn.load(model, unsafe=unsafe)
    return forecaster.forecast(
        read_for(forecaster, data, csv),
        future=None if future is None else read_for(forecaster, future, csv),
        horizon=horizon,
        origin=origin,
    )

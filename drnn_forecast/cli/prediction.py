"""The command `predict`."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import drnn_forecast as drnn
from drnn_forecast import data as tables, scale
from drnn_forecast.cli.outputs import check_file, check_folder
from drnn_forecast.cli.table import read_for

if TYPE_CHECKING:
    import pandas as pd


def predict_table(
    model: Path,
    data: str,
    *,
    future: str | None = None,
    horizon: int | None = None,
    origin: str | None = None,
    out: str | None = None,
    csv: dict[str, Any] | None = None,
    unsafe: bool = False,
    workers: int = 1,
    partitioning: list[str] | None = None,
    max_rows_in_memory: int | None = None,
    progress: bool = True,
) -> None:
    """Forecasts every series of a table, or of a partitioned dataset, with a trained model.

    Args:
        model: The folder that fit wrote, or a Lightning checkpoint of this package's own parts.
        data: CSV or Parquet file with the columns of the training table; or a folder of Parquet
            files, or a URL of one such as s3://bucket/sales, in which every series lies within one
            partition.
        future: CSV or Parquet file of future rows: series, time and covariates known ahead. Rows
            of the table whose target is empty after a series' last observation serve as well. Of a
            folder, a folder of files of the same names.
        horizon: Time steps; by default those of the training.
        origin: The time of the first forecast; by default the step after the end of every series.
        out: CSV or Parquet file to write; by default CSV to the screen. Of a folder, a folder or
            URL, which is filled partition by partition; the same command goes on where it ended.
        csv: How CSV files are written, as in `fit`.
        unsafe: Whether a checkpoint may hold other parts: it can then run any code as you.
        workers: Processes that share the partitions of a folder.
        partitioning: Columns that the names of folders tell, one for each level; by default those
            of names such as region=north.
        max_rows_in_memory: Rows of a folder that a worker reads at a time.
        progress: Whether to show how many partitions of a folder are finished.
    """
    if tables.holds_parts(data):
        options = {"partitioning": partitioning or "hive", "workers": workers, "unsafe": unsafe}
        if max_rows_in_memory is not None:
            options["max_rows"] = max_rows_in_memory
        _predict_partitions(
            model,
            data,
            out,
            {"future": future, "horizon": horizon, "origin": origin, "progress": progress},
            options,
        )
        return
    given = {
        "workers": workers != 1,
        "partitioning": partitioning,
        "max_rows_in_memory": max_rows_in_memory,
    }
    for name in filter(given.get, given):
        raise ValueError(
            f"`{name}` is for a folder of Parquet files, but {data!r} is a file; leave it out."
        )
    later = None if future is None else Path(future)
    asked = (model, unsafe, Path(data), later, horizon, origin, csv)
    if out is None:
        _forecast(*asked).to_csv(sys.stdout, index=False)
        return
    target = Path(out)
    check_file("out", target, inputs=[model, *asked[2:4]], suffixes=tables.SUFFIXES)
    with tables.held("out", target):
        tables.write_table(_forecast(*asked), target)
    print(f"Written: {target}")


def _predict_partitions(
    model: Path, data: str, out: str | None, asked: dict[str, Any], options: dict[str, Any]
) -> None:
    """Write the forecasts of a partitioned dataset, and say how many there are."""
    if out is None:
        raise ValueError(
            f"`out` must name a folder where {data!r} is one: forecasts of partitions are files."
        )
    holding: AbstractContextManager[None] = nullcontext()
    if not tables.is_url(out):
        inputs = [model, *map(Path, filter(None, (data, asked["future"])))]
        check_folder("out", Path(out), inputs=inputs, is_below=True)
        holding = tables.held("out", Path(out))
    with holding:
        done = scale.forecast_partitions(model, data, out, **asked, **options)
    before = f", {done.finished_before} of them before" if done.finished_before else ""
    print(f"Written: {tables.shown_place(out)} ({done.partitions} partitions{before})")


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

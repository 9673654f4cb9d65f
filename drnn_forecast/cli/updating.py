"""The command `update`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import drnn_forecast as drnn
from drnn_forecast import data as tables
from drnn_forecast.cli.outputs import check_folder
from drnn_forecast.cli.table import read_for


def update_on_table(
    model: Path,
    data: Path,
    *,
    max_seconds: float = 60,
    max_steps: int | None = None,
    seed: int = 0,
    out: Path | None = None,
    overwrite: bool = False,
    accelerator: str = "auto",
    csv: dict[str, Any] | None = None,
    progress: bool = True,
) -> None:
    """Goes on training a model with newer rows of its table, and saves it in its folder.

    At every moment the folder holds the old model or the new one, whole.

    Args:
        model: The folder that fit wrote.
        data: CSV or Parquet file with the columns of the training table: the newer rows, with the
            older ones as far back as the model reads, or all of them.
        max_seconds: The budget.
        max_steps: Optimiser steps in place of the budget, such as those that an update tells.
        seed: Of the order of windows and dropout.
        out: The folder to write; by default that of the model.
        overwrite: Whether another model in `out` may be replaced.
        accelerator: cpu, gpu or another of Lightning's.
        csv: How a CSV file is written, as in `fit`.
        progress: Whether to show the progress bar.
    """
    name, place = ("model", model) if out is None else ("out", out)
    if out is not None:
        check_folder(name, place, inputs=[data])
    if model.is_file():
        raise ValueError(
            f"`model` {str(model)!r} is a file; name the folder that `fit` wrote. A checkpoint "
            "becomes one by `drnn_forecast.load(path).save(folder)`."
        )
    is_there = place.exists() and not (model.exists() and place.samefile(model))
    unless = "choose another name, or pass `--overwrite true`" if is_there else None
    check_folder(name, place, inputs=[data], unless=None if overwrite else unless)
    with tables.held(name, place):
        forecaster = drnn.load(model)
        report = forecaster.update(
            read_for(forecaster, data, csv),
            max_seconds=max_seconds,
            max_steps=max_steps,
            seed=seed,
            accelerator=accelerator,
            progress=progress,
        )
        forecaster.save(place)
    print(report)
    print(report.drift)
    print(f"Written: {place}")

"""The command `fit`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import drnn_forecast as drnn
from drnn_forecast import data as tables, model as models
from drnn_forecast.cli.outputs import check_folder, file_bytes, network_bytes
from drnn_forecast.cli.table import WINDOWS, Table
from drnn_forecast.host import is_first_process

NETWORKS = 10
"""Of a race, all of which have restore points until its end."""


def fit_table(
    data: str,
    *,
    preset: str = "medium",
    max_seconds: float | None = None,
    max_steps: int | None = None,
    seed: int = 0,
    out: Path = Path("model"),
    overwrite: bool = False,
    accelerator: str = "auto",
    weight: str | None = None,
    keep_short: bool | None = None,
    identity: bool | None = None,
    target_normalizer: str | None = None,
    hidden_size: int | None = None,
    num_layers: int | None = None,
    dilation_base: int | None = None,
    start_exponent: int | None = None,
    dilations: list[int] | None = None,
    cell_type: str | None = None,
    dropout: float | None = None,
    residual: bool | None = None,
    level_anchor: bool | None = None,
    linear_length: int | None = None,
    segment_length: int | None = None,
    head_size: int | None = None,
    relative_loss: bool | None = None,
    quantiles: list[float] | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    trust: float | None = None,
    calibrated: bool | None = None,
    progress: bool = True,
    partitioning: list[str] | None = None,
    max_rows_in_memory: int | None = None,
    **table: Any,
) -> None:
    """Trains a forecaster on a table and saves it in a folder; what is not given, the recipe sets.

    Args:
        data: CSV or Parquet file, one row per series and time; or a folder of Parquet files, or a
            URL of one such as s3://bucket/sales, which are read in parts: every series lies within
            one partition, and the recipe and the validation rest on a sample.
        preset: fast, medium or best: a budget of 15, 60 or 600 seconds; best is an ensemble.
        max_seconds: The budget, in place of the preset's.
        max_steps: Optimiser steps in place of the budget, such as those that a model's card tells.
        seed: Of initial weights, order and dropout.
        out: The folder to write.
        overwrite: Whether a model in that folder may be replaced.
        accelerator: cpu, gpu or another of Lightning's.
        weight: Column with the weight of every row in the loss.
        keep_short: Whether series that are too short for all windows take part with those that
            they have; by default they do, unless drop_short is given. Others are refused.
        identity: Whether the name of the series is a covariate, where there are several.
        target_normalizer: What scales the target: EncoderNormalizer, each window by its own
            context, as by default; GroupNormalizer, each series; TorchNormalizer, all alike.
        hidden_size: Units per layer.
        num_layers: L; by default as deep as the context allows.
        dilation_base: M.
        start_exponent: l0.
        dilations: One per layer, in place of the three above.
        cell_type: RNN, GRU or LSTM.
        dropout: At least 0 and below 1.
        residual: Whether layers add their input to their output.
        level_anchor: Whether the forecast is anchored on the mean of the window too.
        linear_length: Time steps that the linear map reads; 0 for none.
        segment_length: Time steps that the encoder reads at once.
        head_size: Units of the head's hidden layers.
        relative_loss: Whether each window's loss is divided by its scale.
        quantiles: Levels to forecast, 0.5 among them; by default seven from 0.025 to 0.975.
        learning_rate: Of the Adam optimiser.
        batch_size: Windows per step.
        trust: How much of what training changed about the anchors' forecast is kept, 0 to 1.
        calibrated: Whether intervals are calibrated on held-out windows.
        progress: Whether to show the progress bar.
        partitioning: Columns that the names of a dataset's folders tell, one for each level; by
            default those of names such as region=north.
        max_rows_in_memory: Rows of a folder in memory at most, in each process.
        **table: See `Table`.
    """
    given = {name: value for name, value in locals().items() if name in _OVERRIDES}
    overrides = {name: value for name, value in given.items() if value is not None}
    if quantiles is not None:
        overrides["loss"] = models.quantile_loss(quantiles)
    parts = {"partitioning": partitioning, "max_rows_in_memory": max_rows_in_memory}
    parts = {name: value for name, value in parts.items() if value is not None}
    is_parted = tables.holds_parts(data)
    if parts and not is_parted:
        raise ValueError(
            f"`{next(iter(parts))}` is for a folder of Parquet files, but {data!r} is a file; "
            "leave it out."
        )
    unless = None if overwrite else "choose another name, or pass `--overwrite true`"
    networks = NETWORKS if preset == "best" else 1
    room = file_bytes(Path(data)) + network_bytes(hidden_size, num_layers, networks)
    check_folder("out", out, inputs=[Path(data)], unless=unless, room=0 if is_parted else room)
    unfinished = out.with_name(f"{out.name}.unfinished")
    check_folder("out", unfinished)
    source = Table(path=Path(data), **table)
    if target_normalizer is not None:
        overrides["target_normalizer"] = _normalizer(target_normalizer, source)
    # Of several processes, which torchrun or SLURM has started, the first one writes.
    is_first = is_first_process()
    with tables.held("out", out) if is_first else nullcontext(), _kept(unfinished):
        drnn.train(
            _parted(data, source, weight, parts) if is_parted else source.data,
            source.horizon,
            preset=preset,
            max_seconds=max_seconds,
            max_steps=max_steps,
            seed=seed,
            folder=out,
            overwrite=overwrite,
            accelerator=accelerator,
            weight=weight,
            progress=progress,
            **source.given(WINDOWS),
            **overrides,
        )
    if is_first:
        print(f"Written: {out}")


def _parted(data: str, source: Table, weight: str | None, parts: dict[str, Any]) -> Any:
    """Return the data of a folder of Parquet files."""
    roles = tables.Roles(**source.roles)
    return tables.PartedData.from_parts(data, roles, weight=weight, **parts)


def _normalizer(name: str, source: Table) -> Any:
    """Return one of pytorch-forecasting's normalisers of the target, by its name."""
    from pytorch_forecasting import data

    if name not in NORMALIZERS:
        raise ValueError(f"`target_normalizer` must be one of {NORMALIZERS}, got {name!r}.")
    options = {"groups": [source.data.roles.group]} if name == "GroupNormalizer" else {}
    return getattr(data, name)(**options)


@contextmanager
def _kept(unfinished: Path) -> Iterator[None]:
    """Say where an interrupted training goes on from, if it has come so far."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if unfinished.is_dir():
            raise KeyboardInterrupt(
                f"{str(unfinished)!r} keeps what was learned; the same command goes on from there"
            ) from stop
        raise


NORMALIZERS = ("EncoderNormalizer", "GroupNormalizer", "TorchNormalizer")

_OVERRIDES = {
    *("hidden_size", "num_layers", "dilation_base", "start_exponent", "dilations", "cell_type"),
    *("dropout", "residual", "level_anchor", "linear_length", "segment_length", "head_size"),
    *("relative_loss", "learning_rate", "batch_size", "trust", "calibrated", "keep_short"),
    "identity",
}

"""The command `fit`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from pytorch_forecasting.metrics import QuantileLoss

from drnn_forecast.cli.table import Table
from drnn_forecast.model import QUANTILE_LEVELS, DilatedRNNForecaster, checked_quantiles
from drnn_forecast.training import fit as fit_model


def fit(
    data: Path,
    *,
    anchor: bool = True,
    hidden_size: int = 64,
    num_layers: int | None = None,
    dilation_base: int | None = None,
    start_exponent: int | None = None,
    dilations: list[int] | None = None,
    cell_type: str = "GRU",
    dropout: float = 0.1,
    residual: bool = False,
    head_size: int | None = None,
    quantiles: list[float] | None = None,
    learning_rate: float = 3e-3,
    batch_size: int = 128,
    max_epochs: int = 50,
    max_seconds: float | None = None,
    steps_per_epoch: int | None = None,
    patience: int = 10,
    seed: int = 0,
    progress: bool = True,
    checkpoint: Path = Path("model.ckpt"),
    overwrite: bool = False,
    **table: Any,
) -> None:
    """Trains a forecaster on a table and writes its best checkpoint.

    Args:
        data: CSV or Parquet file, one row per series and time.
        anchor: Whether to forecast the difference from the values one season ago.
        hidden_size: Units per layer.
        num_layers: L; by default as deep as the context allows.
        dilation_base: M, by default 2.
        start_exponent: l0, by default 0.
        dilations: One per layer, in place of the three above.
        cell_type: RNN, GRU or LSTM.
        dropout: At least 0 and below 1.
        residual: Whether layers add their input to their output.
        head_size: Units of the head's hidden layers; by default those of the top layer.
        quantiles: Levels to forecast, 0.5 among them; by default seven from 0.025 to 0.975.
        learning_rate: Of the Adam optimiser.
        batch_size: Windows per step.
        max_epochs: The most epochs.
        max_seconds: The most seconds of training.
        steps_per_epoch: Optimiser steps between validations; by default all windows once.
        patience: Validations without a better loss after which training stops.
        seed: Of initial weights, order and dropout.
        progress: Whether to show the progress bar.
        checkpoint: The file to write.
        overwrite: Whether that file may be replaced.
        **table: See `Table`.
    """
    if checkpoint.exists() and not overwrite:
        raise FileExistsError(
            f"`checkpoint` {str(checkpoint)!r} exists; choose another name, or pass "
            "`--overwrite true`."
        )
    levels = checked_quantiles(quantiles or QUANTILE_LEVELS)
    source = Table(path=data, **table)
    splits = source.split()
    build = partial(
        DilatedRNNForecaster.from_dataset,
        splits.training,
        hidden_size=hidden_size,
        num_layers=num_layers,
        dilation_base=dilation_base,
        start_exponent=start_exponent,
        dilations=dilations,
        cell_type=cell_type,
        dropout=dropout,
        residual=residual,
        head_size=head_size,
        season_length=source.seasons if anchor else None,
        loss=QuantileLoss(levels),
        learning_rate=learning_rate,
        roles=source.data.roles.to_dict(),
    )
    result = fit_model(
        build,
        splits.training,
        splits.validation,
        seed=seed,
        max_epochs=max_epochs,
        max_seconds=max_seconds,
        steps_per_epoch=steps_per_epoch,
        batch_size=batch_size,
        patience=patience,
        checkpoint=checkpoint,
        progress=progress,
    )
    print(
        f"Trained {result.steps} steps in {result.seconds:.0f} s (stopped by {result.stopped_by}); "
        f"best validation loss {result.validation_loss:.6g}; written: {result.checkpoint}"
    )

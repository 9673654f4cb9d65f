"""The command `drnn-forecast`: flags and YAML files for what the package does in Python."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jsonargparse import auto_cli
from pytorch_forecasting.metrics import QuantileLoss

from drnn_forecast.baselines import QUANTILES
from drnn_forecast.demo import demonstrate, score_text
from drnn_forecast.forecaster import DilatedRNNForecaster
from drnn_forecast.frames import ForecastData, read_table, write_table
from drnn_forecast.frames.seasons import default_context, default_seasons
from drnn_forecast.heads import checked_quantiles
from drnn_forecast.training import fit as fit_model


def main(args: Sequence[str] | None = None) -> int:
    """Return the exit status of a command line: 0, 2 for a mistake, 130 when interrupted."""
    try:
        auto_cli(
            [demo, fit, predict],
            args=None if args is None else list(args),
            prog="drnn-forecast",
            description="Forecasts long, seasonal series with a dilated recurrent network.",
        )
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        print(f"drnn-forecast: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("drnn-forecast: interrupted, nothing more was written", file=sys.stderr)
        return 130
    return 0


def demo(
    *,
    folder: Path | None = None,
    seconds: float = 70,
    num_series: int = 8,
    validation_windows: int = 14,
    test_windows: int = 28,
    seed: int = 0,
    progress: bool = True,
) -> None:
    """Trains on the sample in the package, and compares with LSTM, DeepAR and seasonal naive.

    Args:
        folder: Where to write; must not exist. By default drnn-demo, or drnn-demo-2, ...
        seconds: Training time of each neural model.
        num_series: Countries of the sample to use.
        validation_windows: Windows of 48 hours per country that stop the training.
        test_windows: Windows of 48 hours per country, at the end, that are scored.
        seed: Of all training.
        progress: Whether to show progress bars.
    """
    result = demonstrate(
        _free_folder("drnn-demo") if folder is None else folder,
        seconds=seconds,
        num_series=num_series,
        validation_windows=validation_windows,
        test_windows=test_windows,
        seed=seed,
        progress=progress,
        announce=lambda name: print(f"\n{name}", flush=True),
    )
    print(f"\n{score_text(result.comparison)}")
    print("\nWritten:")
    for path in sorted(result.folder.iterdir()):
        print(f"  {path}")


def fit(
    data: Path,
    *,
    time: str,
    target: str,
    horizon: int,
    series: str | None = None,
    known: str | list[str] | None = None,
    observed: str | list[str] | None = None,
    static: str | list[str] | None = None,
    freq: str | None = None,
    calendar: bool = True,
    fill_gaps: bool = False,
    drop_short: bool = False,
    context_length: int | None = None,
    season_length: int | list[int] | None = None,
    anchor: bool = True,
    validation_windows: int = 4,
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
) -> None:
    """Trains a forecaster on a table and writes its best checkpoint.

    Args:
        data: CSV or Parquet file, one row per series and time.
        time: Column of time stamps.
        target: Column to forecast.
        horizon: Time steps to forecast.
        series: Column that names the series; without it, the table is one series.
        known: Covariates known ahead: a column, or [several,columns].
        observed: Covariates known up to now only.
        static: Covariates constant within a series.
        freq: pandas frequency alias; inferred where it is not given.
        calendar: Whether to make features of the time stamps.
        fill_gaps: Whether to fill missing time steps.
        drop_short: Whether to leave out series that are too short.
        context_length: Time steps to look back; by default the longest season, or twice the
            horizon where that is longer.
        season_length: Time steps, one or [several]; by default those of the frequency.
        anchor: Whether to forecast the difference from the values one season ago.
        validation_windows: Windows at the end of each series that stop the training.
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
    """
    if checkpoint.exists() and not overwrite:
        raise FileExistsError(
            f"`checkpoint` {str(checkpoint)!r} exists; choose another name, or pass "
            "`--overwrite true`."
        )
    levels = checked_quantiles(quantiles or QUANTILES)
    frame = ForecastData.from_frame(
        read_table(data),
        time=time,
        target=target,
        series=series,
        known=known or (),
        observed=observed or (),
        static=static or (),
        freq=freq,
        calendar=calendar,
        fill_gaps=fill_gaps,
    )
    if context_length is None:
        context_length = default_context(frame.freq, horizon)
    if season_length is None:
        season_length = [s for s in default_seasons(frame.freq) if s <= context_length] or None
    splits = frame.split(
        horizon=horizon,
        context_length=context_length,
        validation_windows=validation_windows,
        drop_short=drop_short,
    )
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
        season_length=season_length if anchor else None,
        loss=QuantileLoss(levels),
        learning_rate=learning_rate,
        roles=frame.roles.to_dict(),
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


def _free_folder(name: str) -> Path:
    """Return the first of `name`, `name-2`, `name-3`, ... that does not exist."""
    number = 1
    while (folder := Path(name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return folder

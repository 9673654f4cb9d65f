"""The commands `compare` and `backtest`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import drnn_forecast as drnn
from drnn_forecast import cli, data as tables, evaluation
from drnn_forecast.cli.outputs import check_folder, file_bytes, free_folder
from drnn_forecast.cli.table import Table

PASSED_ON = (
    *("min_context_length", "drop_short", "models", "scale_season", "seeds", "learning_rates"),
    *("max_seconds", "max_epochs", "steps_per_epoch", "batch_size", "patience", "calibrated"),
    "progress",
)
"""The flags that are arguments of the same name."""


@dataclass(frozen=True, kw_only=True)
class Contest(Table):
    """What `compare` and `backtest` know beside their windows: a table, models and a budget.

    Attributes:
        models: Names; by default all: dilated_lstm, dilated_gru, dilated_rnn, lstm, gru, deepar,
            nhits, tft, seasonal_naive, auto_ets, mstl and auto_theta.
        scale_season: Time steps: the season of the naive error that MASE and RMSSE divide by; by
            default the shortest usual season of the frequency.
        seeds: Of training; the table shows mean and deviation over them.
        learning_rates: Tried before the runs, outside their budget, for neural models other than
            the dilated ones, which have the recipe's rate; by default three. Where the best is at
            an edge, the search goes on, up to five.
        max_seconds: The most seconds of each training run.
        max_epochs: The most epochs of each training run.
        steps_per_epoch: Optimiser steps between validations.
        batch_size: Windows per step.
        patience: Validations without a better loss after which training stops.
        calibrated: Whether to calibrate intervals on the validation windows.
        out: Folder for finished work and results. The same command goes on from there after an
            interruption; results are never overwritten. By default the table is only shown.
        report: Whether to write pictures and an HTML page beside the CSV files.
        unit: Of the target, for the report.
        progress: Whether to show progress bars.
    """

    # A model's anchors are its own here.
    season_length: None = field(default=None, init=False)
    # Theirs are the horizon and `step`.
    stride: None = field(default=None, init=False)
    models: list[str] | None = None
    scale_season: int | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    learning_rates: tuple[float, ...] | None = None
    max_seconds: float | None = None
    max_epochs: int | None = None
    steps_per_epoch: int | None = None
    batch_size: int | None = None
    patience: int | None = None
    calibrated: bool = False
    out: Path | None = None
    report: bool = True
    unit: str = "target units"
    progress: bool = False

    def run(self, work: Callable[..., evaluation.Results], title: str, **windows: Any) -> None:
        """Run `compare` or `backtest`, show what came out, and write it."""
        if self.out is not None and self.report and find_spec("matplotlib") is None:
            raise ImportError(
                "A report needs matplotlib: pip install 'drnn-forecast[report]', or pass "
                "`--report false`."
            )
        if self.out is None:
            self._show(self._results(work, **windows))
            return
        check_folder("out", self.out, is_below=True, room=file_bytes(self.path))
        with tables.held("out", self.out):
            results = self._results(work, **windows)
            folder = self._written(results, title, self.out)
        self._show(results)
        print("\nWritten:")
        for path in sorted(folder.iterdir()):
            print(f"  {path}")

    def _results(
        self, work: Callable[..., evaluation.Results], **windows: Any
    ) -> evaluation.Results:
        """Return what came out of the work."""
        return work(
            self.data,
            self.horizon,
            **self.recipe.shared,
            folder=None if self.out is None else self.out / "cells",
            announce=lambda line: print(line, file=sys.stderr, flush=True),
            **self.given(PASSED_ON),
            **windows,
        )

    def _show(self, results: evaluation.Results) -> None:
        """Print the results."""
        print(f"\n{cli.settings_text(results)}\n\n{cli.results_text(results)}")

    def _written(self, results: evaluation.Results, title: str, out: Path) -> Path:
        """Return a new folder with the results."""
        folder = free_folder(out / "results")
        folder.parent.mkdir(parents=True, exist_ok=True)
        if self.report:
            evaluation.write_report(results, folder, title=title, unit=self.unit)
        else:
            with tables.filled(folder) as partial:
                evaluation.write_tables(results, partial)
        return folder


def compare_on_table(data: Path, *, test_windows: int = 4, **contest: Any) -> None:
    """Compares models on the last windows of every series, over several seeds.

    Args:
        data: CSV or Parquet file, one row per series and time.
        test_windows: Windows at the end of each series that are scored.
        **contest: See `Contest`.
    """
    run = Contest(path=data, **contest)
    run.run(drnn.compare, f"Comparison on {data.name}", test_windows=test_windows)


def backtest_on_table(
    data: Path,
    *,
    folds: int = 5,
    step: int | None = None,
    refit_every: int | None = 1,
    window_length: int | None = None,
    **contest: Any,
) -> None:
    """Forecasts from origins that move through every series, and compares models over them.

    Args:
        data: CSV or Parquet file, one row per series and time.
        folds: Origins; each fold is one forecast of every series.
        step: Time steps between origins; by default the horizon.
        refit_every: Folds that share a training; null: train once.
        window_length: Time steps of history that a training has; by default all before the origin.
        **contest: See `Contest`.
    """
    run = Contest(path=data, **contest)
    run.run(
        drnn.backtest,
        f"Backtest on {data.name}",
        folds=folds,
        step=step,
        refit_every=refit_every,
        window_length=window_length,
    )

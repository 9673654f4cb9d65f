"""The command `demo`."""

from __future__ import annotations

import sys
from pathlib import Path

from drnn_forecast import cli, data as tables
from drnn_forecast.cli.outputs import check_folder, free_folder


def run_demo(
    *,
    out: Path | None = None,
    max_seconds: float = 70,
    num_series: int = 8,
    validation_windows: int = 14,
    test_windows: int = 28,
    seed: int = 0,
    progress: bool = True,
) -> None:
    """Trains on the sample in the package, and compares with LSTM, DeepAR and seasonal naive.

    Args:
        out: Where to write; must not exist. By default drnn-demo, or drnn-demo-2, ...
        max_seconds: Training time of each neural model.
        num_series: Countries of the sample to use.
        validation_windows: Windows of 48 hours per country that stop the training.
        test_windows: Windows of 48 hours per country, at the end, that are scored.
        seed: Of all training.
        progress: Whether to show progress bars.
    """
    folder = free_folder(Path("drnn-demo")) if out is None else out
    check_folder("out", folder, unless="choose another name", is_below=True)
    with tables.held("out", folder):
        result = cli.demonstrate(
            folder,
            max_seconds=max_seconds,
            num_series=num_series,
            validation_windows=validation_windows,
            test_windows=test_windows,
            seed=seed,
            progress=progress,
            announce=lambda name: print(f"\n{name}", file=sys.stderr, flush=True),
        )
    print(f"\n{cli.score_text(result.table)}")
    print("\nWritten:")
    for path in sorted(result.folder.iterdir()):
        print(f"  {path}")

"""Measure the resident memory of a backtest, fold by fold.

    python benchmarks/backtest_memory.py [--folds 50]

Every fold trains a dilated RNN and an LSTM for a few steps on the sample, with datasets and scalers
of its own. Writes `benchmarks/results/backtest_memory.csv` and `.md`.
"""

import argparse
import gc
from pathlib import Path

import numpy as np
import pandas as pd

from drnn_forecast import backtest
from drnn_forecast.cli.demo import sample_data
from drnn_forecast.evaluation import dilated_rnn, lstm
from machine import RESULTS, markdown, setting


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, default=50)
    args = parser.parse_args()
    rows: list[float] = []

    def measure(name: str, seed: int, result: object) -> None:
        gc.collect()
        if name == "LSTM":  # the last model of a fold
            rows.append(resident())
            print(len(rows), f"{rows[-1]:.0f} MB", flush=True)

    result = backtest(
        sample_data(),
        models=[dilated_rnn(learning_rate=3e-3), lstm(learning_rate=3e-3)],
        horizon=48,
        context_length=168,
        validation_windows=4,
        folds=args.folds,
        step=24,
        seeds=[0],
        max_epochs=1,
        steps_per_epoch=3,
        batch_size=64,
        progress=False,
        on_fit=measure,
    )
    table = pd.DataFrame({"fold": np.arange(len(rows)), "resident MB": rows})
    table.to_csv(RESULTS / "backtest_memory.csv", index=False)
    late = table.iloc[len(table) // 5 :]
    slope = float(np.polyfit(late["fold"], late["resident MB"], 1)[0])
    kept = result.forecasts.memory_usage(deep=True).sum()
    kept += result.validation_forecasts.memory_usage(deep=True).sum()
    shown = table[table["fold"] % max(1, args.folds // 10) == 0]
    lines = [
        "# Memory of a backtest",
        "",
        f"`python benchmarks/backtest_memory.py --folds {args.folds}`: resident memory of the "
        f"process after each fold of two models. {setting('pytorch-forecasting', 'lightning')}",
        "",
        *markdown(shown),
        "",
        f"From fold {int(late['fold'].iloc[0])} on: {late['resident MB'].min():.0f} to "
        f"{late['resident MB'].max():.0f} MB, a slope of {slope:+.2f} MB a fold. The forecasts "
        f"that are kept, test and validation, take {kept / 2**20 / args.folds:.2f} MB a fold.",
    ]
    (RESULTS / "backtest_memory.md").write_text("\n".join(lines) + "\n")
    print(lines[-1])


def resident() -> float:
    """Return the resident memory of this process, MB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()

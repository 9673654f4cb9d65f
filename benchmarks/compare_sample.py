"""Run `drnn-forecast compare` on the sample, and say what it cost beyond training and prediction.

    python benchmarks/compare_sample.py [--seconds 60] [--seeds 0 1 2] [--report benchmarks/report]
    python benchmarks/compare_sample.py --seeds 0 --models mstl auto_ets --name compare_classical

Three neural models, three seeds, 60 seconds each by default, after a search for learning rates of
60 seconds for each model, beside a seasonal naive method: about 12 minutes. Writes
`benchmarks/results/compare_sample.csv` and `.md`, or files of another name.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from drnn_forecast import load_sample
from machine import RESULTS, setting

FLAGS = {
    "series": "series",
    "time": "time",
    "target": "load",
    "known": "temperature",
    "horizon": 48,
    "context_length": 168,
    "validation_windows": 14,
    "test_windows": 28,
    "steps_per_epoch": 200,
    "batch_size": 64,
    "unit": "MW",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--models", nargs="+", default=["dilated_lstm", "lstm", "deepar", "seasonal_naive"]
    )
    parser.add_argument("--name", default="compare_sample", help="of the files of results")
    parser.add_argument("--report", type=Path, help="where to keep the folder of the results")
    args = parser.parse_args()
    seeds = f"[{','.join(map(str, args.seeds))}]"
    models = f"[{','.join(args.models)}]"
    flags = FLAGS | {"models": models, "max_seconds": args.seconds, "seeds": seeds}
    command = ["compare", "sample.parquet"]
    command += [part for name, value in flags.items() for part in (f"--{name}", str(value))]
    with TemporaryDirectory() as folder:
        load_sample().to_parquet(Path(folder) / "sample.parquet")
        started = time.perf_counter()
        result = subprocess.run(
            [sys.executable, "-m", "drnn_forecast", *command, "--out", "out"],
            cwd=folder,
            text=True,
            stdout=subprocess.PIPE,
            check=True,
        )
        wall = time.perf_counter() - started
        print(result.stdout)
        made = Path(folder) / "out" / "results"
        pd.read_csv(made / "table.csv").to_csv(RESULTS / f"{args.name}.csv", index=False)
        if args.report:
            made.rename(args.report)
    write(args.name, result.stdout, command, wall)


def write(name: str, output: str, command: list[str], wall: float) -> None:
    """Write what the command showed, without its progress."""
    shown = output[output.index("Settings:") : output.index("\nWritten:")]
    lines = [
        "# A comparison on the sample",
        "",
        f"`drnn-forecast {' '.join(command)}`, {wall:.0f} s in all, start of Python and report "
        f"included. {setting('pytorch-forecasting', 'lightning')}",
        "",
        "```",
        shown.rstrip(),
        "```",
    ]
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

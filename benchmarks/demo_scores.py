"""Run the demonstration with several seeds, and say how it did against its bars.

    python benchmarks/demo_scores.py [--seconds 70] [--seeds 0 1 2]

Writes `benchmarks/results/demo_scores.csv` (a row per model and seed) and `.md`.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from drnn_forecast.demo import demonstrate
from machine import RESULTS, markdown, setting

SCORES = ["MAE", "sMAPE", "MASE", "pinball", "coverage 80 %", "training s", "steps"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=70)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    tables = []
    for seed in args.seeds:
        with TemporaryDirectory() as folder:
            shown = demonstrate(
                Path(folder) / "demo", seconds=args.seconds, seed=seed, progress=False
            )
        tables.append(shown.table.assign(seed=seed).reset_index())
        print(tables[-1][["model", *SCORES]], flush=True)
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(RESULTS / "demo_scores.csv", index=False)
    write(table, args)


def write(table: pd.DataFrame, args: argparse.Namespace) -> None:
    groups = table.groupby("model", sort=False)[SCORES]
    mean, low, high = groups.mean(), groups.min(), groups.max()
    shown = mean.map("{:.4g}".format) + " (" + low.map("{:.4g}".format)
    shown = shown + " to " + high.map("{:.4g}".format) + ")"
    naive = mean[mean.index.str.startswith("Seasonal naive")].min()
    ours = mean.loc["DilatedRNN"]
    verdicts = [
        f"- {score}: {1 - ours[score] / naive[score]:.1%} below the better seasonal naive "
        f"(bar: 30 %); " + ", ".join(
            f"{ours[score] / mean.loc[rival, score]:.2f} times {rival}'s"
            for rival in ("LSTM", "DeepAR")
        )
        for score in ("pinball", "MAE")
    ]  # fmt: skip
    seeds = " ".join(map(str, args.seeds))
    lines = [
        "# The demonstration, several seeds",
        "",
        f"`python benchmarks/demo_scores.py --seconds {args.seconds:g} --seeds {seeds}`: mean "
        f"(lowest to highest). {setting('pytorch-forecasting', 'lightning')}",
        "",
        *markdown(shown.reset_index()),
        "",
        *verdicts,
    ]
    (RESULTS / "demo_scores.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

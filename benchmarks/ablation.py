"""Try the levers of accuracy one by one, on the validation parts of several data sets.

    python benchmarks/ablation.py [--tasks "M4 Hourly" ETTh1] [--variants base average] [--seeds 0]

Every variant changes one thing of the settings in `benchmarks/accuracy/tasks.py`. The test parts
are cut off before anything else. Runs that `benchmarks/results/accuracy/ablation.jsonl` holds are
not done again, so the queue can be stopped and resumed. The settings moved as levers won, and the
files of earlier rounds keep the last commit before each run.
"""

import argparse
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import pandas as pd
from pytorch_forecasting import EncoderNormalizer
from pytorch_forecasting.metrics import MAE, RMSE, SMAPE

sys.path.insert(0, str(Path(__file__).parent / "accuracy"))

from runs import RESULTS, Change, recorded, train
from tasks import CHOICE, METRICS

from machine import markdown

SHORTER = {"M4 Hourly": 168, "M4 Weekly": 1}

ROUNDS = {
    "around the settings of the reported rows": "ablation",
    "second round, on the way to these settings": "second_round",
    "first round, before level and residuals": "first_round",
}
"""What the tables are called, and the files of their runs."""

VARIANTS = {
    "base": Change(),
    "without the level": Change(model={"level_anchor": False}),
    "without residuals": Change(model={"residual": False}),
    "one season": lambda task: Change(model={"season_length": SHORTER.get(task)}),
    "no anchor": Change(model={"season_length": None, "level_anchor": False}),
    "step by step": Change(model={"segment_length": None, "dilations": (1, 4, 24)}),
    "constant learning rate": Change(fit={"schedule": "model"}),
    "window's standard deviation": Change(split={"target_normalizer": EncoderNormalizer()}),
    "SMAPE": Change(model={"loss": SMAPE(), "relative_loss": False}),
    "relative MAE": Change(model={"loss": MAE(), "relative_loss": True}),
    "squared error": Change(model={"loss": RMSE(), "relative_loss": False}),
    "GRU": Change(model={"cell_type": "GRU"}),
    "LSTM": Change(model={"cell_type": "LSTM"}),
    "dropout 0.1": Change(model={"dropout": 0.1}),
    "half the learning rate": lambda task: Change(
        model={"learning_rate": CHOICE[task].model["learning_rate"] / 2}
    ),
    "twice the width": lambda task: Change(
        model={"hidden_size": 2 * CHOICE[task].model["hidden_size"]}
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=CHOICE, default=list(CHOICE))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip()
    for seed in args.seeds:
        for variant in args.variants:
            for task in args.tasks:
                change = VARIANTS[variant]
                change = change if isinstance(change, Change) else change(task)
                key = {"task": task, "variant": variant, "seed": seed}
                run = partial(train, CHOICE[task], "validation", seed, change)
                recorded(
                    RESULTS / "ablation.jsonl", key, lambda run=run: {**run(), "commit": commit}
                )
    write()


def write() -> None:
    """Write every run as a table, one part for each task."""
    lines = ["# Levers of accuracy, on validation parts", ""]
    for title, name in ROUNDS.items():
        if not (RESULTS / f"{name}.jsonl").exists():
            continue
        records = pd.read_json(RESULTS / f"{name}.jsonl", lines=True)
        for task, runs in records.groupby("task", sort=False):
            columns = ["variant", "seed", *METRICS[task], "steps", "cpu_seconds", "commit"]
            lines += [f"## {task}, {title}", "", *markdown(runs[columns]), ""]
    (RESULTS / "ablation.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()

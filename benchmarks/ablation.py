"""Try the levers of accuracy one by one, on the validation parts of several data sets.

    python benchmarks/ablation.py [--tasks "M4 Hourly" ETTh1] [--variants base average] [--seeds 0]

Every variant changes one thing of the settings in `benchmarks/accuracy/tasks.py`. The test parts
are cut off before anything else. Runs that `benchmarks/results/accuracy/ablation.jsonl` holds are
not done again, so the queue can be stopped and resumed.
"""

import argparse
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import pandas as pd
from pytorch_forecasting import EncoderNormalizer
from pytorch_forecasting.metrics import MAE, MASE, RMSE

sys.path.insert(0, str(Path(__file__).parent / "accuracy"))

from runs import RESULTS, Change, recorded, train
from tasks import CHOICE, METRICS

from machine import markdown

LONGER = {"M4 Hourly": (24, 168, 336), "M4 Weekly": (1, 52, 104), "ETTh1": (1, 24, 168)}
LONGER["ETTh2"] = LONGER["ETTh1"]
SHORTER = {"M4 Hourly": 168, "M4 Weekly": 1, "ETTh1": 24, "ETTh2": 24}
DAYS = tuple(range(24, 337, 24))
THIRTEEN = {"segment_length": 13, "dilations": (1, 2, 4)}
RELATIVE = {"loss": MAE(), "relative_loss": True}
STEPWISE = {
    "segment_length": None,
    "dilations": (1, 4, 24, 168),
    "hidden_size": 40,
}

ROUNDS = {
    "first round: 600 steps, before level and residuals were part of the settings": "first_round",
    "second round": "ablation",
}
"""What the tables are called, and the files of their runs."""

VARIANTS = {
    "base": Change(),
    "batches of 64, twice the steps": Change(fit={"batch_size": 64, "max_epochs": 2}),
    "without the level": Change(model={"level_anchor": False}),
    "more seasons": lambda task: Change(model={"season_length": LONGER[task]}),
    "every day of two weeks": Change(model={"season_length": DAYS}),
    "every day, one week read, three times the steps": Change(
        model={"season_length": DAYS, "context_length": 168, "dilations": (1, 2, 3)},
        fit={"max_epochs": 3},
    ),
    "every day, relative MAE": Change(
        model={"season_length": DAYS, "loss": MAE(), "relative_loss": True}
    ),
    "every day, one week read, MASE": Change(model={"loss": MASE()}, fit={"max_epochs": 1}),
    "every day, one week read, relative MAE": Change(model=RELATIVE, fit={"max_epochs": 1}),
    "every day of three weeks": Change(
        model={"season_length": tuple(range(24, 505, 24)), "context_length": 336},
        split={"context_length": 504, "min_context_length": 336},
    ),
    "every day, one week read": Change(
        model={"season_length": DAYS, "context_length": 168, "dilations": (1, 2, 3)}
    ),
    "more seasons, four times the steps": lambda task: Change(
        model={"season_length": LONGER[task]}, fit={"max_epochs": 4}
    ),
    "more seasons, wider": lambda task: Change(
        model={"season_length": LONGER[task], "hidden_size": 128, "head_size": 256}
    ),
    "segments of 13": Change(model=THIRTEEN),
    "segments of 13, relative MAE": Change(model={**THIRTEEN, **RELATIVE}),
    "segments of 13, relative MAE, four times the steps": Change(
        model={**THIRTEEN, **RELATIVE}, fit={"max_epochs": 4}
    ),
    "segments of 13, four times the steps": Change(model=THIRTEEN, fit={"max_epochs": 4}),
    "segments of 13, four years read": Change(
        model=THIRTEEN, split={"context_length": 208, "min_context_length": 52}
    ),
    "segments of 13, relative MAE, GRU": Change(model={**THIRTEEN, **RELATIVE, "cell_type": "GRU"}),
    "segments of 13, scaled by the last 13": Change(
        model=THIRTEEN,
        split={"target_normalizer": EncoderNormalizer(center=False, max_length=13)},
    ),
    "one season": lambda task: Change(model={"season_length": SHORTER[task]}),
    "no anchor": Change(model={"season_length": None, "level_anchor": False}),
    "constant learning rate": Change(fit={"schedule": "model"}),
    "relative MAE": Change(model={"loss": MAE(), "relative_loss": True}),
    "without residuals": Change(model={"residual": False}),
    "window's standard deviation": Change(split={"target_normalizer": EncoderNormalizer()}),
    "dropout 0.1": Change(model={"dropout": 0.1}),
    "half the learning rate": Change(model={"learning_rate": 2.5e-3}),
    "segments of half the length": Change(model={"segment_length": 12, "dilations": (1, 2, 14)}),
    "168 steps read": Change(model={"dilations": (1, 2, 3)}, split={"context_length": 168}),
    "squared error": Change(model={"loss": RMSE()}),
    "narrower": Change(model={"hidden_size": 32}),
    "720 steps read": Change(split={"context_length": 720}),
    "one third more context": lambda task: Change(split={"context_length": 504}),
    "wider": Change(model={"hidden_size": 128}),
    "GRU": Change(model={"cell_type": "GRU"}),
    "step by step": Change(model=STEPWISE),
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
        records = pd.read_json(RESULTS / f"{name}.jsonl", lines=True)
        for task, runs in records.groupby("task", sort=False):
            columns = ["variant", "seed", *METRICS[task], "steps", "cpu_seconds", "commit"]
            lines += [f"## {task}, {title}", "", *markdown(runs[columns]), ""]
    (RESULTS / "ablation.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()

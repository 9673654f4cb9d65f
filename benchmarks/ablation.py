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
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch.callbacks import EMAWeightAveraging
from pytorch_forecasting import EncoderNormalizer
from pytorch_forecasting.metrics import MAE, RMSE, SMAPE
from torch import nn

sys.path.insert(0, str(Path(__file__).parent / "accuracy"))

from runs import RESULTS, Change, recorded, train
from tasks import CHOICE, METRICS

from machine import markdown

SHORTER = {"M4 Hourly": 168, "M4 Weekly": 1}
LAGS = {"M4 Hourly": [24, 168], "ETTh1": [24], "ETTh2": [24]}
"""Of Weekly some series are too short for any."""

ROUNDS = {
    "around the settings of the reported rows": "ablation",
    "third round, on the way to these settings": "third_round",
    "second round, before the linear map": "second_round",
    "first round, before level and residuals": "first_round",
}
"""What the tables are called, and the files of their runs."""

STEPS = {"M4 Hourly": 600, "M4 Weekly": 600, "ETTh1": 300, "ETTh2": 300}
"""Of training: a quarter or a third of those of the reported rows."""


def orthogonal(model: nn.Module) -> None:
    """Start recurrent weights as orthogonal blocks of gates, and the LSTM's forget gate open."""
    for name, weight in model.encoder.named_parameters():
        if "weight_hh" in name:
            for block in weight.data.split(weight.shape[1]):
                nn.init.orthogonal_(block)
        if "bias_ih" in name and model.hparams.cell_type == "LSTM":
            weight.data.chunk(4)[1].fill_(1.0)


def of_positive(task: str, **split: Any) -> Change:
    """Return a change of loss and split for positive targets, which ETT does not have."""
    if task.startswith("ETT"):
        return Change()
    return Change(split=split, model={"loss": SMAPE(), "relative_loss": False})


VARIANTS = {
    "base": Change(),
    "without the linear map": Change(model={"linear_length": 0}),
    "with the level": Change(model={"level_anchor": True}),
    "without the level": Change(model={"level_anchor": False}),
    "without residuals": Change(model={"residual": False}),
    "one season": lambda task: Change(model={"season_length": SHORTER.get(task, 1)}),
    "no anchor": Change(model={"season_length": None, "level_anchor": False}),
    "level alone": Change(model={"season_length": None, "level_anchor": True}),
    "step by step": Change(model={"segment_length": None, "dilations": (1, 4, 24)}),
    "step by step, M = 4": Change(model={"segment_length": None, "dilations": (1, 4, 16, 64)}),
    "M = 2": Change(model={"dilations": (1, 2, 4)}),
    "constant learning rate": Change(fit={"schedule": "model"}),
    "no clipping": Change(fit={"gradient_clip_val": None}),
    "moving average of the weights": Change(fit={"callbacks": [EMAWeightAveraging()]}),
    "orthogonal initial weights": Change(start=orthogonal),
    "window's standard deviation": Change(split={"target_normalizer": EncoderNormalizer()}),
    "window's mean": Change(split={"target_normalizer": EncoderNormalizer(center=False)}),
    "SMAPE": lambda task: of_positive(task),
    "SMAPE, in logarithms": lambda task: of_positive(
        task, target_normalizer=EncoderNormalizer(transformation="log")
    ),
    "plain MAE": Change(model={"loss": MAE(), "relative_loss": False}),
    "relative MAE": Change(model={"loss": MAE(), "relative_loss": True}),
    "squared error": Change(model={"loss": RMSE(), "relative_loss": False}),
    "lags as covariates": lambda task: Change(
        split={"lags": {"value": LAGS[task]}} if task in LAGS else {}
    ),
    "no dropout": Change(model={"dropout": 0.0}),
    "dropout 0.3": Change(model={"dropout": 0.3}),
}
"""A change that is none on a task, such as relative MAE where that is the loss, is not run."""


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
                change = changed(task, variant)
                if change is None:
                    continue
                key = {"task": task, "variant": variant, "seed": seed}
                run = partial(train, CHOICE[task], "validation", seed, change)
                recorded(
                    RESULTS / "ablation.jsonl", key, lambda run=run: {**run(), "commit": commit}
                )
    write()


def changed(task: str, variant: str) -> Change | None:
    """Return what a variant does to the settings of a task; None where that is nothing."""
    change = VARIANTS[variant]
    change = change if isinstance(change, Change) else change(task)
    settings = {part: getattr(CHOICE[task], part) for part in ("split", "model", "fit")}
    same = all(
        name in settings[part] and repr(settings[part][name]) == repr(value)
        for part in settings
        for name, value in getattr(change, part).items()
    )
    if same and change.start is None and variant != "base":
        return None
    return replace(change, fit={"max_epochs": 1, "steps_per_epoch": STEPS[task], **change.fit})


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

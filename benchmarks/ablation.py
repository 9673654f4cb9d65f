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

from pytorch_forecasting import EncoderNormalizer
from pytorch_forecasting.metrics import MAE

sys.path.insert(0, str(Path(__file__).parent / "accuracy"))

from runs import RESULTS, Change, recorded, train
from tasks import CHOICE

LONGER = {"M4 Hourly": (24, 168, 336), "M4 Weekly": (1, 52, 104), "ETTh1": (1, 24, 168)}
LONGER["ETTh2"] = LONGER["ETTh1"]
SHORTER = {"M4 Hourly": 168, "M4 Weekly": 1, "ETTh1": 24, "ETTh2": 24}
STEPWISE = {
    "segment_length": None,
    "dilations": (1, 4, 24, 168),
    "hidden_size": 40,
}

VARIANTS = {
    "base": Change(),
    "batches of 64, twice the steps": Change(fit={"batch_size": 64, "max_epochs": 2}),
    "without the level": Change(model={"level_anchor": False}),
    "more seasons": lambda task: Change(model={"season_length": LONGER[task]}),
    "one season": lambda task: Change(model={"season_length": SHORTER[task]}),
    "no anchor": Change(model={"season_length": None, "level_anchor": False}),
    "constant learning rate": Change(fit={"schedule": "model"}),
    "relative MAE": Change(model={"loss": MAE(), "relative_loss": True}),
    "without residuals": Change(model={"residual": False}),
    "window's standard deviation": Change(split={"target_normalizer": EncoderNormalizer()}),
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


if __name__ == "__main__":
    main()

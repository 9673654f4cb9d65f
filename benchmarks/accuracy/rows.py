"""Score the chosen settings on the test parts, several seeds and their ensemble.

    python benchmarks/accuracy/rows.py [--tasks "M4 Hourly" "ETTh1"] [--seeds 0 1 2]

Every run is one line of `benchmarks/results/accuracy/rows.jsonl` and is not done again where that
line is there; delete it to do so. `rows.md` is the table, and `forecasts-*.png` show the best and
the worst forecasts of each data set.
"""

import argparse
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from pictures import draw
from runs import MODELS, RESULTS, Task, recorded, scored_rows, scores, summary, train, windows
from tasks import METRICS, TASKS

from data import before
from drnn_forecast import DilatedRNNForecaster, Ensemble

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import markdown, setting

BARS = {
    "M4 Hourly": "9.2 / 0.82 single, 8.913 / 0.801 ensemble",
    "M4 Weekly": "8.5 / 2.6 single, 7.817 / 2.356 ensemble",
    "ETTh1": "0.375 / 0.400",
    "ETTh2": "0.289 / 0.353",
}
"""What each row is measured against, in the order of its metrics."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    rows = [row(TASKS[name], args.seeds) for name in args.tasks]
    seeds = " ".join(map(str, args.seeds))
    lines = [
        "# The test parts, each run scored once",
        "",
        f"`python benchmarks/accuracy/rows.py --seeds {seeds}`: mean (lowest to highest) of the "
        f"seeds. {setting('pytorch-forecasting', 'lightning')}",
        "",
        *markdown(pd.DataFrame(rows)),
    ]
    (RESULTS / "rows.md").write_text("\n".join(lines) + "\n")


def row(task: Task, seeds: list[int]) -> dict[str, Any]:
    """Return one line of the table: single models, their ensemble, the bars and the cost."""
    path = RESULTS / "rows.jsonl"
    records = [
        recorded(path, {"task": task.name, "seed": seed}, partial(train, task, "test", seed))
        for seed in seeds
    ]
    joint = recorded(
        path, {"task": task.name, "ensemble": seeds}, partial(ensemble_scores, task, seeds)
    )
    metrics = METRICS[task.name]
    single = summary(records, metrics)
    return {
        "data": task.name,
        "metrics": " / ".join(metrics),
        f"one model, {len(seeds)} seeds": " / ".join(single[name] for name in metrics),
        "ensemble of them": " / ".join(f"{joint[name]:.4g}" for name in metrics),
        "bar": BARS[task.name],
        "CPU s per model": f"{pd.DataFrame(records)['cpu_seconds'].mean():.0f}",
        "wall s per model": f"{pd.DataFrame(records)['seconds'].mean():.0f}",
    }


def ensemble_scores(task: Task, seeds: list[int]) -> dict[str, Any]:
    """Return the scores of the mean of the trained models, and draw its forecasts."""
    data, _, held_out = windows(task, "test")
    members = [
        DilatedRNNForecaster.from_pretrained(MODELS / task.name / f"seed{seed}") for seed in seeds
    ]
    values = Ensemble(members).predict(held_out, batch_size=256).numpy()
    is_relative = "sMAPE" in METRICS[task.name]
    draw(
        task.name,
        scored_rows(data, held_out, values),
        before(data, task.steps).history,
        task.horizon,
        unit="units of the series" if is_relative else "standard deviations",
        relative=is_relative,
    )
    return scores(task, data, held_out, values)


if __name__ == "__main__":
    main()

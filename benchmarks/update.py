"""Compare an update with one new month with a training on all months, on the month after it.

    python benchmarks/update.py [--steps 200] [--seeds 0 1 2] [--part report]

Hourly load of 14 European countries, 48 hours ahead, temperature known (measured, an oracle). For
each month a model that was trained up to its beginning is updated with it, in a tenth of the steps,
and another one is trained on everything up to its end. Both forecast the month after it, 14 origins
48 hours apart. `--part choose` takes earlier months, on which the settings of updates were chosen.
Runs are lines of `benchmarks/results/update.jsonl` and not done again where they are there.
"""

import argparse
import copy
import json
import sys
import time
import warnings
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).parent / "accuracy"))

from data import europe
from drnn_forecast import ForecastData, train
from drnn_forecast.training import updating
from machine import RESULTS, markdown, setting

HORIZON, WINDOWS = 48, 14
MONTHS = {
    "choose": pd.period_range("2018-04", "2018-06", freq="M"),
    "report": pd.period_range("2019-06", "2019-11", freq="M"),
}
NOTE = """Ratios are means over pairs of month and seed, by MASE and WQL, means over countries.
Rate and share of older windows were chosen on April to June 2018, one seed. Seconds are of one
thread beside up to twenty other processes on two cores, and so vary threefold: what is paired by
equal work is the number of steps, 20 against 200. `stale` is the first model, not updated: on
these data it forecasts nearly as well for months."""
LOG = RESULTS / "update.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--part", choices=MONTHS, default="report")
    parser.add_argument("--rates", type=float, nargs="+", default=[updating.SLOWER])
    parser.add_argument("--older", type=int, nargs="+", default=[updating.OLDER])
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    data, months = europe(), MONTHS[args.part]
    for seed in args.seeds:
        model, seconds = None, 0.0
        for month in months:
            key = {"part": args.part, "month": str(month), "seed": seed, "steps": args.steps}
            variants = [
                {"rate": rate, "older": older} for rate, older in product(args.rates, args.older)
            ]
            left = [each for each in variants if not known({**key, "way": "update", **each})]
            if not left and known({**key, "way": "train"}):
                model = None
                continue
            if model is None:
                model, seconds = trained(data, month - 1, args.steps, seed)
                if not known({**key, "way": "stale"}):
                    keep({**key, "way": "stale"}, model, data, month, seconds)
            for variant in left:
                updated, spent = updated_copy(model, data, month, args.steps // 10, seed, **variant)
                keep({**key, "way": "update", **variant}, updated, data, month, spent)
            model, seconds = trained(data, month, args.steps, seed)
            if not known({**key, "way": "train"}):
                keep({**key, "way": "train"}, model, data, month, seconds)
    report(args)


def up_to(data: ForecastData, month: pd.Period) -> ForecastData:
    """Return the data up to the end of a month."""
    history = data.history[data.history["time"] <= month.end_time]
    return ForecastData.from_roles(history, data.roles)


def trained(data: ForecastData, month: pd.Period, steps: int, seed: int) -> tuple[Any, float]:
    """Return a model of everything up to the end of a month, and its seconds."""
    began = time.perf_counter()
    model = train(up_to(data, month), HORIZON, max_steps=steps, seed=seed, progress=False)
    return model, time.perf_counter() - began


def updated_copy(
    model: Any,
    data: ForecastData,
    month: pd.Period,
    steps: int,
    seed: int,
    *,
    rate: float,
    older: int,
) -> tuple[Any, float]:
    """Return a copy of a model that was updated with a month, and its seconds."""
    updating.SLOWER, updating.OLDER = rate, older
    other = copy.deepcopy(model)
    began = time.perf_counter()
    other.update(up_to(data, month), max_steps=steps, seed=seed, progress=False)
    return other, time.perf_counter() - began


def keep(
    key: dict[str, Any], model: Any, data: ForecastData, month: pd.Period, seconds: float
) -> None:
    """Write down the scores on the month after another one, means over countries."""
    scores = model.evaluate(up_to(data, month + 1), windows=WINDOWS)[
        ["MASE", "WQL", "coverage 80 %"]
    ]
    line = {**key, **scores.mean().to_dict(), "seconds": seconds}
    with LOG.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(line, flush=True)


def known(key: dict[str, Any]) -> bool:
    """Return whether a run is there."""
    return any(key.items() <= line.items() for line in lines())


def lines() -> list[dict[str, Any]]:
    """Return the runs that are there."""
    return [json.loads(line) for line in LOG.read_text().splitlines()] if LOG.exists() else []


def report(args: argparse.Namespace) -> None:
    """Write the table of the runs, paired by month and seed."""
    rows = pd.DataFrame(lines())
    rows = rows[(rows["part"] == args.part) & (rows["steps"] == args.steps)]
    cell = ["month", "seed"]
    base = rows[rows["way"] == "train"].set_index(cell)
    table = []
    for names, part in rows.fillna({"rate": 0, "older": 0}).groupby(["way", "rate", "older"]):
        part = part.set_index(cell)
        both = part.index.intersection(base.index)
        ratio = part.loc[both, ["MASE", "WQL"]] / base.loc[both, ["MASE", "WQL"]]
        table.append(
            {
                **dict(zip(("way", "rate", "older"), names, strict=True)),
                "pairs": len(both),
                "MASE": part["MASE"].mean(),
                "WQL": part["WQL"].mean(),
                "coverage 80 %": part["coverage 80 %"].mean(),
                "seconds": part["seconds"].mean(),
                "MASE over training": ratio["MASE"].mean(),
                "deviation": ratio["MASE"].std(),
                "worst": ratio["MASE"].max(),
                "WQL over training": ratio["WQL"].mean(),
                "share of seconds": (part.loc[both, "seconds"] / base.loc[both, "seconds"]).mean(),
            }
        )
    text = markdown(pd.DataFrame(table))
    print("\n".join(text))
    if args.part == "report":
        head = ["# An update with one new month, beside a training on all months", ""]
        command = f"`python benchmarks/update.py {' '.join(sys.argv[1:])}`; {setting('lightning')}"
        head += [command, "", NOTE, "", *__doc__.split("\n\n")[2].splitlines(), ""]
        (RESULTS / "update.md").write_text("\n".join([*head, *text]) + "\n")


if __name__ == "__main__":
    main()

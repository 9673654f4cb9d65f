"""What each rule of the recipe is worth: validation windows of the development half without it.

    python -m benchmarks.suite.ablations --state NAME      # run what is missing, then the table
    python -m benchmarks.suite.ablations --state NAME --table

A rule is taken out where what it sets differs from what is set without data. A rule that costs
less than 0.3 % of MASE, as a geometric mean over the tasks that it concerns, has to go.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.suite import run
from benchmarks.suite.task import Task, before_test
from benchmarks.suite.tasks import TASKS, dev_split
from drnn_forecast import ForecastData
from drnn_forecast.model import Recipe
from drnn_forecast.model.recipe import RULES, Rule

TABLE = run.RESULTS / "ablations.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--state", required=True, help="the name of what ours is now")
    parser.add_argument("--seconds", default="20")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--table", action="store_true", help="run nothing")
    args = parser.parse_args()
    if not args.table:
        for task in (TASKS[name] for name in args.tasks):
            if task.half == "development":
                for state, overrides in variants(task, args.state):
                    run_one(task.name, state, overrides, args.seconds, args.threads)
    worth(args.state).to_csv(TABLE, index=False)
    print(pd.read_csv(TABLE).to_string(index=False))


def run_one(task: str, state: str, overrides: dict[str, Any], seconds: str, threads: str) -> None:
    """Add the row of one run, unless it is there."""
    given = ["--state", state, "--overrides", json.dumps(overrides), "--tasks", task]
    limits = ["--seeds", "0", "--seconds", seconds, "--threads", threads]
    run.main(["--contenders", "ours", "--validation", *given, *limits])


def variants(task: Task, state: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the recipe of a task, and what it is without each rule that concerns it."""
    yield state, {}
    inner, frame = dev_split(task, task.load())
    table = before_test(inner, frame).drop(columns="filled")
    facts = ForecastData.from_frame(table, **inner.roles).facts(inner.horizon)
    recipe = Recipe.of(facts)
    without = {"context_length": min(3 * task.horizon, facts.longest), "min_context_length": 2}
    for rule in RULES:
        usual = {name: without.get(name, getattr(Recipe(), name)) for name in rule.settings(facts)}
        changed = {name: v for name, v in usual.items() if v != getattr(recipe, name)}
        if changed:
            yield f"{state} without {name_of(rule)}", changed


def name_of(rule: Rule) -> str:
    """Return the name of a rule."""
    return rule.settings.__name__.strip("_")


def worth(state: str) -> pd.DataFrame:
    """Return by how much MASE and WQL rise without each rule, over the tasks that it concerns."""
    rows = run.read_rows()
    rows = rows[(rows["part"] == "validation") & (rows["contender"] == "ours")]
    with_all = rows[rows["state"] == state].set_index("task")
    found = []
    for rule in RULES:
        own = rows[rows["state"] == f"{state} without {name_of(rule)}"].set_index("task")
        ratios = own[["MASE", "WQL"]] / with_all.loc[own.index, ["MASE", "WQL"]]
        percents = 100 * (np.exp(np.log(ratios.astype(float)).mean()) - 1)
        worst = (100 * (ratios["MASE"] - 1)).round(1)
        found.append(
            {
                "rule": name_of(rule),
                "tasks": len(own),
                "MASE without it, %": round(percents["MASE"], 2) if len(own) else np.nan,
                "WQL without it, %": round(percents["WQL"], 2) if len(own) else np.nan,
                "by task": "; ".join(f"{name} {value:+g}" for name, value in worst.items()),
            }
        )
    return pd.DataFrame(found)


if __name__ == "__main__":
    main()

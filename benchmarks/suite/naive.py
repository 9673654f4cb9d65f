"""Compare the seasonal naive row with the published one, before any model is scored.

    python -m benchmarks.suite.naive

MASE and WQL of the twelve tasks of fev's zero-shot protocol have to equal the file to 3 digits: the
relative difference is below 0.0005. Of NN5 the published MASE was not reproduced from these values;
it is shown all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd

from benchmarks.suite.classical import seasonal_naive
from benchmarks.suite.frames import DATA
from benchmarks.suite.protocol import scores
from benchmarks.suite.tasks import FEV, TASKS

PUBLISHED: Final = DATA / "reference_scores" / "fev_chronos_zeroshot.csv"
TOLERANCE: Final = 5e-4
ROUNDING: Final = 5e-5
EXCEPTED: Final = "NN5"


def published(model: str) -> pd.DataFrame:
    """Return `MASE` and `WQL` of a model in fev's file, by the name of our task."""
    rows = pd.read_csv(PUBLISHED)
    rows = rows[rows["model"] == model].set_index("task_name")
    names = {TASKS[name].fev: name for name in FEV}
    return rows.rename(index=names).loc[list(FEV), ["MASE", "WQL", "seasonality", "horizon"]]


def compared(names: Sequence[str] = FEV) -> pd.DataFrame:
    """Return our scores beside the published ones, and whether they are equal, by task."""
    rows = {}
    for name, theirs in published("seasonal_naive").loc[list(names)].iterrows():
        task = TASKS[str(name)]
        frame = task.load()
        ours = scores(task, frame, seasonal_naive(task, frame))
        rows[name] = {
            "season": task.season,
            "MASE": ours["MASE"],
            "MASE published": theirs["MASE"],
            "WQL": ours["WQL"],
            "WQL published": theirs["WQL"],
            "equal": (task.season, task.horizon) == (theirs["seasonality"], theirs["horizon"])
            and all(_is_equal(ours[metric], theirs[metric]) for metric in ("MASE", "WQL")),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _is_equal(ours: float, theirs: float) -> bool:
    """Return whether two scores have the same 3 digits, as far as four decimals show them."""
    return abs(ours - theirs) <= max(TOLERANCE * theirs, ROUNDING)


if __name__ == "__main__":
    table = compared()
    print(table.to_string())
    wrong = [name for name in table.index[~table["equal"]] if name != EXCEPTED]
    if wrong:
        raise SystemExit(f"The seasonal naive row differs from the published one: {wrong}.")

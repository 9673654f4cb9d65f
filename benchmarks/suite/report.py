"""Write the suite's tables from its rows: `benchmarks/results/suite/suite.md`.

    python -m benchmarks.suite.report --state NAME

All tasks are shown, wins and losses. Ours is the mean of its seeds. A task is won where ours is at
or below the best contender; pre-trained models, whose figures are published, are shown but are no
contenders. Of a contender's WQL, raw and calibrated, the lower one counts; ours is as it forecasts.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from benchmarks.machine import markdown
from benchmarks.suite.naive import published
from benchmarks.suite.run import FAILED, RESULTS, read_rows
from benchmarks.suite.tasks import FEV, TASKS

NAIVE, OURS, BEST = "seasonal naive", "ours", "ours best"
PUBLISHED: Final = {
    "AutoARIMA": "auto_arima",
    "AutoETS": "auto_ets",
    "AutoTheta (published)": "auto_theta",
}
PRETRAINED: Final = {"Chronos-Bolt": "chronos_bolt_base", "TiRex": "tirex"}
"""Our name and the file's, of rows of fev's zero-shot benchmark."""

NOMINAL: Final = 0.8
HALVES: Final = ("development", "report")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--state", default="", help="of ours")
    parser.add_argument("--part", choices=("test", "validation"), default="test")
    parser.add_argument("--out", type=Path, default=RESULTS / "suite.md")
    args = parser.parse_args(arguments)
    rows = read_rows()
    is_ours = rows["contender"].str.startswith(OURS)
    rows = rows[(rows["part"] == args.part) & (~is_ours | (rows["state"] == args.state))]
    args.out.write_text("\n".join(lines(rows, with_published=args.part == "test")) + "\n")


def lines(rows: pd.DataFrame, *, with_published: bool = True) -> list[str]:
    """Return the lines of the report.

    Args:
        rows: Of one part and one state.
        with_published: Whether fev's rows stand beside them.
    """
    failed = rows["note"].str.startswith(FAILED)
    tables = {name: _wide(rows[~failed], name) for name in ("MASE", "WQL", "WQL_calibrated")}
    tables["least WQL"] = _least(tables["WQL"], tables["WQL_calibrated"])
    if with_published:
        for name, model in (PUBLISHED | PRETRAINED).items():
            theirs = published(model)
            for metric, table in tables.items():
                if metric != "WQL_calibrated":
                    _fill(table, name, theirs[metric.split()[-1]])
    return [
        "# The accuracy suite",
        "",
        *_against_contenders(tables),
        *_fev(tables),
        *_section("MASE of every task", _shown(tables["MASE"])),
        *_section("WQL of every task, as forecast", _shown(tables["WQL"])),
        *_section("WQL of every task, calibrated", _shown(tables["WQL_calibrated"])),
        *_coverage(rows[~failed]),
        *_seeds(rows[~failed]),
        *_notes(rows),
    ]


def geometric_mean(ratios: pd.Series) -> float:
    """Return the geometric mean of what is there."""
    known = ratios.dropna()
    return float(np.exp(np.log(known).mean())) if len(known) else float("nan")


def contenders(table: pd.DataFrame) -> list[str]:
    """Return the columns that ours is compared with."""
    return [name for name in table if name not in (OURS, BEST, *PRETRAINED)]


def _wide(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return a score by task and contender, a mean over seeds."""
    table = rows.pivot_table(metric, "task", "contender", sort=False, dropna=False)
    return table.reindex([name for name in TASKS if name in table.index])


def _least(raw: pd.DataFrame, calibrated: pd.DataFrame) -> pd.DataFrame:
    """Return the lower of two scores of contenders, and ours as it forecasts."""
    least = raw.copy()
    for name in contenders(raw):
        least[name] = np.fmin(raw[name], calibrated[name])
    return least


def _fill(table: pd.DataFrame, name: str, values: pd.Series) -> None:
    """Write published scores where there is no row of our own."""
    if name not in table:
        table[name] = np.nan
    table[name] = table[name].fillna(values.reindex(table.index))


def _against_contenders(tables: dict[str, pd.DataFrame]) -> list[str]:
    """Return wins and losses, and how far ours is from the best contender, by half."""
    found = []
    for metric in ("MASE", "least WQL"):
        table = tables[metric]
        if OURS not in table:
            continue
        ratio = (table[OURS] / table[contenders(table)].min(axis=1)).dropna()
        for half, chosen in _halves(ratio.index):
            own = ratio[chosen]
            won = own <= 1
            found.append(
                {
                    "metric": metric,
                    "half": half,
                    "tasks": len(own),
                    "at or below the best contender": f"{won.sum()} ({won.mean():.0%})",
                    "geometric mean, ours / best contender": geometric_mean(own),
                    "worst": f"{own.idxmax()} {own.max():.3f}" if len(own) else "",
                }
            )
    return _section("Ours and the best contender of each task", pd.DataFrame(found))


def _fev(tables: dict[str, pd.DataFrame]) -> list[str]:
    """Return geometric means over seasonal naive's scores on fev's tasks, all and report half."""
    found = []
    reported = [name for name in FEV if TASKS[name].half == "report"]
    names = [*contenders(tables["MASE"]), *(n for n in (OURS, BEST) if n in tables["MASE"])]
    for contender in [*names, *(n for n in PRETRAINED if n in tables["MASE"])]:
        row: dict[str, object] = {"contender": contender}
        for label, chosen in (("all 12", list(FEV)), (f"report half, {len(reported)}", reported)):
            for metric in ("MASE", "WQL"):
                table = tables[metric].reindex(chosen)
                ratio = table[contender] / table[NAIVE]
                row[f"{metric}, {label}"] = geometric_mean(ratio)
            row[f"tasks of {label}"] = int(ratio.notna().sum())
        found.append(row)
    title = "fev's zero-shot protocol: geometric means over the seasonal naive's scores"
    return _section(title, pd.DataFrame(found))


def _coverage(rows: pd.DataFrame) -> list[str]:
    """Return the coverage of the 80 % interval: of ours by task, mean deviations of all."""
    found = []
    for contender, own in rows.groupby("contender", sort=False):
        row: dict[str, object] = {"contender": contender, "tasks": own["task"].nunique()}
        for name in ("coverage", "coverage_calibrated", "coverage_of_sums"):
            by_task = own.groupby("task", sort=False)[name].mean().dropna()
            label = name.replace("_", " ")
            row[f"{label}, mean"] = by_task.mean()
            row[f"{label}, mean deviation"] = (by_task - NOMINAL).abs().mean()
        found.append(row)
    table = _wide(rows, "coverage")
    return [
        *_section("Coverage of the 80 % interval", pd.DataFrame(found)),
        *_section("Coverage of every task, as forecast", _shown(table, best=False)),
        *_section(
            "Coverage of every task, calibrated",
            _shown(_wide(rows, "coverage_calibrated"), best=False),
        ),
    ]


def _seeds(rows: pd.DataFrame) -> list[str]:
    """Return the range over seeds where there are several."""
    found = [
        {
            "task": task,
            "contender": contender,
            "seeds": len(own),
            **{name: f"{own[name].min():.4g} to {own[name].max():.4g}" for name in ("MASE", "WQL")},
            "seconds": own["seconds"].mean(),
        }
        for (task, contender), own in rows.groupby(["task", "contender"], sort=False)
        if len(own) > 1
    ]
    return _section("Several seeds, lowest to highest", pd.DataFrame(found))


def _notes(rows: pd.DataFrame) -> list[str]:
    """Return what a reader of a row has to know, failures among it."""
    noted = rows[rows["note"] != ""]
    return _section("Notes", noted[["task", "contender", "seed", "note"]])


def _halves(names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Return all tasks, and those of each half."""
    listed = list(names)
    parts = {half: [name for name in listed if TASKS[name].half == half] for half in HALVES}
    return [("both", listed), *parts.items()]


def _shown(table: pd.DataFrame, *, best: bool = True) -> pd.DataFrame:
    """Return a table of scores as text, the lowest of each task in bold."""
    lowest = table.min(axis=1)
    text = {
        name: [
            ""
            if np.isnan(value)
            else f"**{value:.4g}**"
            if best and value <= least
            else f"{value:.4g}"
            for value, least in zip(table[name], lowest, strict=True)
        ]
        for name in table
    }
    halves = [TASKS[str(name)].half for name in table.index]
    return pd.DataFrame({"task": table.index, "half": halves, **text})


def _section(title: str, table: pd.DataFrame) -> list[str]:
    """Return a heading and a table, nothing where the table is empty."""
    return [f"## {title}", "", *markdown(table), ""] if len(table) else []


if __name__ == "__main__":
    main()

"""Write the last row of every run as tables: `results.md` beside the curves.

python -m benchmarks.paper.report [--out FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.machine import markdown, setting
from benchmarks.paper.command import RESULTS
from benchmarks.paper.training import KEY, read_table


def last_rows(curves: pd.DataFrame) -> pd.DataFrame:
    """Return a row per setting, panel and network: the mean over seeds, and their range."""
    last = curves.groupby(list(KEY), sort=False).last().reset_index()
    rows = []
    for (setting_name, panel, network), of in last.groupby(list(KEY[:3]), sort=False):
        rows.append(
            {
                "setting": setting_name,
                "panel": panel,
                "network": network,
                "gates": of["gates"].iloc[0],
                "rate": f"{of['rate'].iloc[0]:g}",
                "parameters": of["parameters"].iloc[0],
                "steps": of["step"].iloc[0],
                "seeds": len(of),
                "loss (nats)": spread(of["loss"]),
                "score": spread(of["score"]),
                "device": of["device"].iloc[0],
                "wall (s)": f"{of['seconds'].mean():.3g}",
                "CPU (s)": f"{of['cpu_seconds'].mean():.3g}",
            }
        )
    return pd.DataFrame(rows)


def spread(values: pd.Series) -> str:
    """Return the mean, and the range where there are several values."""
    mean = f"{values.mean():.4f}"
    return mean if len(values) == 1 else f"{mean} ({values.min():.4f} to {values.max():.4f})"


def page(folder: Path) -> str:
    """Return the tables of all experiments in a folder."""
    lines = [
        "# The paper's experiments: the last row of every run",
        "",
        "`make paper` runs the quick settings, and `python -m benchmarks.paper.report` makes this "
        "page; [`docs/paper.md`](../../../docs/paper.md) says what the numbers mean. "
        f"{setting('numpy', 'numba')} Seconds are those of training, a run's mean. The processor "
        "was shared with other work, so that CPU seconds say more than wall time, and part of "
        "the runs had an AMD EPYC; a GPU was shared by the fifteen networks that name it.",
    ]
    for table in sorted(folder.glob("*.csv")):
        lines += ["", f"## {table.stem}", "", *markdown(last_rows(read_table(table)))]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    folder = parser.parse_args(arguments).out
    (folder / "results.md").write_text(page(folder), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Run what is not yet in `benchmarks/results/suite/rows.csv`, one run at a time.

    python -m benchmarks.suite.run                                  # contenders, then ours
    python -m benchmarks.suite.run --half development --validation  # what rules are chosen on
    python -m benchmarks.suite.run --contenders ours --state NAME --half report

Every run is one row, written as it ends; rows that are there are not run again. A state names what
`ours` was at that time, so that the report half is run once for each. Neural contenders get a
second seed with `--close NAME`, where their first lies within 3 % of that state.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

import pandas as pd
import torch

from benchmarks.suite.contenders import CONTENDERS, WITHOUT_SEED, applies, run
from benchmarks.suite.networks import NETWORKS
from benchmarks.suite.protocol import scores
from benchmarks.suite.tasks import TASKS, dev_split

RESULTS: Final = Path(__file__).parents[1] / "results" / "suite"
ROWS: Final = RESULTS / "rows.csv"
KEY: Final = ["task", "contender", "seed", "state", "part"]
SCORES: Final = [
    "MASE",
    "WQL",
    "WQL_calibrated",
    "coverage",
    "coverage_calibrated",
    "coverage_of_sums",
]
COLUMNS: Final = [
    *KEY,
    *("half", "budget", *SCORES, "seconds", "load", "threads", "versions", "note", "settings"),
]
CLOSE: Final = 0.03
SEEDS: Final = {"ours": (0, 1, 2)}
"""The seeds of a contender; all others have one."""

FAILED: Final = "failed: "


def main(arguments: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(arguments)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(args.threads)
    part = "validation" if args.validation else "test"
    RESULTS.mkdir(parents=True, exist_ok=True)
    with _alone():
        for key in planned(args, part):
            rows = read_rows()
            if not is_done(rows, key, again=args.retry):
                append(one_run(key, args, _rate(rows, key)))


def planned(args: argparse.Namespace, part: str) -> Iterator[dict[str, Any]]:
    """Yield the keys of all runs that were asked for."""
    for contender in args.contenders:
        for name in args.tasks:
            task = TASKS[name]
            if args.half not in (None, task.half) or not applies(task, contender, part):
                continue
            seeds = args.seeds or SEEDS.get(contender, (0,))
            if args.close is not None:
                is_close = contender in NETWORKS and close(read_rows(), name, contender, args.close)
                seeds = (1,) if is_close else ()
            state = args.state if contender.startswith("ours") else ""
            for seed in (0,) if contender in WITHOUT_SEED else seeds:
                yield dict(zip(KEY, (name, contender, seed, state, part), strict=True))


def one_run(key: dict[str, Any], args: argparse.Namespace, rate: float | None) -> dict[str, Any]:
    """Return the row of one run; of one that fails, with the reason."""
    task = TASKS[key["task"]]
    frame = task.load()
    if key["part"] == "validation":
        task, frame = dev_split(task, frame)
    own = key["contender"].startswith("ours")
    options = {"overrides": json.loads(args.overrides)} if own else {}
    options |= {"processes": args.threads} if key["contender"] in WITHOUT_SEED else {}
    options |= {"rate": rate} if rate else {}
    row: dict[str, Any] = {**key, "half": task.half, "budget": args.seconds}
    row |= {"load": _load(), "threads": args.threads, "versions": _versions()}
    started = time.perf_counter()
    try:
        made = run(task, key["contender"], key["seed"], args.seconds, frame=frame, **options)
        row |= {"seconds": round(time.perf_counter() - started, 1)}
        row |= {name: float(f"{value:.6g}") for name, value in scores(task, frame, made).items()}
        row |= {"note": made.note, "settings": json.dumps(made.settings, default=str)}
    except Exception as error:  # whatever a model may raise: the others are still to be run
        traceback.print_exc()
        row["note"] = f"{FAILED}{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    print(*(f"{row.get(name)}" for name in (*KEY, "MASE", "WQL", "seconds", "note")), flush=True)
    return row


def read_rows(path: Path = ROWS) -> pd.DataFrame:
    """Return the rows that are there, of runs that were repeated the last."""
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    rows = pd.read_csv(path, keep_default_na=True).fillna({"state": "", "note": ""})
    return rows.drop_duplicates(KEY, keep="last")


def append(row: dict[str, Any], path: Path = ROWS) -> None:
    """Write one row at the end of the file."""
    table = pd.DataFrame([row]).reindex(columns=COLUMNS)
    table.to_csv(path, mode="a", header=not path.exists(), index=False)


def is_done(rows: pd.DataFrame, key: dict[str, Any], *, again: bool = False) -> bool:
    """Return whether a run has a row; with `again` one that failed is not done."""
    found = rows[(rows[KEY] == pd.Series(key)).all(axis=1)]
    return len(found) > 0 and not (again and found["note"].str.startswith(FAILED).any())


def close(rows: pd.DataFrame, task: str, contender: str, state: str) -> bool:
    """Return whether the first seed lies within 3 % of the mean of ours, in MASE or WQL."""
    rows = rows[(rows["task"] == task) & (rows["part"] == "test")]
    theirs = rows[(rows["contender"] == contender) & (rows["seed"] == 0)]
    ours = rows[(rows["contender"] == "ours") & (rows["state"] == state)]
    return any(
        len(theirs) > 0 and len(ours) > 0 and abs(theirs[name].iloc[0] / mean - 1) <= CLOSE
        for name, mean in ours[["MASE", "WQL"]].mean().items()
    )


def _rate(rows: pd.DataFrame, key: dict[str, Any]) -> float | None:
    """Return the learning rate that another seed of the same run has found."""
    names = ["task", "contender", "part"]
    same = rows[(rows[names] == pd.Series(key)[names]).all(axis=1) & rows["settings"].notna()]
    if key["contender"] not in NETWORKS or same.empty:
        return None
    return float(json.loads(same["settings"].iloc[0])["learning_rate"])


@contextmanager
def _alone() -> Iterator[None]:
    """Refuse to run beside another run of the suite on this machine."""
    with open(Path(gettempdir()) / "drnn_forecast_suite.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("Another run of the suite is going on; wait for its end.") from None
        yield


def _load() -> float:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else float("nan")


def _versions() -> str:
    names = ("torch", "pytorch-forecasting", "statsforecast", "pandas")
    command = ["git", "describe", "--always", "--dirty"]
    ours = subprocess.run(command, capture_output=True, text=True, cwd=RESULTS, check=False)
    listed = [f"{name} {version(name)}" for name in names]
    return ", ".join([f"drnn_forecast {ours.stdout.strip() or 'unknown'}", *listed])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = list(CONTENDERS)
    parser.add_argument("--half", choices=("development", "report"), help="default: both")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), metavar="TASK")
    parser.add_argument("--contenders", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--seconds", type=float, help="of training; default: the preset's, or 60")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: 0 1 2 for ours, 0 else")
    parser.add_argument("--state", default="", help="the name of what ours is now")
    parser.add_argument("--close", metavar="STATE", help="second seeds, where within 3 %% of ours")
    parser.add_argument("--validation", action="store_true", help="score before the test part")
    parser.add_argument("--overrides", default="{}", help="of train, as JSON, for ablations")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--retry", action="store_true", help="run again what failed")
    return parser


if __name__ == "__main__":
    main()

"""Kill every command that writes at random moments, start it again, and look at what came out.

    python benchmarks/kills.py [--kills 40] [--commands fit tune ...]

Each kill: the command in an empty folder; SIGKILL after a share, drawn uniformly, of the processor
seconds of a run that nobody disturbed; then the same command again. `lost` counts what was finished
before the kill and is not there, or not the same, at the end; `twice` what was finished and was
done again; `other` what differs in the end from the run that nobody disturbed, bit by bit, but for
times; `left` what lies beside the results. A search may draw otherwise once it was resumed: its
trials are compared with all others of the same configuration. Restore points are kept every 50 ms
here, in place of 10 s. The demonstration is limited by time, so of it only whole folders are asked.

Goes on where it stopped. Writes `benchmarks/results/kills.csv` and `.md`.
"""

import argparse
import gc
import hashlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import torch

import drnn_forecast as drnn
from drnn_forecast import cli, data, evaluation, model, training
from drnn_forecast.training import restoring
from drnn_forecast.training.tuning import worker
from machine import RESULTS, markdown, setting

TABLE, NEWER = "data.csv", "newer.csv"
ROLES = ["--time", "ds", "--target", "y", "--series", "unique_id", "--horizon", "12"]
WINDOWS = ["--context_length", "24", "--validation_windows", "2"]
QUICK = ["--batch_size", "16", "--progress", "false"]
FIT = ["fit", TABLE, *ROLES, *WINDOWS, *QUICK, "--hidden_size", "4", "--max_steps", "80"]
SEARCH = ["tune", TABLE, *ROLES, *WINDOWS, "--progress", "false", "--n_trials", "5"]
SEARCH += ["--max_epochs", "2", "--steps_per_epoch", "4", "--heartbeat_seconds", "1"]
SEARCH += ["--search_space.hidden_size", "[4,6]", "--search_space.dilations", "[[1,4],[1,8]]"]
CONTEST = [*ROLES, *WINDOWS, *QUICK, "--max_epochs", "2", "--steps_per_epoch", "4", "--out", "out"]
CONTEST += ["--models", "[dilated_lstm,lstm,seasonal_naive]", "--learning_rates", "[0.003,0.01]"]
DEMO = ["demo", "--num_series", "1", "--max_seconds", "0.5", "--progress", "false", "--out", "out"]

MODEL = Path(tempfile.gettempdir()) / f"drnn-kills-{os.getpid()}"
"""The model that every forecast reads."""

Parts = dict[str, str]
"""Digests of what came out, by name."""


@dataclass(frozen=True)
class Work:
    """A command line, and what it leaves.

    Attributes:
        args: The command line.
        pieces: What is finished in a folder, however the command ended: a digest of each piece.
        result: What has come out in the end, but for times and what varies by right.
        own: A pattern of the names that may lie in the folder in the end.
        prepared: A command line before it; none: none.
        is_done: What it says where a kill came after the end of the work.
    """

    args: list[str]
    pieces: Callable[[Path], Parts]
    result: Callable[[Path], Parts]
    own: str
    prepared: tuple[str, ...] = ()
    is_done: str = ""


def digests(pattern: str) -> Callable[[Path], Parts]:
    """Return what takes digests of the files of a pattern, by their names."""

    def take(folder: Path) -> Parts:
        paths = sorted(folder.glob(pattern))
        return {str(p.relative_to(folder)): digest(p.read_bytes()) for p in paths if p.is_file()}

    return take


def cells(folder: Path) -> Parts:
    """Return which file each finished cell is, and since when: one done again is another."""
    found = {path.name: path.stat() for path in sorted((folder / "out" / "cells").glob("*.zip"))}
    return {name: f"{stat.st_ino} {stat.st_mtime_ns}" for name, stat in found.items()}


def scores(folder: Path) -> Parts:
    """Return digests of the results of a comparison."""
    places = sorted((folder / "out").glob("results*"), key=lambda place: place.stat().st_mtime_ns)
    return {} if not places else digests("[sf]*.csv")(places[-1])


def trials(folder: Path) -> Parts:
    """Return the finished trials of a search by their configuration, with all that they say."""
    place = folder / "drnn-tuning" / "study.db"
    if not place.is_file():
        return {}
    with suppress(KeyError):
        study = optuna.load_study(study_name="drnn_forecast", storage=f"sqlite:///{place}")
        finished = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
        found = study.get_trials(deepcopy=False, states=finished)
        own = [trial for trial in found if "duplicate_of" not in trial.user_attrs]
        return {
            json.dumps(trial.user_attrs["configuration"], sort_keys=True): (
                f"{trial.number} {trial.state.name} {told(trial)} {trial.user_attrs['digest']}"
            )
            for trial in own
        }
    return {}


def told(trial: optuna.trial.FrozenTrial) -> str:
    """Return the values of a trial as text."""
    return repr(trial.values)


def losses(folder: Path) -> Parts:
    """Return the state and values of each finished trial of a search, by its configuration."""
    return {name: " ".join(text.split()[1:-1]) for name, text in trials(folder).items()}


def kept_models(folder: Path) -> int:
    """Return how many of a search's models can be read."""
    places = (folder / "drnn-tuning" / "checkpoints" / "drnn_forecast").glob("trial-*")
    return len([drnn.load(place) for place in places])


WORK = {
    "fit": Work(FIT, digests("model/*"), digests("model/*"), r"model", is_done="exists"),
    "tune": Work(SEARCH, trials, losses, r"drnn-tuning"),
    "compare": Work(
        ["compare", TABLE, *CONTEST, "--seeds", "[0]", "--test_windows", "2"],
        cells, scores, r"out",
    ),
    "backtest": Work(
        ["backtest", TABLE, *CONTEST, "--seeds", "[0]", "--folds", "2", "--report", "false"],
        cells, scores, r"out",
    ),
    "predict": Work(
        ["predict", "model", TABLE, "--out", "forecast.csv"],
        digests("forecast.csv"), digests("forecast.csv"), r"model|forecast\.csv",
        prepared=tuple(FIT),
    ),
    "update": Work(
        ["update", "model", NEWER, "--out", "new", "--max_steps", "40", "--progress", "false"],
        digests("new/*"), digests("new/*"), r"model|new", prepared=tuple(FIT), is_done="exists",
    ),
    "demo": Work(DEMO, digests("out/*"), lambda _: {}, r"out", is_done="exists"),
}  # fmt: skip


def table() -> pd.DataFrame:
    """Return two series of noise around a day."""
    rng, day = np.random.default_rng(0), pd.date_range("2024-01-01", periods=260, freq="h")
    values = 10 + np.sin(np.arange(260) * 2 * np.pi / 24) + 0.3 * rng.normal(size=(2, 260))
    parts = [pd.DataFrame({"unique_id": f"s{n}", "ds": day, "y": values[n]}) for n in range(2)]
    return pd.concat(parts, ignore_index=True)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def start(args: list[str], folder: Path) -> int:
    """Return the number of a process that runs a command line in a folder; its words go to a file.

    It is forked from this one, which has imported everything: an import writes nothing.
    """
    child = os.fork()
    if child:
        return child
    os.chdir(folder)
    words = os.open(folder.parent / "words", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(words, number)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
    restoring.EVERY, restoring.SPENT = 0.05, 0
    sys.argv = ["drnn-forecast", *args]
    status = 99
    try:
        status = cli.main()
    finally:
        sys.stderr.flush()
        os._exit(status)


def run(args: list[str], folder: Path, *, until: float = float("inf")) -> tuple[int, float]:
    """Return the status of a command line, and its processor seconds, at which it may be killed."""
    child = start(args, folder)
    while not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if processor_seconds(child) >= until:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    spent = processor_seconds(child)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), spent


def processor_seconds(process: int) -> float:
    """Return the processor seconds of a process (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def prepared(work: Work, place: Path) -> Path:
    """Return a new folder with a table, and what else a command reads."""
    folder = place / "folder"
    folder.mkdir()
    table().groupby("unique_id").head(200).to_csv(folder / TABLE, index=False)
    table().to_csv(folder / NEWER, index=False)
    if work.prepared and MODEL.exists():
        shutil.copytree(MODEL, folder / "model")
    elif work.prepared:
        if run(list(work.prepared), folder)[0]:
            raise RuntimeError((place / "words").read_text())
        shutil.copytree(folder / "model", MODEL)
    return folder


def warm_up(work: Work) -> None:
    """Run a command in this process, so that those forked from it have loaded what it needs."""
    with tempfile.TemporaryDirectory() as place, open(os.devnull, "w") as nowhere:
        before = os.getcwd()
        os.chdir(prepared(work, Path(place)))
        with redirect_stdout(nowhere), redirect_stderr(nowhere):
            status = cli.main(work.args)
        os.chdir(before)
    if status:
        raise RuntimeError(f"{work.args} ended with {status}")


def undisturbed(work: Work) -> tuple[Parts, float]:
    """Return what a command gives that nobody disturbs, and its processor seconds."""
    with tempfile.TemporaryDirectory() as place:
        folder = prepared(work, Path(place))
        status, spent = run(work.args, folder)
        if status:
            raise RuntimeError((Path(place) / "words").read_text())
        return work.result(folder), spent


def killed(work: Work, expected: Parts, moment: float) -> dict[str, Any]:
    """Return what became of a command that was killed, and then begun again."""
    with tempfile.TemporaryDirectory() as place:
        folder = prepared(work, Path(place))
        status, spent = run(work.args, folder, until=moment)
        before = work.pieces(folder)
        again, more = run(work.args, folder)
        said = (Path(place) / "words").read_text().strip().splitlines() or [""]
        after, found = work.pieces(folder), work.result(folder)
        if work.is_done and before and again == 2 and work.is_done in said[-1]:
            again = 0  # the kill came after the end, as the second run says
        kept = [name for name in before if name in after]
        is_search = work.pieces is trials
        if is_search and not kept_models(folder):
            again = 98
        names = expected.keys() & found.keys() if is_search else expected.keys() | found.keys()
        own = rf"{re.escape(TABLE)}|{re.escape(NEWER)}|{work.own}"
        for name in found if is_search else ():
            expected.setdefault(name, found[name])
        return {
            "killed after s": round(spent, 2),
            "was killed": status == -signal.SIGKILL,
            "finished before": len(before),
            "status again": again,
            "more s": round(more, 2),
            "lost": len(before) - len(kept),
            "twice": sum(before[name] != after[name] for name in kept),
            "other": sum(expected.get(name) != found.get(name) for name in names),
            "left": sum(not re.fullmatch(own, path.name) for path in folder.iterdir()),
            "said": said[-1][:200] if again else "",
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--commands", nargs="+", choices=WORK, default=[*WORK])
    args = parser.parse_args()
    torch.set_num_threads(1)
    for area in (drnn, cli, data, evaluation, model, training, worker):
        for name in getattr(area, "__all__", ()):
            getattr(area, name)
    path = RESULTS / "kills.csv"
    rows = pd.read_csv(path, keep_default_na=False).to_dict("records") if path.is_file() else []
    for name in args.commands:
        warm_up(WORK[name])
    gc.collect()
    gc.freeze()  # a collection would have every process copy all that it was forked with
    whole: dict[str, tuple[Parts, float]] = {}
    for command in itertools.cycle(args.commands):
        left = {name: args.kills - len(of(rows, name, is_killed=True)) for name in args.commands}
        if max(left.values()) <= 0:
            break
        if left[command] <= 0:
            continue
        if command not in whole:
            whole[command] = undisturbed(WORK[command])
        expected, seconds = whole[command]
        number = len(of(rows, command))
        moment = random.Random(f"{command} {number}").uniform(0, seconds)
        row = killed(WORK[command], expected, moment)
        rows.append({"command": command, "kill": number, "whole s": round(seconds, 2), **row})
        pd.DataFrame(rows).to_csv(path, index=False)
        print(rows[-1], flush=True)
    shutil.rmtree(MODEL, ignore_errors=True)
    write_summary(pd.DataFrame(rows))


def of(
    rows: list[dict[str, Any]], command: str, *, is_killed: bool = False
) -> list[dict[str, Any]]:
    """Return the rows of a command, perhaps only those whose kill came before its end."""
    return [row for row in rows if row["command"] == command and row["was killed"] >= is_killed]


def write_summary(rows: pd.DataFrame) -> None:
    """Write a row for each command."""
    summary = rows.groupby("command", sort=False).agg(
        kills=("was killed", "sum"),
        **{"ended before": ("was killed", lambda was: int((~was.astype(bool)).sum()))},
        **{"processor s of a run": ("whole s", "median")},
        **{"with something finished": ("finished before", lambda count: int((count > 0).sum()))},
        **{"not done again": ("status again", lambda status: int((status != 0).sum()))},
        **{name: (name, "sum") for name in ("lost", "twice", "other", "left")},
    )
    lines = [
        "# Kills",
        "",
        "`python benchmarks/kills.py`: every command killed by SIGKILL at moments drawn over its "
        "run, then begun again. `lost`: results that were finished before and are gone; `twice`: "
        "done again; `other`: final results that are not those of an undisturbed run, bit by bit; "
        "`left`: files beside the results. "
        f"{setting('pytorch-forecasting', 'lightning', 'optuna')}",
        "",
        *markdown(summary.reset_index()),
    ]
    (RESULTS / "kills.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

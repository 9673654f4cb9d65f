"""The command line that all experiments share, and what one writes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pandas as pd
import torch
from matplotlib.figure import Figure

from benchmarks.paper.data import ENVIRONMENT, data_folder
from benchmarks.paper.training import Run, Setting, conduct

RESULTS: Final = Path(__file__).parents[1] / "results" / "paper"


@dataclass(frozen=True)
class Options:
    """What the user chose: the setting, seeds, the device and where data lie and results go."""

    setting: Setting
    seeds: tuple[int, ...]
    device: torch.device
    data: Path
    out: Path
    only: str
    quiet: bool

    @property
    def is_full(self) -> bool:
        """Whether this is the full setting, for an accelerator."""
        return self.setting.name == "full"


def carry_out(
    name: str,
    description: str,
    runs: Callable[[Options], Iterable[Run]],
    figures: Callable[[pd.DataFrame], dict[str, Figure]],
    *,
    quick: Setting,
    full: Setting,
    seeds: Sequence[int] = (0,),
    arguments: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the curves of an experiment, after writing `<name>.csv` and its figures.

    Args:
        name: Of the experiment's files.
        description: For `--help`.
        runs: From the options to the runs, in the order of the figure.
        figures: From the curves to figures, by the end of their file names.
        quick: The setting for minutes on two cores.
        full: The setting for an accelerator.
        seeds: Where none are given.
        arguments: Of the command line; None: those of the process.
    """
    options = parsed(description, quick, full, seeds, arguments)
    listed = list(runs(options))
    torch.set_flush_denormal(True)  # gradients that vanish would take a core six times as long
    try:
        curves = conduct(
            [run for run in listed if options.only in f"{run.panel}, {run.network}"],
            options.setting,
            options.out / f"{name}.csv",
            device=str(options.device),
            quiet=options.quiet,
        )
    finally:
        torch.set_flush_denormal(False)
    curves = in_order(curves, listed)
    for end, figure in figures(curves).items():
        suffix = f"{end}_full" if options.is_full else end
        figure.savefig(options.out / f"{name}{suffix}.png", dpi=90)
    return curves


def in_order(curves: pd.DataFrame, runs: Iterable[Run]) -> pd.DataFrame:
    """Return the rows of these runs, whatever their seeds, in their order."""
    names = list(dict.fromkeys((run.panel, run.network) for run in runs))
    rows = zip(curves["panel"], curves["network"], strict=True)
    found = [names.index(row) if row in names else -1 for row in rows]
    placed = curves.assign(place=found).query("place >= 0").sort_values("place", kind="stable")
    return placed.drop(columns="place").reset_index(drop=True)


def parsed(
    description: str,
    quick: Setting,
    full: Setting,
    seeds: Sequence[int],
    arguments: Sequence[str] | None,
) -> Options:
    """Return the options of a command line."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="the full setting, for an accelerator")
    parser.add_argument("--steps", type=positive, help="training steps; default: the setting's")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds))
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--data", type=Path, help=f"default: ${ENVIRONMENT} or ../shared/data")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the CSV and figures go")
    parser.add_argument("--only", default="", help="the runs whose 'panel, network' contains this")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    given = parser.parse_args(arguments)
    setting = full if given.full else quick
    return Options(
        setting=replace(setting, steps=given.steps) if given.steps else setting,
        seeds=tuple(given.seeds),
        device=given.device,
        data=data_folder(given.data),
        out=given.out,
        only=given.only,
        quiet=given.quiet,
    )


def positive(text: str) -> int:
    """Return the whole number that a text holds, at least 1.

    Raises:
        ValueError: It holds none.
    """
    if (number := int(text)) < 1:
        raise ValueError(f"must be at least 1, got {number}")
    return number

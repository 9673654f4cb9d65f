"""Learning rates and starts of the gates, tried alike for every network, dilated or not.

    python -m benchmarks.paper.search [--full --device cuda]

The networks, data and batches of `copy_memory` (T = 500, nine layers), `pixel_mnist` (plain),
`noisy_mnist` (RNN cells and convolutions at 1000 steps, dilated GRU and LSTM at 2000),
`penn_treebank` and `speakers`, for a few steps. `loss` is that of training, by which both may be
chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from types import ModuleType
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.paper import copy_memory, noisy_mnist, penn_treebank, pixel_mnist, speakers
from benchmarks.paper.command import Options, carry_out
from benchmarks.paper.figures import tried
from benchmarks.paper.models import FIRST_BIASES
from benchmarks.paper.training import Run, Setting

QUICK = Setting("quick", steps=300, batch_size=0, rows=3)
FULL = Setting("full", steps=3_000, batch_size=0, rows=6)
TASKS: Final[tuple[tuple[ModuleType, str, tuple[float, ...]], ...]] = (
    (copy_memory, r"T = 500, .* 9 x 10$", (1e-3, 3e-3)),
    (pixel_mnist, r"plain, .* \d x 20$", (1e-3, 3e-3)),
    (noisy_mnist, r" 1000 steps, .*NN, | 2000 steps, dilated (GRU|LSTM), ", (1e-3, 3e-3)),
    (penn_treebank, r"\d x \d+$", (1e-3, 3e-3, 1e-2)),
    (speakers, "GRU", (1e-3, 3e-3)),
)
"""Each script, what the "panel, network" of the runs that are tried looks like, and the rates."""


def runs(options: Options) -> Iterator[Run]:
    """Yield every network at every rate and start; the batch size is that of its own script."""
    for script, pattern, rates in TASKS:
        setting = script.FULL if options.is_full else script.QUICK
        for run in script.runs(replace(options, setting=setting)):
            if re.search(pattern, f"{run.panel}, {run.network}"):
                for gates, rate in product(starts_of(run.network), rates):
                    panel = f"{run.panel}, {gates} gates, rate {rate:g}"
                    yield replace(run, panel=panel, gates=gates, learning_rate=rate)


def starts_of(network: str) -> Sequence[str]:
    """Return the starts that make a difference to a network of that name."""
    return list(FIRST_BIASES) if re.search("GRU|LSTM", network) else ["even"]


def figures(curves: pd.DataFrame) -> dict[str, Figure]:
    """Return the last training loss of every network, by start and rate."""
    last = curves.groupby(["panel", "network"], sort=False).last().reset_index()
    task = last["panel"].str.replace(r", \w+ gates, rate .*", "", regex=True)
    figure = tried(
        last.assign(panel=task, value=last["loss"]),
        title="Starts of the gates and learning rates",
        label="training loss (nats)",
    )
    return {"": figure}


def main(arguments: Sequence[str] | None = None) -> None:
    carry_out("search", __doc__, runs, figures, quick=QUICK, full=FULL, arguments=arguments)


if __name__ == "__main__":
    main()

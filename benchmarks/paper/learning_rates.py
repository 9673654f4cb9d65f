"""Learning rates for every network, dilated or not, on four tasks: which one learns faster.

    python -m benchmarks.paper.learning_rates [--full --device cuda]

The networks, data and batches of `copy_memory` (T = 500, nine layers), `pixel_mnist` (plain),
`noisy_mnist` (1000 steps, RNN cells and convolutions) and `penn_treebank`, for a few steps. `loss`
is that of training, by which a rate may be chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.paper import copy_memory, noisy_mnist, penn_treebank, pixel_mnist
from benchmarks.paper.command import Options, carry_out
from benchmarks.paper.figures import learning_curves
from benchmarks.paper.training import Run, Setting

QUICK = Setting("quick", steps=300, batch_size=0, rows=3)
FULL = Setting("full", steps=3_000, batch_size=0, rows=6)
TASKS: Final[tuple[tuple[ModuleType, str, tuple[float, ...]], ...]] = (
    (copy_memory, r"T = 500, .* 9 x 10$", (1e-3, 3e-3)),
    (pixel_mnist, r"plain, .*\d x \d+$", (1e-3, 3e-3)),
    (noisy_mnist, r" 1000 steps, .*NN, ", (1e-3, 3e-3)),
    (penn_treebank, r"\d x \d+$", (1e-3, 3e-3, 1e-2)),
)
"""Each script, what the "panel, network" of the runs that are tried looks like, and the rates."""


def runs(options: Options) -> Iterator[Run]:
    """Yield every network at every rate; the batch size is that of its own script."""
    for script, pattern, rates in TASKS:
        setting = script.FULL if options.is_full else script.QUICK
        for rate in rates:
            for run in script.runs(replace(options, setting=setting)):
                if re.search(pattern, f"{run.panel}, {run.network}"):
                    yield replace(run, panel=f"{run.panel}, rate {rate:g}", learning_rate=rate)


def figures(curves: pd.DataFrame) -> dict[str, Figure]:
    """Return the curves of the training loss, with the networks of all tasks under short names."""
    network = curves["network"]
    short = network.str.split(",").str[0] + network.str.contains(", 1 x").map(
        {True: ", one layer", False: ""}
    )
    title = "Learning rates"
    draw = partial(learning_curves, curves.assign(network=short), title=title)
    return {"": draw(value="loss", label="training loss (nats)")}


def main(arguments: Sequence[str] | None = None) -> None:
    carry_out("learning_rates", __doc__, runs, figures, quick=QUICK, full=FULL, arguments=arguments)


if __name__ == "__main__":
    main()

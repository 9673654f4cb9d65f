"""The lowest dilation raised while the top one stays at 256: one bottom layer less at each step.

    python -m benchmarks.paper.start_exponent [--full --device cuda]

Noisy MNIST of 1000 steps, RNN cells of 20 units. From l0 = 1 on, all dilations share the divisor
2^l0, and an output sees one step in so many; each network runs with an `OutputFusion` of that width
and without. `score` is the accuracy on test images: all of them, in the quick setting the first
500.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import pandas as pd
from matplotlib.figure import Figure
from torch import nn

from benchmarks.paper.command import Options, carry_out
from benchmarks.paper.figures import last_values, learning_curves
from benchmarks.paper.images import CLASSES, PixelImages
from benchmarks.paper.models import classifier
from benchmarks.paper.training import Run, Setting
from drnn_forecast.layers.dilations import dilation_schedule

QUICK = Setting("quick", steps=1000, batch_size=32, rows=10)
FULL = Setting("full", steps=30_000, batch_size=128, rows=60, falls=True)
LAYERS, WIDTH = 9, 20
EXPONENTS = (0, 1, 2, 3, 4, 5)


def runs(options: Options) -> Iterator[Run]:
    """Yield every exponent with fusion, then without; there is nothing to fuse at l0 = 0."""
    for seed in options.seeds:
        score_on = 10_000 if options.is_full else 500
        task = PixelImages(options, length=1000, seed=seed, score_on=score_on)
        for panel in ("with fusion", "without fusion"):
            for exponent in EXPONENTS if panel == "with fusion" else EXPONENTS[1:]:
                build = partial(network, exponent, fused=panel == "with fusion")
                yield Run(panel, name_of(exponent), seed, build, task)


def network(exponent: int, *, fused: bool, backend: str = "auto") -> nn.Module:
    """Return a classifier whose dilations reach from 2^l0 to 256."""
    schedule = dilation_schedule(LAYERS - exponent, start_exponent=exponent)
    width = 2**exponent if fused else 1
    return classifier(1, WIDTH, CLASSES, schedule, "RNN", fusion_width=width, backend=backend)


def name_of(exponent: int) -> str:
    """Return a network's name in the figure."""
    return f"{LAYERS - exponent} layers, {2**exponent} to 256"


def figures(curves: pd.DataFrame) -> dict[str, Figure]:
    """Return the last accuracy against the lowest dilation, and the curves of the accuracy."""
    last = curves.groupby(["panel", "network", "seed"], sort=False).last().reset_index()
    draw = partial(
        last_values,
        title="Starting exponent: noisy MNIST of 1000 steps",
        axis="lowest dilation (time steps); the top one is 256",
        ticks={name_of(exponent): str(2**exponent) for exponent in EXPONENTS},
    )
    return {
        "": draw(last.assign(value=last["score"]), label="test accuracy"),
        "_curves": learning_curves(
            curves, title="Starting exponent", value="score", label="test accuracy", ordered=True
        ),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    carry_out("start_exponent", __doc__, runs, figures, quick=QUICK, full=FULL, arguments=arguments)


if __name__ == "__main__":
    main()

"""Pixel-by-pixel MNIST, plain and permuted: dilated stacks beside undilated ones of one size.

    python -m benchmarks.paper.pixel_mnist [--full --device cuda]

The full setting reads all 784 pixels, with nine layers of 20 and of 50 units and dilations to 256,
and its learning rate falls to zero; the quick one reads images pooled to 14 x 14, 196 steps, with
eight layers of 20 and dilations to 128. `score` is the accuracy on test images: all of them, in
the quick setting the first 2,000.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.paper.command import Options, carry_out
from benchmarks.paper.figures import learning_curves
from benchmarks.paper.images import CHANCE, CLASSES, PixelImages
from benchmarks.paper.models import classifier
from benchmarks.paper.training import Run, Setting
from drnn_forecast.layers.dilations import dilation_schedule

QUICK = Setting("quick", steps=1500, batch_size=64, rows=15)
FULL = Setting("full", steps=30_000, batch_size=128, falls=True)
CHOSEN = {
    ("dilated", "RNN"): ("even", 3e-3),
    ("dilated", "GRU"): ("wide", 3e-3),
    ("dilated", "LSTM"): ("wide", 3e-3),
    ("undilated", "RNN"): ("even", 1e-3),
    ("undilated", "GRU"): ("keeping", 3e-3),
    ("undilated", "LSTM"): ("even", 1e-3),
}
"""How the gates of each network start, and its learning rate: the best in `search`."""


def runs(options: Options) -> Iterator[Run]:
    """Yield the cells, dilated and not, on plain and on permuted images."""
    widths, num_layers = ((20, 50), 9) if options.is_full else ((20,), 8)
    schedules = {"dilated": dilation_schedule(num_layers), "undilated": (1,) * num_layers}
    for permuted in (False, True):
        for seed in options.seeds:
            task = PixelImages(
                options,
                pool=1 if options.is_full else 2,
                permuted=permuted,
                seed=seed,
                score_on=10_000 if options.is_full else 2_000,
            )
            panel = f"{'permuted' if permuted else 'plain'}, {task.length} steps"
            for width, cell, kind in product(widths, ("RNN", "GRU", "LSTM"), schedules):
                build = partial(classifier, 1, width, CLASSES, schedules[kind], cell)
                gates, rate = CHOSEN[kind, cell]
                name = f"{kind} {cell}, {num_layers} x {width}"
                yield Run(panel, name, seed, build, task, gates, rate)


def figures(curves: pd.DataFrame) -> dict[str, Figure]:
    """Return the curves of the share of test images that are named wrongly."""
    figure = learning_curves(
        curves.assign(error=1 - curves["score"]),
        title="Pixel-by-pixel MNIST: mean and range over seeds",
        value="error",
        label="test error",
        chance=dict.fromkeys(curves["panel"], (1 - CHANCE[0], CHANCE[1])),
        logarithmic=True,
    )
    return {"": figure}


def main(arguments: Sequence[str] | None = None) -> None:
    carry_out("pixel_mnist", __doc__, runs, figures, quick=QUICK, full=FULL, arguments=arguments)


if __name__ == "__main__":
    main()

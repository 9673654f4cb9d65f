"""MNIST followed by uniform noise: dilated networks beside undilated, skipping and convolving ones.

    python -m benchmarks.paper.noisy_mnist [--full --device cuda]

784 pixels are padded to 1000 and 2000 steps. The convolutions' dilations double until an output
sees the whole sequence, in 10 and 11 layers. `score` is the accuracy on test images: all of them,
in the quick setting the first 1,000.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pandas as pd
from matplotlib.figure import Figure
from torch import nn

from benchmarks.paper.command import Options, carry_out
from benchmarks.paper.figures import learning_curves
from benchmarks.paper.images import CHANCE, CLASSES, PixelImages
from benchmarks.paper.models import (
    DilatedCNN,
    SequenceClassifier,
    SkipRNN,
    classifier,
    skip_initialised,
)
from benchmarks.paper.training import Run, Setting
from drnn_forecast.layers.dilations import dilation_schedule

QUICK = Setting("quick", steps=600, batch_size=32, rows=4)
FULL = Setting("full", steps=30_000, batch_size=128, rows=60, falls=True)
LAYERS, WIDTH, SKIP = 9, 20, 64
CHOSEN = {
    "dilated GRU": ("keeping", 3e-3),
    "dilated LSTM": ("wide", 3e-3),
    "undilated GRU": ("keeping", 3e-3),
    "undilated LSTM": ("even", 1e-3),
}
"""How the gates of these networks start, and their learning rates: the best in `search`, of
undilated ones on plain images. The others have no gates, and the setting's rate."""


def runs(options: Options) -> Iterator[Run]:
    """Yield every architecture at every length."""
    for length in (1000, 2000):
        for seed in options.seeds:
            task = PixelImages(
                options,
                length=length,
                seed=seed,
                score_on=10_000 if options.is_full else 1_000,
            )
            for name, build in architectures(length).items():
                choice = CHOSEN.get(name.split(",")[0], ())
                yield Run(f"noisy MNIST, {length} steps", name, seed, build, task, *choice)


def architectures(length: int) -> dict[str, Callable[[], nn.Module]]:
    """Return what builds every network, by its name in the figure."""
    schedule = dilation_schedule(LAYERS)
    size = f"{LAYERS} x {WIDTH}"
    found = {}
    for cell in ("RNN", "GRU", "LSTM"):
        found[f"dilated {cell}, {size}"] = partial(classifier, 1, WIDTH, CLASSES, schedule, cell)
        found[f"undilated {cell}, {size}"] = partial(
            classifier, 1, WIDTH, CLASSES, (1,) * LAYERS, cell
        )
    found[f"skip RNN, {size}, skip {SKIP}"] = skipping
    depth = (length - 1).bit_length()  # dilations 1, 2, ... add up to all steps but the last
    found[f"dilated CNN, {WIDTH} channels"] = partial(convolving, depth)
    return found


def skipping() -> nn.Module:
    """Return a classifier on layers that see one step and `SKIP` steps back."""
    encoder = SkipRNN(1, WIDTH, num_layers=LAYERS, skip=SKIP, cell_type="RNN")
    return SequenceClassifier(skip_initialised(encoder), WIDTH, CLASSES)


def convolving(depth: int) -> nn.Module:
    """Return a classifier on dilated convolutions."""
    return SequenceClassifier(
        DilatedCNN(1, WIDTH, dilations=dilation_schedule(depth)), WIDTH, CLASSES
    )


def figures(curves: pd.DataFrame) -> dict[str, Figure]:
    """Return the curves of the accuracy."""
    title = "Pixel-by-pixel MNIST, then noise"
    chance = dict.fromkeys(curves["panel"], CHANCE)
    draw = partial(learning_curves, curves, title=title, chance=chance)
    return {"": draw(value="score", label="test accuracy")}


def main(arguments: Sequence[str] | None = None) -> None:
    carry_out("noisy_mnist", __doc__, runs, figures, quick=QUICK, full=FULL, arguments=arguments)


if __name__ == "__main__":
    main()

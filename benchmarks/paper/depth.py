"""Two to nine layers on noisy MNIST of 1000 steps, RNN cells of 20 units, dilations 1, 2, 4, ...

    python -m benchmarks.paper.depth [--full --device cuda]

`score` is the accuracy on test images: all of them, in the quick setting the first 500.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.paper.command import Options, carry_out
from benchmarks.paper.figures import learning_curves
from benchmarks.paper.images import CHANCE, CLASSES, PixelImages
from benchmarks.paper.models import classifier
from benchmarks.paper.training import Run, Setting
from drnn_forecast.layers.dilations import dilation_schedule

QUICK = Setting("quick", steps=4000, batch_size=32, rows=40)
FULL = Setting("full", steps=30_000, batch_size=128, rows=60)
WIDTH = 20


def runs(options: Options) -> Iterator[Run]:
    """Yield the deepest network first."""
    for seed in options.seeds:
        score_on = 10_000 if options.is_full else 500
        task = PixelImages(options, length=1000, seed=seed, score_on=score_on)
        for num_layers in range(9, 1, -1):
            schedule = dilation_schedule(num_layers)
            build = partial(classifier, 1, WIDTH, CLASSES, schedule, "RNN")
            yield Run("noisy MNIST, 1000 steps", f"{num_layers} layers", seed, build, task)


def figures(curves: pd.DataFrame) -> dict[str, Figure]:
    """Return the curves of the accuracy and of the training loss."""
    title = "Depth: RNN cells of 20 units, dilations 1, 2, 4, ..."
    draw = partial(learning_curves, curves, title=title, ordered=True)
    return {
        "": draw(
            value="score",
            label="test accuracy",
            chance=dict.fromkeys(curves["panel"], CHANCE),
        ),
        "_loss": draw(value="loss", label="training loss (nats)"),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    carry_out("depth", __doc__, runs, figures, quick=QUICK, full=FULL, arguments=arguments)


if __name__ == "__main__":
    main()

"""The time of a training step when the lowest dilation rises and the top one stays at 256.

    python -m benchmarks.paper.start_time [--full --device cuda]

The networks of `start_exponent`, with fusion, on each backend that can run, on one sequence at a
time and on batches of 32. With one sequence there is little to do in each of the steps that
wait for one another, and the time of torch's own cells follows their number. That of a full batch,
and of compiled kernels, follows the arithmetic. Seconds are the result; the score means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.paper.command import Options, carry_out
from benchmarks.paper.figures import last_values
from benchmarks.paper.images import PixelImages
from benchmarks.paper.start_exponent import EXPONENTS, name_of, network
from benchmarks.paper.training import Run, Setting
from drnn_forecast.layers.kernels.cpu.operator import HAS_NUMBA

QUICK = Setting("quick", steps=30, batch_size=32, rows=1)
FULL = Setting("full", steps=100, batch_size=128, rows=1)


def runs(options: Options) -> Iterator[Run]:
    """Yield every exponent on every backend, for one sequence and for a batch."""
    backends = {"torch's cells": "torch"}
    if HAS_NUMBA and options.device.type == "cpu":
        backends["compiled kernels"] = "numba"
    batches = (1, options.setting.batch_size)
    for seed, (kind, backend), batch in product(options.seeds, backends.items(), batches):
        setting = replace(options.setting, batch_size=batch)
        task = PixelImages(replace(options, setting=setting), length=1000, seed=seed, score_on=32)
        for exponent in EXPONENTS:
            build = partial(network, exponent, fused=True, backend=backend)
            yield Run(f"{kind}, batch of {batch}", name_of(exponent), seed, build, task)


def figures(curves: pd.DataFrame) -> dict[str, Figure]:
    """Return the time of a step against the lowest dilation."""
    last = curves.groupby(["panel", "network", "seed"], sort=False).last().reset_index()
    figure = last_values(
        last.assign(value=1e3 * last["cpu_seconds"] / last["step"]),
        title="Starting exponent: time of a training step",
        label="CPU time of a training step (ms)",
        axis="lowest dilation (time steps); the top one is 256",
        ticks={name_of(exponent): str(2**exponent) for exponent in EXPONENTS},
        logarithmic=True,
    )
    return {"": figure}


def main(arguments: Sequence[str] | None = None) -> None:
    carry_out("start_time", __doc__, runs, figures, quick=QUICK, full=FULL, arguments=arguments)


if __name__ == "__main__":
    main()

"""Copy memory: ten symbols, a long wait, and the ten symbols again.

    python -m benchmarks.paper.copy_memory [--full --device cuda]

A network without memory can do no better than 10 ln 8 / (T + 20) nats a step: 0.0400 for T = 500
and 0.0204 for T = 1000. `loss` is over all steps of fresh sequences; `score` is the share of the
ten symbols that are recalled, in 256 other sequences. For T = 500 alone the quick setting has the
paper's undilated networks, one layer of 256 units, and dilated ones whose gates start even.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.paper.command import Options, carry_out
from benchmarks.paper.figures import learning_curves
from benchmarks.paper.models import symbol_model
from benchmarks.paper.training import Run, Setting, drawn
from drnn_forecast.layers.dilations import dilation_schedule

QUICK = Setting("quick", steps=2000, batch_size=32)
FULL = Setting("full", steps=30_000, batch_size=128, rows=60, falls=True)
SYMBOLS, BLANK, RECALL = 10, 8, 9
CELLS = ("RNN", "GRU", "LSTM")
HIDDEN, WIDE = 10, 256
GATES = {"dilated GRU": "open", "dilated LSTM": "open", "undilated LSTM": "open"}
"""How the gates of these networks start: the best of each in `search`, or level with it; those of
others are even."""


class CopyMemory:
    """Remember ten symbols for T time steps.

    Args:
        length: T, time steps.
        batch_size: Sequences.
        seed: Of the sequences.
        device: Of the tensors.
    """

    def __init__(self, length: int, batch_size: int, *, seed: int, device: torch.device) -> None:
        self.length = length
        self.batch_size = batch_size
        self.seed = seed
        self.device = device

    @property
    def memoryless_loss(self) -> float:
        """The least loss without memory, nats a step: the ten symbols are guessed."""
        return 10 * math.log(8) / (self.length + 20)

    @property
    def frequencies(self) -> list[float]:
        """How often each symbol is the answer; never, of the signal, is taken for 0.0001."""
        total = self.length + 20
        return [10 / 8 / total] * 8 + [(self.length + 10) / total, 1e-4]

    def sequences(self, generator: torch.Generator, count: int) -> tuple[Tensor, Tensor]:
        """Return inputs and targets `(T + 20, count)`: symbols 0 to 7, blanks and the signal."""
        symbols = torch.randint(0, 8, (10, count), generator=generator)
        input = torch.full((self.length + 20, count), BLANK)
        target = input.clone()
        input[:10], input[-11:], target[-10:] = symbols, RECALL, symbols
        return input.to(self.device), target.to(self.device)

    def loss(self, network: nn.Module, step: int) -> Tensor:
        """Return the cross-entropy a step, nats, of fresh sequences."""
        input, target = self.sequences(drawn(self.seed, step), self.batch_size)
        return functional.cross_entropy(network(input).flatten(0, 1), target.flatten())

    @torch.no_grad()
    def score(self, network: nn.Module) -> float:
        """Return the share of the ten symbols that are recalled; chance is 1/8."""
        input, target = self.sequences(drawn(self.seed, 0), 256)
        recalled = network(input)[-10:].argmax(dim=-1)
        return (recalled == target[-10:]).float().mean().item()


def runs(options: Options) -> Iterator[Run]:
    """Yield the dilated networks, undilated ones of their size, and what T = 500 alone has."""
    kinds = {"dilated": dilation_schedule(9), "undilated": (1,) * 9}
    networks = {
        f"{kind} {cell}, 9 x {HIDDEN}": (HIDDEN, kinds[kind], cell, gates_of(kind, cell))
        for kind, cell in product(kinds, CELLS)
    }
    costly = {
        f"dilated {cell}, 9 x {HIDDEN}, even gates": (HIDDEN, kinds["dilated"], cell, "even")
        for cell in ("GRU", "LSTM")
    } | {
        f"undilated {cell}, 1 x {WIDE}": (WIDE, (1,), cell, gates_of("undilated", cell))
        for cell in CELLS
    }
    for length in (500, 1000):
        chosen = networks | costly if length == 500 or options.is_full else networks
        for (name, (*network, gates)), seed in product(chosen.items(), options.seeds):
            task = CopyMemory(length, options.setting.batch_size, seed=seed, device=options.device)
            build = partial(symbol_model, task.frequencies, *network)
            yield Run(f"T = {length}", name, seed, build, task, gates)


def gates_of(kind: str, cell: str) -> str:
    """Return how the gates of a network start."""
    return GATES.get(f"{kind} {cell}", "even")


def figures(curves: pd.DataFrame) -> dict[str, Figure]:
    """Return the curves of the loss, above the line of a network without memory."""
    chance = {f"T = {t}": (10 * math.log(8) / (t + 20), "no memory") for t in (500, 1000)}
    return {
        "": learning_curves(
            curves,
            title="Copy memory: mean and range over seeds",
            value="loss",
            label="cross-entropy (nats a step)",
            chance=chance,
            logarithmic=True,
        )
    }


def main(arguments: Sequence[str] | None = None) -> None:
    carry_out("copy_memory", __doc__, runs, figures, quick=QUICK, full=FULL, arguments=arguments)


if __name__ == "__main__":
    main()

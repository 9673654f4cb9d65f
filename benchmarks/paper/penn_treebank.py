"""Penn Treebank by character: a dilated GRU beside undilated ones with as many parameters.

    python -m benchmarks.paper.penn_treebank [--full --device cuda]

Windows of text are drawn at random and read from a zero state. `score` is in bits per character on
the test part, in the quick setting on its first 20,000 characters: windows overlap by half and
only their second half counts, so that every character has its past.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.paper.command import Options, carry_out
from benchmarks.paper.data import load_characters
from benchmarks.paper.figures import learning_curves
from benchmarks.paper.models import symbol_model
from benchmarks.paper.training import Run, Setting, drawn
from drnn_forecast.layers.dilations import dilation_schedule

QUICK = Setting("quick", steps=5000, batch_size=32, rows=10, learning_rate=1e-2, falls=True)
FULL = Setting("full", steps=60_000, batch_size=64, rows=60, learning_rate=1e-3, falls=True)
LAYERS = 5


class Characters:
    """Name the next character.

    Args:
        training: The text to learn.
        test: The text that is scored.
        window: Characters that are read at once.
        options: The batch size and the device.
        seed: Of the windows.
    """

    def __init__(
        self, training: str, test: str, *, window: int, options: Options, seed: int
    ) -> None:
        self.alphabet = sorted(set(training) | set(test))
        code = {character: index for index, character in enumerate(self.alphabet)}
        self.training, self.test = (
            torch.tensor([code[character] for character in text], device=options.device)
            for text in (training, test)
        )
        counts = torch.bincount(self.training, minlength=len(self.alphabet)) + 1
        self.frequencies: list[float] = (counts / counts.sum()).tolist()
        self.window = window
        self.batch_size = options.setting.batch_size
        self.device = options.device
        self.seed = seed

    def loss(self, network: nn.Module, step: int) -> Tensor:
        """Return the cross-entropy a character, nats, of windows of the training text."""
        starts = torch.randint(
            len(self.training) - self.window,
            (self.batch_size,),
            generator=drawn(self.seed, step),
        )
        return self.entropies(network, self.training, starts.to(self.device)).mean()

    @torch.no_grad()
    def score(self, network: nn.Module) -> float:
        """Return the bits per character of the test text, each with its past in the window."""
        half = self.window // 2
        starts = torch.arange(0, len(self.test) - self.window, half, device=self.device)
        late = [
            self.entropies(network, self.test, some)[-half:].flatten() for some in starts.split(128)
        ]
        return torch.cat(late).mean().item() / math.log(2)

    def entropies(self, network: nn.Module, text: Tensor, starts: Tensor) -> Tensor:
        """Return the cross-entropy `(window, batch)`, nats, of each character but the first."""
        steps = torch.arange(self.window + 1, device=self.device).unsqueeze(1)
        characters = text[starts + steps]
        logits = network(characters[:-1])
        flat = functional.cross_entropy(
            logits.flatten(0, 1), characters[1:].flatten(), reduction="none"
        )
        return flat.view(characters[1:].shape)


def runs(options: Options) -> Iterator[Run]:
    """Yield the dilated stack, the same undilated, and one wide undilated layer of its size."""
    width, wide = (512, 1490) if options.is_full else (64, 174)
    training, test = (load_characters(options.data, part) for part in ("train", "test"))
    if not options.is_full:
        test = test[:20_000]
    networks = {  # with the gates that were best in `search`
        f"dilated GRU, {LAYERS} x {width}": (width, dilation_schedule(LAYERS), "wide"),
        f"undilated GRU, {LAYERS} x {width}": (width, (1,) * LAYERS, "wide"),
        f"undilated GRU, 1 x {wide}": (wide, (1,), "open"),
    }
    for seed in options.seeds:
        window = 400 if options.is_full else 128
        task = Characters(training, test, window=window, options=options, seed=seed)
        for name, (hidden_size, dilations, gates) in networks.items():
            build = partial(symbol_model, task.frequencies, hidden_size, dilations, "GRU")
            yield Run("Penn Treebank", name, seed, build, task, gates)


def figures(curves: pd.DataFrame) -> dict[str, Figure]:
    """Return the curves of the bits per character."""
    label = "bits per character, test"
    return {
        "": learning_curves(curves, title="Penn Treebank by character", value="score", label=label)
    }


def main(arguments: Sequence[str] | None = None) -> None:
    carry_out("penn_treebank", __doc__, runs, figures, quick=QUICK, full=FULL, arguments=arguments)


if __name__ == "__main__":
    main()

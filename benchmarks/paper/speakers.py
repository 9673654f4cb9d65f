"""Who speaks, from raw waveform: dilated GRU beside undilated GRU and beside MFCC features.

    python -m benchmarks.paper.speakers [--full --device cuda]

Spoken digits of six speakers at 8 kHz; recordings with an index of 0 to 4 are the test part, 300 of
3,000. A network hears one stretch of a recording, scaled to a standard deviation of 1: at random
while training, the middle for the score, which is the accuracy; shorter recordings are preceded by
silence. The full setting hears 8,192 samples, the quick one 2,048.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.paper.command import Options, carry_out
from benchmarks.paper.data import Speech, load_speech
from benchmarks.paper.figures import learning_curves
from benchmarks.paper.mfcc import COEFFICIENTS, mfcc
from benchmarks.paper.models import classifier
from benchmarks.paper.training import Run, Setting, drawn
from drnn_forecast.layers.dilations import dilation_schedule

QUICK = Setting("quick", steps=1500, batch_size=16, rows=15)
FULL = Setting("full", steps=30_000, batch_size=64, rows=60, falls=True)
SPEAKERS = 6
CHOSEN = {
    "dilated GRU": ("open", 3e-3),
    "undilated GRU": ("keeping", 1e-3),
    "MFCC + undilated GRU": ("keeping", 3e-3),
}
"""How the gates of each network start, and its learning rate: the best in `search`."""


class SpeakerTask:
    """Name the speaker of a stretch of speech.

    Args:
        speech: All recordings.
        length: Of a stretch, samples.
        features: `"raw"`: one sample a step. `"MFCC"`: 13 coefficients a step of 10 ms.
        options: The batch size and the device.
        seed: Of the stretches.
    """

    def __init__(
        self, speech: Speech, *, length: int, features: str, options: Options, seed: int
    ) -> None:
        self.speech = speech
        self.length = length
        self.features = features
        self.batch_size = options.setting.batch_size
        self.device = options.device
        self.seed = seed
        self.training, self.test = (
            torch.from_numpy(np.flatnonzero(part)) for part in (~speech.is_test, speech.is_test)
        )

    def loss(self, network: nn.Module, step: int) -> Tensor:
        """Return the cross-entropy, nats, of stretches drawn from the training part."""
        generator = drawn(self.seed, step)
        drawn_ones = torch.randint(len(self.training), (self.batch_size,), generator=generator)
        chosen = self.training[drawn_ones].tolist()
        places = torch.rand(self.batch_size, generator=generator).tolist()
        return functional.cross_entropy(network(self.input(chosen, places)), self.answers(chosen))

    @torch.no_grad()
    def score(self, network: nn.Module) -> float:
        """Return the share of test recordings whose speaker is named, from their middle."""
        right = 0
        for part in self.test.split(50):
            chosen = part.tolist()
            found = network(self.input(chosen, [0.5] * len(chosen))).argmax(dim=-1)
            right += int((found == self.answers(chosen)).sum())
        return right / len(self.test)

    def answers(self, chosen: Sequence[int]) -> Tensor:
        """Return who speaks in these recordings."""
        return torch.from_numpy(self.speech.speakers[chosen]).to(self.device)

    def input(self, chosen: Sequence[int], places: Sequence[float]) -> Tensor:
        """Return `(time, batch, features)`: of each recording the stretch at a place of 0 to 1."""
        waveform = torch.stack(
            [
                stretch(torch.from_numpy(self.speech.recordings[index]), place, self.length)
                for index, place in zip(chosen, places, strict=True)
            ]
        )
        steps = mfcc(waveform) if self.features == "MFCC" else waveform.unsqueeze(-1)
        return steps.transpose(0, 1).contiguous().to(self.device)


def stretch(recording: Tensor, place: float, length: int) -> Tensor:
    """Return `length` samples with a standard deviation of 1, after silence where they lack."""
    start = round(place * max(0, len(recording) - length))
    part = recording[start : start + length].float()
    part = (part - part.mean()) / (part.std() + 1)  # a sample's unit is 1 of 32,768
    return functional.pad(part, (length - len(part), 0))


def runs(options: Options) -> Iterator[Run]:
    """Yield raw waveform with dilations and without, then MFCC with a GRU of similar size."""
    length = 8192 if options.is_full else 2048
    speech = load_speech(options.data)
    exponent, layers, width = 2, 9, 20
    schedule = dilation_schedule(layers, start_exponent=exponent)
    networks = {
        f"dilated GRU, {layers} x {width}, 4 to 1024": ("raw", 1, width, schedule, 2**exponent),
        f"undilated GRU, {layers} x {width}": ("raw", 1, width, (1,) * layers, 1),
        "MFCC + undilated GRU, 2 x 48": ("MFCC", COEFFICIENTS, 48, (1, 1), 1),
    }
    for seed, (name, network) in product(options.seeds, networks.items()):
        features, inputs, hidden_size, dilations, fusion = network
        task = SpeakerTask(speech, length=length, features=features, options=options, seed=seed)
        build = partial(
            classifier, inputs, hidden_size, SPEAKERS, dilations, "GRU", fusion_width=fusion
        )
        panel = f"{length} samples at 8 kHz"
        yield Run(panel, name, seed, build, task, *CHOSEN[name.split(",")[0]])


def figures(curves: pd.DataFrame) -> dict[str, Figure]:
    """Return the curves of the accuracy."""
    title = "Six speakers of digits, from raw waveform and from MFCC"
    chance = dict.fromkeys(curves["panel"], (1 / SPEAKERS, "chance"))
    draw = partial(learning_curves, curves, title=title, chance=chance)
    return {"": draw(value="score", label="test accuracy")}


def main(arguments: Sequence[str] | None = None) -> None:
    carry_out("speakers", __doc__, runs, figures, quick=QUICK, full=FULL, arguments=arguments)


if __name__ == "__main__":
    main()

"""Digits read one pixel at a time: plain, permuted, or followed by noise."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.paper.command import Options
from benchmarks.paper.data import Digits, load_digits
from benchmarks.paper.training import drawn

CLASSES = 10
CHANCE = (1 / CLASSES, "chance")
PERMUTATION_SEED = 0


class PixelImages:
    """Name the digit after reading its pixels, 0 to 1, row by row.

    Args:
        options: The batch size, the device and where the data lie.
        pool: Images are averaged over squares of so many pixels a side.
        permuted: The pixels come in one random order, the same for all images.
        length: Uniform noise between 0 and 1 follows the pixels up to so many time steps; None:
            no noise.
        seed: Of the batches and their noise.
        score_on: So many of the 10,000 test images make the score, the first ones.

    Raises:
        ValueError: `length` is less than the number of pixels.
        OSError: The data are missing or damaged.
    """

    def __init__(
        self,
        options: Options,
        *,
        pool: int = 1,
        permuted: bool = False,
        length: int | None = None,
        seed: int = 0,
        score_on: int = 10_000,
    ) -> None:
        self.batch_size = options.setting.batch_size
        self.device = options.device
        self.seed = seed
        self.training, test = (
            [part.to(self.device) for part in sequences(some, pool, permuted=permuted)]
            for some in (digits(options.data, "train"), digits(options.data, "t10k"))
        )
        self.test = [part[:score_on] for part in test]
        pixels = self.training[0].shape[1]
        self.length = pixels if length is None else length
        if self.length < pixels:
            raise ValueError(
                f"`length` must be at least the {pixels} pixels of an image, got {length}."
            )

    def loss(self, network: nn.Module, step: int) -> Tensor:
        """Return the cross-entropy, nats, of images drawn from the training part."""
        generator = drawn(self.seed, step)
        pixels, labels = self.training
        chosen = torch.randint(len(labels), (self.batch_size,), generator=generator)
        chosen = chosen.to(self.device)
        input = self.padded(pixels[chosen], generator)
        return functional.cross_entropy(network(input), labels[chosen])

    @torch.no_grad()
    def score(self, network: nn.Module) -> float:
        """Return the share of test images that are named rightly, always with the same noise."""
        generator = drawn(self.seed, 0)
        right = 0
        for pixels, labels in zip(*(part.split(500) for part in self.test), strict=True):
            found = network(self.padded(pixels, generator)).argmax(dim=-1)
            right += int((found == labels).sum())
        return right / len(self.test[1])

    def padded(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the network's input `(time, batch, 1)` for pixels `(batch, pixel)`."""
        noise = torch.rand(len(pixels), self.length - pixels.shape[1], generator=generator)
        steps = torch.cat([pixels.float() / 255, noise.to(self.device)], dim=1)
        return steps.t().unsqueeze(-1)


@lru_cache
def digits(folder: Path, part: str) -> Digits:
    """Return a part of MNIST, read once."""
    return load_digits(folder, part)


def sequences(part: Digits, pool: int, *, permuted: bool) -> tuple[Tensor, Tensor]:
    """Return pixels `(image, pixel)`, 0 to 255, and labels `(image,)`."""
    images = torch.tensor(part.images)
    if pool > 1:
        images = torch.cat(
            [
                functional.avg_pool2d(some.float(), pool).round().byte()
                for some in images.split(5000)
            ]
        )
    pixels = images.flatten(1)
    if permuted:
        order = torch.randperm(
            pixels.shape[1], generator=torch.Generator().manual_seed(PERMUTATION_SEED)
        )
        pixels = pixels[:, order]
    return pixels, torch.tensor(part.labels).long()

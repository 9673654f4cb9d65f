"""Training windows as one stream of batches, which can be entered anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import torch
from pytorch_forecasting.data import TimeSeriesDataSet
from torch.utils.data import DataLoader, Sampler

from drnn_forecast.host import NEVER


class Shuffled(Sampler[list[int]]):
    """The windows of every batch, without an end: all windows once, in an order anew, and so on.

    An order follows from the seed and its number alone. Of several processes each has its share of
    every batch.

    Args:
        windows: How many there are.
        size: Windows of a batch in each process, at most as many as there are; the last ones of an
            order that fill no batch are left out of it.
        seed: Of the orders.

    Attributes:
        first: The batch to begin with.
    """

    def __init__(self, windows: int, size: int, seed: int) -> None:
        self.windows = windows
        self.size = min(size, windows)
        self.processes = 1
        self.seed = seed
        self.first = 0

    def of_processes(self, count: int) -> int:
        """Share the batches among so many processes, and return the windows of each."""
        self.processes = count
        self.size = min(self.size, max(1, self.windows // count))
        return self.size

    def __iter__(self) -> Iterator[list[int]]:
        whole = min(self.size * self.processes, self.windows)
        each = self.windows // whole
        rank = torch.distributed.get_rank() if self.processes > 1 else 0
        for number in count(self.first // each):
            order = torch.randperm(self.windows, generator=self._generator(number)).tolist()
            begin = self.first - number * each if number == self.first // each else 0
            for place in range(begin, each):
                yield order[place * whole : (place + 1) * whole][rank :: self.processes]

    def __len__(self) -> int:
        return NEVER

    def _generator(self, number: int) -> torch.Generator:
        """Return the source of an order."""
        return torch.Generator().manual_seed((self.seed * 1_000_003 + number) % 2**63)


def stream(dataset: TimeSeriesDataSet, order: Shuffled) -> DataLoader[Any]:
    """Return a loader of the batches of an order."""
    loader: DataLoader[Any] = dataset.to_dataloader(True, batch_sampler=order, num_workers=0)
    return loader

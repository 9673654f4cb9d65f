"""Training windows as one stream of batches, which can be entered anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import torch
from pytorch_forecasting.data import TimeSeriesDataSet
from torch.utils.data import DataLoader, IterableDataset, Sampler

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


class Streamed:
    """The batches of a dataset that is read in parts, an order as `Shuffled` is one.

    Args:
        source: All windows.
        size: Windows of a batch in each process.
        seed: Of the orders.
    """

    def __init__(self, source: Any, size: int, seed: int) -> None:
        self.source = source
        self.size = size
        self.seed = seed
        self.processes = 1
        self.first = 0

    def of_processes(self, count: int) -> int:
        """Share the windows among so many processes, and return those of a batch in each."""
        self.processes = count
        return self.size


class Batches(IterableDataset[Any]):
    """The batches of a `Streamed` order in this process: without an end, or an epoch at a time."""

    def __init__(self, order: Streamed, *, is_endless: bool) -> None:
        self.order = order
        self.is_endless = is_endless
        self.epochs = 0

    def __iter__(self) -> Iterator[Any]:
        order, source = self.order, self.order.source
        rank = torch.distributed.get_rank() if order.processes > 1 else 0
        share = {"seed": order.seed, "rank": rank, "processes": order.processes}
        if self.is_endless:
            return iter(source.batches(order.size, first=order.first, **share))
        self.epochs += 1
        return iter(source.epoch(self.epochs - 1, order.size, **share))

    def __len__(self) -> int:
        if self.is_endless:
            return NEVER
        order = self.order
        count: int = order.source.count(
            self.epochs, order.size, seed=order.seed, processes=order.processes
        )
        return count


def ordered(dataset: TimeSeriesDataSet, size: int, seed: int) -> Shuffled | Streamed:
    """Return the order in which a run without epochs reads the windows of a dataset."""
    source = getattr(dataset, "stream", None)
    if source is None:
        return Shuffled(len(dataset), size, seed)
    return Streamed(source, size, seed)


def stream(dataset: TimeSeriesDataSet, order: Shuffled | Streamed) -> DataLoader[Any]:
    """Return a loader of the batches of an order."""
    if isinstance(order, Streamed):
        return DataLoader(Batches(order, is_endless=True), batch_size=None)
    loader: DataLoader[Any] = dataset.to_dataloader(True, batch_sampler=order, num_workers=0)
    return loader


def epochs(dataset: TimeSeriesDataSet, size: int, seed: int, processes: int) -> DataLoader[Any]:
    """Return a loader of all windows of a dataset, in an order of its own in every epoch.

    Of several processes each has its share; where all rows are in memory, the trainer gives it.
    """
    source = getattr(dataset, "stream", None)
    if source is not None:
        order = Streamed(source, size, seed)
        order.of_processes(processes)
        return DataLoader(Batches(order, is_endless=False), batch_size=None)
    share = min(size, max(1, len(dataset) // processes))
    loader: DataLoader[Any] = dataset.to_dataloader(True, share, num_workers=0)
    return loader

"""All windows of a dataset that is read in parts, in batches that are drawn from some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drnn_forecast.data.frames.windows import WindowPlan
from drnn_forecast.data.parts.slices import PartSlice


@dataclass(frozen=True)
class SliceCounts:
    """How many windows a slice has at most: to train on before the held-out ones, and in all."""

    training: int
    complete: int

    @classmethod
    def of(cls, sizes: NDArray[np.int64], windows: WindowPlan) -> SliceCounts:
        """Return those of series with so many rows, `(series,)`, all of which take part."""
        own = sizes[sizes >= windows.shortest_series] - windows.shortest_series + 1
        return cls(int(own.sum()), int((sizes - windows.shortest_window + 1).sum()))


@dataclass(frozen=True)
class _Group:
    """Slices that are in memory at once, in each process its own, and the batches made of them."""

    of_process: tuple[tuple[int, ...], ...]
    batches: int


@dataclass(frozen=True, eq=False)
class WindowStream:
    """The windows of slices, in an order that follows from a seed and the number of the epoch.

    An epoch takes the slices in a random order, as many at a time as may be in memory, deals them
    to the processes, and shuffles the windows of each share. Every window comes once an epoch, and
    all processes have as many batches. What comes before a batch need not be read to reach it.

    Attributes:
        slices: All of them.
        counts: Their windows.
        max_rows: In memory at once, in each process.
        make: From slices to a dataset of their windows.
        is_complete: Whether the held-out windows are among them.
    """

    slices: Sequence[PartSlice]
    counts: Sequence[SliceCounts]
    max_rows: int
    make: Callable[[Sequence[PartSlice]], Any]
    is_complete: bool

    @cached_property
    def windows(self) -> NDArray[np.int64]:
        """Windows of each slice, `(slices,)`."""
        kind = "complete" if self.is_complete else "training"
        return np.array([getattr(each, kind) for each in self.counts], dtype=np.int64)

    def __len__(self) -> int:
        return int(self.windows.sum())

    def batches(
        self, size: int, *, seed: int, rank: int = 0, processes: int = 1, first: int = 0
    ) -> Iterator[Any]:
        """Yield the batches of a process without an end, epoch after epoch.

        Args:
            size: Windows of a batch at most.
            seed: Of the orders.
            rank: The number of the process.
            processes: How many there are.
            first: The batch to begin with.
        """
        for number in count():
            yield from self.epoch(
                number, size, seed=seed, rank=rank, processes=processes, first=first
            )
            first = max(0, first - self.count(number, size, seed=seed, processes=processes))

    def count(self, number: int, size: int, *, seed: int, processes: int = 1) -> int:
        """Return how many batches an epoch has in each process."""
        return sum(each.batches for each in self._groups(number, size, seed, processes))

    def epoch(
        self,
        number: int,
        size: int,
        *,
        seed: int,
        rank: int = 0,
        processes: int = 1,
        first: int = 0,
    ) -> Iterator[Any]:
        """Yield the batches of one epoch; the arguments are those of `batches`."""
        for place, group in enumerate(self._groups(number, size, seed, processes)):
            if first >= group.batches:
                first -= group.batches
                continue
            own = tuple(sorted(group.of_process[rank]))
            dataset = self._held.get(own)
            if dataset is None:
                self._held.clear()  # before the next one is made
                dataset = self._held[own] = self.make([self.slices[each] for each in own])
            order = np.random.default_rng([seed, number, place, rank]).permutation(len(dataset))
            for chosen in np.array_split(order, group.batches)[first:]:
                # Windows without an observed target teach nothing, and are left out of a dataset.
                yield dataset.__getitems__(chosen if len(chosen) else order[:1]).gathered
            first = 0

    @cached_property
    def _held(self) -> dict[tuple[int, ...], Any]:
        """The dataset in memory, by its slices."""
        return {}

    def _groups(self, number: int, size: int, seed: int, processes: int) -> list[_Group]:
        """Return what is in memory at once in an epoch, one after the other."""
        usable = np.flatnonzero(self.windows)
        if len(usable) < processes:
            raise ValueError(
                f"Each of the {processes} processes needs a series of its own to learn from, but "
                f"the dataset has {len(usable)} parts of whole series with a window; start fewer."
            )
        order = np.random.default_rng([seed, number]).permutation(usable)
        rows = np.array([each.rows for each in self.slices])[order]
        most, parts = len(usable) // processes, 1
        while parts < most and _largest(rows, parts) > processes * self.max_rows:
            parts += 1
        return [self._dealt(own, size, processes) for own in np.array_split(order, parts)]

    def _dealt(self, slices: NDArray[np.int64], size: int, processes: int) -> _Group:
        """Return a group whose slices are dealt out so that all have about as many windows."""
        dealt: list[list[int]] = [[] for _ in range(processes)]
        held = np.zeros(processes, dtype=np.int64)
        for own in slices[np.argsort(-self.windows[slices], kind="stable")]:
            least = int(held.argmin())
            dealt[least].append(int(own))
            held[least] += self.windows[own]
        batches = min(-(-int(held.max()) // size), int(held.min()))
        return _Group(tuple(map(tuple, dealt)), batches)


def _largest(rows: NDArray[np.int64], parts: int) -> int:
    """Return the most rows of so many groups."""
    return max(int(own.sum()) for own in np.array_split(rows, parts))

"""What a dataset hands to a loader's collate function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drnn_forecast.data.batching.window_index import IntArray


class WindowBatch(Sequence[Any]):
    """The windows that a loader asked for: gathered already, and one by one on demand.

    The dataset's collate function hands on `gathered`. A collate function of the user's
    own sees a sequence of the samples that pytorch-forecasting would have given it.

    Args:
        gathered: The batch, `(x, (target, weight))`.
        dataset: Where the samples come from.
        chosen: Numbers of the windows, `(batch,)`.
    """

    def __init__(self, gathered: Any, dataset: Any, chosen: IntArray) -> None:
        self.gathered = gathered
        self._dataset = dataset
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self._dataset[int(window)] for window in self._chosen[position]]
        return self._dataset[int(self._chosen[position])]

"""What a new model takes from its training data before the first step."""

from __future__ import annotations

from typing import Any

from pytorch_forecasting.data import TimeSeriesDataSet

MOST_WINDOWS = 1024
"""Windows that the anchors of a new model are tried on."""


def start(model: Any, dataset: TimeSeriesDataSet) -> None:
    """Tell a forecaster how far its targets move, and what its smoothed anchors are worth."""
    model.magnitudes.learn(dataset)
    if model.hparams.smoothed_anchors:
        x = model.scaled_batch(some_windows(dataset, MOST_WINDOWS))
        for head, history in zip(model.target_heads, model.histories(x), strict=True):
            head.anchor.start(history, x["encoder_lengths"])


def some_windows(dataset: TimeSeriesDataSet, count: int) -> dict[str, Any]:
    """Return the inputs of at most `count` windows, evenly spread over a dataset."""
    size = len(dataset)
    chosen = [place * size // min(count, size) for place in range(min(count, size))]
    loader = dataset.to_dataloader(train=False, batch_size=count, sampler=chosen, num_workers=0)
    x: dict[str, Any] = next(iter(loader))[0]
    return x

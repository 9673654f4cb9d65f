"""What a new model takes from its training data before the first step."""

from __future__ import annotations

from typing import Any

from pytorch_forecasting.data import TimeSeriesDataSet

MOST_WINDOWS = 1024
"""Windows that the anchors of a new model are tried on, at most."""

MOST_VALUES = 2**23
"""Values of all anchors on the horizons of these windows, at most."""


def start(model: Any, dataset: TimeSeriesDataSet) -> None:
    """Tell a forecaster how far its targets move, and what its smoothed anchors are worth."""
    model.magnitudes.learn(dataset)
    if model.hparams.smoothed_anchors:
        values = dataset.max_prediction_length * model.target_heads[0].anchor.num_weights
        count = max(1, min(MOST_WINDOWS, MOST_VALUES // values))
        x = model.scaled_batch(some_windows(dataset, count))
        known = model.known_histories(x)
        for head, history, own in zip(model.target_heads, model.histories(x), known, strict=True):
            head.anchor.start(history, x["encoder_lengths"], own)


def some_windows(dataset: TimeSeriesDataSet, count: int) -> dict[str, Any]:
    """Return the inputs of at most `count` windows, evenly spread over a dataset."""
    size = len(dataset)
    chosen = [place * size // min(count, size) for place in range(min(count, size))]
    loader = dataset.to_dataloader(train=False, batch_size=count, sampler=chosen, num_workers=0)
    x: dict[str, Any] = next(iter(loader))[0]
    return x

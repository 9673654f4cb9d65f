"""From the windows of a dataset back to series and time stamps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data.frames.panel import Panel

if TYPE_CHECKING:
    from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet


def target_rows(
    panel: Panel, dataset: BatchedTimeSeriesDataSet, *, steps: int | None = None
) -> pd.DataFrame:
    """Return series and time of every target, window by window, as a frame."""
    return pd.DataFrame(target_columns(panel, dataset, steps=steps))


def target_columns(
    panel: Panel, dataset: BatchedTimeSeriesDataSet, *, steps: int | None = None
) -> dict[str, Any]:
    """Return the columns of `target_rows`, in the history's own dtypes."""
    codes, first, lengths = target_spans(panel, dataset)
    if steps is not None:
        lengths = lengths.clip(max=steps)
    starts = np.cumsum(lengths) - lengths
    positions = np.repeat(first - starts, lengths) + np.arange(lengths.sum())
    columns = panel.keys_of(np.repeat(codes, lengths))
    return {**columns, panel.roles.time: panel.times_at(positions)}


def target_spans(
    panel: Panel, dataset: BatchedTimeSeriesDataSet
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return of every window the series' code, the position of its first target, and how many.

    The dataset's `decoded_index` says the same in ten times the time.
    """
    begin, end = dataset.window_rows
    time = dataset.data["time"].numpy()
    last = time[end]
    lengths = dataset.calculate_decoder_length(last, last - time[begin] + 1)
    groups = dataset.data["groups"].numpy()[begin, 0]
    labels = dataset.transform_values(panel.roles.group, groups, inverse=True, group_id=True)
    code_of = {label: code for code, label in enumerate(panel.labels)}
    codes = np.array([code_of[label] for label in labels], dtype=np.int64)
    return codes, last - lengths + 1, lengths

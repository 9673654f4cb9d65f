"""From the windows of a dataset back to series and time stamps."""

import numpy as np
import pandas as pd
from pytorch_forecasting import TimeSeriesDataSet

from drnn_forecast.frames.panel import Panel


def target_rows(
    panel: Panel, dataset: TimeSeriesDataSet, *, steps: int | None = None
) -> pd.DataFrame:
    """Return series and time of every target, window by window, with the history's own dtypes.

    Args:
        panel: The history that the dataset was made from.
        dataset: A dataset of its windows.
        steps: How many of each window's targets; None: all.
    """
    index = dataset.decoded_index
    first = index["time_idx_first_prediction"].to_numpy()
    lengths = index["time_idx_last"].to_numpy() - first + 1
    if steps is not None:
        lengths = lengths.clip(max=steps)
    starts = np.cumsum(lengths) - lengths
    positions = np.repeat(first - starts, lengths) + np.arange(lengths.sum())
    codes = np.repeat(panel.labels.get_indexer(index[panel.roles.group]), lengths)
    rows = panel.history[list(panel.roles.keys)].iloc[panel.last_rows[codes]]
    time = panel.history[panel.roles.time].dtype
    return rows.assign(**{panel.roles.time: panel.grid.stamps(positions).astype(time)}).reset_index(
        drop=True
    )

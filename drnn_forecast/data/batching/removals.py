"""Which series have no window, and which rule took it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from drnn_forecast.data.batching.errors import NAMES_SHOWN, decode_series, listed, require
from drnn_forecast.data.batching.window_index import SeriesRows, WindowIndex, WindowRule
from drnn_forecast.host import TIME_COLUMN, HostDataset


def explain_removals(
    dataset: HostDataset,
    data: pd.DataFrame,
    series: SeriesRows,
    rule: WindowRule,
    windows: WindowIndex,
) -> None:
    """Warn of the series that have no window, and refuse a dataset where none has."""
    is_kept = np.zeros(len(series.first), dtype=bool)
    is_kept[series.find(windows.first_row)] = True
    if is_kept.all():
        return
    time = data[TIME_COLUMN].to_numpy()
    first, last = series.first[~is_kept], series.last[~is_kept]
    names = decode_series(dataset, data.iloc[first[:NAMES_SHOWN]])
    reasons = [
        f"{name} ({_reason(int(time[begin]), int(time[end]), rule)})"
        for name, begin, end in zip(names, first, last, strict=False)
    ]
    told = (
        f" A window needs {rule.min_length} time steps (`min_encoder_length` "
        f"{dataset.min_encoder_length} and `min_prediction_length` "
        f"{dataset.min_prediction_length}) and must end at time {rule.min_last_time} or later "
        f"(`min_prediction_idx` {dataset.min_prediction_idx})"
    )
    if dataset.max_lag:
        told += f"; `lags` took the first {dataset.max_lag} rows of each series"
    told += f". Removed: {listed(reasons, len(first))}."
    require(
        len(windows) > 0,
        f"No window is left: all {len(first)} series were removed.{told} "
        "Shorten these lengths, lower `min_prediction_idx`, or pass more rows.",
    )
    warnings.warn(
        "Min encoder length and/or min_prediction_idx and/or min prediction length and/or lags "
        f"are too large for {len(first)} series/groups which therefore are not present in the "
        f"dataset index, so that no predictions can be made for them.{told}",
        UserWarning,
        stacklevel=5,
    )


def _reason(begin: int, end: int, rule: WindowRule) -> str:
    if end < rule.min_last_time:
        return f"ends too early: at time {end}"
    length = end - begin + 1
    if length < rule.min_length:
        return f"too short: {length} time steps"
    return "gaps leave no window"

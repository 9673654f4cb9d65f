"""Which series have no window, and which rule took it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from drnn_forecast.data.batching.errors import DatasetError, decode_series, shown
from drnn_forecast.data.batching.windows import SeriesRows, WindowRule, Windows

_SERIES_SHOWN = 10


def check_rows_left(dataset: Any, data: pd.DataFrame) -> None:
    """Refuse a frame that ends before the first window may begin.

    Raises:
        DatasetError: No row is late enough for `min_prediction_idx`.
    """
    earliest = dataset.min_prediction_idx - dataset.max_encoder_length - dataset.max_lag
    if (data[dataset.time_idx] >= earliest).any():
        return
    ends = data.groupby(dataset.group_ids, observed=True)[dataset.time_idx].max()
    raise DatasetError(
        f"No window is left: `min_prediction_idx` ({dataset.min_prediction_idx}) with "
        f"`max_encoder_length` ({dataset.max_encoder_length}) and lags of up to {dataset.max_lag} "
        f"time steps needs rows from time {earliest} on, and the last is at {ends.max()}. "
        f"Removed: {shown([f'{name} (ends at {end})' for name, end in ends.items()])}. "
        "Lower `min_prediction_idx`, or pass later rows."
    )


def check_rows_left_by_lags(dataset: Any, preprocessed: pd.DataFrame, lengths: pd.Series) -> None:
    """Refuse lags that reach back beyond every series.

    Args:
        dataset: The dataset.
        preprocessed: Its frame, from which the rows without lagged values are gone.
        lengths: Rows of every series before.

    Raises:
        DatasetError: No row is left.
    """
    if len(preprocessed):
        return
    raise DatasetError(
        f"No window is left: `lags` of up to {dataset.max_lag} time steps take as many rows from "
        f"the beginning of each series, and the longest has {lengths.max()}. "
        f"Removed: {shown([f'{name} ({length} rows)' for name, length in lengths.items()])}. "
        "Use shorter lags, or pass more history."
    )


def explain_removals(
    dataset: Any,
    data: pd.DataFrame,
    series: SeriesRows,
    rule: WindowRule,
    windows: Windows,
) -> None:
    """Warn of the series that have no window, and refuse a dataset where none has.

    Args:
        dataset: The dataset.
        data: Its preprocessed frame.
        series: Where each series lies.
        rule: What made a stretch of a series a window.
        windows: The windows.

    Raises:
        DatasetError: There is no window.
    """
    is_kept = np.zeros(len(series.first), dtype=bool)
    is_kept[series.find(windows.first_row)] = True
    if is_kept.all():
        return
    time = data["__time_idx__"].to_numpy()
    first, last = series.first[~is_kept], series.last[~is_kept]
    names = decode_series(dataset, data.iloc[first[:_SERIES_SHOWN]])
    reasons = [
        f"{name} ({_reason(int(time[begin]), int(time[end]), rule)})"
        for name, begin, end in zip(names, first, last, strict=False)
    ]
    rules = (
        f"A window needs {rule.min_length} time steps (`min_encoder_length` "
        f"{dataset.min_encoder_length} and `min_prediction_length` "
        f"{dataset.min_prediction_length}) and must end at time {rule.min_last_time} or later "
        f"(`min_prediction_idx` {dataset.min_prediction_idx})"
    )
    if dataset.max_lag:
        rules += f"; `lags` took the first {dataset.max_lag} rows of each series"
    if not len(windows):
        raise DatasetError(
            f"No window is left: all {len(first)} series were removed. {rules}. "
            f"Removed: {shown(reasons, len(first))}. "
            "Shorten these lengths, lower `min_prediction_idx`, or pass more rows."
        )
    warnings.warn(
        "Min encoder length and/or min_prediction_idx and/or min prediction length and/or lags "
        f"are too large for {len(first)} series/groups which therefore are not present in the "
        f"dataset index, so that no predictions can be made for them. {rules}. "
        f"Removed: {shown(reasons, len(first))}.",
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

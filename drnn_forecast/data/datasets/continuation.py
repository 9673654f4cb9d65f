"""The rows past the end of a frame that has the columns of a plain `TimeSeriesDataSet`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pytorch_forecasting.data import TimeSeriesDataSet
from pytorch_forecasting.utils import to_list

from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet
from drnn_forecast.data.datasets.labels import is_textual, label_columns, with_known_labels
from drnn_forecast.data.frames.checks import check_frame
from drnn_forecast.data.frames.kinds import (
    as_numbers,
    as_text,
    holds_only_text,
    is_foreign,
    whole_numbers,
)
from drnn_forecast.data.frames.roles import KINDS
from drnn_forecast.layers import checked_integer


def continued_dataset(
    parameters: Mapping[str, Any],
    frame: pd.DataFrame,
    future: pd.DataFrame | None,
    origin: Any = None,
) -> TimeSeriesDataSet:
    """Return one window per series, whose targets are the steps after its last row or an origin.

    Args:
        parameters: `get_parameters()` of the training dataset.
        frame: Its columns, up to the last observation of every series.
        future: Groups, time index and the variables known ahead, for the steps to forecast; None
            where nothing but the time index is known ahead.
        origin: The first time index to be forecast: later rows of `frame` are future rows.

    Raises:
        ValueError: A column is missing, a known variable is not given for a step or given twice,
            or a series does not reach up to `origin`.
        TypeError: `origin` is no time index.
    """
    keys = [*parameters["group_ids"], parameters["time_idx"]]
    known = _known_columns(parameters)
    frame = _as_trained(parameters, frame, [*keys, *known], "frame")
    if future is not None:
        future = _as_trained(parameters, future, [*keys, *known], "future")
    if origin is not None:
        is_past = _before(frame, keys, origin)
        later = frame[~is_past][[*keys, *known]]
        frame, future = frame[is_past], later if future is None else pd.concat([later, future])
    ordered = frame.sort_values(keys, ignore_index=True)
    rows = _next_rows(ordered, keys, int(parameters["max_prediction_length"]))
    if known:
        rows = _with_known(rows, keys, known, future)
    data = pd.concat([ordered, rows[ordered.columns]], ignore_index=True)
    # Nothing is learned here, so that no weight is needed.
    parameters = with_known_labels({**parameters, "weight": None}, data)
    return BatchedTimeSeriesDataSet.from_parameters(
        parameters, data, predict=True, stop_randomization=True
    )


def last_windows(parameters: Mapping[str, Any], frame: pd.DataFrame) -> TimeSeriesDataSet:
    """Return one window per series, whose targets are its last rows.

    Args:
        parameters: `get_parameters()` of the training dataset.
        frame: Its columns; the weight may be missing.

    Raises:
        ValueError: A column is missing, or the model knows no series or category of the frame.
    """
    frame = _as_trained(parameters, frame, [], "data")
    if parameters.get("weight") not in frame.columns:
        parameters = {**parameters, "weight": None}
    return BatchedTimeSeriesDataSet.from_parameters(
        with_known_labels(parameters, frame), frame, predict=True, stop_randomization=True
    )


def continued_rows(parameters: Mapping[str, Any], dataset: TimeSeriesDataSet) -> pd.DataFrame:
    """Return groups and time index of every target, window by window, step by step.

    Args:
        parameters: `get_parameters()` of the training dataset.
        dataset: What `continued_dataset` returned.
    """
    index = dataset.decoded_index
    steps = dataset.max_prediction_length
    rows = index.loc[index.index.repeat(steps), list(parameters["group_ids"])]
    first = index["time_idx_first_prediction"].to_numpy().repeat(steps)
    offsets = np.tile(np.arange(steps), len(index))
    return rows.assign(**{parameters["time_idx"]: first + offsets}).reset_index(drop=True)


def _as_trained(
    parameters: Mapping[str, Any], frame: pd.DataFrame, needed: list[str], name: str
) -> pd.DataFrame:
    """Return a frame with the columns needed, as the training has them whatever their types.

    Labels are text, the time index counts in whole numbers, and numbers are those of numpy.
    """
    check_frame(frame, name)
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise ValueError(
            f"`{name}` must have the columns of the training dataset, {missing} missing of "
            f"{needed}. What is known ahead is read in the past too, so that both frames need it."
        )
    texts: dict[str, NDArray[Any]] = {
        column: as_text(frame[column])
        for own, columns in label_columns(parameters).items()
        for column in columns
        if column in frame.columns
        and is_textual(parameters["categorical_encoders"].get(own))
        and not holds_only_text(frame[column])
    }
    time = parameters["time_idx"]
    if time in frame.columns and frame[time].dtype != np.int64:
        texts[time] = whole_numbers(frame[time])
    numbers = {
        column: as_numbers(frame[column])
        for column in _real_columns(parameters)
        if column in frame.columns and column != time and is_foreign(frame[column])
    }
    # The index may have the name of a column.
    return frame.reset_index(drop=True).assign(**texts, **numbers)


def _real_columns(parameters: Mapping[str, Any]) -> list[str]:
    """Return the columns of a training that hold numbers, targets that are none among them."""
    reals = [
        name for kind in KINDS if kind.endswith("reals") for name in parameters.get(kind) or []
    ]
    return [*dict.fromkeys([*reals, *to_list(parameters["target"])])]


def _before(frame: pd.DataFrame, keys: list[str], origin: Any) -> NDArray[np.bool_]:
    """Return which rows are before a time index, up to which every series has to reach."""
    *groups, time = keys
    origin = checked_integer("origin", origin, minimum=0)
    is_past: NDArray[np.bool_] = (frame[time] < origin).to_numpy(dtype=bool)
    ends = frame[is_past].groupby(groups, observed=True)[time].max()
    count = len(frame[groups].drop_duplicates())
    if len(ends) < count or (ends < origin - 1).any():
        raise ValueError(
            f"`origin` must be at most one time step after the end of every series and leave rows "
            f"in each, got {origin}; {len(ends)} of {count} series have rows before it"
            f"{f', the shortest up to {ends.min()}' if len(ends) else ''}."
        )
    return is_past


def _next_rows(ordered: pd.DataFrame, keys: list[str], steps: int) -> pd.DataFrame:
    """Return the next steps of every series; all columns but time repeat the last row."""
    *groups, time = keys
    last = ordered.groupby(groups, observed=True).tail(1)
    rows = last.loc[last.index.repeat(steps)].reset_index(drop=True)
    return rows.assign(**{time: rows[time] + np.tile(np.arange(1, steps + 1), len(last))})


def _known_columns(parameters: Mapping[str, Any]) -> list[str]:
    """Return the columns of a frame that have to be known ahead, the time index aside."""
    groups = parameters.get("variable_groups") or {}
    names = [
        *(parameters.get("time_varying_known_categoricals") or []),
        *(parameters.get("time_varying_known_reals") or []),
    ]
    columns = [column for name in names for column in groups.get(name, [name])]
    return [name for name in columns if name != parameters["time_idx"]]


def _with_known(
    rows: pd.DataFrame, keys: list[str], known: list[str], future: pd.DataFrame | None
) -> pd.DataFrame:
    """Return the rows with the variables known ahead as `future` has them."""
    if future is None:
        raise ValueError(
            f"`future` must give the variables known ahead, {known}, for the steps to forecast, "
            f"got None. Pass a frame with {[*keys, *known]}."
        )
    repeated = future[future.duplicated(keys)]
    if len(repeated):
        raise ValueError(
            f"`future` must give every step once, but {len(repeated)} of its rows are of a step "
            f"that an earlier one gives, first {repeated[keys].iloc[0].to_dict()}. Drop them."
        )
    merged = rows.drop(columns=known).merge(future[[*keys, *known]], on=keys, how="left")
    empty = merged[known].isna().any(axis=1)
    if empty.any():
        first = merged.loc[empty.idxmax(), keys].to_dict()
        raise ValueError(
            f"`future` must give {known} for every step to forecast, but {int(empty.sum())} of "
            f"{len(merged)} are missing, first {first}."
        )
    return merged

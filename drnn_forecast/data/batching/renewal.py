"""Datasets of other rows under the encoders and scalers of one that is there, without a frame."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy, deepcopy
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from pytorch_forecasting.data.encoders import (
    EncoderNormalizer,
    GroupNormalizer,
    NaNLabelEncoder,
    TorchNormalizer,
)
from sklearn.preprocessing import StandardScaler

from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet
from drnn_forecast.data.batching.windows import SeriesRows, WindowRule, Windows, step_lengths

Columns: TypeAlias = Mapping[str, npt.NDArray[Any]]


def renewable(dataset: Any) -> BatchedTimeSeriesDataSet | None:
    """Return a dataset without its rows, for `renewed`; None where only a frame will do.

    That is where the rows of a frame depend on one another, as lags do, and for several targets,
    weights, groups of variables and normalisers of other classes.

    Args:
        dataset: Made with `predict=True`.
    """
    is_plain = (
        type(dataset) is BatchedTimeSeriesDataSet
        and dataset.predict_mode
        and len(dataset.group_ids) == 1
        and not (dataset.lags or dataset.weight or dataset.variable_groups)
        and not dataset.constant_fill_strategy
        and type(dataset.target_normalizer) in (EncoderNormalizer, TorchNormalizer, GroupNormalizer)
        and (type(dataset.target_normalizer) is EncoderNormalizer or not dataset.add_target_scales)
    )
    if not is_plain:
        return None
    emptied = copy(dataset)
    emptied._derived = {"recipe": dataset._recipe}
    emptied.data = {}
    return emptied


def renewed(
    dataset: BatchedTimeSeriesDataSet, columns: Columns, parameters: Mapping[str, Any]
) -> BatchedTimeSeriesDataSet | None:
    """Return what `from_parameters(parameters, DataFrame(columns), predict=True)` would.

    Its batches are the same to the bit, in a tenth of the time. None where a series has no
    window or a value is not finite, of which the frame's way knows what to say.

    Args:
        dataset: What `renewable` returned for a dataset of the same parameters.
        columns: Every column of the frame, `(rows,)` each: one series after the other, in order
            of time.
        parameters: `get_parameters()` of the training dataset.
    """
    group, time = dataset.group_ids[0], columns[dataset.time_idx]
    labels = columns[group]
    first = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
    last = np.append(first[1:], len(labels)) - 1
    new = copy(dataset)
    new.min_prediction_idx = int(time.min())
    new._derived = dict(dataset._derived)
    new._categorical_encoders = {
        **dataset._categorical_encoders,
        f"__group_id__{group}": _group_encoder(parameters, f"__group_id__{group}", labels[first]),
    }
    group_ids = np.asarray(new.transform_values(group, labels[first], group_id=True))
    order = group_ids.argsort()
    new._series = SeriesRows(first=first, last=last, sequence_id=order.argsort())
    if not _are_windows(new._series, time, new._window_rule(predict_mode=True)):
        return None
    new.index = Windows(first_row=first[order], last_row=last[order])
    new.data = _tensors(new, columns, np.repeat(group_ids, last - first + 1))
    numbers = (new.data["reals"], *new.data["target"])
    return new if all(np.isfinite(part.numpy()).all() for part in numbers) else None


def _are_windows(series: SeriesRows, time: npt.NDArray[Any], rule: WindowRule) -> bool:
    """Return whether each series is one window as it stands, without a gap."""
    lengths = series.last - series.first + 1
    is_window = (lengths >= rule.min_length) & (lengths <= rule.max_length)
    return bool(is_window.all() and (step_lengths(time, series) == 1).all())


def _group_encoder(
    parameters: Mapping[str, Any], name: str, labels: npt.NDArray[Any]
) -> NaNLabelEncoder:
    """Return the encoder of the series of training, with the new ones behind them."""
    encoder = parameters["categorical_encoders"].get(name, NaNLabelEncoder())
    if all(label in getattr(encoder, "classes_", ()) for label in labels):
        return encoder
    return deepcopy(encoder).fit(labels, overwrite=False)


def _tensors(
    dataset: BatchedTimeSeriesDataSet, columns: Columns, groups: npt.NDArray[Any]
) -> dict[str, Any]:
    """Return the encoded and scaled rows, as `TimeSeriesDataSet` keeps them."""
    target = columns[dataset.target]
    encoded = dict(columns)
    categoricals = list(dataset.flat_categoricals)
    grouped = dataset.group_ids if type(dataset.target_normalizer) is GroupNormalizer else []
    for name in dict.fromkeys([*grouped, *categoricals]):
        encoded[name] = np.asarray(dataset.transform_values(name, columns[name]))
    reals = [np.asarray(_scaled(dataset, name, encoded), np.float64) for name in dataset.reals]
    codes = [np.asarray(encoded[name], np.int64) for name in categoricals]
    return {
        "reals": torch.from_numpy(_side_by_side(reals, len(target), np.float64)).float(),
        "categoricals": torch.from_numpy(_side_by_side(codes, len(target), np.int64)),
        "groups": torch.from_numpy(groups.astype(np.int64)[:, None]),
        "target": [torch.from_numpy(target.astype(np.float64)).float()],
        "weight": None,
        "time": torch.from_numpy(columns[dataset.time_idx].astype(np.int64)),
    }


def _scaled(dataset: BatchedTimeSeriesDataSet, name: str, columns: Columns) -> Any:
    """Return a real variable, scaled, or anything where each batch writes it."""
    if name not in columns:
        return np.zeros(len(columns[dataset.time_idx]))
    values, scaler = columns[name], dataset.get_transformer(name)
    if scaler is None or isinstance(scaler, EncoderNormalizer):
        return values
    if type(scaler) is StandardScaler:
        # The same sums without a frame, of which scikit-learn checks every name.
        values = values.astype(np.float64)
        centered = values - scaler.mean_ if scaler.with_mean else values
        return centered / scaler.scale_ if scaler.with_std else centered
    frame = pd.DataFrame(columns)
    if type(scaler) is TorchNormalizer:
        return scaler.transform(frame[name])
    return dataset.transform_values(name, frame[name], data=frame)


def _side_by_side(columns: list[npt.NDArray[Any]], rows: int, dtype: type) -> npt.NDArray[Any]:
    """Return the columns as a table, `(rows, columns)`, row by row in memory."""
    table: npt.NDArray[Any] = np.empty((rows, len(columns)), dtype=dtype)
    for number, values in enumerate(columns):
        table[:, number] = values
    return table

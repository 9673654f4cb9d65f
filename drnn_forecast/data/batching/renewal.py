"""Datasets of other rows under the encoders and scalers of one that is there, in less time."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
from pytorch_forecasting.data.encoders import (
    EncoderNormalizer,
    GroupNormalizer,
    NaNLabelEncoder,
    TorchNormalizer,
)

from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet
from drnn_forecast.data.batching.errors import as_dataset_errors
from drnn_forecast.data.batching.marks import with_marks
from drnn_forecast.data.batching.window_index import SeriesRows
from drnn_forecast.host import Columns


def renewable(dataset: Any) -> BatchedTimeSeriesDataSet | None:
    """Return a dataset without its rows, for `renewed`; None where it has to be built anew.

    That is where the rows of a frame depend on one another, as lags do, and for several targets,
    weights, groups of variables and normalisers of other classes.
    The dataset is one made with `predict=True`.
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
    return dataset.without_rows() if is_plain else None


def renewed(
    dataset: BatchedTimeSeriesDataSet, columns: Columns, parameters: Mapping[str, Any]
) -> BatchedTimeSeriesDataSet:
    """Return what `from_parameters(parameters, DataFrame(columns), predict=True)` would.

    Its batches are the same to the bit.
    """
    method = parameters.get("allow_missing_targets")
    if method:
        frame, _ = with_marks(pd.DataFrame(columns), parameters, method)
        columns = {str(name): own.to_numpy() for name, own in frame.items()}
    group = dataset.group_ids[0]
    labels = columns[group]
    first = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
    encoder = parameters["categorical_encoders"].get(dataset.series_columns[group])
    if not set(labels[first]) <= set(getattr(encoder, "classes_", ())):
        # As in training, the new series come behind those that are known.
        encoder = deepcopy(encoder or NaNLabelEncoder()).fit(labels[first], overwrite=False)
    new = dataset.with_series_encoders({group: encoder})
    new.allow_missing_targets = method or False
    order = np.asarray(new.transform_values(group, labels[first], group_id=True)).argsort()
    series = SeriesRows(
        first=first, last=np.append(first[1:], len(labels)) - 1, sequence_id=order.argsort()
    )
    new.min_prediction_idx = int(columns[dataset.time_idx].min())
    with as_dataset_errors():
        tensors = new.tensors_of(columns)
    return new.with_rows(tensors, series, order, dataset.layout)

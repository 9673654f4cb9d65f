"""A `TimeSeriesDataSet` with public steps in place of its private ones."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from pytorch_forecasting import TimeSeriesDataSet
from pytorch_forecasting.data.encoders import EncoderNormalizer, GroupNormalizer, TorchNormalizer

from drnn_forecast.host.normalizers import fit_on_known

Columns: TypeAlias = Mapping[str, npt.NDArray[Any]]
Tensors: TypeAlias = dict[str, Any]
D = TypeVar("D", bound="HostDataset")
TIME_COLUMN = "__time_idx__"


class HostDataset(TimeSeriesDataSet):
    """A `TimeSeriesDataSet` whose steps of building are methods to override, and its facts to read.

    pytorch-forecasting builds a dataset in one `__init__` of private steps and keeps what it
    fitted in private attributes. What depends on them is here.
    """

    stream: Any = None
    """Where the rows are a sample: all windows, which `fit` reads in their place."""

    def check_arguments(self) -> None:
        """Do nothing; called when the arguments are taken and no row is read."""

    def check_rows(self, data: pd.DataFrame) -> None:
        """Do nothing; called before pytorch-forecasting checks the frame itself."""

    def make_index(self, data: pd.DataFrame, is_predicting: bool) -> Any:
        """Return what the attribute `index` is to hold: a row per window, or one per series.

        `data` are the encoded rows, sorted; `series_columns` and `TIME_COLUMN` tell them apart.
        """
        return super()._construct_index(data, is_predicting)

    def completed(self, tensors: Tensors, columns: Any) -> Tensors:
        """Return the data, made of columns by name, as they are to be kept; here as they are."""
        return tensors

    @staticmethod
    def collate(samples: Any) -> Any:
        """Return the batch of some samples, made one after another."""
        return TimeSeriesDataSet._collate_fn(samples)

    @property
    def fitted_encoders(self) -> dict[str, Any]:
        """Encoders by column; `categorical_encoders` has only those that the user gave."""
        encoders: dict[str, Any] = self._categorical_encoders
        return encoders

    @property
    def fitted_scalers(self) -> dict[str, Any]:
        """Scalers by column; `scalers` has only those that the user gave."""
        scalers: dict[str, Any] = self._scalers
        return scalers

    @property
    def known_variables(self) -> list[str]:
        """Variables known ahead."""
        return [*self._time_varying_known_reals, *self._time_varying_known_categoricals]

    @property
    def observed_variables(self) -> list[str]:
        """Variables that vary and are not known ahead."""
        return [*self._time_varying_unknown_reals, *self._time_varying_unknown_categoricals]

    @property
    def series_columns(self) -> dict[str, str]:
        """The column of the encoded rows that holds each group id."""
        columns: dict[str, str] = self._group_ids_mapping
        return columns

    @property
    def overwritten(self) -> dict[str, Any] | None:
        """What `set_overwrite_values` was told, if it was."""
        values: dict[str, Any] | None = self._overwrite_values
        return values

    def with_series_encoders(self: D, encoders: Mapping[str, Any]) -> D:
        """Return a shallow copy that tells its series apart by other encoders, by group id."""
        new = copy(self)
        renamed = {self.series_columns[name]: encoder for name, encoder in encoders.items()}
        new._categorical_encoders = {**self._categorical_encoders, **renamed}
        return new

    def tensors_of(self, columns: Columns) -> Tensors:
        """Return rows as a dataset holds them, under the encoders and scalers fitted here.

        Building a dataset copies, groups and fits once more, in ten times the time. For one
        target without lags, weights, groups of variables and scales from other rows.

        Raises:
            ValueError: A value is not finite.
        """
        rows = len(columns[self.time_idx])
        is_grouped = isinstance(self.target_normalizer, GroupNormalizer)
        encoded = dict(columns)
        for name in dict.fromkeys([*(self.group_ids * is_grouped), *self.flat_categoricals]):
            encoded[name] = np.asarray(self.transform_values(name, columns[name]))
        groups = [
            self.transform_values(name, columns[name], group_id=True) for name in self.group_ids
        ]
        reals = [self._scaled(name, encoded, rows) for name in self.reals]
        codes = [encoded[name] for name in self.flat_categoricals]
        tensors = {
            "reals": _side_by_side(reals, rows, np.float64).float(),
            "categoricals": _side_by_side(codes, rows, np.int64),
            "groups": _side_by_side(groups, rows, np.int64),
            "target": [torch.tensor(columns[self.target], dtype=torch.float)],
            "weight": None,
            "time": torch.tensor(columns[self.time_idx], dtype=torch.int64),
        }
        tensors = self.completed(tensors, columns)
        self._check_tensors(tensors)
        return tensors

    def _scaled(self, name: str, encoded: Columns, rows: int) -> Any:
        """Return a real variable, scaled, or anything where each batch writes it."""
        if name not in encoded:
            return np.zeros(rows)
        values, scaler = pd.Series(encoded[name], name=name), self.get_transformer(name)
        if scaler is None or isinstance(scaler, EncoderNormalizer):
            return values
        if type(scaler) is TorchNormalizer:
            return scaler.transform(values)
        data = pd.DataFrame(encoded) if isinstance(scaler, GroupNormalizer) else None
        return self.transform_values(name, values, data=data)

    def _check_params(self) -> None:
        self.check_arguments()
        super()._check_params()

    def _validate_data(self, data: pd.DataFrame) -> None:
        self.check_rows(data)
        super()._validate_data(data)

    def _construct_index(self, data: pd.DataFrame, predict_mode: bool) -> Any:
        return self.make_index(data, predict_mode)

    def _data_to_tensors(self, data: pd.DataFrame) -> Tensors:
        """Return the data row by row in memory; pandas gives column by column, slow to gather."""
        tensors: Tensors = super()._data_to_tensors(data)
        for name in ("reals", "categoricals", "groups"):
            tensors[name] = tensors[name].contiguous()
        return self.completed(tensors, data)

    def _preprocess_data(self, data: pd.DataFrame) -> pd.DataFrame:
        """Return the frame encoded and scaled, by what is known."""
        if not self.multi_target and data[self.target].hasnans:
            fit_on_known(self.target_normalizer, data[self.target])
        return super()._preprocess_data(data)

    def _check_tensors(self, tensors: Tensors) -> None:
        """Check what pytorch-forecasting knows of."""
        super()._check_tensors({name: own for name, own in tensors.items() if name != "missing"})

    def _data_properties(self, data: pd.DataFrame) -> Any:
        """Return what the targets are like, as far as they are known."""
        empty = data[self.target_names].isna().any(axis=1)
        return super()._data_properties(data[~empty] if empty.any() else data)

    @staticmethod
    def _collate_fn(batches: Any) -> Any:
        """Return the batch that some samples carry as `gathered`, or make it of them."""
        return batches.gathered if hasattr(batches, "gathered") else HostDataset.collate(batches)


def _side_by_side(columns: list[Any], rows: int, dtype: type) -> torch.Tensor:
    """Return the columns as a table, `(rows, columns)`, row by row in memory."""
    table: npt.NDArray[Any] = np.empty((rows, len(columns)), dtype=dtype)
    for number, values in enumerate(columns):
        table[:, number] = values
    return torch.from_numpy(table)

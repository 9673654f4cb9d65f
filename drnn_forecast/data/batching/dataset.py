"""The dataset: pytorch-forecasting's, with compact windows and whole batches."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy as shallow_copy
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_forecasting import TimeSeriesDataSet
from torch import Tensor
from torch.utils.data import DataLoader

from drnn_forecast.data.batching import build_checks, removals, use_checks
from drnn_forecast.data.batching.batch import gather_batch
from drnn_forecast.data.batching.errors import DatasetError, MissingNameError, as_dataset_errors
from drnn_forecast.data.batching.recipe import Recipe
from drnn_forecast.data.batching.series_scales import series_scales
from drnn_forecast.data.batching.spans import find_spans
from drnn_forecast.data.batching.window_batch import WindowBatch, to_device
from drnn_forecast.data.batching.windows import (
    IntArray,
    SeriesRows,
    WindowRule,
    Windows,
    find_windows,
    step_lengths,
)

_UPSTREAM_SIGNATURE = inspect.signature(TimeSeriesDataSet.__init__)


class BatchedTimeSeriesDataSet(TimeSeriesDataSet):
    """A `TimeSeriesDataSet` whose loaders gather a batch with tensor indexing in one step.

    The arguments, methods and batches are those of pytorch-forecasting, with one difference: where
    `randomize_length` meets `min_prediction_idx`, its decoders may be announced as longer than
    their content; here they are as long as it. What is new is below.

    Args:
        device: Where the batches are made: a torch device or its name, None being the CPU. The
            data are kept there as well, so that batches never cross the bus; loaders must then
            have no workers and not pin memory.

    Attributes:
        num_fallback_batches: Batches made one window after another by pytorch-forecasting's own
            code, because the vectorised path does not hold: series with repeated time steps, or a
            subclass with its own `__getitem__`. Each worker of a loader counts its own.
        roles: `Roles.to_dict()` of the frame, where `ForecastData` made the dataset; kept by
            filters, copies, files and `from_dataset`.

    Raises:
        DatasetError: pytorch-forecasting refuses the arguments or the data, or `device` is not
            there. It is both a `ValueError` and an `AssertionError`.
    """

    roles: dict[str, Any] | None = None

    def __init__(
        self,
        data: pd.DataFrame,
        *args: Any,
        device: str | torch.device | None = None,
        **kwargs: Any,
    ) -> None:
        build_checks.check_frame(data)
        self.num_fallback_batches = 0
        self._derived: dict[str, Any] = {}
        self._assigned_index: pd.DataFrame | None = None
        self._has_repeated_steps = False
        self.device = use_checks.check_device(device)
        build_checks.check_arguments(
            data, _UPSTREAM_SIGNATURE.bind(self, data, *args, **kwargs).arguments
        )
        with as_dataset_errors():
            super().__init__(data, *args, **kwargs)

    __init__.__signature__ = _UPSTREAM_SIGNATURE.replace(  # type: ignore[attr-defined]
        parameters=[
            *_UPSTREAM_SIGNATURE.parameters.values(),
            inspect.Parameter("device", inspect.Parameter.KEYWORD_ONLY, default=None),
        ]
    )

    @classmethod
    def from_dataset(
        cls, dataset: TimeSeriesDataSet, data: pd.DataFrame, *args: Any, **kwargs: Any
    ) -> BatchedTimeSeriesDataSet:
        """Return a batched dataset of other data, with encoders, scalers, device and roles of one.

        The arguments are those of `TimeSeriesDataSet.from_dataset`; `dataset` may be of either
        class.
        """
        kwargs.setdefault("device", getattr(dataset, "device", None))
        made = super().from_dataset(dataset, data, *args, **kwargs)
        made.roles = getattr(dataset, "roles", None)
        return made

    @classmethod
    def load(cls, fname: str) -> BatchedTimeSeriesDataSet:
        """Return the dataset that `save` wrote.

        The file is unpickled with `weights_only=False`, which can run code that it holds: load
        only files that you trust. (torch's default refuses every dataset.)

        Raises:
            DatasetError: The file holds something else.
        """
        loaded = torch.load(fname, weights_only=False)
        if not isinstance(loaded, cls):
            raise DatasetError(
                f"`fname` must hold a {cls.__name__}, got {type(loaded).__name__} in {fname!r}. "
                f"Build one with {cls.__name__}.from_dataset."
            )
        return loaded

    def get_parameters(self) -> dict[str, Any]:
        """Return the arguments that build an equal `TimeSeriesDataSet`, all but data and device."""
        parameters = super().get_parameters()
        del parameters["device"]
        return parameters

    @property
    def device(self) -> torch.device:
        """Where the batches are made. Assign another to move them."""
        return self._device

    @device.setter
    def device(self, device: str | torch.device | None) -> None:
        self._device = use_checks.check_device(device)
        self._derived.pop("tensors", None)

    @property
    def index(self) -> pd.DataFrame:
        """A row per window, as in pytorch-forecasting; made when first read.

        Assign a frame to change the windows of the dataset. A change inside the frame does not
        reach the batches.
        """
        if self._assigned_index is not None:
            return self._assigned_index
        if "index" not in self._derived:
            time = self.data["time"].numpy()
            self._derived["index"] = self._windows.to_frame(time, self._series)
        return self._derived["index"]

    @index.setter
    def index(self, index: Windows | pd.DataFrame) -> None:
        self._derived.pop("index", None)
        if isinstance(index, Windows):
            self._windows, self._assigned_index = index, None
        else:
            num_rows = len(self.data["time"]) if hasattr(self, "data") else None
            use_checks.check_index(index, num_rows)
            self._windows = Windows(
                first_row=index["index_start"].to_numpy(), last_row=index["index_end"].to_numpy()
            )
            self._assigned_index = index

    @property
    def window_rows(self) -> tuple[IntArray, IntArray]:
        """First and last data row of every window, both inclusive, each `(windows,)`."""
        return self._windows.first_row, self._windows.last_row

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, idx: int) -> tuple[dict[str, Any], Any]:
        """Return one window as pytorch-forecasting does.

        Raises:
            IndexError: There is no such window.
        """
        use_checks.check_window_numbers(np.asarray([idx]), len(self))
        with as_dataset_errors():
            return super().__getitem__(idx)

    def __getitems__(self, indices: Any) -> WindowBatch:
        """Return a batch of windows, gathered at once; torch's loaders call this.

        Args:
            indices: Numbers of the windows, `(batch,)`; negative ones count from the end.

        Raises:
            IndexError: There is no such window.
        """
        chosen = np.asarray(indices)
        use_checks.check_window_numbers(chosen, len(self))
        with as_dataset_errors():
            if self._is_vectorised:
                gathered = self._gather(chosen)
            else:
                self.num_fallback_batches += 1
                samples = [self[int(window)] for window in chosen]
                gathered = to_device(super()._collate_fn(samples), self.device)
        return WindowBatch(gathered, self, chosen)

    @staticmethod
    def _collate_fn(batches: Any) -> Any:
        """Return the batch, `(x, (target, weight))`, of a `WindowBatch` or a list of samples."""
        if isinstance(batches, WindowBatch):
            return batches.gathered
        return TimeSeriesDataSet._collate_fn(batches)

    def to_dataloader(
        self,
        train: bool = True,
        batch_size: int = 64,
        batch_sampler: Any = None,
        **kwargs: Any,
    ) -> DataLoader:
        """Return a loader of batches, as `TimeSeriesDataSet.to_dataloader` does.

        Raises:
            DatasetError: `batch_sampler` is an unknown name, or the batches are on a device and
                the loader has workers or pins memory.
        """
        use_checks.check_loader(self.device, batch_sampler, kwargs)
        return super().to_dataloader(train, batch_size, batch_sampler, **kwargs)

    def filter(
        self, filter_func: Callable[[pd.DataFrame], Any], copy: bool = True
    ) -> BatchedTimeSeriesDataSet:
        """Return the dataset with the windows for which `filter_func(decoded_index)` is true.

        Args:
            filter_func: From the frame `decoded_index` to a bool per window.
            copy: Whether to leave this dataset as it is.

        Raises:
            DatasetError: No window is left.
        """
        decoded = self.decoded_index
        kept = self.index[np.asarray(filter_func(decoded))]
        if len(kept) == 0:
            raise DatasetError(
                f"`filter_func` must keep a window, got False for all {len(decoded)}. It sees the "
                f"columns {', '.join(map(repr, decoded.columns))} of `decoded_index`."
            )
        dataset = shallow_copy(self) if copy else self
        dataset.index = kept
        return dataset

    def set_overwrite_values(
        self, values: float | Tensor, variable: str, target: str = "decoder"
    ) -> None:
        """Overwrite the values of a variable in every batch, until `reset_overwrite_values`.

        Args:
            values: One number, or one per time step.
            variable: A variable that is neither target nor weight.
            target: The part of a window to overwrite, "encoder", "decoder" or "all".

        Raises:
            DatasetError: `target` is something else, or the variable cannot be overwritten.
        """
        use_checks.check_overwrite(self, variable, target)
        with as_dataset_errors():
            super().set_overwrite_values(values, variable, target)

    def transform_values(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Return values scaled or encoded, as `TimeSeriesDataSet.transform_values` does.

        Raises:
            MissingNameError: A category is unknown to the encoder.
        """
        try:
            return super().transform_values(name, *args, **kwargs)
        except KeyError as error:
            raise MissingNameError(f"In the column {name!r}: {error.args[0]}.") from error

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_derived": {}}

    def _check_params(self) -> None:
        build_checks.check_parameters(self)
        super()._check_params()

    def _set_target_normalizer(self, data_properties: Any, target_normalizer: Any) -> Any:
        build_checks.check_normalizer(self, target_normalizer)
        return super()._set_target_normalizer(data_properties, target_normalizer)

    def _validate_data(self, data: pd.DataFrame) -> None:
        build_checks.check_columns_fit(data, self.time_idx, self.flat_categoricals)
        super()._validate_data(data)
        removals.check_rows_left(self, data)

    def _preprocess_data(self, data: pd.DataFrame) -> pd.DataFrame:
        build_checks.check_scaled_columns(self, data)
        lengths = data.groupby(self.group_ids, observed=True).size()
        preprocessed = super()._preprocess_data(data)
        removals.check_rows_left_by_lags(self, preprocessed, lengths)
        return preprocessed

    def _data_to_tensors(self, data: pd.DataFrame) -> dict[str, Any]:
        """Return the data row by row in memory; pandas gives column by column, slow to gather."""
        tensors = super()._data_to_tensors(data)
        for name in ("reals", "categoricals", "groups"):
            tensors[name] = tensors[name].contiguous()
        return tensors

    def _check_tensors(self, tensors: dict[str, Any]) -> None:
        try:
            super()._check_tensors(tensors)
        except ValueError as error:
            raise DatasetError(str(error)) from error

    def _construct_index(self, data: pd.DataFrame, predict_mode: bool) -> Any:
        """Return the windows in compact arrays.

        They are pytorch-forecasting's frame where series repeat a time step, which its scan
        treats in an order of its own.
        """
        time = data["__time_idx__"].to_numpy(np.int64)
        self._series = series = SeriesRows.from_groups(data[self._group_ids])
        steps = step_lengths(time, series)
        build_checks.check_gaps(self, data, steps)
        self._has_repeated_steps = not series.is_contiguous or bool((steps < 1).any())
        if self._has_repeated_steps:
            return super()._construct_index(data, predict_mode)
        rule = self._window_rule(predict_mode)
        windows = find_windows(time, steps, series, rule)
        removals.explain_removals(self, data, series, rule, windows)
        return windows

    def _window_rule(self, predict_mode: bool) -> WindowRule:
        return WindowRule(
            min_length=self.min_prediction_length + self.min_encoder_length,
            max_length=self.max_prediction_length + self.max_encoder_length,
            min_last_time=self.min_prediction_idx + self.min_prediction_length - 1,
            is_predicting=predict_mode,
        )

    @property
    def _is_vectorised(self) -> bool:
        is_own_path = type(self).__getitem__ is BatchedTimeSeriesDataSet.__getitem__
        return is_own_path and not self._has_repeated_steps

    def _gather(self, chosen: IntArray) -> Any:
        spans = find_spans(self, self._windows, chosen)
        series = self._series.find(spans.first_row)
        scales = [
            None if table is None else table[torch.from_numpy(series)].to(self.device)
            for table in self._scale_tables
        ]
        return gather_batch(self, spans, self._recipe, self._tensors, scales)

    @property
    def _recipe(self) -> Recipe:
        if "recipe" not in self._derived:
            self._derived["recipe"] = Recipe.from_dataset(self)
        return self._derived["recipe"]

    @property
    def _scale_tables(self) -> list[Tensor | None]:
        if "scales" not in self._derived:
            groups = self.data["groups"][torch.from_numpy(self._series.first)]
            self._derived["scales"] = series_scales(self.target_normalizer, groups, self.group_ids)
        return self._derived["scales"]

    @property
    def _tensors(self) -> dict[str, Any]:
        if self.device.type == "cpu":
            return self.data
        if "tensors" not in self._derived:
            self._derived["tensors"] = to_device(self.data, self.device)
        return self._derived["tensors"]

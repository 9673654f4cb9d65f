"""The dataset: pytorch-forecasting's, with compact windows and whole batches."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy as shallow_copy
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from pytorch_forecasting import TimeSeriesDataSet
from torch import Tensor
from torch.utils.data import DataLoader

from drnn_forecast.data.batching import build_checks, gaps, marks, use_checks
from drnn_forecast.data.batching.batch import WindowBatch, gather_batch, only_sample
from drnn_forecast.data.batching.errors import DatasetError, MissingNameError, as_dataset_errors
from drnn_forecast.data.batching.layout import Layout
from drnn_forecast.data.batching.removals import explain_removals
from drnn_forecast.data.batching.scales import (
    is_elementwise,
    series_scales,
    write_series_scales,
)
from drnn_forecast.data.batching.spans import find_spans
from drnn_forecast.data.batching.window_index import (
    IntArray,
    SeriesRows,
    WindowIndex,
    WindowRule,
    find_windows,
    step_lengths,
)
from drnn_forecast.host import TIME_COLUMN, Tensors

_UPSTREAM_SIGNATURE = inspect.signature(TimeSeriesDataSet.__init__)


class BatchedTimeSeriesDataSet(gaps.GappyDataset):
    """A `TimeSeriesDataSet` whose loaders gather a batch with tensor indexing in one step.

    The arguments, methods and batches are those of pytorch-forecasting, with one difference: where
    `randomize_length` meets `min_prediction_idx`, its decoders may be announced as longer than
    their content; here they are as long as it. What is new is below.

    Args:
        device: Where the batches are made: a torch device or its name, None being the CPU. The
            data are kept there as well, so that batches never cross the bus; loaders must then
            have no workers and not pin memory.
        allow_missing_targets: Whether targets, and real covariates, may be empty. Such a value is
            masked: it counts in no scale and, by the weights, in no loss, and a variable
            `__missing__<column>` marks it. Or a method of `Roles.missing`.

    Attributes:
        num_fallback_batches: Batches made one window after another by pytorch-forecasting's own
            code, because the vectorised path does not hold: series with repeated time steps, an
            `EncoderNormalizer` of the user's own class or transformation, or a subclass with its
            own `__getitem__`. Each worker of a loader counts its own.
        roles, seen: `Roles.to_dict()` and `seen_rows` of the frame, where `ForecastData` made the
            dataset; kept by filters, copies and files, and `from_dataset` keeps the roles.

    Raises:
        DatasetError: pytorch-forecasting refuses the arguments or the data, or `device` is not
            there. It is both a `ValueError` and an `AssertionError`.
    """

    roles: dict[str, Any] | None = None
    seen: dict[str, Any] | None = None

    def __init__(
        self,
        data: pd.DataFrame,
        *args: Any,
        device: str | torch.device | None = None,
        allow_missing_targets: bool | str = False,
        **kwargs: Any,
    ) -> None:
        build_checks.check_dataset_frame(data)
        method = marks.checked_method(allow_missing_targets)
        self.allow_missing_targets = marks.MARKED if method == "mask" else method
        self.num_fallback_batches = 0
        self._derived: dict[str, Any] = {}
        self._assigned_index: pd.DataFrame | None = None
        self._has_repeated_steps = False
        self.device = use_checks.check_device(device)
        given = _UPSTREAM_SIGNATURE.bind(self, data, *args, **kwargs).arguments
        data, given = marks.with_marks(data, given, method)
        build_checks.check_dataset_columns(data, given)
        with as_dataset_errors():
            super().__init__(data, **given)

    __init__.__signature__ = gaps.with_keywords(  # type: ignore[attr-defined]
        _UPSTREAM_SIGNATURE, device=None, allow_missing_targets=False
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
        made: BatchedTimeSeriesDataSet = super().from_dataset(dataset, data, *args, **kwargs)
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
        time = self.data["time"].numpy()
        return self._derive("index", lambda: self._windows.to_frame(time, self._series))

    @index.setter
    def index(self, index: WindowIndex | pd.DataFrame) -> None:
        self._derived.pop("index", None)
        if isinstance(index, WindowIndex):
            self._windows, self._assigned_index = index, None
        else:
            if hasattr(self, "data"):
                use_checks.check_index(index, len(self.data["time"]))
            self._windows = WindowIndex(
                first_row=index["index_start"].to_numpy(), last_row=index["index_end"].to_numpy()
            )
            self._assigned_index = index

    @property
    def window_rows(self) -> tuple[IntArray, IntArray]:
        """First and last data row of every window, both inclusive, each `(windows,)`."""
        return self._windows.first_row, self._windows.last_row

    @property
    def layout(self) -> Layout:
        """What is done to the columns of every batch."""
        layout: Layout = self._derive("layout", lambda: Layout.from_dataset(self))
        return layout

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, idx: int) -> tuple[dict[str, Any], Any]:
        """Return one window as pytorch-forecasting does.

        Raises:
            IndexError: There is no such window.
        """
        use_checks.check_window_numbers(np.asarray([idx]), len(self))
        if "missing" in self.data:
            return only_sample(*self._gather(np.asarray([idx])))
        with as_dataset_errors():
            sample: tuple[dict[str, Any], Any] = super().__getitem__(idx)
        first_row = self._windows.first_row[[idx]]
        write_series_scales(sample[0], self, self.data["groups"][torch.from_numpy(first_row)])
        return sample

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
                gathered = move_data_to_device(self.collate(samples), self.device)
        return WindowBatch(gathered, self, chosen)

    def to_dataloader(
        self,
        train: bool = True,
        batch_size: int = 64,
        batch_sampler: Any = None,
        **kwargs: Any,
    ) -> DataLoader[Any]:
        """Return a loader of batches, as `TimeSeriesDataSet.to_dataloader` does.

        Raises:
            DatasetError: `batch_sampler` is an unknown name, or the batches are on a device and
                the loader has workers or pins memory.
        """
        use_checks.check_loader(self.device, batch_sampler, kwargs)
        loader: DataLoader[Any] = super().to_dataloader(train, batch_size, batch_sampler, **kwargs)
        return loader

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

        Raises:
            DatasetError: `target` is something else, or the variable cannot be overwritten.
        """
        use_checks.check_overwrite(self, variable, target)
        with as_dataset_errors():
            super().set_overwrite_values(values, variable, target)

    def transform_values(self, name: str, values: Any, *args: Any, **kwargs: Any) -> Any:
        """Return values scaled or encoded, as `TimeSeriesDataSet.transform_values` does.

        Raises:
            MissingNameError: A category is unknown to the encoder.
        """
        if name in self.lagged_variables and isinstance(values, pd.Series):
            # scikit-learn refuses a column of another name than the one that it was fitted on.
            values = values.rename(self.lagged_variables[name])
        try:
            return super().transform_values(name, values, *args, **kwargs)
        except KeyError as error:
            raise MissingNameError(f"In the column {name!r}: {error.args[0]}.") from error

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_derived": {}}

    def without_rows(self) -> BatchedTimeSeriesDataSet:
        """Return a copy without the data and what was derived of them."""
        emptied = shallow_copy(self)
        emptied.data, emptied._derived = {}, {"layout": self.layout}
        return emptied

    def with_rows(
        self, tensors: Tensors, series: SeriesRows, order: IntArray, layout: Layout
    ) -> BatchedTimeSeriesDataSet:
        """Return a copy with other data, in which each series is one window.

        `order` are the series in the order of the windows, `(series,)`; `layout`, which takes its
        time to find, is that of a dataset with the same variables.
        """
        new = shallow_copy(self)
        new.data, new._series, new._derived = tensors, series, {"layout": layout}
        new.index = WindowIndex(first_row=series.first[order], last_row=series.last[order])
        return new

    def check_arguments(self) -> None:
        """Refuse arguments that contradict each other."""
        build_checks.check_arguments(self)

    def check_rows(self, data: pd.DataFrame) -> None:
        """Refuse a frame that does not suit the arguments."""
        build_checks.check_rows(self, data)

    def make_index(self, data: pd.DataFrame, is_predicting: bool) -> Any:
        """Return the windows in compact arrays, or pytorch-forecasting's frame of them.

        Its scan treats series that repeat a time step in an order of its own.
        """
        time = data[TIME_COLUMN].to_numpy(np.int64)
        self._series = series = SeriesRows.from_groups(data[list(self.series_columns.values())])
        steps = step_lengths(time, series)
        build_checks.check_gaps(self, data, steps)
        self._has_repeated_steps = not series.is_contiguous or bool((steps < 1).any())
        if self._has_repeated_steps:
            return super().make_index(data, is_predicting)
        rule = WindowRule(
            min_length=self.min_prediction_length + self.min_encoder_length,
            max_length=self.max_prediction_length + self.max_encoder_length,
            min_last_time=self.min_prediction_idx + self.min_prediction_length - 1,
            is_predicting=is_predicting,
        )
        windows = find_windows(time, steps, series, rule)
        explain_removals(self, data, series, rule, windows)
        return windows

    @property
    def _is_vectorised(self) -> bool:
        is_own_path = type(self).__getitem__ is BatchedTimeSeriesDataSet.__getitem__
        is_known = all(is_elementwise(normalizer) for normalizer in self.layout.normalizers)
        use_checks.check_missing(self, is_known and not self._has_repeated_steps)
        return is_own_path and is_known and not self._has_repeated_steps

    def _gather(self, chosen: IntArray) -> Any:
        spans = find_spans(self, self._windows, chosen)
        series = self._series.find(spans.first_row)
        scales = [
            None if table is None else table[torch.from_numpy(series)].to(self.device)
            for table in self._scale_tables
        ]
        return gather_batch(self, spans, self.layout, self._tensors, scales)

    @property
    def _scale_tables(self) -> list[Tensor | None]:
        groups = self.data["groups"]
        first = self._series.first
        tables: list[Tensor | None] = self._derive(
            "scales", lambda: series_scales(self, groups[torch.from_numpy(first)])
        )
        return tables

    @property
    def _tensors(self) -> Tensors:
        """The data on the device."""
        tensors: Tensors = self.data
        if self.device.type != "cpu":
            tensors = self._derive("tensors", lambda: move_data_to_device(self.data, self.device))
        return tensors

    def _derive(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what is made of the data once, and not saved with them."""
        if name not in self._derived:
            self._derived[name] = make()
        return self._derived[name]

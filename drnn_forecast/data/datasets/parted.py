"""Data in more files than memory holds: a sample of them, and a stream of their windows."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from os import PathLike
from typing import Any, Final

import numpy as np
import pandas as pd

from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet
from drnn_forecast.data.datasets.learned import LearnedInParts, check_streamable
from drnn_forecast.data.datasets.splits import (
    Splits,
    holding_one,
    is_of_training,
    learning_windows,
    long_enough,
    make_splits,
    new_parameters,
)
from drnn_forecast.data.datasets.streamed import SliceCounts, WindowStream
from drnn_forecast.data.datasets.weights import weights_of
from drnn_forecast.data.frames.columns import model_frame
from drnn_forecast.data.frames.data import ForecastData
from drnn_forecast.data.frames.facts import Facts
from drnn_forecast.data.frames.panel import Panel
from drnn_forecast.data.frames.places import counted
from drnn_forecast.data.frames.roles import OBSERVED, TIME_INDEX, Roles
from drnn_forecast.data.frames.windows import WindowPlan, plan_windows
from drnn_forecast.data.parts.listing import PartedTable, least_value, open_parts
from drnn_forecast.data.parts.slices import (
    PartSlice,
    check_apart,
    joined_slice,
    read_slice,
    runs_of,
    slices_of,
)
from drnn_forecast.layers import checked_integer

logger = logging.getLogger("drnn_forecast.data")

MAX_ROWS: Final = 1_000_000
"""Rows in memory, half of them a sample, the other half those whose windows are drawn."""

SLICES: Final = 16
"""Slices of the dataset, from all over it, whose windows are shuffled together."""

FINEST: Final = 64
"""Slices of a dataset that is small, so that several processes have their share of it."""


@dataclass(frozen=True, eq=False)
class PartedData:
    """A partitioned Parquet dataset with roles, read some rows at a time.

    It goes where a `ForecastData` goes to be trained on. Made by `from_parts`.

    Attributes:
        table: The files.
        asked: What the columns are, as it was given.
        max_rows: Rows in memory at most, a series longer than a slice aside.
    """

    table: PartedTable
    asked: Roles
    max_rows: int

    @classmethod
    def from_parts(
        cls,
        place: str | PathLike[str],
        roles: Roles,
        *,
        partitioning: Any = "hive",
        max_rows_in_memory: int = MAX_ROWS,
        weight: str | None = None,
    ) -> PartedData:
        """Return the data of a folder of Parquet files, a path or a URL of fsspec's.

        Args:
            place: The folder.
            roles: What the columns are, also those that the names of folders tell.
            partitioning: What the names of folders say (`open_parts`).
            max_rows_in_memory: Rows in memory at most.
            weight: A column that is read beside those with a role.

        Raises:
            FileNotFoundError: There is no such folder, or no file in it.
            ValueError: A file is unreadable, empty, or lacks a column, or its type differs; or a
                series lies in two partitions.
        """
        checked_integer("max_rows_in_memory", max_rows_in_memory, minimum=1)
        check_long(roles)
        more = [roles.holiday_column, None if weight == OBSERVED else weight]
        table = open_parts(
            place,
            columns=[*dict.fromkeys([*roles.columns, *filter(None, more)])],
            series=roles.series_columns,
            partitioning=partitioning,
        )
        check_apart(table)
        return cls(table, roles, max_rows_in_memory)

    @property
    def is_whole(self) -> bool:
        """Whether all rows fit into memory, so that the sample is everything."""
        return self.table.rows <= max(self.max_rows // 2, 1)

    @property
    def roles(self) -> Roles:
        """What the columns are; `freq` and `zone` are those of the sample."""
        return self.sample.roles

    @property
    def freq(self) -> str:
        """The pandas frequency alias of the time column."""
        return self.sample.freq

    @cached_property
    def slices(self) -> tuple[PartSlice, ...]:
        """All series, some at a time."""
        rows = max(1, min(self.max_rows // (2 * SLICES), self.table.rows // FINEST))
        return tuple(own for part in self.table.parts for own in slices_of(self.table, part, rows))

    @cached_property
    def sample(self) -> ForecastData:
        """Slices from all over the dataset that are half of what may be in memory."""
        if self.is_whole:
            whole = [PartSlice(part, part.rows) for part in self.table.parts]
            return self._read(whole, self.asked)
        chosen = self.slices
        share = self.max_rows / 2 / self.table.rows
        number = max(2, int(share * len(chosen)))  # two, so that series are seen to be several
        places = np.linspace(0, len(chosen) - 1, number).round().astype(int)
        chosen = tuple(chosen[place] for place in np.unique(places))
        logger.info(
            "Recipe and validation rest on a sample: %s of %s rows, %s of %s slices of %s.",
            f"{sum(own.rows for own in chosen):,}",
            f"{self.table.rows:,}",
            len(chosen),
            len(self.slices),
            counted(sum(len(part.files) for part in self.table.parts), "file"),
        )
        return self._read(chosen, self.asked)

    def facts(self, horizon: int) -> Facts:
        """Return what settings follow from: what the sample shows, and how many rows there are."""
        facts = self.sample.facts(horizon)
        if self.is_whole:
            return facts
        more = self.table.rows / max(facts.num_steps, 1)
        least = least_value(self.table, self.roles.target)
        return replace(
            facts,
            num_steps=self.table.rows,
            num_series=max(1, round(more * facts.num_series)),
            is_signed=least is None or least < 0,
        )

    def read(self, slices: Iterable[PartSlice]) -> ForecastData:
        """Return some slices as data in memory."""
        return self._read(slices, self.roles)

    def split(
        self,
        *,
        horizon: int,
        context_length: int,
        validation_windows: int,
        stride: int | None = None,
        min_context_length: int | None = None,
        drop_short: bool = False,
        keep_short: bool = False,
        identity: bool = True,
        target_normalizer: Any = None,
        **dataset_options: Any,
    ) -> Splits:
        """Return datasets for training and validation, as `ForecastData.split` does.

        Encoders and scalers are fitted to the training rows of all files, in one pass over them.
        The datasets hold the windows of the sample; `training` and `complete` have a `stream` of
        all windows, which `fit` reads in their place.

        Raises:
            ValueError: An option needs all rows at once, or the data are refused.
        """
        options: dict[str, Any] = {
            "context_length": context_length,
            "min_context_length": min_context_length,
            "validation_windows": validation_windows,
            "stride": stride,
        }
        short = "drop" if drop_short else "keep" if keep_short else "refuse"
        if self.is_whole:
            return self.sample.split(
                horizon=horizon,
                drop_short=drop_short,
                keep_short=keep_short,
                identity=identity,
                target_normalizer=target_normalizer,
                **options,
                **dataset_options,
            )
        panel = self.sample.panel
        parameters = new_parameters(panel, target_normalizer, dataset_options, identity=identity)
        check_streamable(parameters)
        windows = plan_windows(
            **options, horizon=horizon, test_windows=0, lags=parameters.get("lags")
        )
        if short == "keep":
            windows = holding_one(panel, windows)[1]
        parameters, counts = self._fitted(parameters, windows, short)
        splits = make_splits(panel, windows, short=short, parameters=parameters, is_own=True)
        fitted = splits.training.get_parameters()
        make = partial(self._windows, fitted, windows, short)
        streams = [
            WindowStream(self.slices, counts, self.max_rows // 2, partial(make, all_rows), all_rows)
            for all_rows in (False, True)
        ]
        splits.training.stream = streams[0]

        def complete() -> BatchedTimeSeriesDataSet:
            own = splits._complete()
            own.stream = streams[1]
            return own

        return replace(splits, _complete=complete)

    def _read(self, slices: Iterable[PartSlice], roles: Roles) -> ForecastData:
        """Return slices under some roles; an error names the file, if one by itself has it."""
        chosen = tuple(slices)
        frame = pd.concat([read_slice(self.table, own) for own in chosen], ignore_index=True)
        try:
            return ForecastData.from_roles(frame, roles)
        except (ValueError, TypeError) as error:
            if len(chosen) > 1:
                for own in chosen:
                    self._read([own], roles)
                raise
            raise type(error)(f"{chosen[0].part.name}: {error}") from error

    def _fitted(
        self, parameters: dict[str, Any], windows: WindowPlan, short: str
    ) -> tuple[dict[str, Any], list[SliceCounts]]:
        """Return parameters with encoders and scalers of all files, and each slice's windows."""
        transformers = LearnedInParts(parameters, self.sample.roles.target)
        counts = []
        for run in runs_of(self.slices, self.max_rows // 4):
            panel = self.read([joined_slice(run)]).panel
            kept = _kept(panel, windows, short)
            frame = _model_frame(panel, parameters)
            transformers.learn(frame[kept[panel.rows.codes] & is_of_training(panel, windows)])
            lasts = [own.ends[1] for own in run if own.ends is not None]
            places = np.array([bisect_left(lasts, name) for name in _first_names(panel)])
            counts += [
                SliceCounts.of(panel.sizes[kept & (places == place)], windows)
                for place in range(len(run))
            ]
        return transformers.fitted(), counts

    def _windows(
        self,
        parameters: dict[str, Any],
        windows: WindowPlan,
        short: str,
        all_rows: bool,
        slices: Sequence[PartSlice],
    ) -> BatchedTimeSeriesDataSet:
        """Return the windows of some slices to learn from: those of training, or all."""
        panel = self.read(slices).panel
        kept = _kept(panel, windows, short)[panel.rows.codes]
        frame = _model_frame(panel, parameters)
        rows = frame[kept if all_rows else kept & is_of_training(panel, windows)]
        first = {"min_prediction_idx": int(rows[TIME_INDEX].min())}
        return learning_windows({**parameters, **first}, rows, panel, windows)


def check_long(roles: Roles) -> None:
    """Refuse roles of files whose rows are not those of one series, time and target each."""
    if roles.wide is not None:
        given = f"`target={list(roles.targets)}`" if roles.targets else f"`wide={roles.wide!r}`"
        raise ValueError(
            "Files that are read in parts must have one row per series and time, and one target, "
            f"got {given}. Write them so, or give a frame."
        )


def _first_names(panel: Panel) -> Sequence[Any]:
    """Return what the first of the columns that name a series calls each."""
    columns = panel.roles.series_columns
    if len(columns) < 2:
        return panel.names
    rows = np.unique(panel.rows.codes, return_index=True)[1]
    names: list[Any] = panel.rows[columns[0]].iloc[rows].tolist()
    return names


def _kept(panel: Panel, windows: WindowPlan, short: str) -> Any:
    """Return which series take part, `(series,)`."""
    if short == "keep":
        return panel.sizes >= windows.shortest_window
    if short == "refuse":
        long_enough(panel, windows, drop_short=False)
    return panel.sizes >= windows.shortest_series


def _model_frame(panel: Panel, parameters: dict[str, Any]) -> pd.DataFrame:
    """Return the columns that a dataset reads, and its weights."""
    weights = weights_of(parameters, panel)
    return model_frame(panel.rows.frame, panel.positions, panel).assign(**weights)

"""The forecast of one partition, in whichever process."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from drnn_forecast.data import (
    ParquetPart,
    PartedTable,
    PartSlice,
    asked_in_parts,
    read_slice,
    replaced_in,
    slices_of,
)
from drnn_forecast.model import Forecaster, load


@dataclass(frozen=True)
class PartWork:
    """What is asked of every partition; small enough to be sent with each.

    Attributes:
        model: The folder or checkpoint.
        unsafe: Whether a checkpoint may hold objects of any class.
        table: The history (`PartedTable.reader`).
        future: The future rows, of files of the same names; None: there are none.
        storage: Where forecasts are written, a file system of pyarrow's.
        base: Their folder there.
        horizon: Time steps; None: those of the training.
        origin: The time of the first forecast; None: the step after the end of every series.
        max_rows: Rows of the history that are read at a time.
        call: What determines the forecasts beside the rows, plain data; the model's digest in it.
    """

    model: Path
    unsafe: bool
    table: PartedTable
    future: PartedTable | None
    storage: Any
    base: str
    horizon: int | None
    origin: Any
    max_rows: int
    call: Mapping[str, Any]

    def path_of(self, part: ParquetPart) -> str:
        """Return where the forecast of a partition is written."""
        return f"{self.base}/{part.name}"


@dataclass(frozen=True)
class PartDone:
    """What became of a partition: the rows of its forecast, and what was said about it."""

    name: str
    rows: int
    said: tuple[str, ...]


def forecast_part(work: PartWork, part: ParquetPart) -> PartDone:
    """Write the forecast of a partition, whole or not at all, and return what became of it.

    Raises:
        Exception: What the forecast raises, with the name of the partition.
    """
    with _named(part), one_thread(), _heard() as said:
        model = _loaded(work.model, work.call["model"], work.unsafe)
        rows = _written(work, part, part_tables(work, part, model))
    return PartDone(part.name, rows, tuple(said))


def part_tables(
    work: PartWork, part: ParquetPart, model: Forecaster, *, with_keys: bool = False
) -> Iterator[pa.Table]:
    """Yield the forecast of a partition, some series at a time.

    Columns that the names of folders tell are left out, as they are in the history, unless they
    are asked for.
    """
    for own in slices_of(work.table, part, work.max_rows):
        future = None
        if work.future is not None:
            future = read_slice(work.future, PartSlice(part, 0, own.ends))
        with asked_in_parts():
            forecast = model.forecast(
                read_slice(work.table, own),
                future=future,
                horizon=work.horizon,
                origin=work.origin,
            )
        told = [] if with_keys else [name for name in part.keys if name in forecast]
        inside = forecast.drop(columns=told)
        yield pa.Table.from_pandas(inside, preserve_index=False)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread, in which sums have one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _written(work: PartWork, part: ParquetPart, tables: Iterator[pa.Table]) -> int:
    """Write tables one after the other into the file of a partition; return their rows."""
    rows, first = 0, next(tables)
    with (
        replaced_in(work.storage, work.path_of(part)) as partial,
        pq.ParquetWriter(partial, first.schema, filesystem=work.storage) as writer,
    ):
        for each in chain([first], tables):
            writer.write_table(each.cast(first.schema))
            rows += len(each)
    return rows


@lru_cache(maxsize=1)
def _loaded(model: Path, digest: str, unsafe: bool) -> Forecaster:
    """Return a model, which a process loads once; the digest tells it from an earlier one."""
    return load(model, unsafe=unsafe)


@contextmanager
def _named(part: ParquetPart) -> Iterator[None]:
    """Say of which partition an error is."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{part.name}: {error.strerror or error}") from error
    except (ValueError, TypeError, MemoryError, RuntimeError) as error:
        kinds = (ValueError, TypeError, MemoryError, RuntimeError)
        kind = next(each for each in kinds if isinstance(error, each))
        raise kind(f"{part.name}: {error}") from error


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Keep what is said in warnings and in the log, each once, for the process that shows it."""
    said: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger = logging.getLogger("drnn_forecast")
    before = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [Kept(logging.WARNING)], False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            yield said
    finally:
        logger.handlers, logger.propagate = before
    said += [str(each.message) for each in caught]
    said[:] = dict.fromkeys(said)

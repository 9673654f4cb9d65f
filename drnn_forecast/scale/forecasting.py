"""Forecasts of a partitioned dataset, partition by partition, in one process or several."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Final

import pandas as pd
from tqdm import tqdm

from drnn_forecast.data import (
    ParquetPart,
    PartedTable,
    Roles,
    check_apart,
    check_long,
    label_columns,
    labels_in,
    open_parts,
    remove_partial,
    shown_place,
    storage_of,
    with_known_labels,
)
from drnn_forecast.layers import checked_integer
from drnn_forecast.model import Ensemble, load
from drnn_forecast.scale.ledger import digest_of, unfinished_parts
from drnn_forecast.scale.work import PartDone, PartWork, forecast_part

logger = logging.getLogger("drnn_forecast.scale")

MAX_ROWS: Final = 1_000_000
"""Rows of the history that a process reads at a time."""

SAID: Final = 3
"""Partitions whose warnings are shown."""


@dataclass(frozen=True)
class PartedForecast:
    """What `forecast_partitions` wrote.

    Attributes:
        out: The folder.
        partitions: How many there are.
        finished_before: How many of them an earlier call had finished.
        rows: Of the forecasts that this call wrote.
    """

    out: str
    partitions: int
    finished_before: int
    rows: int


def forecast_partitions(
    model: str | PathLike[str],
    dataset: str | PathLike[str],
    out: str | PathLike[str],
    *,
    future: str | PathLike[str] | None = None,
    horizon: int | None = None,
    origin: Any = None,
    partitioning: Any = "hive",
    workers: int = 1,
    max_rows: int = MAX_ROWS,
    progress: bool = True,
    unsafe: bool = False,
) -> PartedForecast:
    """Write the forecast of every series of a partitioned Parquet dataset, and say how much it was.

    Each partition becomes a file of the same name below `out`, which appears whole or not at all,
    and holds what `model.forecast` gives for it. Where some are there, the same call makes the
    others. An error ends the work, but keeps what is finished.

    Args:
        model: The folder of a model, or a checkpoint, on this machine.
        dataset: A folder of Parquet files: a local path, or a URL of fsspec's. A partition is a
            folder in it with its files, or a file beside these; a series lies within one.
        out: The folder to write, empty or of the same call; a path or a URL.
        future: A dataset of future rows, whose files have the names of those of `dataset`.
        horizon: Time steps, at most those that the model was trained for; None: as many.
        origin: The time of the first forecast; None: the step after the end of every series.
        partitioning: What the names of folders say: `"hive"`, as in `region=north`; names of
            columns, one for each level of folders; or an object of pyarrow's.
        workers: Processes of this machine, with a thread each; 1: this one.
        max_rows: Rows that a process reads at a time; a series is always read whole.
        progress: Whether to show a bar.
        unsafe: Whether a checkpoint may hold objects of any class (`load`).

    Raises:
        ValueError: An argument is out of range; a file is unreadable, empty, or lacks a column; a
            series lies in two partitions; or the model refuses what a partition holds.
        FileNotFoundError: There is no such model or dataset.
        FileExistsError: `out` holds something else.
        RuntimeError: A worker was killed.
    """
    checked_integer("workers", workers, minimum=1)
    checked_integer("max_rows", max_rows, minimum=1)
    work, table = asked_of_parts(
        model,
        dataset,
        out,
        future=future,
        horizon=horizon,
        origin=origin,
        partitioning=partitioning,
        max_rows=max_rows,
        unsafe=unsafe,
    )
    remove_partial(work.storage, work.base)
    parts = unfinished_parts(work, table, str(out))
    before = len(table.parts) - len(parts)
    shown = {"unit": "partition", "disable": not progress, "leave": False}
    done: list[PartDone] = []
    try:
        with (
            tqdm(total=len(table.parts), initial=before, **shown) as bar,
            _results(work, parts, workers) as results,
        ):
            for each in results:
                done.append(each)
                _tell(done)
                bar.update()
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(
            f"{before + len(done)} of {len(table.parts)} partitions are finished and kept in "
            f"{shown_place(out)!r}; the same command goes on from there"
        ) from stop
    finally:
        remove_partial(work.storage, work.base)
    quiet = sum(bool(each.said) for each in done) - SAID
    if quiet > 0:
        logger.warning("Of %s more partitions something alike was said.", quiet)
    return PartedForecast(str(out), len(table.parts), before, sum(each.rows for each in done))


def asked_of_parts(
    model: str | PathLike[str],
    dataset: str | PathLike[str],
    out: str | PathLike[str] | None,
    *,
    future: str | PathLike[str] | None,
    horizon: int | None,
    origin: Any,
    partitioning: Any,
    max_rows: int,
    unsafe: bool,
) -> tuple[PartWork, PartedTable]:
    """Return what is asked of every partition, and the dataset, after all that is checked before.

    The arguments are those of `forecast_partitions`.
    """
    forecaster = load(model, unsafe=unsafe)
    network = forecaster.members[0] if isinstance(forecaster, Ensemble) else forecaster
    parameters, roles = network.dataset_parameters, network.hparams["roles"]
    columns = later = None
    if roles is None:
        series = tuple(parameters["group_ids"])
    else:
        of_roles = Roles.from_dict(roles)
        check_long(of_roles)
        series = of_roles.series_columns
        country = [of_roles.holiday_column] if of_roles.holiday_column else []
        columns = [*dict.fromkeys([*of_roles.columns, *country])]
        later = [*of_roles.keys, *of_roles.known]
    table = open_parts(dataset, columns=columns, series=series, partitioning=partitioning)
    check_apart(table)
    _check_known(table, parameters)
    steps = None
    if future is not None:
        steps = open_parts(future, columns=later, series=series, partitioning=partitioning)
        _check_files(table, steps)
    storage, base = (table.storage, "") if out is None else _place_of(out, table)
    work = PartWork(
        model=Path(model),
        unsafe=unsafe,
        table=table.reader,
        future=None if steps is None else steps.reader,
        storage=storage,
        base=base,
        horizon=horizon,
        origin=origin,
        max_rows=max_rows,
        call={
            "model": digest_of(Path(model)),
            "horizon": horizon,
            "origin": None if origin is None else str(origin),
            "future": None if steps is None else steps.fingerprint,
        },
    )
    return work, table


def _place_of(out: str | PathLike[str], table: PartedTable) -> tuple[Any, str]:
    """Return where forecasts are written, which has to be apart from the dataset."""
    storage, base = storage_of(out)
    first, second = sorted((f"{base}/", f"{table.base}/"), key=len)
    if storage == table.storage and second.startswith(first):
        raise ValueError(
            f"`out` must be a folder of its own, got {shown_place(out)!r} beside the dataset "
            f"{shown_place(table.place)!r}; choose another name."
        )
    return storage, base


def _check_known(table: PartedTable, parameters: dict[str, Any]) -> None:
    """Refuse a dataset of whose series, or of whose labels of a column, the model knows none."""
    encoders = parameters.get("categorical_encoders") or {}
    for name, columns in label_columns(parameters).items():
        known = getattr(encoders.get(name), "classes_", None)
        is_open = getattr(encoders.get(name), "add_nan", False)
        if not known or not is_open or not set(columns) <= set(table.columns):
            continue
        asked: dict[str, None] = {}
        for part in table.parts:
            found = {own for column in columns for own in labels_in(table, part, column)}
            if not found.isdisjoint(map(str, known)):
                break
            asked |= dict.fromkeys(sorted(found))
        else:
            with_known_labels(parameters, {column: pd.Index(asked) for column in columns})


def _check_files(table: PartedTable, future: PartedTable) -> None:
    """Refuse future rows that are not laid out as the history is."""
    own, other = ({name for part in each.parts for name in part.files} for each in (table, future))
    for name in sorted(own ^ other):
        has, lacks = ("the dataset", "`future`") if name in own else ("`future`", "the dataset")
        raise ValueError(
            f"`future` must have files of the same names as the dataset, but {name!r} is in {has} "
            f"and not in {lacks}."
        )


@contextmanager
def _results(
    work: PartWork, parts: Sequence[ParquetPart], workers: int
) -> Iterator[Iterator[PartDone]]:
    """Give what becomes of the partitions, as they are finished."""
    if workers == 1 or len(parts) < 2:
        yield map(partial(forecast_part, work), parts)
        return
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        min(workers, len(parts)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_deafen,
    )
    try:
        waiting = {pool.submit(forecast_part, work, part): part for part in parts}
        yield _finished(waiting)
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(waiting: dict[Future[PartDone], ParquetPart]) -> Iterator[PartDone]:
    """Yield what becomes of partitions, in the order in which they are finished."""
    try:
        for future in as_completed(waiting):
            yield future.result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            "A worker was killed, by lack of memory as it may be: lower `workers` or `max_rows`. "
            "What is finished is kept, and the same call goes on from there."
        ) from error


def _deafen() -> None:
    """Leave Ctrl-C, which all processes of a terminal hear, to the first one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _tell(done: Sequence[PartDone]) -> None:
    """Say in the log what was said about the last partition, if few have said something."""
    last = done[-1]
    if last.said and sum(bool(each.said) for each in done) <= SAID:
        for text in last.said:
            logger.warning("%s: %s", last.name, text)

"""Forecasts of a partitioned dataset by the actors of a Ray cluster, or of a local Ray."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import torch

from drnn_forecast.data import ParquetPart, remove_partial
from drnn_forecast.layers import checked_integer
from drnn_forecast.model import Forecaster, load
from drnn_forecast.scale.forecasting import MAX_ROWS, asked_of_parts
from drnn_forecast.scale.ledger import unfinished_parts
from drnn_forecast.scale.work import PartWork, forecast_part, part_tables

if TYPE_CHECKING:
    import ray

STORE: Final = 500_000_000
"""Bytes of the object store of a local Ray."""

BLOCKS: Final = 2000
"""Tasks that Ray is given at most, each of one partition or a few."""

PATIENCE: Final = 5.0
"""Seconds in which a cluster has to answer."""


def forecast_ray(
    dataset: str | PathLike[str],
    model: Forecaster | str | PathLike[str],
    *,
    out: str | PathLike[str] | None = None,
    future: str | PathLike[str] | None = None,
    horizon: int | None = None,
    origin: Any = None,
    partitioning: Any = "hive",
    actors: int = 2,
    address: str | None = None,
    max_rows: int = MAX_ROWS,
    unsafe: bool = False,
) -> ray.data.Dataset:
    """Return the forecasts of a partitioned dataset, made by actors that load the model once.

    Nothing is collected into one process. The partitions of an actor that is killed are done again
    by another one, no row is lost, and none comes twice.

    Args:
        dataset: A folder of Parquet files that all nodes see, best a URL of fsspec's
            (`forecast_partitions`).
        model: A model, or its folder or checkpoint on this machine; it is sent to the actors.
        out: The folder that the actors write to, as `forecast_partitions` does, so that the same
            call goes on after an interruption; the result has a row per partition written. None:
            the result has the forecasts, made when they are read: `write_parquet`, `iter_batches`.
        future: A dataset of future rows, whose files have the names of those of `dataset`.
        horizon: Time steps, at most those that the model was trained for; None: as many.
        origin: The time of the first forecast; None: the step after the end of every series.
        partitioning: What the names of folders say.
        actors: Processes that forecast, each on a CPU, with a thread.
        address: Of a cluster: `"host:port"`, `"ray://host:port"` or `"auto"`. None: the Ray that
            runs in this process or that `RAY_ADDRESS` names, or a new one on this machine.
        max_rows: Rows that an actor reads at a time.
        unsafe: Whether a checkpoint may hold objects of any class (`load`).

    Raises:
        ImportError: Ray is not installed.
        ConnectionError: The cluster does not answer.
        TypeError: `dataset` is no folder.
        ValueError: What `forecast_partitions` refuses.
    """
    checked_integer("actors", actors, minimum=1)
    if not isinstance(dataset, str | PathLike):
        raise TypeError(
            "`dataset` must be the folder or URL of Parquet files, of which each holds whole "
            f"series, got {type(dataset).__name__}; write it first."
        )
    ray = _connected(address, actors)
    with TemporaryDirectory() as folder:
        is_model = not isinstance(model, str | PathLike)
        place = Path(model.save(Path(folder) / "model")) if is_model else Path(model)  # type: ignore[union-attr, arg-type]
        work, table = asked_of_parts(
            place,
            dataset,
            out,
            future=future,
            horizon=horizon,
            origin=origin,
            partitioning=partitioning,
            max_rows=max_rows,
            unsafe=unsafe,
        )
        files = _packed(place)
    parts: Sequence[ParquetPart] = table.parts
    if out is not None:
        remove_partial(work.storage, work.base)
        parts = unfinished_parts(work, table, str(out))
        if not parts:
            return ray.data.from_arrow(_row("", 0).slice(0, 0))
    numbers = ray.data.from_items(
        [{"part": number} for number in range(len(parts))],
        override_num_blocks=min(len(parts), BLOCKS),
    )
    forecasts = numbers.map_batches(
        ForecastActor,
        fn_constructor_kwargs={
            "work": work,
            "files": files,
            "parts": tuple(parts),
            "is_written": out is not None,
        },
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(actors, len(parts))),
        num_cpus=1,
    )
    if out is None:
        return forecasts
    try:
        return forecasts.materialize()
    except ray.exceptions.RayTaskError as error:
        # Ray appends advice about its own settings.
        raise type(error.cause)(str(error.cause).split("\n")[0]) from error
    finally:
        remove_partial(work.storage, work.base)


class ForecastActor:
    """Forecasts partitions by their numbers; Ray makes one in every process.

    Args:
        work: What is asked of every partition.
        files: The model, by the names of its files.
        parts: The partitions.
        is_written: Whether forecasts are written, and only told of.
    """

    def __init__(
        self,
        *,
        work: PartWork,
        files: Mapping[str, bytes],
        parts: tuple[ParquetPart, ...],
        is_written: bool,
    ) -> None:
        torch.set_num_threads(1)
        self.folder = TemporaryDirectory()
        place = Path(self.folder.name) / "model"
        _unpack(files, place)
        self.work = replace(work, model=place)
        self.parts = parts
        self.is_written = is_written
        self.model = load(place, unsafe=work.unsafe)

    def __call__(self, batch: Mapping[str, Any]) -> Iterator[pa.Table]:
        """Yield the forecasts of partitions, or how many rows of them were written."""
        for number in batch["part"]:
            part = self.parts[int(number)]
            if self.is_written:
                done = forecast_part(self.work, part)
                yield _row(done.name, done.rows)
            else:
                yield from part_tables(self.work, part, self.model, with_keys=True)


def _connected(address: str | None, actors: int) -> Any:
    """Return Ray, connected to a cluster or started here.

    Raises:
        ImportError: It is not installed.
        ConnectionError: The cluster does not answer.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError(
            "Forecasts on Ray need another package; install it with "
            "`pip install 'drnn-forecast[ray]'`."
        ) from error
    if ray.is_initialized():
        return ray
    place = address or os.environ.get("RAY_ADDRESS")
    if place is None or place == "local":
        # One CPU more, for what is done with the forecasts.
        ray.init(
            address="local",
            num_cpus=actors + 1,
            object_store_memory=STORE,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="WARNING",
        )
        return ray
    remedy = "Start it with `ray start --head`, or name the address that it prints."
    if place != "auto":
        # Ray itself tries for two minutes, and then ends the process.
        host, _, port = place.removeprefix("ray://").rpartition(":")
        try:
            socket.create_connection((host, int(port)), PATIENCE).close()
        except (OSError, ValueError) as error:
            raise ConnectionError(
                f"No Ray cluster answers at `address` {place!r}: {error}. {remedy}"
            ) from error
    try:
        ray.init(address=place, log_to_driver=False, logging_level="WARNING")
    except (ConnectionError, RuntimeError) as error:
        raise ConnectionError(f"No Ray cluster answers at {place!r}: {error}. {remedy}") from error
    return ray


def _packed(model: Path) -> dict[str, bytes]:
    """Return the files of a model's folder, or its checkpoint under an empty name."""
    if model.is_file():
        return {"": model.read_bytes()}
    files = [path for path in model.rglob("*") if path.is_file()]
    return {str(path.relative_to(model)): path.read_bytes() for path in files}


def _unpack(files: Mapping[str, bytes], place: Path) -> None:
    """Write the files of a model."""
    for name, content in files.items():
        path = place / name if name else place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _row(name: str, rows: int) -> pa.Table:
    """Return what is told of a partition that was written."""
    return pa.table({"partition": pa.array([name], pa.string()), "rows": pa.array([rows])})

"""The files of a partitioned Parquet dataset, checked before any of their rows is read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby
from os import PathLike
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from drnn_forecast.data.frames.places import closest, some
from drnn_forecast.data.parts.storage import below, files_below, shown_place, storage_of

READERS: Final = 8
"""Threads that read the ends of files, which takes little of a processor."""

NO_KEY: Final = "__HIVE_DEFAULT_PARTITION__"
"""The name of a folder whose column has no value there."""

INTEGER: Final = re.compile(r"-?[1-9]\d{0,17}|0")


@dataclass(frozen=True)
class ParquetPart:
    """Files that are read as one: a partition of a dataset, or a part of it that shares no series.

    Attributes:
        files: Their names below the dataset's folder.
        rows: Of all of them.
        keys: What the names of their folders say, by column.
    """

    files: tuple[str, ...]
    rows: int
    keys: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the first file."""
        return self.files[0]


@dataclass(frozen=True)
class PartedTable:
    """A partitioned Parquet dataset; made by `open_parts`.

    Attributes:
        place: As it was given.
        storage: pyarrow's file system.
        base: Its folder there.
        series: The columns that tell its series apart, none where it is one.
        columns: Those that are read.
        parts: In the order of their names.
        digests: What tells a change of each file, by its name.
        spans: The first and the last series of each file, by its name; None: not known.
    """

    place: str
    storage: Any
    base: str
    series: tuple[str, ...]
    columns: tuple[str, ...]
    parts: tuple[ParquetPart, ...]
    digests: Mapping[str, str] = field(repr=False)
    spans: Mapping[str, tuple[Any, Any] | None] = field(repr=False)

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return sum(part.rows for part in self.parts)

    @property
    def fingerprint(self) -> str:
        """What tells whether a dataset has changed."""
        told = repr((self.series, self.columns, sorted(self.digests.items())))
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    @property
    def reader(self) -> PartedTable:
        """The same without its files, to be sent to whoever reads some of them."""
        return replace(self, parts=(), digests={}, spans={})

    def path_of(self, name: str) -> str:
        """Return the path of a file in the storage."""
        return f"{self.base}/{name}"


@dataclass(frozen=True)
class _File:
    """What the end of a file says."""

    name: str
    rows: int
    schema: pa.Schema
    digest: str
    span: tuple[Any, Any] | None
    keys: Mapping[str, Any]


def open_parts(
    place: str | PathLike[str],
    *,
    columns: Sequence[str] | None,
    series: Sequence[str],
    partitioning: Any = "hive",
) -> PartedTable:
    """Return a dataset whose files are all readable and have the columns, of the same types.

    A partition is a folder with the files in it; each file beside the dataset's folders is one of
    its own. Files of one folder are apart where their ends say that they share no series.

    Args:
        place: Its folder: a local path, or a URL of fsspec's.
        columns: Those that are read, `series` among them; None: all that the first file has.
        series: Those that tell the series apart.
        partitioning: What the names of folders say: `"hive"`, as in `region=north`; names of
            columns, one for each level of folders; or an object of pyarrow's.

    Raises:
        FileNotFoundError: There is no such folder, or no file in it.
        ValueError: A file is unreadable, empty, or lacks a column, or its type differs.
    """
    storage, base = storage_of(place)
    found = files_below(storage, base)
    if not found and (alone := storage.get_file_info(base)).is_file:
        found, base = [alone], base.rpartition("/")[0]
    if not found:
        raise FileNotFoundError(
            f"The dataset {shown_place(place)!r} is a folder without files, or does not exist; "
            "name the folder of Parquet files."
        )
    names = [below(base, each.path) for each in found]
    keys = _keys_of(names, partitioning, text=series)

    def ending(index: int) -> _File:
        own = (found[index], names[index], keys[index])
        return _ending(storage, *own, None if not series else series[0])

    with ThreadPoolExecutor(READERS) as readers:
        files = list(readers.map(ending, range(len(found))))
    wanted = tuple(columns if columns is not None else [*files[0].schema.names, *keys[0]])
    _check_schemas(files, wanted)
    parts = tuple(part for _, part in _parts(files))
    return PartedTable(
        str(place),
        storage,
        base,
        tuple(series),
        wanted,
        parts,
        {each.name: each.digest for each in files},
        {each.name: each.span for each in files},
    )


def least_value(table: PartedTable, column: str) -> Any:
    """Return the least value of a column of numbers; None where a file does not say it."""
    ends = []
    for name in table.digests:
        metadata = pq.read_metadata(table.path_of(name), filesystem=table.storage)
        ends.append(_span(metadata, column))
    return None if None in ends else min(low for low, _ in filter(None, ends))


def _keys_of(
    names: Sequence[str], partitioning: Any, *, text: Sequence[str]
) -> list[Mapping[str, Any]]:
    """Return what the names of folders say about each file, by column.

    As for pyarrow, a column is a number where all its values are. But names of series stay text,
    and so do others of which one is written like 007.
    """
    if isinstance(partitioning, ds.Partitioning):
        return [ds.get_partition_keys(partitioning.parse("/" + name)) for name in names]
    if isinstance(partitioning, str) and partitioning != "hive":
        raise ValueError(
            f"`partitioning` must be 'hive' or a list of columns, got {partitioning!r}."
        )
    told: list[dict[str, Any]] = []
    for name in names:
        folders = name.split("/")[:-1]
        pairs = [folder.partition("=")[::2] for folder in folders if "=" in folder]
        if partitioning != "hive":
            pairs = list(zip(partitioning, folders, strict=False))
        told.append({key: None if value == NO_KEY else unquote(value) for key, value in pairs})
    for column in {key for keys in told for key in keys}.difference(text):
        values = {keys[column] for keys in told if column in keys} - {None}
        if all(INTEGER.fullmatch(value) for value in values):
            for keys in told:
                keys |= {column: int(keys[column])} if keys.get(column) is not None else {}
    return list(told)


def _ending(
    storage: Any, info: Any, name: str, keys: Mapping[str, Any], series: str | None
) -> _File:
    """Return what the end of a file says, which must have rows."""
    try:
        if info.size == 0:
            raise ValueError("it has 0 bytes")
        metadata = pq.read_metadata(info.path, filesystem=storage)
        schema = metadata.schema.to_arrow_schema()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ValueError(
            f"{name!r} is not a readable Parquet file: {' '.join(str(error).split())}. Restore it, "
            "or take it out of the dataset; files whose names begin with '_' are left out."
        ) from error
    if metadata.num_rows == 0:
        raise ValueError(
            f"{name!r} is empty: it has no rows. Take it out of the dataset; files whose names "
            "begin with '_' are left out."
        )
    if len(set(schema.names)) < len(schema.names):
        repeated = next(each for each in schema.names if schema.names.count(each) > 1)
        raise ValueError(
            f"Column names must be unique, but {name!r} has {repeated!r} more than once; rename or "
            "drop the others."
        )
    span = None if series is None else _span(metadata, series)
    told = (info.size, info.mtime_ns, metadata.num_rows, str(schema.remove_metadata()), span)
    digest = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
    return _File(name, metadata.num_rows, schema, digest, span, keys)


def _span(metadata: pq.FileMetaData, column: str) -> tuple[Any, Any] | None:
    """Return the least and the largest value of a column, where the file says it."""
    names = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
    if column not in names:
        return None
    place = names.index(column)
    ends = []
    for group in range(metadata.num_row_groups):
        told = metadata.row_group(group).column(place).statistics
        if told is None or not told.has_min_max:
            return None
        ends += [told.min, told.max]
    return min(ends), max(ends)


def _check_schemas(files: Sequence[_File], wanted: Sequence[str]) -> None:
    """Refuse files that lack a column that is read, or have it as another type than the first."""
    first = files[0]
    for each in files:
        for column in wanted:
            if column in each.keys:
                continue
            if column not in each.schema.names:
                known = [*each.schema.names, *each.keys]
                raise ValueError(
                    f"The file {each.name!r} lacks the column {column!r}{closest(column, known)}; "
                    f"its columns are {some(known, limit=20)}."
                )
            if column in first.keys:
                raise ValueError(
                    f"The column {column!r} is in the folder of {first.name!r}, but in the file of "
                    f"{each.name!r}; lay them out alike."
                )
            kinds = [_kind(part.schema.field(column).type) for part in (first, each)]
            if kinds[0] != kinds[1]:
                raise ValueError(
                    f"The column {column!r} must have one type in all files, but is {kinds[0]} in "
                    f"{first.name!r} and {kinds[1]} in {each.name!r}; write them alike."
                )


def _kind(own: pa.DataType) -> pa.DataType:
    """Return a type as another one that holds the same: text is text however it is laid out."""
    own = own.value_type if pa.types.is_dictionary(own) else own
    return pa.string() if pa.types.is_large_string(own) or pa.types.is_string_view(own) else own


def _parts(files: Sequence[_File]) -> Iterator[tuple[str, ParquetPart]]:
    """Yield the parts of a dataset, under the names of their folders."""

    def partition(each: _File) -> tuple[str, str]:
        return each.name.rpartition("/")[0], repr(sorted(each.keys.items()))

    ordered = sorted(files, key=lambda each: (partition(each), each.name))
    for (name, _), inside in groupby(ordered, key=partition):
        held = list(inside)
        for group in [[each] for each in held] if name == "" else _apart(held):
            rows = sum(each.rows for each in group)
            yield name, ParquetPart(tuple(e.name for e in group), rows, dict(group[0].keys))


def _apart(files: Sequence[_File]) -> list[list[_File]]:
    """Return the files of a folder in groups that share no series, as far as their ends tell."""
    if any(each.span is None for each in files):
        return [list(files)]
    spanned: list[tuple[Any, _File]] = [(each.span, each) for each in files]
    groups: list[list[_File]] = []
    last: Any = None
    for (low, high), each in sorted(spanned, key=lambda pair: (pair[0], pair[1].name)):
        if groups and low <= last:
            groups[-1].append(each)
            last = max(last, high)
        else:
            groups.append([each])
            last = high
    return sorted((sorted(g, key=lambda e: e.name) for g in groups), key=lambda g: g[0].name)

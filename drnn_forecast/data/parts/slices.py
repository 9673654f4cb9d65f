"""Some series of a part at a time, whole, as a frame; and which series lie in which part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from drnn_forecast.data.frames.kinds import as_text
from drnn_forecast.data.frames.places import counted, shown
from drnn_forecast.data.parts.listing import ParquetPart, PartedTable

JOINED = "\x1f"
"""Between the names of a series that has several columns of them."""


@dataclass(frozen=True)
class PartSlice:
    """The series of a part whose names (of the first column) lie within two, ends included.

    Attributes:
        part: The files.
        rows: Of the slice.
        ends: The first and the last name; None: the whole part.
    """

    part: ParquetPart
    rows: int
    ends: tuple[Any, Any] | None = None


def slices_of(table: PartedTable, part: ParquetPart, max_rows: int) -> list[PartSlice]:
    """Return a part in slices of at most so many rows, in the order of the series' names.

    One of a single series may have more.
    """
    if part.rows <= max_rows or not table.series or table.series[0] in part.keys:
        return [PartSlice(part, part.rows)]
    slices: list[PartSlice] = []
    first = last = None
    held = 0
    for name, rows in series_sizes(table, part).items():
        if held and held + rows > max_rows:
            slices.append(PartSlice(part, held, (first, last)))
            held = 0
        first, last, held = (first if held else name), name, held + int(rows)
    return [*slices, PartSlice(part, held, (first, last))]


def runs_of(slices: Sequence[PartSlice], max_rows: int) -> Iterator[list[PartSlice]]:
    """Yield neighbouring slices of one part that have at most so many rows, or one alone.

    Read together they take one look at a file, whose groups of rows may hold many of them.
    """
    run: list[PartSlice] = []
    for own in slices:
        held = sum(each.rows for each in run)
        if run and (own.part != run[-1].part or held + own.rows > max_rows):
            yield run
            run = []
        run.append(own)
    if run:
        yield run


def joined_slice(run: Sequence[PartSlice]) -> PartSlice:
    """Return neighbouring slices of one part as one."""
    first, last = run[0].ends, run[-1].ends
    ends = None if first is None or last is None else (first[0], last[1])
    return PartSlice(run[0].part, sum(each.rows for each in run), ends)


def series_sizes(table: PartedTable, part: ParquetPart) -> pd.Series:
    """Return the rows of every series of a part, by its name in the first column, sorted.

    Raises:
        ValueError: A row has no name.
    """
    column = table.series[0]
    counts = []
    for name in part.files:
        with _named(name), pq.ParquetFile(table.path_of(name), filesystem=table.storage) as file:
            for group in range(file.num_row_groups):
                held = _as_text(file.read_row_group(group, columns=[column], use_threads=False))
                if held[column].null_count:
                    raise ValueError(
                        f"its column {column!r} has {counted(held[column].null_count, 'row')} "
                        "without a value, where every row needs the name of its series"
                    )
                counts.append(
                    held.group_by(column, use_threads=False).aggregate([([], "count_all")])
                )
    whole = pa.concat_tables(counts).group_by(column, use_threads=False)
    found = whole.aggregate([("count_all", "sum")]).sort_by(column)
    names = pd.Index(found[column].to_pylist())
    return pd.Series(found["count_all_sum"].to_numpy(), index=names)


def read_slice(table: PartedTable, own: PartSlice) -> pd.DataFrame:
    """Return the rows of a slice, in the order of the files.

    Raises:
        ValueError: A file cannot be read.
    """
    condition = None
    if own.ends is not None:
        name = pc.field(table.series[0])
        condition = (name >= own.ends[0]) & (name <= own.ends[1])
    columns = [column for column in table.columns if column not in own.part.keys]
    frames = [_read(table, file, columns, condition) for file in own.part.files]
    frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    told = {name: value for name, value in own.part.keys.items() if name in table.columns}
    return frame.assign(**told)[list(table.columns)]


def check_apart(table: PartedTable) -> None:
    """Refuse a dataset of which a series lies in more than one part.

    Files whose ends tell that they share nothing are not read; of the others, the names of the
    series are, which takes some forty bytes for each series.

    Raises:
        ValueError: There is such a series, or there are parts, but no column to tell series apart.
    """
    if len(table.parts) < 2:
        return
    if not table.series:
        raise ValueError(
            f"A dataset of one series must be one file, but {table.parts[0].name!r} and "
            f"{counted(len(table.parts) - 1, 'other')} are there; join them, or name the column "
            "that tells series apart."
        )
    hashes, owners = [], []
    for number in _overlapping(table):
        found = pd.util.hash_array(_labels(table, table.parts[number]), categorize=False)
        hashes.append(found)
        owners.append(np.full(len(found), number))
    if not hashes:
        return
    joined, owner = np.concatenate(hashes), np.concatenate(owners)
    order = np.lexsort((owner, joined))
    joined, owner = joined[order], owner[order]
    for place in np.flatnonzero((joined[1:] == joined[:-1]) & (owner[1:] != owner[:-1])):
        one, other = (table.parts[number] for number in owner[place : place + 2])
        both = sorted({*_labels(table, one)} & {*_labels(table, other)})
        if both:
            raise ValueError(
                f"A series must lie within one partition, but {_told(table, both)} in "
                f"{one.name!r} and in {other.name!r}. Write the dataset anew with all rows of a "
                "series in one partition."
            )


def labels_in(table: PartedTable, part: ParquetPart, column: str) -> NDArray[np.object_]:
    """Return the labels that a column of a part holds, each once."""
    if column in part.keys:
        return as_text(pd.Series([part.keys[column]]))
    found = [_unique(table, name, [column])[column] for name in part.files]
    return np.asarray(pd.unique(np.concatenate([as_text(each) for each in found])))


def _told(table: PartedTable, names: Sequence[str]) -> str:
    """Return that series of these names lie somewhere."""
    first = names[0].split(JOINED)
    more = f" and {len(names) - 1} more are" if len(names) > 1 else " is"
    return f"series {shown(first[0] if len(first) == 1 else tuple(first))}{more}"


def _overlapping(table: PartedTable) -> list[int]:
    """Return the numbers of the parts that may share a series with another one."""
    ends: list[tuple[Any, Any, int]] = []
    for number, part in enumerate(table.parts):
        spans = [table.spans[name] for name in part.files]
        if table.series[0] in part.keys:
            spans = [(part.keys[table.series[0]],) * 2]
        if any(span is None for span in spans):
            return list(range(len(table.parts)))
        low, high = zip(*spans, strict=True)
        ends.append((min(low), max(high), number))
    ends.sort(key=lambda each: each[:2])
    shared, last = set(), ends[0]
    for each in ends[1:]:
        if each[0] <= last[1]:
            shared |= {last[2], each[2]}
        last = max(last, each, key=lambda part: part[1])
    return sorted(shared)


def _labels(table: PartedTable, part: ParquetPart) -> NDArray[np.object_]:
    """Return the names of the series in a part, each once."""
    inside = [column for column in table.series if column not in part.keys]
    found = []
    for name in part.files:
        held = _unique(table, name, inside)
        texts = [
            as_text(held[column])
            if column in inside
            else np.repeat(as_text(pd.Series([part.keys[column]])), max(len(held), 1))
            for column in table.series
        ]
        found.append(np.array(list(map(JOINED.join, zip(*texts, strict=True))), dtype=object))
    return np.asarray(pd.unique(np.concatenate(found)))


def _unique(table: PartedTable, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """Return the combinations of values that some columns of a file have."""
    if not columns:
        return pd.DataFrame()
    with _named(name), pq.ParquetFile(table.path_of(name), filesystem=table.storage) as file:
        groups = [
            file.read_row_group(group, columns=list(columns), use_threads=False)
            .group_by(list(columns), use_threads=False)
            .aggregate([])
            for group in range(file.num_row_groups)
        ]
    return pa.concat_tables(groups).to_pandas(ignore_metadata=True).drop_duplicates()


def _read(table: PartedTable, name: str, columns: Sequence[str], condition: Any) -> pd.DataFrame:
    """Return the rows of a file for which a condition holds."""
    with _named(name):
        held = pq.read_table(
            table.path_of(name),
            columns=list(columns),
            filters=condition,
            filesystem=table.storage,
            partitioning=None,
            use_threads=False,
        )
        return _as_text(held).to_pandas(ignore_metadata=True)


def _as_text(held: pa.Table) -> pa.Table:
    """Return a table whose text is not numbered, in each file by other numbers."""
    for place, column in enumerate(held.schema):
        if pa.types.is_dictionary(column.type) and _is_text(column.type.value_type):
            texts = held.column(place).cast(column.type.value_type)
            held = held.set_column(place, column.name, texts)
    return held


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Say which file it was that could not be read."""
    try:
        yield
    except MemoryError:  # Arrow's own is one of its exceptions too
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ValueError(
            f"{name!r} is not a readable Parquet file: {' '.join(str(error).split())}. Restore it, "
            "or take it out of the dataset."
        ) from error

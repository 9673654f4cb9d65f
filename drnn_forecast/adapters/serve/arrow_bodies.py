"""Requests and forecasts as Arrow streams."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyarrow import ipc, types

from drnn_forecast.adapters.serve.limits import Limits
from drnn_forecast.adapters.serve.question import Question, check_size
from drnn_forecast.adapters.serve.refusals import Refusal
from drnn_forecast.data import Roles, is_counted

ARROW = "application/vnd.apache.arrow.stream"
NOTES = b"notes"
"""The key of a forecast's metadata under which its notes are, a list in JSON."""
KINDS = (
    *(types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null),
    *(types.is_string, types.is_large_string, types.is_timestamp, types.is_date),
)
COMPRESSION = 3
"""The field of a record batch that says how its values are compressed, as Arrow numbers it."""


def read_arrow(body: bytes, asked: Mapping[str, str], roles: Roles, limits: Limits) -> Question:
    """Return what a body of one stream asks for, or of two, whose second holds the future rows.

    Args:
        body: Of the request.
        asked: Its query: `horizon` and `origin`.
        roles: Of the model's columns.
        limits: Of the server.

    Raises:
        Refusal: It is no stream, or has columns that rows cannot have, or is too large.
    """
    source = pa.BufferReader(body)
    tables: dict[str, pa.Table] = {}
    for name in ("history", "future"):
        if name == "history" or source.tell() < len(body):
            tables[name] = _read(source, name, limits)
    if source.tell() < len(body):
        raise Refusal(
            422, "The body must be one Arrow stream, or two, but there is more behind them."
        )
    columns: dict[str, dict[str, Any]] = {
        name: {column: table[column] for column in table.column_names}
        for name, table in tables.items()
    }
    for column in roles.series_columns:
        if column in columns["history"]:
            columns["history"][column] = tables["history"][column].to_pylist()
    check_size(columns, roles, limits)
    horizon, origin = asked.get("horizon"), asked.get("origin")
    if horizon is not None and not re.fullmatch(r"[0-9]{1,9}", horizon):
        raise Refusal(422, f"`horizon` must be a whole number, got {horizon[:80]!r}.")
    is_count = roles.freq is not None and is_counted(roles.freq)
    return Question(
        **{"future": None, **tables},
        horizon=None if horizon is None else int(horizon),
        origin=int(origin) if origin is not None and is_count and _is_whole(origin) else origin,
        is_of_arrow=True,
    )


def _is_whole(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]{1,18}", text) is not None


def _read(source: pa.BufferReader, name: str, limits: Limits) -> pa.Table:
    """Return the table of the stream that begins where a source is."""
    start, rows, batches = source.tell(), 0, 0
    try:
        _check_messages(ipc.MessageReader.open_stream(source))
        end = source.tell()
        source.seek(start)
        reader = ipc.open_stream(source)
        _check_schema(reader.schema, name)
        found = []
        for batch in reader:
            rows, batches = rows + batch.num_rows, batches + 1
            if rows > limits.max_rows:
                raise Refusal(
                    413, f"A request must have at most {limits.max_rows:,} rows, got more."
                )
            batch.validate(full=True)
            found.append(batch)
        source.seek(end)
        table = pa.Table.from_batches(found, reader.schema)
        return table.replace_schema_metadata(None).combine_chunks()
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        said = " ".join(str(error).split())[:200]
        raise Refusal(400, f"`{name}` must be an Arrow stream, but is none: {said}.") from None


def _check_messages(messages: Any) -> None:
    """Refuse compressed values, of which few bytes may become many."""
    for message in messages:
        if message.type == "record batch" and _is_compressed(message.metadata.to_pybytes()):
            raise Refusal(415, "The values of an Arrow stream must not be compressed here.")
        if message.type == "dictionary" and _is_compressed(message.metadata.to_pybytes(), 1):
            raise Refusal(415, "The values of an Arrow stream must not be compressed here.")


def _is_compressed(metadata: bytes, inner: int | None = None) -> bool:
    """Whether the metadata of a message, which Arrow has found whole, name a compression."""
    header = _field(metadata, struct.unpack_from("<I", metadata)[0], 2)
    if header is None:
        return False
    batch = header + struct.unpack_from("<I", metadata, header)[0]
    if inner is not None:
        data = _field(metadata, batch, inner)
        if data is None:
            return False
        batch = data + struct.unpack_from("<I", metadata, data)[0]
    return _field(metadata, batch, COMPRESSION) is not None


def _field(metadata: bytes, table: int, number: int) -> int | None:
    """Return where a field of a flatbuffer's table is; None where the table lacks it."""
    fields = table - struct.unpack_from("<i", metadata, table)[0]
    size = struct.unpack_from("<H", metadata, fields)[0]
    place = 4 + 2 * number
    offset = struct.unpack_from("<H", metadata, fields + place)[0] if place < size else 0
    return table + offset if offset else None


def _check_schema(schema: pa.Schema, name: str) -> None:
    """Refuse columns of one name, and those that hold more than a value in each row."""
    for field in schema:
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        is_text_view = getattr(types, "is_string_view", lambda _: False)(kind)
        if not (is_text_view or any(is_kind(kind) for is_kind in KINDS)):
            raise Refusal(
                422,
                f"A column must hold numbers, truth values, text or times, but "
                f"{field.name[:80]!r} of `{name}` is of Arrow's type {str(field.type)[:80]}.",
            )
    twice = [each for each in schema.names if schema.names.count(each) > 1][:1]
    if twice:
        raise Refusal(
            422, f"The columns of `{name}` must have names of their own, got {twice[0]!r} twice."
        )


def as_arrow(forecast: Any, notes: list[str]) -> bytes:
    """Return a forecast as an Arrow stream."""
    table = forecast
    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    table = table.replace_schema_metadata({NOTES: json.dumps(notes).encode()} if notes else None)
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream

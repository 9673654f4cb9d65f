"""Cases: what is wrong, or only odd, with a Parquet file."""

import io
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.case import CSV, TABLE, fitted

ARROW = pa.Table.from_pandas(TABLE, preserve_index=False)


def stored(content):
    """Return the bytes of a Parquet file."""
    buffer = io.BytesIO()
    if isinstance(content, pd.DataFrame):
        content.to_parquet(buffer)
    else:
        pq.write_table(content, buffer)
    return buffer.getvalue()


PLAIN = stored(ARROW)


def with_array(name, values, kind=None):
    """Return a table with another column."""
    values = values if isinstance(values, pa.Array) else pa.array(values, kind)
    return ARROW.set_column(ARROW.schema.get_field_index(name), name, values)


def decimals(values, kind):
    """Return a column as decimal numbers."""
    return pa.array([Decimal(f"{value:.3f}") for value in values], kind)


def damage_cases():
    """Yield cases of files that are not whole."""
    size = (2**31 - 1).to_bytes(4, "little")
    is_read = "is not a readable Parquet file"
    for name, content in [
        ("the first half", PLAIN[: len(PLAIN) // 2]),
        ("all but four bytes", PLAIN[:-4]),
        ("the mark alone", b"PAR1"),
        ("two marks around zeros", b"PAR1" + b"\0" * 20 + b"PAR1"),
        ("a footer of two gigabytes", PLAIN[:-8] + size + b"PAR1"),
        ("CSV", CSV.encode()),
        ("overwritten in the middle", PLAIN[:100] + b"\xff" * 400 + PLAIN[500:]),
        ("overwritten near the end", PLAIN[:-400] + b"\x00" * 200 + PLAIN[-200:]),
        ("spaces", b" " * 64),
    ]:
        yield fitted("damaged", name, content, 2, is_read, file="data.parquet")
    for name, content, says in [
        ("no rows", ARROW.slice(0, 0), "has no rows"),
        ("no columns", pa.table({}), "has no rows|is empty"),
        (
            "the same name twice",
            pa.Table.from_arrays([*ARROW.columns, ARROW["y"]], [*ARROW.column_names, "y"]),
            "Column names must be unique",
        ),
    ]:
        yield fitted("damaged", name, stored(content), 2, says, file="data.parquet")


def kind_cases():
    """Yield cases of columns of all kinds."""
    y, ds, ids = TABLE.y, TABLE.ds, TABLE.unique_id
    huge = (2**64 - 1 - np.arange(len(TABLE), dtype=np.uint64)).astype(np.uint64)
    no_number = "must hold numbers|'y'"
    days = [day.date() for day in pd.date_range("2024-01-01", periods=140)] * 2
    berlin = TABLE.assign(ds=ds.dt.tz_localize("Europe/Berlin"))
    shifted = TABLE.assign(ds=ds.dt.tz_localize("+05:30"))
    utc = TABLE.assign(ds=ds.astype("datetime64[s]").dt.tz_localize("UTC"))
    unused = TABLE.assign(unique_id=pd.Categorical(ids, ["zz", "s1", "s0"]))
    far = pa.array(np.tile(np.arange(140), 2) * 3600 + 9 * 10**12, pa.timestamp("s"))
    for name, content, status, says in [
        ("plain", ARROW, 0, ""),
        ("decimal128", with_array("y", decimals(y, pa.decimal128(12, 3))), 0, ""),
        ("decimal256", with_array("y", decimals(y, pa.decimal256(50, 3))), 0, ""),
        ("float16", with_array("y", y.to_numpy(np.float16)), 0, ""),
        ("int8", with_array("y", y.to_numpy().astype(np.int8)), 0, ""),
        ("uint64", with_array("y", huge), 0, ""),
        ("lists", with_array("y", [[value] for value in y]), 2, no_number),
        ("records", with_array("y", [{"a": value} for value in y]), 2, no_number),
        ("bytes", with_array("y", [b"1.0"] * 280), 2, no_number),
        ("nothing", with_array("y", pa.nulls(280)), 2, no_number),
        ("durations", with_array("y", np.arange(280).astype("m8[s]")), 2, no_number),
        ("truth values", with_array("y", [True, False] * 140), 2, no_number),
        ("a dictionary", with_array("y", pa.array(y.round(1)).dictionary_encode()), 0, ""),
        (
            "series of lists",
            with_array("unique_id", [[name] for name in ids]),
            2,
            "hold names|Unsupported cast",
        ),
        (
            "series of records",
            with_array("unique_id", [{"a": x} for x in ids]),
            2,
            "hold names|Unsupported cast",
        ),
        ("series of bytes", with_array("unique_id", [x.encode() for x in ids]), 0, ""),
        ("series of truth", with_array("unique_id", list(ids == "s0")), 0, ""),
        ("series of decimals", with_array("unique_id", [1.1, 2.2] * 140), 2, "'ds'|frequency"),
        ("NUL in a name", with_array("unique_id", [f"s\0{x}" for x in ids]), 2, "NUL character"),
        ("unused categories", unused, 0, ""),
        ("a zone", berlin, 0, ""),
        ("an offset", shifted, 0, ""),
        ("seconds in UTC", utc, 0, ""),
        ("times of day", with_array("ds", [1000] * 280, pa.time64("us")), 2, "'ds'"),
        ("dates", with_array("ds", days), 0, ""),
        ("the year 290000", with_array("ds", far), 0, ""),
        ("stamps in the index", TABLE.set_index("ds"), 2, "is its index"),
        ("a column less", pa.Table.from_pandas(TABLE.drop(columns="price")), 0, ""),
    ]:
        yield fitted(
            "kinds", name, lambda it=content: stored(it), status, says, file="data.parquet"
        )
    for name, values, status, says in [
        ("known lists", [[value] for value in y], 2, "'price'"),
        ("known stamps", pa.array(ds), 2, "'price'"),
        ("known decimals", decimals(TABLE.price, pa.decimal128(12, 3)), 0, ""),
    ]:
        content = stored(with_array("price", values))
        flags = ["--known", "price"]
        yield fitted("kinds", name, content, status, says, *flags, file="data.parquet")


CASES = [*damage_cases(), *kind_cases()]

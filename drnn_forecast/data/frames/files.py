"""Tables on disk, as CSV or Parquet."""

import uuid
from os import PathLike
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pandas.api import types

SUFFIXES = (".csv", ".parquet")
MISSING_NUMBERS = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None", "none")
"""Words for no number; where a column holds labels, they are labels."""


def read_table(path: str | PathLike[str]) -> pd.DataFrame:
    """Return the table in a CSV or Parquet file; the suffix says which.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The suffix is another, or the content is not what the suffix says.
    """
    path = Path(path)
    suffix = table_suffix(path)
    if not path.is_file():
        kind = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"The table {str(path)!r} {kind}.")
    if path.stat().st_size == 0:
        raise ValueError(f"The table {str(path)!r} is empty (0 bytes).")
    return read_csv(path) if suffix == ".csv" else read_parquet(path)


def write_table(frame: pd.DataFrame, path: str | PathLike[str]) -> None:
    """Write a table as CSV or Parquet, as the suffix says, without the index.

    The file appears whole or not at all, and an older one stays until then.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The suffix is neither.
    """
    path = Path(path)
    suffix = table_suffix(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {str(path.parent)!r} does not exist; make it first.")
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        if suffix == ".csv":
            frame.to_csv(partial, index=False)
        else:
            frame.to_parquet(partial, index=False)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def table_suffix(path: Path) -> str:
    """Return the suffix of a path, in lower case, if it is one of a table."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"A table must be named .csv or .parquet, got {str(path)!r}.")
    return suffix


def read_csv(path: Path) -> pd.DataFrame:
    """Return the rows of a CSV file, of which there must be some."""
    with path.open("rb") as file:
        if b"\0" in file.read(4096):
            raise ValueError(f"{str(path)!r} is not a CSV file: it holds binary data.")
    try:
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        reason = str(error).strip()
        raise ValueError(f"{str(path)!r} is not a readable CSV file: {reason}.") from error
    if frame.empty:
        raise ValueError(f"The table {str(path)!r} is empty: it has a header, but no rows.")
    check_separator(frame, path)
    return frame.apply(numbers_or_labels)


def numbers_or_labels(values: pd.Series) -> pd.Series:
    """Return a column of numbers and words for none as numbers, any other as it is."""
    if not types.is_string_dtype(values.dtype):
        return values
    told = values.mask(values.isin(MISSING_NUMBERS))
    numbers = pd.to_numeric(told, errors="coerce")
    return numbers if told.notna().any() and numbers.notna().equals(told.notna()) else values


def check_separator(frame: pd.DataFrame, path: Path) -> None:
    """Raise where the header of the only column looks like several."""
    if frame.shape[1] > 1:
        return
    header = str(frame.columns[0])
    for separator in (";", "\t", "|"):
        if separator in header:
            raise ValueError(
                f"{str(path)!r} must be separated by commas, but its header is {header!r}: it "
                f"seems to be separated by {separator!r}; convert it, for example with "
                f"`pd.read_csv(path, sep={separator!r})`."
            )


def read_parquet(path: Path) -> pd.DataFrame:
    """Return the rows of a Parquet file, of which there must be some."""
    try:
        frame = pd.read_parquet(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{str(path)!r} is not a readable Parquet file: {error}.") from error
    if frame.empty:
        raise ValueError(f"The table {str(path)!r} is empty: it has no rows.")
    return frame

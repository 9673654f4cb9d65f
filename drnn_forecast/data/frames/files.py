"""Tables on disk, as CSV or Parquet."""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from pandas.api import types

from drnn_forecast.data.frames.lines import check_lines, misread_line
from drnn_forecast.data.whole import replaced

SUFFIXES = (".csv", ".parquet")
MISSING_NUMBERS = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None", "none")
"""Words for no number; where a column holds labels, they are labels."""


def read_table(path: str | PathLike[str], *, text: Iterable[str | None] = ()) -> pd.DataFrame:
    """Return the table in a CSV or Parquet file; the suffix says which.

    Args:
        path: Of the file.
        text: Columns of a CSV file that hold names, which stay as they are written: 007 is not 7,
            and 1.10 not 1.1.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The suffix is another, or the content is not what the suffix says.
    """
    path = Path(path)
    suffix = table_suffix(path)
    if not path.is_file():
        kind = "is a pipe or a device, not a file" if path.exists() else "does not exist"
        kind = "is a folder, not a file" if path.is_dir() else kind
        raise FileNotFoundError(f"The table {str(path)!r} {kind}.")
    if path.stat().st_size == 0:
        raise ValueError(f"The table {str(path)!r} is empty (0 bytes).")
    return read_csv(path, [*filter(None, text)]) if suffix == ".csv" else read_parquet(path)


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
    with replaced(path) as partial:
        if suffix == ".csv":
            frame.to_csv(partial, index=False)
        else:
            frame.to_parquet(partial, index=False)


def table_suffix(path: Path) -> str:
    """Return the suffix of a path, in lower case, if it is one of a table."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"A table must be named .csv or .parquet, got {str(path)!r}.")
    return suffix


def read_csv(path: Path, text: list[str]) -> pd.DataFrame:
    """Return the rows of a CSV file, of which there must be some."""
    check_lines(path)
    try:
        frame = pd.read_csv(
            path,
            keep_default_na=False,
            na_values=[""],
            dtype=dict.fromkeys(text, str),
            low_memory=False,  # which would tell the types of a column part by part
        )
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(path)!r} must be text in UTF-8, but {misread_line(path)}; convert it, such as "
            "with `iconv -f latin1 -t utf-8`."
        ) from error
    except OverflowError as error:
        raise ValueError(
            f"{str(path)!r} must hold numbers below 1e308, but a column has one of more digits; "
            "correct it, or drop the column."
        ) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).strip()
        raise ValueError(f"{str(path)!r} is not a readable CSV file: {reason}.") from error
    if frame.empty:
        raise ValueError(f"The table {str(path)!r} is empty: it has a header, but no rows.")
    told = {name: numbers_or_labels(frame[name]) for name in frame.columns.difference(text)}
    return frame.assign(**told)


def numbers_or_labels(values: pd.Series) -> pd.Series:
    """Return a column of numbers and words for none as numbers, any other as it is."""
    if not types.is_string_dtype(values.dtype):
        return values
    told = values.mask(values.isin(MISSING_NUMBERS))
    numbers = pd.to_numeric(told, errors="coerce")
    return numbers if told.notna().any() and numbers.notna().equals(told.notna()) else values


def read_parquet(path: Path) -> pd.DataFrame:
    """Return the rows of a Parquet file, of which there must be some."""
    try:
        names = pd.Index(pq.read_schema(path).names)
        frame = pd.read_parquet(path) if names.is_unique else None
    except Exception as error:  # whatever damaged metadata may raise
        raise ValueError(f"{str(path)!r} is not a readable Parquet file: {error}.") from error
    if frame is None:
        repeated = names[names.duplicated()][0]
        raise ValueError(
            f"Column names must be unique, but {str(path)!r} has {repeated!r} more than once; "
            "rename or drop the others."
        )
    if frame.empty:
        raise ValueError(f"The table {str(path)!r} is empty: it has no rows.")
    return frame

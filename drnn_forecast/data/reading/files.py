"""Tables on disk, as CSV or Parquet."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from pandas.api import types

from drnn_forecast.data.frames.dates import dates_of
from drnn_forecast.data.frames.kinds import wholes_of_text
from drnn_forecast.data.frames.places import shown
from drnn_forecast.data.reading.lines import check_lines, check_nul, separator_of
from drnn_forecast.data.reading.numerals import suspects, with_numerals
from drnn_forecast.data.reading.options import OF_LINES, checked_options, for_pandas
from drnn_forecast.data.reading.plain import plain_text
from drnn_forecast.data.whole import replaced

logger = logging.getLogger("drnn_forecast.data")

SUFFIXES = (".csv", ".parquet")
TEXTS = (".csv", ".tsv", ".txt", ".tab")
PACKED = (".gz", ".bz2", ".xz", ".zip", ".zst")
"""Behind the suffix of a text. What is in a file, compressed or not, its first bytes say."""


def read_table(
    path: str | PathLike[str],
    *,
    text: Iterable[str | None] = (),
    time: str | None = None,
    needed: Iterable[str] | None = (),
    csv: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return the table in a CSV or Parquet file; the suffix says which.

    How a CSV file is written is found: compression, encoding, separator, decimal commas, thousands
    set apart, and words for empty values among numbers. One line of the log says what was found,
    where it is not the plain form.

    Args:
        path: Of the file; `.csv`, `.tsv`, `.txt` or `.parquet`, the first ones also `.gz`, ...
        text: Columns of a CSV file that hold names, which stay as they are written: 007 is not 7,
            and 1.10 not 1.1.
        time: The column of times of a CSV file, which is no number either.
        needed: Columns of a CSV file whose numbers may not be in doubt; None: all.
        csv: How a CSV file is written, in place of what would be found: options of
            `pandas.read_csv` (`sep`, `decimal`, `thousands`, `na_values`, `encoding`, `skiprows`,
            `date_format`, `dayfirst`, ...).

    Raises:
        FileNotFoundError: There is no such file.
        TypeError: `csv` is no mapping.
        ValueError: The suffix is another, the content is not what the suffix says, a number may
            mean two things, or there is no such option.
    """
    path, options = Path(path), checked_options(csv)
    kind = table_kind(path)
    if not path.is_file():
        state = "is a pipe or a device, not a file" if path.exists() else "does not exist"
        state = "is a folder, not a file" if path.is_dir() else state
        raise FileNotFoundError(f"The table {str(path)!r} {state}.")
    if path.stat().st_size == 0:
        raise ValueError(f"The table {str(path)!r} is empty (0 bytes).")
    if kind == ".parquet":
        return read_parquet(path)
    named = None if needed is None else list(needed)
    return read_csv(path, [*filter(None, text)], time, named, options)


def write_table(frame: pd.DataFrame, path: str | PathLike[str]) -> None:
    """Write a table as CSV or Parquet, as the suffix says, without the index.

    The file appears whole or not at all, and an older one stays until then.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The suffix is neither.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"A table must be named .csv or .parquet, got {str(path)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {str(path.parent)!r} does not exist; make it first.")
    with replaced(path) as partial:
        if suffix == ".csv":
            frame.to_csv(partial, index=False)
        else:
            frame.to_parquet(partial, index=False)


def table_kind(path: Path) -> str:
    """Return .csv or .parquet, if the suffix of a path is one of a table."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    own = suffixes[-1:] if not suffixes or suffixes[-1] not in PACKED else suffixes[-2:-1]
    if own == [".parquet"] and suffixes[-1] == ".parquet":
        return ".parquet"
    if own and own[0] in TEXTS:
        return ".csv"
    raise ValueError(
        f"A table must be named .csv or .parquet, or .csv.gz and the like, got {str(path)!r}."
    )


def read_csv(
    path: Path,
    text: list[str],
    time: str | None,
    needed: list[str] | None,
    options: dict[str, Any],
) -> pd.DataFrame:
    """Return the rows of a CSV file, of which there must be some."""
    kept = [*text, *filter(None, [time])]
    with plain_text(path, options.get("encoding")) as (place, said):
        check_nul(place, path)
        separator = options.get("sep") or separator_of(place)
        if separator != "," and "sep" not in options:
            said.append(f"separated by {separator!r}")
        if len(separator) == 1 and not any(name in options for name in OF_LINES):
            check_lines(place, path, separator)
        arguments = for_pandas(options, separator)
        frame = parsed(place, path, {**arguments, "dtype": dict.fromkeys(kept, str)})
        if frame.empty:
            raise ValueError(f"The table {str(path)!r} is empty: it has a header, but no rows.")
        texts = [name for name in frame.columns if types.is_string_dtype(frame[name])]
        texts = [name for name in texts if name not in kept]
        as_written = frame[texts]
        if "decimal" not in options and "thousands" not in options:
            floats = suspects(frame, separator, kept)
            if floats:
                again = parsed(place, path, {**arguments, "dtype": str})
                as_written = again[[*texts, *floats]]
    frame, found = with_numerals(frame, as_written, frame.columns if needed is None else needed)
    frame, about_rows = without_empty_rows(frame)
    said += [*found, *about_rows]
    if said:
        told = ", ".join(said)
        logger.warning("Read %r %s; where that is wrong, give `csv`.", str(path), told)
    return with_times(frame, time, options)


def parsed(place: Path, path: Path, arguments: dict[str, Any]) -> pd.DataFrame:
    """Return what pandas reads, without blanks about separators."""
    given = spaced(place, arguments)
    try:
        frame = pd.read_csv(place, **given)
    except OverflowError as error:
        raise ValueError(
            f"{str(path)!r} must hold numbers below 1e308, but a column has one of more digits; "
            "correct it, or drop the column."
        ) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).strip()
        raise ValueError(f"{str(path)!r} is not a readable CSV file: {reason}.") from error
    except (ValueError, TypeError) as error:  # of an option
        raise ValueError(f"{str(path)!r} cannot be read so: {error}.") from error
    if given is not arguments:
        texts = [name for name in frame.columns if types.is_string_dtype(frame[name])]
        frame = frame.assign(**{name: frame[name].str.strip() for name in texts})
    return frame


def spaced(place: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments that leave out the blanks about separators, if the header has some there."""
    if {"skipinitialspace", "header", "names", "skiprows"} & set(arguments):
        return arguments
    with place.open(encoding="utf-8-sig", newline="") as file:
        line = file.readline(2**16).rstrip("\r\n")
    names = line.split(arguments["sep"])
    plain = [name.strip() for name in names]
    if plain == names or len(set(plain)) < len(names) or '"' in line:
        return arguments
    return {**arguments, "skipinitialspace": True, "names": plain, "header": 0}


def without_empty_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return a table without rows that hold nothing at all, as spreadsheets leave behind."""
    is_empty = frame.isna().all(axis=1)
    if not is_empty.any() or is_empty.all():
        return frame, []
    kept = frame[~is_empty].reset_index(drop=True)
    return kept, [f"without {int(is_empty.sum())} empty rows"]


def with_times(frame: pd.DataFrame, time: str | None, options: dict[str, Any]) -> pd.DataFrame:
    """Return a table whose times are read as the options say; whole numbers as such."""
    if time is None or time not in frame:
        return frame
    values = frame[time]
    form, is_day_first = options.get("date_format"), options.get("dayfirst")
    if form is not None:
        try:
            return frame.assign(**{time: pd.to_datetime(values, format=form)})
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"Time column {time!r} is not in `date_format` {form!r}: {error}."
            ) from error
    if is_day_first is None:
        return frame.assign(**{time: wholes_of_text(values)})
    found = dates_of(values, is_day_first=bool(is_day_first))
    if found is None:
        order = "day" if is_day_first else "month"
        raise ValueError(
            f"Time column {time!r} does not hold dates with the {order} first, but "
            f"{shown(values.iloc[0])}; leave `dayfirst` out, or give `date_format`."
        )
    return frame.assign(**{time: found.iso})


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

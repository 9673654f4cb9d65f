"""The lines of a CSV file, looked through before they are read."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

Counted: TypeAlias = tuple[int, int | list[str]]
"""The number of a line, and its fields or how many there are."""

BLOCK = 2**20
"""Bytes at a time."""


def check_lines(path: Path) -> None:
    """Raise where a file holds binary data, or its rows have other fields than the header."""
    is_plain = True
    with path.open("rb") as file:
        start = file.read(4096)
        if b"\0" in start:
            raise ValueError(f"{str(path)!r} is not a CSV file: it holds binary data.")
        number = 1
        block = start
        while block:
            if b"\0" in block:
                number += block[: block.index(b"\0")].count(b"\n")
                raise ValueError(
                    f"{str(path)!r} must hold text, but line {number} has a NUL byte, which would "
                    "cut it; write the file again."
                )
            number += block.count(b"\n")
            is_plain &= b'"' not in block and b"\r" not in block.replace(b"\r\n", b"")
            block = file.read(BLOCK)
    counts = _plain_counts(path) if is_plain else _quoted_counts(path)
    try:
        _check_counts(counts, path)
    except csv.Error:  # such as a field of a megabyte, which pandas reads
        return


def misread_line(path: Path) -> str:
    """Return which line is the first that is no UTF-8, and which byte of it."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"line {number} has the byte 0x{line[error.start]:02X}"
    return "it is not"


def _check_counts(counts: Iterator[Counted], path: Path) -> None:
    """Raise where the header is no header, or a row has more or fewer fields than it."""
    first = next(counts, None)
    header = first[1] if first and isinstance(first[1], list) else [""]
    expected = len(header)
    for separator in (";", "\t", "|") if expected == 1 else ():
        if separator in header[0]:
            raise ValueError(
                f"{str(path)!r} must be separated by commas, but its header is {header[0]!r}: it "
                f"seems to be separated by {separator!r}; convert it, for example with "
                f"`pd.read_csv(path, sep={separator!r})`."
            )
    repeated = [name for name, times in Counter(header).items() if name and times > 1]
    if repeated:
        raise ValueError(
            f"Column names must be unique, but {str(path)!r} has {repeated[0]!r} more than once; "
            "rename or drop the others."
        )
    for number, fields in counts:
        found = fields if isinstance(fields, int) else len(fields)
        if found != expected:
            raise ValueError(
                f"{str(path)!r} must have as many fields in every row as in its header, "
                f"{expected}, but line {number} has {found}; correct it, or write the file again "
                "where it was cut off."
            )


def _plain_counts(path: Path) -> Iterator[Counted]:
    """Yield number and fields of every line that holds something, where none is quoted."""
    is_header = True
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            if is_header:
                yield number, line.decode("utf-8-sig", errors="replace").strip("\r\n").split(",")
            else:
                yield number, line.count(b",") + 1
            is_header = False


def _quoted_counts(path: Path) -> Iterator[Counted]:
    """Yield the same where fields are quoted, which may hold commas and line breaks."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file)
        for row in reader:
            if row:
                yield reader.line_num, row

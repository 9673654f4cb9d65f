"""The lines of a CSV file, looked through before they are read."""

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from drnn_forecast.data.reading.plain import BLOCK

Counted: TypeAlias = tuple[int, int | list[str]]
"""The number of a line, and its fields or how many there are."""

SEPARATORS = (",", ";", "\t", "|")
"""Those that are found; of equals the first is taken."""

SAMPLE = 200
"""Lines by which the separator is found."""


def separator_of(place: Path) -> str:
    """Return the separator of a file, by which most lines have as many fields as the header.

    The comma where there is but one column.
    """
    with place.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = [line[:BLOCK] for line in islice(file, SAMPLE) if line.strip()]
    merits: dict[str, tuple[float, int]] = {}
    for separator in SEPARATORS:
        try:
            counts = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        except csv.Error:  # such as a field of a megabyte
            continue
        if counts and counts[0] > 1:
            agreeing = sum(count == counts[0] for count in counts) / len(counts)
            merits[separator] = (agreeing, counts[0])
    return max(merits, key=lambda own: merits[own], default=",")


def check_nul(place: Path, path: Path) -> None:
    """Raise where a NUL byte would cut a field."""
    number = 1
    with place.open("rb") as file:
        while block := file.read(BLOCK):
            if b"\0" in block:
                number += block[: block.index(b"\0")].count(b"\n")
                raise ValueError(
                    f"{str(path)!r} must hold text, but line {number} has a NUL byte, which would "
                    "cut it; write the file again."
                )
            number += block.count(b"\n")


def check_lines(place: Path, path: Path, separator: str) -> None:
    """Raise where the rows of a file have other fields than the header, or that has one twice."""
    is_plain = True
    with place.open("rb") as file:
        while block := file.read(BLOCK):
            is_plain &= b'"' not in block and b"\r" not in block.replace(b"\r\n", b"")
    counts = _plain_counts(place, separator) if is_plain else _quoted_counts(place, separator)
    try:
        _check_counts(counts, path)
    except csv.Error:  # such as a field of a megabyte, which pandas reads
        return


def _check_counts(counts: Iterator[Counted], path: Path) -> None:
    """Raise where the header is no header, or a row has more or fewer fields than it."""
    first = next(counts, None)
    header = first[1] if first and isinstance(first[1], list) else [""]
    repeated = [name for name, times in Counter(header).items() if name and times > 1]
    if repeated:
        raise ValueError(
            f"Column names must be unique, but {str(path)!r} has {repeated[0]!r} more than once; "
            "rename or drop the others."
        )
    for number, fields in counts:
        found = fields if isinstance(fields, int) else len(fields)
        if found != len(header):
            raise ValueError(
                f"{str(path)!r} must have as many fields in every row as in its header, "
                f"{len(header)}, but line {number} has {found}; correct it, write the file again "
                "where it was cut off, or, where lines stand above the header, say how many: "
                "`--csv '{skiprows: 1}'`."
            )


def _plain_counts(place: Path, separator: str) -> Iterator[Counted]:
    """Yield number and fields of every line that holds something, where none is quoted."""
    is_header, mark = True, separator.encode()
    with place.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            if is_header:
                header = line.decode("utf-8-sig", errors="replace").strip("\r\n")
                yield number, header.split(separator)
            else:
                yield number, line.count(mark) + 1
            is_header = False


def _quoted_counts(place: Path, separator: str) -> Iterator[Counted]:
    """Yield the same where fields are quoted, which may hold separators and line breaks."""
    with place.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        for row in reader:
            if row:
                yield reader.line_num, row

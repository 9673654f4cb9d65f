"""Files of any compression and encoding as plain files of UTF-8 text."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

BLOCK = 2**20
"""Bytes at a time."""

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""What begins a file whose encoding it says; the mark of UTF-32 begins with one of UTF-16."""

NO_TEXT = {*range(9), 11, *range(14, 26), *range(27, 32), 127, 0x81, 0x8D, 0x8F, 0x90, 0x9D}
"""Bytes that no text in cp1252 has, by which Windows and most tools mean Latin-1 too."""

FOREIGN = re.compile(rb"[\x80-\xff]{3}")
"""What words of other alphabets have, and those of Latin languages hardly: accents in a row."""

DAMAGED = (
    EOFError,
    OSError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    RuntimeError,
    pa.ArrowInvalid,
)
"""What reading a damaged or locked archive raises."""


@contextmanager
def plain_text(path: Path, encoding: str | None = None) -> Iterator[tuple[Path, list[str]]]:
    """Yield a file of UTF-8 text that says what a file says, and what was guessed.

    Raises:
        ValueError: It is damaged, holds several files or no text, or there is no such encoding.
    """
    said: list[str] = []
    with TemporaryDirectory(prefix="drnn_forecast.") as folder:
        place = path
        compression = compression_of(path)
        if compression is not None:
            place = Path(folder) / "unpacked"
            unpack(path, place, compression)
        check_text(place, path)
        found = encoding_of(place, path) if encoding is None else checked_encoding(encoding)
        if found not in ("utf-8", "utf-8-sig"):
            place = recoded(place, Path(folder) / "recoded", found, path)
            if encoding is None and found not in MARKS.values():
                said.append(f"in {found}")
        yield place, said


def compression_of(path: Path) -> str | None:
    """Return how a file is compressed, by its first bytes; None: it is not."""
    with path.open("rb") as file:
        start = file.read(6)
    return next((name for mark, (name, _) in COMPRESSIONS.items() if start.startswith(mark)), None)


def unpack(path: Path, place: Path, compression: str) -> None:
    """Write what a compressed file holds."""
    open_packed = dict(COMPRESSIONS.values())[compression]
    try:
        with open_packed(path) as source, place.open("wb") as file:
            shutil.copyfileobj(source, file, BLOCK)
    except DAMAGED as error:
        if getattr(error, "errno", None) is not None:  # of the disk, which is full or away
            raise
        raise ValueError(
            f"{str(path)!r} is compressed by {compression}, but damaged or locked: {error}; write "
            "it again, or unpack it."
        ) from error


def open_zip(path: Path) -> Any:
    """Return the one file in a zip archive, opened."""
    archive = zipfile.ZipFile(path)
    names = [
        name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name
    ]
    if "[Content_Types].xml" in names:
        raise ValueError(f"{str(path)!r} is a workbook of an office; save its sheet as CSV.")
    if len(names) != 1:
        raise ValueError(
            f"{str(path)!r} must hold one file, but holds {len(names)}: {', '.join(names[:5])}; "
            "unpack it, and name one of them."
        )
    return archive.open(names[0])


COMPRESSIONS: dict[bytes, tuple[str, Callable[[Path], Any]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bz2", bz2.open),
    b"\xfd7zXZ\0": ("xz", lzma.open),
    b"PK\x03\x04": ("zip", open_zip),
    b"\x28\xb5\x2f\xfd": ("zstd", lambda path: pa.input_stream(str(path), compression="zstd")),
}
"""How compressed files begin, and what opens them."""


def check_text(place: Path, path: Path) -> None:
    """Raise where a file begins with binary data."""
    with place.open("rb") as file:
        start = file.read(4096)
    if start.startswith(b"PAR1"):
        raise ValueError(
            f"{str(path)!r} is not a CSV file: it holds binary data, of Parquet; name it .parquet."
        )
    is_marked = any(start.startswith(mark) for mark in MARKS)
    if b"\0" in start and not is_marked and wide_encoding(start) is None:
        raise ValueError(f"{str(path)!r} is not a CSV file: it holds binary data.")


def wide_encoding(start: bytes) -> str | None:
    """Return the encoding of text without a mark whose characters have two bytes each, if so."""
    zeros = [start[offset::2].count(0) / max(len(start[offset::2]), 1) for offset in (0, 1)]
    for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if zeros[offset] > 0.4 and zeros[1 - offset] < 0.05:
            return name
    return None


def encoding_of(place: Path, path: Path) -> str:
    """Return the encoding of a text: what its mark says, UTF-8 if it is that, or cp1252."""
    with place.open("rb") as file:
        start = file.read(4096)
        marked = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
        wide = marked or (wide_encoding(start) if b"\0" in start else None)
        if wide is not None:
            return wide
        decoder, seen, block = codecs.getincrementaldecoder("utf-8")(), set(start), start
        is_utf8, is_foreign = True, False
        while block:
            seen.update(block)
            is_foreign |= FOREIGN.search(block) is not None
            if is_utf8:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    is_utf8 = False
            block = file.read(BLOCK)
    if is_utf8:
        return "utf-8"
    if is_foreign or seen & NO_TEXT:
        raise ValueError(
            f"{str(path)!r} must be text in UTF-8, but {misread_line(place)}; give its encoding, "
            "such as `--csv '{encoding: shift_jis}'`, or write it again."
        )
    return "cp1252"


def checked_encoding(name: str) -> str:
    """Return the name of an encoding, if there is one."""
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(
            f"`encoding` must be one that Python knows, such as utf-8 or cp1252, got {name!r}."
        ) from None


def recoded(place: Path, goal: Path, encoding: str, path: Path) -> Path:
    """Return a file with the same text in UTF-8."""
    try:
        with (
            place.open(encoding=encoding, newline="") as source,
            goal.open("w", encoding="utf-8", newline="") as file,
        ):
            shutil.copyfileobj(source, file, BLOCK)
    except UnicodeError as error:
        raise ValueError(
            f"{str(path)!r} must be text in {encoding}, but is not: {error}; give another "
            "`encoding`."
        ) from error
    return goal


def misread_line(place: Path) -> str:
    """Return which line is the first that is no UTF-8, and which byte of it."""
    with place.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"line {number} has the byte 0x{line[error.start]:02X}"
    return "it is not"

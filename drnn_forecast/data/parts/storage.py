"""Where files lie: local paths, and whatever fsspec has a name for."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any

import fsspec
from pyarrow import fs

from drnn_forecast.data.whole import replaced

PARTIAL = re.compile(r"\.[0-9a-f.]{12,}\.partial\..*")
"""The names of files that were not finished."""


def is_url(place: str | PathLike[str]) -> bool:
    """Return whether a place is a URL, such as `s3://bucket/folder`."""
    return "://" in str(place)


def holds_parts(place: str | PathLike[str]) -> bool:
    """Return whether a place is a URL or a folder, and not a file."""
    return is_url(place) or (str(place) != "" and Path(place).is_dir())


def shown_place(place: str | PathLike[str]) -> str:
    """Return a place without the name and password that a URL may hold.

    Example:
        >>> shown_place("ftp://me:secret@host/folder")
        'ftp://host/folder'
    """
    return re.sub(r"://[^/@]*@", "://", str(place))


def storage_of(place: str | PathLike[str]) -> tuple[Any, str]:
    """Return pyarrow's file system of a place, and the path of the place in it.

    Raises:
        ValueError: No file system is known by that name.
        ImportError: It needs a package that is not installed.
    """
    if not is_url(place):
        return fs.LocalFileSystem(), os.path.abspath(place)
    try:
        found, path = fsspec.core.url_to_fs(str(place))
    except ValueError as error:
        raise ValueError(f"{shown_place(place)!r} cannot be reached: {error}.") from error
    if type(found).__name__ == "LocalFileSystem":
        return fs.LocalFileSystem(), path
    return fs.PyFileSystem(fs.FSSpecHandler(found)), str(path).rstrip("/")


def files_below(storage: Any, base: str) -> list[fs.FileInfo]:
    """Return the files below a folder in the order of their names, hidden ones left out.

    As for pyarrow and Spark, what begins with a dot or an underscore is no part of a dataset.
    """
    found = storage.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
    files = [each for each in found if each.type == fs.FileType.File]
    kept = [each for each in files if not _is_hidden(below(base, each.path))]
    return sorted(kept, key=lambda each: each.path)


def below(base: str, path: str) -> str:
    """Return a path relative to a folder that it lies in."""
    return path[len(base) :].lstrip("/")


@contextmanager
def replaced_in(storage: Any, path: str) -> Iterator[str]:
    """Yield the name to write a file under, which appears whole or not at all (`replaced`)."""
    if isinstance(storage, fs.LocalFileSystem):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as place:
            yield str(place)
        return
    folder, _, name = path.rpartition("/")
    partial = f"{folder}/.{uuid.uuid4().hex}.partial.{name[-16:]}"
    storage.create_dir(folder, recursive=True)
    try:
        yield partial
        storage.move(partial, path)
    finally:
        with suppress(OSError):
            storage.delete_file(partial)


def remove_partial(storage: Any, base: str) -> None:
    """Remove what killed runs have left of files below a folder."""
    selector = fs.FileSelector(base, recursive=True, allow_not_found=True)
    for each in storage.get_file_info(selector):
        if each.type == fs.FileType.File and PARTIAL.fullmatch(each.base_name):
            with suppress(FileNotFoundError):
                storage.delete_file(each.path)


def _is_hidden(path: str) -> bool:
    """Return whether a part of a path begins with a dot or an underscore; `_key=value` does not."""
    return any(part[0] in "._" and "=" not in part for part in path.split("/"))

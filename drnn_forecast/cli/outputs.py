"""Where a command writes, refused before any work."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

ROOM = 2**22
"""Bytes that a result takes at least, with what is written beside it."""


def free_folder(path: Path) -> Path:
    """Return the first of `path`, `path-2`, `path-3`, ... that does not exist."""
    number = 1
    while (folder := path.with_name(f"{path.name}-{number}" if number > 1 else path.name)).exists():
        number += 1
    return folder


def check_file(
    name: str, path: Path, *, inputs: Sequence[Path | None] = (), suffixes: Sequence[str]
) -> None:
    """Refuse a file that cannot be written or replaced.

    Args:
        name: Of the flag, to blame.
        path: Of the file.
        inputs: What the run reads.
        suffixes: Those that say a format.

    Raises:
        ValueError: It has another suffix, or is an input.
        OSError: It is no file, or cannot be written.
    """
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"`{name}` must be named {_either(suffixes)}, got {str(path)!r}.")
    found = _status(name, path)
    if found is not None and not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
        raise FileExistsError(f"`{name}` {str(path)!r} is {kind}; name a file.")
    _check_inputs(name, path, inputs)
    _check_place(name, Path(os.path.realpath(path)).parent)


def check_folder(
    name: str,
    path: Path,
    *,
    inputs: Sequence[Path] = (),
    unless: str | None = None,
    is_below: bool = False,
) -> None:
    """Refuse a folder that cannot be written.

    Args:
        name: Of the flag, to blame.
        path: Of the folder.
        inputs: What the run reads; none may lie in a folder that is replaced.
        unless: What helps where it is there; None: it may be.
        is_below: Whether the folders above it are made where they are missing.

    Raises:
        ValueError: An input lies in it.
        OSError: It is there, or cannot be written.
    """
    found = _status(name, path)
    if found is not None and not stat.S_ISDIR(found.st_mode):
        raise FileExistsError(f"`{name}` {str(path)!r} is a file; name a folder.")
    if found is not None and unless is not None:
        raise FileExistsError(f"`{name}` {str(path)!r} exists; {unless}.")
    target = Path(os.path.realpath(path))
    if found is not None:
        _check_contents(name, target, inputs)
    parent = target if found is not None else target.parent
    while is_below and not parent.exists():
        parent = parent.parent
    _check_place(name, parent)


def _status(name: str, path: Path) -> os.stat_result | None:
    """Return what is at a path, behind links; None: nothing."""
    if path.name == "" and str(path) in ("", "."):
        return os.stat(".")
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        shown = str(path) if len(str(path)) < 80 else f"{str(path)[:60]}..."
        raise ValueError(
            f"`{name}` must be a name that can be written, got {shown!r}: {reason}."
        ) from error


def _check_inputs(name: str, path: Path, inputs: Sequence[Path | None]) -> None:
    """Refuse a file that the run reads, under whatever name, or one in a folder that it reads."""
    for given in inputs:
        if given is None or not given.exists():
            continue
        is_inside = (
            given.is_dir() and Path(os.path.realpath(given)) in Path(os.path.realpath(path)).parents
        )
        if is_inside or (path.exists() and path.samefile(given)):
            where = "in a folder" if is_inside else "a file"
            raise ValueError(
                f"`{name}` must not be {where} that is read, got {str(path)!r} beside "
                f"{str(given)!r}; choose another name."
            )


def _check_contents(name: str, folder: Path, inputs: Sequence[Path | None]) -> None:
    """Refuse a folder that is to be replaced, where an input or the working directory is in it."""
    for given in [Path.cwd(), *filter(None, inputs)]:
        inner = Path(os.path.realpath(given))
        if folder == inner or folder in inner.parents:
            raise ValueError(
                f"`{name}` must be a folder of its own, got {str(folder)!r}, in which "
                f"{str(given)!r} is; choose another name."
            )


def _check_place(name: str, parent: Path) -> None:
    """Refuse a place without a folder, without permission, or without room."""
    if not parent.is_dir():
        kind = "is a file" if parent.exists() else "does not exist; make it first"
        raise FileNotFoundError(f"The folder of `{name}`, {str(parent)!r}, {kind}.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(
            f"`{name}` must lie where you may write, which is not so in {str(parent)!r}; choose "
            "another place."
        )
    free = shutil.disk_usage(parent).free
    if free < ROOM:
        raise OSError(
            f"`{name}` needs some {ROOM // 2**20} MiB of room, but {str(parent)!r} has "
            f"{free // 2**10:,} KiB left; make room, or choose another place."
        )


def _either(suffixes: Sequence[str]) -> str:
    """Return suffixes as text, such as `.csv or .parquet`."""
    return f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"

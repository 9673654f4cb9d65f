"""Where a command writes, refused before any work."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import drnn_forecast as drnn
from drnn_forecast.layers import parameter_count

ROOM = 2**22
"""Bytes that a result takes at least, with what is written beside it."""

COPIES = 14
"""Of the weights of a network that is trained: in two restore points, with those that were best and
the two moments of the optimiser; and saved, beside what is replaced."""

DEEP = 8
"""Layers of a network whose depth follows from its context."""


def free_folder(path: Path) -> Path:
    """Return the first of `path`, `path-2`, `path-3`, ... that does not exist."""
    number = 1
    while (folder := path.with_name(f"{path.name}-{number}" if number > 1 else path.name)).exists():
        number += 1
    return folder


def file_bytes(path: Path) -> int:
    """Return the size of a file, about which what comes of a table takes; 0 where there is none."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):  # which is said where it is read
        return 0


def network_bytes(hidden_size: int | None, num_layers: int | None, networks: int = 1) -> int:
    """Return about how many bytes networks take on the disk while they are trained.

    Sizes out of range count as none: they are refused where they are read.
    """
    units = drnn.Recipe.hidden_size if hidden_size is None else hidden_size
    layers = DEEP if num_layers is None else num_layers
    with suppress(ValueError):
        each = parameter_count(layers, input_size=units, hidden_size=units, cell_type="LSTM")
        return networks * COPIES * 4 * each
    return 0


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
    room = ROOM + sum(map(file_bytes, filter(None, inputs)))
    _check_place(name, Path(os.path.realpath(path)).parent, room)


def check_folder(
    name: str,
    path: Path,
    *,
    inputs: Sequence[Path] = (),
    unless: str | None = None,
    is_below: bool = False,
    room: int = 0,
) -> None:
    """Refuse a folder that cannot be written.

    Args:
        name: Of the flag, to blame.
        path: Of the folder.
        inputs: What the run reads; none may lie in a folder that is replaced.
        unless: What helps where it is there; None: it may be.
        is_below: Whether the folders above it are made where they are missing.
        room: Bytes that it will take, as far as can be said, beside the least.

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
    _check_place(name, parent, ROOM + room)


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


def _check_place(name: str, parent: Path, room: int) -> None:
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
    if free < room:
        raise OSError(
            f"`{name}` needs some {room // 2**20:,} MiB of room, but {str(parent)!r} has "
            f"{free // 2**10:,} KiB left; make room, or choose another place."
        )


def _either(suffixes: Sequence[str]) -> str:
    """Return suffixes as text, such as `.csv or .parquet`."""
    return f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"

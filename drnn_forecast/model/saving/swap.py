"""A folder that is written whole: beside its place under a name of its own, then renamed."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from drnn_forecast.data import partial_beside

T = TypeVar("T")

TRIES = 5
"""How often a folder is read that others replace meanwhile."""


@contextmanager
def swapped(folder: str | os.PathLike[str], own: str) -> Iterator[Path]:
    """Give an empty folder to fill, which takes the place of `folder` by one rename at the end.

    What was there is moved away just before, and removed after; its files that are not ours, such
    as a README, move on into the new folder. A kill in between leaves the old folder under a name
    that `found` knows. Nothing is changed where filling it fails.

    Args:
        folder: Made where it does not exist; its parent has to exist.
        own: A pattern of the names of our files and of our folders in it.

    Raises:
        FileNotFoundError: The parent of the folder does not exist.
        NotADirectoryError: `folder` is a file.
        ValueError: It is the working directory, which cannot be replaced.
    """
    folder = Path(folder).resolve()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"`folder` {str(folder)!r} is a file; choose another name.")
    if folder == Path.cwd() or not folder.name:
        raise ValueError(
            f"`folder` must not be the working directory, got {str(folder)!r}, since a model's "
            "folder is replaced as a whole. Name a folder inside it."
        )
    if not folder.parent.is_dir():
        raise FileNotFoundError(
            f"The parent of `folder`, {str(folder.parent)!r}, does not exist; make it first."
        )
    superfluous = _moved_away(folder)
    with partial_beside(folder, is_folder=True) as partial:
        yield partial
        for path in [*partial.rglob("*"), partial]:
            _sync(path)
            before = folder / path.relative_to(partial)
            if before.exists():
                shutil.copymode(before, path)
        superfluous += _put(partial, folder)
    for old in superfluous:
        _clear(old, folder, own)


def found(folder: str | os.PathLike[str]) -> Path:
    """Return where a folder is: where it was moved to, if its replacement was cut short."""
    place = Path(folder)
    if place.exists():
        return place
    place = place.resolve()
    waiting = _moved_away(place) if place.parent.is_dir() else []
    return max(waiting, key=lambda old: old.stat().st_mtime_ns, default=Path(folder))


def read_whole(folder: str | os.PathLike[str], read: Callable[[Path], T]) -> T:
    """Return what `read` makes of a folder, of which no file is another version's.

    Where the folder was replaced meanwhile, what failed to read is read again.
    """
    for _ in range(TRIES):
        place = found(folder)
        before = _identity(place)
        try:
            return read(place)
        except (OSError, ValueError):
            if _identity(found(folder)) == before:
                raise
    return read(found(folder))


def write_file(path: Path, content: bytes) -> None:
    """Write a file to the disk itself."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _put(partial: Path, folder: Path) -> list[Path]:
    """Move a folder into place, and return where those went that were there."""
    away: list[Path] = []
    while True:
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir() or len(away) > TRIES:
                for old in away[-1:]:
                    with suppress(OSError):
                        old.rename(folder)
                raise
            away.append(folder.with_name(f"{_start(folder)}{uuid.uuid4().hex[:12]}.old"))
            with suppress(FileNotFoundError):  # another process has just moved it
                folder.rename(away[-1])
        else:
            _sync(folder.parent)
            return [old for old in away if old.exists()]


def _clear(old: Path, folder: Path, own: str) -> None:
    """Remove our files of a replaced folder; others move on, and what cannot move stays."""
    with suppress(OSError):
        for path in sorted(old.rglob("*"), reverse=True):
            name = str(path.relative_to(old))
            if re.fullmatch(own, name):
                with suppress(OSError):  # a folder that holds more
                    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        for path in old.iterdir():
            if not os.path.lexists(folder / path.name):
                path.rename(folder / path.name)
        old.rmdir()


def _start(folder: Path) -> str:
    """Return how the names begin that a folder is moved away to."""
    return f".{folder.name[:50]}."  # of characters that may have four of 255 bytes each


def _moved_away(folder: Path) -> list[Path]:
    """Return the folders that were moved away from a place, and not removed."""
    start = _start(folder)
    return [
        path
        for path in folder.parent.iterdir()
        if path.name.startswith(start)
        and re.fullmatch(r"[0-9a-f]{12}\.old", path.name[len(start) :])
        and path.is_dir()
    ]


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one of its name."""
    with suppress(OSError):
        found = path.stat()
        return found.st_ino, found.st_ctime_ns
    return None


def _sync(path: Path) -> None:
    """Have the disk keep the entries of a folder, where the system can."""
    if path.is_dir():
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

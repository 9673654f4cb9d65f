"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

from drnn_forecast.data.holding import clear_away, lock, short_digest


@contextmanager
def replaced(path: str | PathLike[str]) -> Iterator[Path]:
    """Yield where to write a file, which takes its place when all went well.

    An older file stays until then, and leaves its permissions and owner to the new one; what a link
    points to is replaced, not the link. The name to write has the suffix of the path, and belongs
    to this call alone.

    Example:
        >>> with replaced("numbers.csv") as place:  # doctest: +SKIP
        ...     frame.to_csv(place)
    """
    target = Path(os.path.realpath(path))
    with partial_beside(target) as partial:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            _inherit(target, partial)
        partial.replace(target)


@contextmanager
def filled(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, which becomes `folder`, a new one, when all went well."""
    with partial_beside(folder, is_folder=True) as partial:
        yield partial
        partial.rename(folder)


@contextmanager
def partial_beside(target: Path, *, is_folder: bool = False) -> Iterator[Path]:
    """Yield a new file or folder beside a target, of this call alone; what stays there is removed.

    It is held until then, and what dead processes have left beside the same target is removed
    first: a kill leaves nothing that the next call does not clear away.
    """
    start = f".{short_digest(target.name)}."
    for old in target.parent.glob(f"{start}*.partial*"):
        clear_away(old, _remove)
    ending = "" if is_folder else target.suffix[:16]
    descriptor = None
    while descriptor is None:  # held by a call that clears away
        partial = target.with_name(f"{start}{uuid.uuid4().hex[:12]}.partial{ending}")
        descriptor = lock(partial, is_folder=is_folder)
    try:
        yield partial
    finally:
        _remove(partial)
        if descriptor >= 0:
            os.close(descriptor)


def _remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _inherit(old: Path, new: Path) -> None:
    """Give a new file the permissions and, where that is allowed, the owner of an old one."""
    found = old.stat()
    with suppress(OSError, AttributeError):  # of somebody else, or on Windows
        os.chown(new, found.st_uid, found.st_gid)
    shutil.copymode(old, new)

"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path


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
    partial = target.with_name(f".{uuid.uuid4().hex}.partial{target.suffix[:16]}")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            _inherit(target, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _inherit(old: Path, new: Path) -> None:
    """Give a new file the permissions and, where that is allowed, the owner of an old one."""
    found = old.stat()
    with suppress(OSError, AttributeError):  # of somebody else, or on Windows
        os.chown(new, found.st_uid, found.st_gid)
    shutil.copymode(old, new)

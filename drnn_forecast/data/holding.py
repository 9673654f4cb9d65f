"""What a run holds while it lives, so that another one leaves it alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # there is none on Windows, where nothing is held
    fcntl = None  # type: ignore[assignment]


@contextmanager
def held(name: str, path: Path) -> Iterator[None]:
    """Hold what a run writes until its end; another run that wants it is refused.

    What a run that died has held is free. Missing folders above it are made, and taken away again
    where nothing was written.

    Args:
        name: Of the argument, to blame.
        path: Of what is written.

    Raises:
        OSError: Another run holds it.
    """
    target = Path(os.path.realpath(path))
    missing = [parent for parent in target.parents if not parent.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    place = target.with_name(f".{short_digest(target.name)}.lock")
    descriptor = lock(place)
    if descriptor is None:
        raise OSError(
            f"Another run writes `{name}` {str(path)!r}; wait for its end, or choose another name."
        )
    try:
        yield
    finally:
        if descriptor >= 0:
            with suppress(OSError):
                place.unlink()
            os.close(descriptor)
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()


def lock(place: Path, *, is_folder: bool = False) -> int | None:
    """Return a descriptor that holds a file or folder, which is made; None: somebody else does.

    It is below 0 where the system has no locks. They end with the process, however it ends.
    """
    if fcntl is None:
        if is_folder:
            place.mkdir()
        return -1
    while True:
        if is_folder:
            place.mkdir(exist_ok=True)
        try:
            flags = os.O_RDONLY if is_folder else os.O_RDWR | os.O_CREAT
            descriptor = os.open(place, flags, 0o666)
        except FileNotFoundError:
            if not is_folder or not place.parent.is_dir():
                raise
            continue  # it was cleared away before it was held
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:  # a file system without locks
            return descriptor
        # The run that held it before may have removed it in between.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(place)):
                return descriptor
        os.close(descriptor)


def clear_away(path: Path, remove: Callable[[Path], object]) -> None:
    """Remove a file or folder that a process held which has ended; leave it where one lives."""
    if fcntl is None:
        return
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)
        finally:
            os.close(descriptor)


def short_digest(name: str) -> str:
    """Return a short name for a long one."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:12]

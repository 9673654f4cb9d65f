"""Folders to write into, without loss."""

from __future__ import annotations

from pathlib import Path


def free_folder(path: Path) -> Path:
    """Return the first of `path`, `path-2`, `path-3`, ... that does not exist."""
    number = 1
    while (folder := path.with_name(f"{path.name}-{number}" if number > 1 else path.name)).exists():
        number += 1
    return folder

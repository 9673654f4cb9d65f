"""What a folder of forecasts was made of, so that the same call goes on and no other one does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from drnn_forecast.data import (
    ParquetPart,
    PartedTable,
    below,
    files_below,
    replaced_in,
    shown_place,
)
from drnn_forecast.scale.work import PartWork

NAME: Final = "_drnn_forecast.json"
"""Its name in the folder, which readers of datasets leave out."""

REMEDY: Final = "Choose another folder, or delete this one."


def unfinished_parts(work: PartWork, table: PartedTable, out: str) -> list[ParquetPart]:
    """Return the partitions without a forecast, and note what the forecasts are made of.

    Args:
        work: What is asked of every partition.
        table: The history.
        out: The folder of forecasts, as it was given.

    Raises:
        FileExistsError: The folder holds something else, or forecasts of another model, other
            settings, or data that have changed since.
    """
    storage, base = work.storage, work.base
    there = {below(base, each.path) for each in files_below(storage, base)}
    now = json.loads(json.dumps({"call": dict(work.call), "files": dict(table.digests)}))
    if there:
        _check_same(_noted(storage, base, out), now, there, table.parts, shown_place(out))
    storage.create_dir(base, recursive=True)
    with (
        replaced_in(storage, f"{base}/{NAME}") as partial,
        storage.open_output_stream(partial) as file,
    ):
        file.write(json.dumps(now, indent=1).encode())
    return [part for part in table.parts if part.name not in there]


def digest_of(model: Path) -> str:
    """Return what tells a model from another, by the files of its folder or its checkpoint."""
    files = sorted(model.rglob("*")) if model.is_dir() else [model]
    found = hashlib.sha256()
    for path in filter(Path.is_file, files):
        found.update(str(path.relative_to(model)).encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:32]


def _noted(storage: Any, base: str, out: str) -> dict[str, Any]:
    """Return what was noted in a folder that is not empty."""
    try:
        with storage.open_input_stream(f"{base}/{NAME}") as file:
            noted: dict[str, Any] = json.loads(file.read())
            return {"call": noted["call"], "files": dict(noted["files"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileExistsError(
            f"`out` {shown_place(out)!r} is not empty, and does not say which forecasts it holds. "
            f"{REMEDY}"
        ) from error


def _check_same(
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    there: set[str],
    parts: Sequence[ParquetPart],
    out: str,
) -> None:
    """Refuse a folder whose forecasts this call would not make."""
    for name, value in now["call"].items():
        if before["call"].get(name) != value:
            raise FileExistsError(f"`out` {out!r} holds forecasts of another {name}. {REMEDY}")
    for part in parts:
        changed = [file for file in part.files if before["files"].get(file) != now["files"][file]]
        if part.name in there and changed:
            raise FileExistsError(
                f"`out` {out!r} holds the forecast of {changed[0]!r} as it was before it changed. "
                f"Delete {part.name!r} there, or choose another folder."
            )
    others = sorted(there - {part.name for part in parts})
    if others:
        raise FileExistsError(
            f"`out` {out!r} holds {others[0]!r}, which is no forecast of this dataset. {REMEDY}"
        )

"""Finished work on disk, found again by what determined it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from drnn_forecast.data import replaced

WORK, FORECASTS = "work.json", "forecasts.parquet"
PARTS = {WORK, FORECASTS}


class Work(NamedTuple):
    """What came out: plain values, and forecasts where there are any."""

    facts: dict[str, Any]
    forecasts: pd.DataFrame | None


class Store:
    """A folder of finished work, made when something is kept; None: nothing is kept.

    Each piece is a zip file with `work.json` and `forecasts.parquet`. What determined the work is
    in the first in full and in the file's name as a digest, so that work under other settings is
    not found. A file appears whole or not at all, and has a digest of what it holds: one that was
    cut or changed counts as work that is not finished.
    """

    def __init__(self, folder: Path | str | None) -> None:
        """Use a folder, made when something is kept; None: keep nothing.

        Raises:
            NotADirectoryError: `folder` is a file.
        """
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None and self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(f"`folder` {str(folder)!r} is a file; name a folder.")

    def load(self, name: str, identity: Mapping[str, Any]) -> Work | None:
        """Return finished work; None where there is none."""
        if self.folder is None:
            return None
        try:
            with zipfile.ZipFile(_path(self.folder, name, identity)) as archive:
                kept = json.loads(archive.read(WORK))
                if kept["identity"] != identity or set(archive.namelist()) - PARTS:
                    return None
                forecasts = None
                if FORECASTS in archive.namelist():
                    forecasts = archive.read(FORECASTS)
                if kept["digest"] != _digest(kept["facts"], identity, forecasts):
                    return None
                table = None if forecasts is None else pd.read_parquet(io.BytesIO(forecasts))
                return Work(kept["facts"], table)
        except Exception:  # zipfile raises a dozen kinds of errors for damaged files
            return None

    def save(
        self,
        name: str,
        identity: Mapping[str, Any],
        facts: Mapping[str, Any],
        forecasts: pd.DataFrame | None = None,
    ) -> None:
        """Keep finished work; `name` is for people who look into the folder."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = _path(self.folder, name, identity)
        table = None if forecasts is None else forecasts.to_parquet(index=False)
        digest = _digest(facts, identity, table)
        work = {"facts": facts, "identity": identity, "digest": digest}
        with replaced(path) as partial, zipfile.ZipFile(partial, "w") as archive:
            archive.writestr(WORK, json.dumps(work, indent=1))
            if table is not None:
                archive.writestr(FORECASTS, table)


def _path(folder: Path, name: str, identity: Mapping[str, Any]) -> Path:
    """Return where a piece of work is kept."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    return folder / f"{readable}-{digest}.zip"


def _digest(facts: Any, identity: Mapping[str, Any], forecasts: bytes | None) -> str:
    """Return a digest of a piece of work."""
    plain = json.loads(json.dumps([facts, identity, forecasts is None]))  # names become text
    plain = json.dumps(plain, sort_keys=True)
    return hashlib.sha256(plain.encode() + (forecasts or b"")).hexdigest()

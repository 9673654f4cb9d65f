"""Finished work on disk, found again by what determined it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from drnn_forecast.data import read_table, write_table
from drnn_forecast.evaluation.comparison.identity import digest_of


class Store:
    """A folder of finished work: a JSON file each, and a Parquet file of its forecasts.

    The JSON file holds in full what determined the work; its digest is part of the names, so that
    work under other settings is not found. It is written last and at once: work is there as a
    whole or not at all. A file that cannot be read counts as work that is not finished.
    """

    def __init__(self, folder: Path | str | None) -> None:
        """Use a folder, made when something is kept; None: keep nothing.

        Raises:
            NotADirectoryError: `folder` is a file.
        """
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None and self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(f"`folder` {str(folder)!r} is a file; name a folder.")

    def load(self, name: str, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the facts of finished work; None where there is none."""
        if self.folder is None:
            return None
        try:
            kept = json.loads(self._path(name, identity, ".json").read_text())
        except (OSError, ValueError):
            return None
        return kept["facts"] if kept.get("identity") == _as_json(identity) else None

    def load_forecasts(self, name: str, identity: Mapping[str, Any]) -> pd.DataFrame | None:
        """Return the forecasts of finished work; None where there are none."""
        if self.folder is None:
            return None
        try:
            return read_table(self._path(name, identity, ".parquet"))
        except (OSError, ValueError):
            return None

    def save(
        self,
        name: str,
        identity: Mapping[str, Any],
        facts: Mapping[str, Any],
        forecasts: pd.DataFrame | None = None,
    ) -> None:
        """Keep finished work.

        Args:
            name: For people who look into the folder.
            identity: Everything that determined it, as plain values.
            facts: What came out, as plain values.
            forecasts: What came out, as a table.
        """
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if forecasts is not None:
            write_table(forecasts, self._path(name, identity, ".parquet"))
        path = self._path(name, identity, ".json")
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
        try:
            partial.write_text(json.dumps({"facts": facts, "identity": identity}, indent=1))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _path(self, name: str, identity: Mapping[str, Any], suffix: str) -> Path:
        """Return where a piece of work is kept."""
        readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60]
        return Path(self.folder or ".") / f"{readable}-{digest_of(identity)}{suffix}"


def _as_json(values: Mapping[str, Any]) -> Any:
    """Return plain values as they come back from a file."""
    return json.loads(json.dumps(values))

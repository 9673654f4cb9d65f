"""What jsonargparse, which reads command lines and their YAML files, does beside reading."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

IMPORTER = "import_object"
OWN = ("drnn_forecast.training.", "drnn_forecast.")
TYPES = ("Range", "SearchSpace")
TRUSTED = {"jsonargparse.ArgumentParser", *(f"{area}{name}" for area in OWN for name in TYPES)}
"""What it may import: its own parser, and the types of a flag of ours that has flags of its own."""


@contextmanager
def importing_nothing() -> Iterator[None]:
    """Refuse every value that names a class or function to be imported.

    jsonargparse imports what a `class_path` names, or a text in place of an object, before it finds
    that it is not wanted. Its setting against that came late, and is of the whole process.
    """
    importing = getattr(sys.modules["jsonargparse._util"], IMPORTER)

    def refused(name: Any, *args: Any, **kwargs: Any) -> Any:
        if str(name) in TRUSTED or kwargs.get("check_path") is False:  # named by code
            return importing(name, *args, **kwargs)
        raise ValueError(f"nothing is imported for a value, got {str(name)[:80]!r}")

    modules = [part for key, part in sys.modules.items() if key.startswith("jsonargparse.")]
    users = [part for part in modules if IMPORTER in vars(part)]
    for part in users:
        setattr(part, IMPORTER, refused)
    try:
        yield
    finally:
        for part in users:
            setattr(part, IMPORTER, importing)

"""A configuration that tells whether it, or a file beside it, was changed."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from drnn_forecast.model.saving.swap import write_file

PACKAGES: Final = ("drnn-forecast", "torch", "pytorch-forecasting", "lightning")
"""On whose versions a forecast of a model depends."""

FORMAT_VERSION = 2
UNSEALED = 1
"""The first format, of one version for models and ensembles, has no digests."""

LARGEST = 2**28
"""Bytes of a configuration: a thousand times that of a model of many series."""

REMEDY = "Copy the folder again."


def write_configuration(
    path: Path,
    content: dict[str, Any],
    files: dict[str, bytes],
    packages: Sequence[str] = PACKAGES,
) -> None:
    """Write a configuration with the digests of the files that belong to it, and its own.

    Args:
        path: Of the configuration.
        content: Plain data.
        files: What the files hold, by their path beside it.
        packages: On whose versions a forecast depends.
    """
    sealed = {
        "format_version": FORMAT_VERSION,
        **content,
        "versions": {name: version(name) for name in packages},
        "files": {name: digest(part) for name, part in files.items()},
    }
    sealed["digest"] = digest(canonical(sealed))
    write_file(path, (json.dumps(sealed, indent=1) + "\n").encode())


def read_configuration(
    path: Path, class_name: str, packages: Sequence[str] = PACKAGES
) -> dict[str, Any]:
    """Return the configuration of a model of this class, checked against its digest.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is damaged, of another class, or of a later version.
    """
    check_there(path, class_name)
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        content = json.loads(path.read_bytes().decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is damaged: {error}. {REMEDY}") from error
    if not isinstance(content, dict) or "format_version" not in content:
        raise ValueError(f"{str(path)!r} is no configuration of a model.")
    found = content["format_version"]
    if type(found) is not int or found not in (UNSEALED, FORMAT_VERSION):
        raise ValueError(
            f"{str(path)!r} has the format version {str(found)[:40]}, and this package reads "
            f"{UNSEALED} and {FORMAT_VERSION}. Install the version of drnn_forecast that wrote it."
        )
    _check_digest(path, content)
    if content.get("class") != class_name:
        raise ValueError(
            f"{str(path)!r} is the configuration of {str(content.get('class'))[:80]}, not of "
            f"{class_name}. Read it with `drnn_forecast.load(folder)`."
        )
    _mention_versions(path, content.get("versions", {}), packages)
    return content


def check_part(path: Path, name: str, part: bytes, content: dict[str, Any]) -> None:
    """Raise where a file beside a configuration is not the one that was written with it."""
    if content["format_version"] != UNSEALED and content["files"].get(name) != digest(part):
        raise ValueError(f"{str(path)!r} is damaged or belongs to another model. {REMEDY}")


def check_there(path: Path, class_name: str) -> None:
    """Raise where a model of a class lacks one of its files."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{str(path.parent)!r} holds no {class_name}: {path.name!r} is missing. Write it with "
            "`model.save(folder)`, or read another kind of model with `drnn_forecast.load(folder)`."
        )


def canonical(content: Any) -> bytes:
    """Return plain data in a form that spaces and the order of names do not change."""
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def digest(part: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(part).hexdigest()


def _check_digest(path: Path, content: dict[str, Any]) -> None:
    """Raise where a configuration does not have the digest that it says."""
    is_first = content["format_version"] == UNSEALED
    rest = {name: part for name, part in content.items() if name != "digest"}
    if content.get("digest") != (None if is_first else digest(canonical(rest))):
        raise ValueError(f"{str(path)!r} is damaged: its digest is another. {REMEDY}")
    parts = (content.get("files", {}), content.get("versions", {}))
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError(f"{str(path)!r} is damaged: its files or versions are no list of names.")


def _mention_versions(path: Path, written: dict[str, Any], packages: Sequence[str]) -> None:
    """Warn of packages whose major version was another when a model was written."""
    others = [
        f"{name} {str(written[name])[:20]} (here {version(name)})"
        for name in packages
        if name in written and str(written[name]).split(".")[0] != version(name).split(".")[0]
    ]
    if others:
        warnings.warn(
            f"{str(path.parent)!r} was written with {', '.join(others)}: its forecasts may differ.",
            stacklevel=2,
        )

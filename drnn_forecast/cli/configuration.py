"""What a command line reads beside the table: YAML that stays small, from files that end."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader

MOST_VALUES = 100_000
"""Of a configuration, where aliases stand for what they repeat."""
LONGEST_TEXT = 2**20
"""Characters of a configuration."""


def bound_configurations() -> None:
    """Let configurations be refused that are too large, or become so by their aliases."""
    load = get_loader("yaml")
    if load is not _loaded:
        _loaders.append(load)
        set_loader("yaml", _loaded, exceptions=(yaml.YAMLError,))


def check_files(args: Iterable[str]) -> None:
    """Refuse pipes and sockets, which may never end, in place of files.

    Raises:
        ValueError: An argument names one.
    """
    for arg in args:
        path = arg.partition("=")[2] if arg.startswith("--") else arg
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError):
            continue
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            raise ValueError(f"{path!r} is a pipe or a socket; name a file.")


_loaders: list[Any] = []


def _loaded(text: Any) -> Any:
    """Return what a YAML text means."""
    if isinstance(text, str) and len(text) > LONGEST_TEXT:
        raise yaml.YAMLError(f"a configuration has at most {LONGEST_TEXT:,} characters")
    value = _loaders[0](text)
    waiting, count = [value], 0
    while waiting:
        each = waiting.pop()
        count += 1
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list | tuple):
            waiting += each
        if count + len(waiting) > MOST_VALUES:
            raise yaml.YAMLError(
                f"a configuration has at most {MOST_VALUES:,} values, with those that its aliases "
                "repeat"
            )
    return value

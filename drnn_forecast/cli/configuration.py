"""What a command line reads beside the table: YAML that stays small, from files that end."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader

MOST_VALUES = 100_000
"""Of a configuration, where aliases stand for what they repeat."""
DEEPEST = 50
"""Levels of lists and keys in one another."""
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
    try:
        if isinstance(text, str) and "\n" in text:
            _check_keys(yaml.compose(text, Loader=yaml.SafeLoader))
        value = _loaders[0](text)
    except RecursionError:
        raise yaml.YAMLError(f"a configuration has at most {DEEPEST} levels") from None
    waiting, count = [(value, 1)], 0
    while waiting:
        each, depth = waiting.pop()
        count += 1
        inner = each if isinstance(each, list | tuple) else ()
        inner = [*each, *each.values()] if isinstance(each, dict) else inner
        waiting += [(part, depth + 1) for part in inner]
        if inner and depth > DEEPEST:
            raise yaml.YAMLError(
                f"a configuration has at most {DEEPEST} levels, with those of its aliases"
            )
        if count + len(waiting) > MOST_VALUES:
            raise yaml.YAMLError(
                f"a configuration has at most {MOST_VALUES:,} values, with those that its aliases "
                "repeat"
            )
    return value


def _check_keys(node: Any) -> None:
    """Refuse a key that is given twice, of which YAML would take the last one without a word."""
    waiting, seen = [node], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen or not isinstance(each, yaml.CollectionNode):
            continue
        seen.add(id(each))
        if isinstance(each, yaml.MappingNode):
            keys = [key.value for key, _ in each.value if isinstance(key, yaml.ScalarNode)]
            twice = next((key for key, times in Counter(keys).items() if times > 1), None)
            if twice is not None:
                raise yaml.YAMLError(f"a configuration has each key once, got {twice!r} twice")
            waiting += [part for pair in each.value for part in pair]
        else:
            waiting += each.value

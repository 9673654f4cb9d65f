"""Settings, encoders and scalers as plain JSON, and back: no pickle, and no code but ours runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pytorch_forecasting.data import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    NaNLabelEncoder,
)
from pytorch_forecasting.data.encoders import TorchNormalizer
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

WIDEST = 4 * 64
"""Bytes of an entry of text that may be wider than the longest one."""

KIND = "__kind__"
"""The key that tells a written object from a dictionary of the user's."""

WRITABLE = {
    kind.__name__: kind
    for kind in (
        EncoderNormalizer,
        GroupNormalizer,
        MultiNormalizer,
        NaNLabelEncoder,
        TorchNormalizer,
        MaxAbsScaler,
        MinMaxScaler,
        RobustScaler,
        StandardScaler,
    )
}
"""The classes whose objects are nothing but their attributes."""


def to_plain(value: Any, place: str) -> Any:
    """Return what JSON can hold of a value.

    Args:
        value: Numbers, text, containers, arrays, tables, or an object of `WRITABLE`.
        place: What the value is, for the message.
    """
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, list):
        return [to_plain(entry, f"{place}[{number}]") for number, entry in enumerate(value)]
    if isinstance(value, Mapping):
        return _plain_mapping(value, place)
    if isinstance(value, tuple):
        return {KIND: "tuple", "entries": to_plain(list(value), place)}
    if isinstance(value, np.generic):
        return {KIND: "scalar", "dtype": value.dtype.str, "value": value.item()}
    if isinstance(value, np.ndarray):
        entries = to_plain(value.tolist(), place)
        return {KIND: "array", "dtype": value.dtype.str, "entries": entries}
    if isinstance(value, torch.Tensor):
        return {KIND: "tensor", "array": to_plain(value.detach().cpu().numpy(), place)}
    if isinstance(value, pd.DataFrame):
        return _plain_frame(value, place)
    if WRITABLE.get(type(value).__name__) is type(value):
        name = type(value).__name__
        return {KIND: "object", "class": name, "state": to_plain(vars(value), f"{place} ({name})")}
    raise ValueError(
        f"{place} cannot be written without pickle, got {_described(value)}. Use a named "
        f"transformation and one of {', '.join(sorted(WRITABLE))}, or keep a Lightning checkpoint."
    )


def from_plain(value: Any) -> Any:
    """Return the value that `to_plain` wrote."""
    if isinstance(value, list):
        return [from_plain(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(KIND)
    if kind is None:
        return {name: from_plain(entry) for name, entry in value.items()}
    readers: dict[str, Callable[[], Any]] = {
        "tuple": lambda: tuple(from_plain(value["entries"])),
        "items": lambda: {from_plain(name): from_plain(entry) for name, entry in value["items"]},
        "scalar": lambda: _checked_dtype(value["dtype"]).type(value["value"]),
        "array": lambda: _read_array(from_plain(value["entries"]), value["dtype"]),
        "tensor": lambda: torch.from_numpy(from_plain(value["array"])),
        "frame": lambda: _read_frame(value),
        "object": lambda: _read_object(value),
    }
    if kind not in readers:
        raise ValueError(f"The configuration holds the kind {kind!r}, which is not known here.")
    return readers[kind]()


_PLAIN = (bool, int, float, str)


def _plain_mapping(value: Mapping[Any, Any], place: str) -> Any:
    """Return a dictionary; one whose keys JSON would change as a list of pairs."""
    if all(type(name) is str and name != KIND for name in value):
        return {name: to_plain(entry, f"{place}[{name!r}]") for name, entry in value.items()}
    items = [
        [to_plain(name, place), to_plain(entry, f"{place}[{name!r}]")]
        for name, entry in value.items()
    ]
    return {KIND: "items", "items": items}


def _plain_frame(frame: pd.DataFrame, place: str) -> dict[str, Any]:
    """Return a table of numbers with its index of one or several levels."""
    rows = [entry if isinstance(entry, tuple) else (entry,) for entry in frame.index.tolist()]
    return {
        KIND: "frame",
        "index": to_plain([list(row) for row in rows], place),
        "names": to_plain(list(frame.index.names), place),
        "columns": [
            [to_plain(name, place), to_plain(frame[name].to_numpy(), place)] for name in frame
        ],
    }


def _read_array(entries: Any, name: str) -> NDArray[Any]:
    """Return entries as an array, whose text is not much wider than they are."""
    dtype = _checked_dtype(name)
    if dtype.kind == "U" and dtype.itemsize > max(np.array(entries).itemsize, WIDEST):
        raise ValueError(f"An array of the configuration has entries as wide as {name[:40]!r}.")
    return np.array(entries, dtype=dtype)


def _checked_dtype(name: Any) -> np.dtype[Any]:
    """Return the type of numbers, text or plain objects of a name."""
    dtype = np.dtype(str(name))
    if dtype.kind not in "biufOU":
        raise ValueError(f"The configuration has the type {str(name)[:40]!r}, unknown here.")
    return dtype


def _read_frame(value: dict[str, Any]) -> pd.DataFrame:
    """Return the table that `_plain_frame` wrote."""
    rows, names = from_plain(value["index"]), from_plain(value["names"])
    if len(names) == 1:
        index = pd.Index([row[0] for row in rows], name=names[0])
    else:
        index = pd.MultiIndex.from_tuples([tuple(row) for row in rows], names=names)
    columns = {from_plain(name): from_plain(entries) for name, entries in value["columns"]}
    return pd.DataFrame(columns, index=index)


def _read_object(value: dict[str, Any]) -> Any:
    """Return an object of one of the known classes with the attributes that were written."""
    if value["class"] not in WRITABLE:
        raise ValueError(f"The configuration names the class {value['class']!r}, unknown here.")
    kind = WRITABLE[value["class"]]
    read = kind.__new__(kind)
    vars(read).update(from_plain(value["state"]))
    return read


def _described(value: Any) -> str:
    """Return a value's class, and its name where it is a function."""
    name = getattr(value, "__name__", None)
    return f"the function {name!r}" if callable(value) and name else f"a {type(value).__name__}"

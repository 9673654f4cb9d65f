"""What determines a result, as text: two settings that differ in anything differ in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_forecasting.data import EncoderNormalizer, TimeSeriesDataSet

from drnn_forecast.data.datasets.parted import PartedData
from drnn_forecast.data.frames.data import ForecastData


def described(value: Any) -> str:
    """Return a value as text that is the same in every process.

    Losses and other objects are told by their class and attributes, tensors, arrays and frames by
    a digest of their values, functions by their names. (Pickles, and so `joblib.hash`, differ from
    process to process for tensors, and there are none for nameless functions.)

    Example:
        >>> described({"n": (24, 168), "loss": torch.nn.L1Loss()})
        "{'loss': torch.nn.modules.loss.L1Loss(reduction='mean', training=True), 'n': [24, 168]}"
    """
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    if isinstance(value, torch.Tensor | np.ndarray | pd.DataFrame | pd.Series):
        return _table(value)
    if isinstance(value, Mapping):
        items = sorted((described(key), described(item)) for key, item in value.items())
        return "{" + ", ".join(f"{key}: {item}" for key, item in items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(described, value)) + "]"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(described, value))) + "}"
    if isinstance(value, partial):
        arguments = [*map(described, value.args), *_named(value.keywords)]
        return f"{described(value.func)}({', '.join(arguments)})"
    return _function(value) if _is_function(value) else _object(value)


def fingerprint(data: ForecastData | PartedData | TimeSeriesDataSet) -> str:
    """Return a digest of rows and roles, or of what a dataset holds, its windows and encoders."""
    if isinstance(data, PartedData):
        parts: list[Any] = [data.roles.to_dict(), data.table.fingerprint]
        parts.append(data.max_rows)
    elif isinstance(data, TimeSeriesDataSet):
        parts = [data.get_parameters(), data.data, data.index]
    else:
        columns = [(name, str(kind)) for name, kind in data.history.dtypes.items()]
        rows = pd.util.hash_pandas_object(data.history, index=False).to_numpy()
        parts = [data.roles.to_dict(), columns, rows]
        if data.roles.holidays is not None:
            parts.append(version("holidays"))
    return hashlib.sha256(described(parts).encode()).hexdigest()[:32]


def _is_function(value: Any) -> bool:
    """Return whether a value is a function, a method or a class."""
    return callable(value) and hasattr(value, "__qualname__")


def _table(value: Any) -> str:
    """Return the kind and shape of an array or a frame, and a digest of what it holds."""
    if isinstance(value, pd.DataFrame | pd.Series):
        rows = pd.util.hash_pandas_object(value).to_numpy()
        return described([type(value).__name__, list(getattr(value, "columns", [])), rows])
    if isinstance(value, np.ndarray) and value.dtype.kind not in "biufc":
        return described(value.tolist())
    # torch warns of arrays that it may not write.
    own = value.copy() if isinstance(value, np.ndarray) else value
    numbers = torch.as_tensor(own).detach().cpu().contiguous()
    digest = hashlib.sha256(numbers.reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"{numbers.dtype}{list(numbers.shape)}:{digest.hexdigest()[:16]}"


def _object(value: Any) -> str:
    """Return an object's class and attributes, or how it shows itself where that says more."""
    if isinstance(value, EncoderNormalizer):  # what it fitted last is any window's
        return f"{_kind(type(value))}({', '.join(_named(value.get_params()))})"
    if isinstance(value, torch.nn.Module):
        return f"{_kind(type(value))}({', '.join(_named(_contents(value)))})"
    attributes, shown = getattr(value, "__dict__", {}), repr(value)
    if attributes or " object at 0x" in shown:
        return f"{_kind(type(value))}({', '.join(_named(attributes))})"
    return shown


def _function(value: Any) -> str:
    """Return the name of a function, method or class; a nameless one is told by its code."""
    owner = getattr(value, "__self__", None)
    name = f"{_kind(owner)}.{value.__name__}" if isinstance(owner, type) else _kind(value)
    if "<" not in name:
        return name
    code = getattr(value, "__code__", None)
    inner = [] if code is None else [code.co_code, *code.co_names, *map(repr, code.co_consts)]
    cells = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
    return f"{name}({described([inner, cells, getattr(value, '__defaults__', None)])})"


def _kind(value: Any) -> str:
    """Return the full name of a class or function."""
    return f"{value.__module__}.{value.__qualname__}".removeprefix("builtins.")


def _named(values: Mapping[str, Any]) -> list[str]:
    """Return keyword arguments as text, sorted by name."""
    return [f"{name}={described(values[name])}" for name in sorted(values)]


def _contents(module: torch.nn.Module) -> dict[str, Any]:
    """Return the public attributes of a module that are no functions, its parts and its numbers."""
    attributes = {
        name: item
        for name, item in vars(module).items()
        if not name.startswith("_") and not (callable(item) and hasattr(item, "__name__"))
    }
    numbers = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    return {**attributes, **dict(module.named_children()), **dict(numbers)}

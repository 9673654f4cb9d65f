"""Lightning checkpoints of a known class: checked, and read without trust in other classes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pandas as pd
import torch
import torchmetrics
from lightning.pytorch.plugins import CheckpointIO
from pytorch_forecasting.metrics.distributions import ImplicitQuantileNetwork
from torch import nn

from drnn_forecast.host import PICKLED_PARTS
from drnn_forecast.model.saving import metrics, plain

WRITTEN_BY = "drnn_forecast_class"
"""The key of a checkpoint that holds the name of the class that wrote it."""


CLASSES = (
    *plain.WRITABLE.values(),
    *metrics.WRITABLE.values(),
    *metrics.OF_PARTS.values(),
    *(getattr(torchmetrics.regression, name) for name in torchmetrics.regression.__all__),
    ImplicitQuantileNetwork,
    *(nn.Linear, nn.ModuleList, nn.PReLU, nn.Sequential),
    *(pd.DataFrame, pd.Index, pd.MultiIndex, pd.RangeIndex, pd.StringDtype, slice),
    *(np.dtype, np.ndarray, *(getattr(np.dtypes, name) for name in np.dtypes.__all__)),
)
"""What the objects in a checkpoint of ours may be, beside what torch allows itself."""

REACHING = ("builtins", "operator", "_operator")
"""Modules of functions that reach the attributes of any object."""


@contextmanager
def allowed_classes() -> Iterator[None]:
    """Let torch's safe reading make objects of `CLASSES`, and of no others."""
    parts = [(found, name) for name in PICKLED_PARTS if (found := _resolved(name)) is not None]
    with torch.serialization.safe_globals([*CLASSES, *parts]):
        yield


def check_checkpoint(path: str | PathLike[str], class_name: str, *, unsafe: bool = False) -> None:
    """Check that a file is a whole checkpoint of that class, before a model is made of it.

    Args:
        path: Of the file.
        class_name: Of the model.
        unsafe: Whether the file may run code when it is read.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no whole checkpoint, one of another class, or it names classes that are
            none of `CLASSES`.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"The checkpoint {str(path)!r} does not exist.")
    content = _content(path, unsafe=unsafe)
    writer = content.get(WRITTEN_BY) if isinstance(content, dict) else None
    if writer != class_name:
        raise ValueError(
            f"{str(path)!r} is not a checkpoint of {class_name}"
            f"{f', but of {str(writer)[:80]}' if writer else ''}. "
            "Load it with the class that wrote it."
        )
    parts = [content.get(name) for name in ("state_dict", "hyper_parameters")]
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError(
            f"{str(path)!r} is no checkpoint of a model: it lacks its `state_dict` or "
            "`hyper_parameters`. Write it with the trainer's `save_checkpoint`."
        )
    if "_instantiator" in parts[1] and not unsafe:
        raise ValueError(_refusal(path, "a function that makes the model"))


def _content(path: str | PathLike[str], *, unsafe: bool) -> Any:
    """Return what a checkpoint holds."""
    try:
        with allowed_classes():
            return torch.load(path, map_location="cpu", weights_only=not unsafe, mmap=True)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{str(path)!r} names a class that cannot be imported here: {error}. Make the module "
            "that defines it importable, such as that of a cell of your own."
        ) from error
    except Exception as error:  # whatever a damaged file makes of pickle, zip and torch
        others = [] if unsafe else _names_refused(path)
        if others:
            raise ValueError(_refusal(path, ", ".join(others))) from error
        raise ValueError(
            f"{str(path)!r} is not a whole Lightning checkpoint: it is truncated, or another kind "
            "of file. Copy it again, or train the model again."
        ) from error


def _names_refused(path: str | PathLike[str]) -> list[str]:
    """Return the classes that a checkpoint names and that are not allowed, three at most."""
    with suppress(Exception), allowed_classes():
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))[:3]
    return []


def _refusal(path: str | PathLike[str], what: str) -> str:
    """Return why a checkpoint is not read, and what can be done."""
    return (
        f"{str(path)!r} names {what[:200]}, which is no part of this package's own models, so it "
        "is not read: a pickle can run any code. Allow a class of your own by "
        "`torch.serialization.add_safe_globals([TheClass])`; or, where you trust the whole file, "
        "pass `unsafe=True` (at the command line `--unsafe true`): it may then run any code as you."
    )


def _resolved(name: str) -> Any:
    """Return the object of a name, which other versions of its package may lack."""
    with suppress(ImportError, AttributeError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return resolve_name(name)
    return None


class OwnClasses(CheckpointIO):
    """Reads checkpoints as another does, with objects of the classes that a model has itself.

    torch's safe reading, Lightning's default, refuses every class that it does not know, so the
    dataset's encoders in each checkpoint too. Any other class is refused as before.

    Args:
        inner: What reads and writes.
        content: Returns what the model would write.
    """

    def __init__(self, inner: CheckpointIO, content: Callable[[], Any]) -> None:
        self.inner = inner
        self.content = content

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the checkpoint of a file."""
        with allowed_classes(), torch.serialization.safe_globals(classes_in(self.content())):
            return self.inner.load_checkpoint(path, *args, **kwargs)

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Write a checkpoint."""
        self.inner.save_checkpoint(checkpoint, path, *args, **kwargs)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint."""
        self.inner.remove_checkpoint(path)

    def teardown(self) -> None:
        """Let go of what is held."""
        self.inner.teardown()


def classes_in(content: Any) -> list[Any]:
    """Return the classes and functions that a pickle of some objects names."""
    pickled = io.BytesIO()
    torch.save(content, pickled)
    pickled.seek(0)
    names = torch.serialization.get_unsafe_globals_in_checkpoint(pickled)
    # `getattr`, by which a bound method is pickled, would reach anything for a file.
    found = map(resolve_name, names)
    return [part for part in found if getattr(part, "__module__", None) not in REACHING]

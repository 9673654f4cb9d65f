"""Lightning checkpoints of a known class: checked, and read without trust in other classes."""

from __future__ import annotations

import io
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError
from pkgutil import resolve_name
from typing import Any

import numpy as np
import torch
from lightning.pytorch.plugins import CheckpointIO

WRITTEN_BY = "drnn_forecast_class"
"""The key of a checkpoint that holds the name of the class that wrote it."""


def check_checkpoint(path: str | PathLike[str], class_name: str) -> None:
    """Check that a file is a whole checkpoint of that class, before a model is made of it."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"The checkpoint {str(path)!r} does not exist.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=False, mmap=True)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{str(path)!r} names a class that cannot be imported here: {error}. Make the module "
            "that defines it importable, such as that of a cell of your own."
        ) from error
    except (RuntimeError, OSError, EOFError, UnpicklingError, ValueError, KeyError) as error:
        raise ValueError(
            f"{str(path)!r} is not a whole Lightning checkpoint: it is truncated, or another kind "
            "of file. Copy it again, or train the model again."
        ) from error
    writer = content.get(WRITTEN_BY) if isinstance(content, dict) else None
    if writer != class_name:
        raise ValueError(
            f"{str(path)!r} is not a checkpoint of {class_name}"
            f"{f', but of {writer}' if writer else ''}. "
            "Load it with the class that wrote it."
        )


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
        with torch.serialization.safe_globals(classes_in(self.content())):
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
    # An array names its type of number only while it is made.
    numbers = [getattr(np.dtypes, name) for name in np.dtypes.__all__]
    return [*map(resolve_name, names), *numbers]

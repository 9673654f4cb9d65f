"""Lightning checkpoints of a known class, checked before a model is made of them."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from pickle import UnpicklingError

import torch

WRITTEN_BY = "drnn_forecast_class"
"""The key of a checkpoint that holds the name of the class that wrote it."""


def check_checkpoint(path: str | PathLike[str], class_name: str) -> None:
    """Check that a file is a whole checkpoint of that class, before a model is made of it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no whole checkpoint, one of another class, or names a class that is not
            there.
    """
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

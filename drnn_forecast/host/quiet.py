"""Lightning without its small talk."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

LOGGERS = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning")
SMALL_TALK = (
    r".*does not have many workers",
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated",
    r"ReduceLROnPlateau conditioned on metric val_loss",
    r"You defined a `validation_step` but have no `val_dataloader`",
    r"The number of training batches .* is smaller than the logging interval",
    r"Attribute .(loss|logging_metrics). is an instance of `nn.Module`",
    r"The dirpath has changed from",
    r"Your `IterableDataset` has `__len__` defined",
    r"Trying to infer the `batch_size` from an ambiguous collection",
)
"""Advice about settings that this package has chosen, and calls inside Lightning itself."""


one_at_a_time = threading.RLock()
"""Held while Lightning runs a prediction: it changes torch's loader for the whole process to read
what a loader was made with, and two threads that did so at once would leave it broken."""

_lock = threading.Lock()
_quiet = ExitStack()
_holders = 0


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's hints off the screen; its warnings about the user's work still show.

    Levels and filters belong to the process: the first of several threads that are inside at once
    changes them, and the last one gives them back.
    """
    global _holders
    with _lock:
        if not _holders:
            _quiet.enter_context(_hushed())
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if not _holders:
                _quiet.close()


@contextmanager
def _hushed() -> Iterator[None]:
    """Change the levels of Lightning's loggers and the filters of warnings, and give them back."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        with warnings.catch_warnings():
            for message in SMALL_TALK:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

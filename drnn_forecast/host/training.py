"""What Lightning's trainer has below its public face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.plugins import CheckpointIO, HalfPrecision


def drop_schedules(trainer: Trainer) -> None:
    """Forget the learning-rate schedules that the model of a run has configured.

    Lightning has no other way to train a model without the schedule that it makes itself.
    """
    trainer.strategy.lr_scheduler_configs = []


def keep_inputs(trainer: Trainer) -> None:
    """Let a trainer of half precision hand on its batches as they are.

    It would round them before the model sees them, levels and targets included, and asks nobody.
    """
    plugin = trainer.precision_plugin
    if isinstance(plugin, HalfPrecision):
        plugin.convert_input = _unchanged  # type: ignore[method-assign]


def wrap_checkpoints(
    trainer: Trainer, kind: type[CheckpointIO], wrap: Callable[[CheckpointIO], CheckpointIO]
) -> None:
    """Let a trainer that is already made read and write checkpoints through a wrapper, once.

    Its plugins are chosen before it sees the model that knows what is to be read.

    Args:
        trainer: Of a run.
        kind: What `wrap` returns.
        wrap: Makes the wrapper of what reads and writes so far.
    """
    if not isinstance(trainer.strategy.checkpoint_io, kind):
        trainer.strategy.checkpoint_io = wrap(trainer.strategy.checkpoint_io)


def rows_of_batch(trainer: Trainer) -> list[int]:
    """Return the places in the dataset of the windows that are being predicted.

    Under several processes nothing else says which windows came to this one.
    """
    return trainer.predict_loop.current_batch_indices


def _unchanged(data: Any) -> Any:
    return data

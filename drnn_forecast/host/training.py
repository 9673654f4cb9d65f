"""What Lightning's trainer has below its public face."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.core.mixins.hparams_mixin import _given_hyperparameters
from lightning.pytorch.plugins import CheckpointIO, HalfPrecision
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher


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


def comes_back(trainer: Trainer) -> bool:
    """Return whether what a run does to its objects is seen here.

    It is not where the strategy starts the processes that run, as `ddp_spawn` and `ddp_fork` do:
    they get copies, of which Lightning brings back the weights and the logged metrics alone.
    """
    return not isinstance(trainer.strategy.launcher, _MultiProcessingLauncher)


@contextmanager
def interrupts_returned() -> Iterator[None]:
    """Raise the `KeyboardInterrupt` that ended a run, and leave the handlers as they were.

    Lightning makes an exit of it, without a word, and has the process ignore the next one.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise stop.__context__ from None


class ErrorBar(TQDMProgressBar):
    """Lightning's progress bar on standard error: it writes among the results otherwise."""

    def init_sanity_tqdm(self) -> Any:
        """Return the bar of the validation before the training."""
        with redirect_stdout(sys.stderr):
            return super().init_sanity_tqdm()

    def init_train_tqdm(self) -> Any:
        """Return the bar of the training."""
        with redirect_stdout(sys.stderr):
            return super().init_train_tqdm()

    def init_validation_tqdm(self) -> Any:
        """Return the bar of a validation."""
        with redirect_stdout(sys.stderr):
            return super().init_validation_tqdm()


@contextmanager
def own_hyperparameters() -> Iterator[None]:
    """Let `save_hyperparameters` save what `__init__` made of its arguments.

    Inside Lightning's command line it saves what was written there instead, of whichever function
    makes the model, with the names of Lightning's own that come with it.
    """
    token = _given_hyperparameters.set(None)
    try:
        yield
    finally:
        _given_hyperparameters.reset(token)


def validate_now(trainer: Trainer) -> None:
    """Run a validation inside `fit`, as Lightning does at the end of its intervals."""
    trainer.validating = True
    trainer.fit_loop.epoch_loop.val_loop.run()
    trainer.training = True


def set_max_steps(trainer: Trainer, steps: int) -> None:
    """Let a run that has begun end after so many steps.

    Lightning takes the number when the trainer is made, and has no public way to change it.
    """
    trainer.fit_loop.epoch_loop.max_steps = steps


def set_step(trainer: Trainer, step: int) -> None:
    """Let a run that begins count its optimiser steps from one that an earlier run has reached.

    Lightning counts them in its loops, whose own restoring begins an epoch's batches anew.
    """
    loop = trainer.fit_loop.epoch_loop
    loop.automatic_optimization.optim_progress.optimizer.step.total.completed = step
    loop._batches_that_stepped = step


def callbacks_of(trainer: Trainer) -> list[Callback]:
    """Return the callbacks of a run, which the trainer's type does not name."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return callbacks


def show_steps(trainer: Trainer, steps: int) -> None:
    """Let the progress bar of batches without an end count to the steps of the run."""
    bar = getattr(trainer.progress_bar_callback, "_train_progress_bar", None)
    if bar is not None:
        bar.total = steps


NEVER = 10**12
"""Training batches between validations that nobody will live to see."""


def validate_next(trainer: Trainer, is_due: bool) -> None:
    """Let a trainer validate right after the present batch, or not.

    Its own interval is `val_check_interval=NEVER`, `check_val_every_n_epoch=None`, and read after
    the last hook of each batch; inside a hook Lightning's log is not ready for a validation.
    """
    trainer.val_check_batch = 1 if is_due else NEVER


def _unchanged(data: Any) -> Any:
    return data

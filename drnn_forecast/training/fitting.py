"""One way to train any pytorch-forecasting model: seeded, stopped early, its best weights kept."""

from __future__ import annotations

import copy
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, Timer
from pytorch_forecasting.data import TimeSeriesDataSet

from drnn_forecast.host import isolated_randomness, quiet_lightning
from drnn_forecast.layers import checked_integer, kernels_are_compiling
from drnn_forecast.model import Recipe
from drnn_forecast.training.rates import check_schedule, scheduler

REMEDY = "Lower `learning_rate`, or look for extreme values in the data."


M = TypeVar("M", bound=LightningModule)


@dataclass(frozen=True)
class FitResult(Generic[M]):
    """What a training run gave.

    Attributes:
        model: The model with the weights of its best validation loss, or its last weights where
            nothing was validated, in evaluation mode.
        validation_loss: The lowest mean of the model's own loss over the validation windows; not a
            number without these.
        epochs: Epochs begun.
        steps: Optimiser steps done.
        seconds: Wall-clock time of training and validation.
        stopped_by: What ended training: `"max_epochs"`, `"max_seconds"`, `"patience"`,
            `"callbacks"` of the user's, or `"divergence"` where the training loss was no longer
            finite.
        checkpoint: The Lightning checkpoint of `model`, where one was asked for.
        snapshots: The models of the best validations, best first, where they were asked for.
    """

    model: M
    validation_loss: float
    epochs: int
    steps: int
    seconds: float
    stopped_by: str
    checkpoint: Path | None
    snapshots: tuple[M, ...] = ()


def fit(
    build: Callable[[], M],
    training: TimeSeriesDataSet,
    validation: TimeSeriesDataSet | None,
    *,
    seed: int = 0,
    max_epochs: int = Recipe.max_epochs,
    max_seconds: float | None = None,
    steps_per_epoch: int | None = Recipe.steps_per_epoch,
    batch_size: int = Recipe.batch_size,
    patience: int = Recipe.patience,
    gradient_clip_val: float | None = Recipe.gradient_clip_val,
    snapshots: int = 0,
    schedule: str = "model",
    checkpoint: Path | str | None = None,
    resume_from: Path | str | None = None,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
    trainer_kwargs: Mapping[str, Any] | None = None,
) -> FitResult[M]:
    """Return the best model of a training run, and how it went.

    Nothing is written but `checkpoint`, and the random state of the caller is left as it was.

    Args:
        build: Makes the model; called once the seed is set.
        training: Windows to learn from, drawn in random order.
        validation: Windows whose loss stops the training and chooses the weights; None: the
            whole budget is spent and the last weights are kept, as for a final model whose
            settings were chosen before.
        seed: Of initial weights, order of windows and dropout.
        max_epochs: The most epochs.
        max_seconds: The most seconds from the call on, after which a last validation follows;
            None: no limit.
        steps_per_epoch: Optimiser steps between validations, at most; None: all training windows
            once.
        batch_size: Windows per step; at most the number of training windows is used.
        patience: Validations without a better loss after which training stops.
        gradient_clip_val: The largest gradient norm; None: no limit.
        snapshots: How many models of the best validations to return as well, for an `Ensemble`;
            fewer come back where there were fewer validations.
        schedule: `"model"`: the learning rate follows the model's own rule, such as
            `reduce_on_plateau_patience`; `"cosine"`: it falls along half a cosine to zero where
            `max_epochs` or `max_seconds` ends the run.
        checkpoint: Where to write the best model as a Lightning checkpoint; None: nowhere.
        resume_from: A Lightning checkpoint of an earlier run, as a `ModelCheckpoint` callback
            writes it, to go on from: weights, optimiser and epoch. It is a pickle: name only files
            that you trust. None: a new run.
        progress: Whether to show Lightning's progress bar.
        callbacks: More callbacks for the trainer.
        trainer_kwargs: More arguments for the trainer; they win over those made here.

    Raises:
        ValueError: A number is out of range.
        FileNotFoundError: The folder of `checkpoint` or the file `resume_from` does not exist.
        RuntimeError: The validation loss was never finite, or training diverged without one.
        KeyboardInterrupt: The user stopped the training; nothing is written.
    """
    check_settings(max_epochs, max_seconds, steps_per_epoch, batch_size, patience, checkpoint)
    checked_integer("snapshots", snapshots, minimum=0)
    check_schedule(schedule)
    if snapshots and validation is None:
        raise ValueError(
            f"`snapshots` must be 0 without `validation`, which chooses them, got {snapshots}."
        )
    resumed = _resumption(resume_from)
    called = time.perf_counter()
    with isolated_randomness(), quiet_lightning(), TemporaryDirectory() as folder:
        seed_everything(seed, workers=True, verbose=False)
        model = build()
        kept = max(1, snapshots)
        best = _BestWeights(folder, monitor="val_loss", save_top_k=kept, save_weights_only=True)
        stopper = _Patience("val_loss", patience=patience, check_finite=True)
        is_judged = validation is not None
        judges = [best, stopper] if is_judged else []
        course = scheduler(schedule, max_seconds, is_judged=is_judged)
        guard = _DivergenceGuard()
        left = None
        if max_seconds is not None:
            left = timedelta(seconds=max(max_seconds - (time.perf_counter() - called), 1e-3))
        timer = Timer(left)
        options = {
            "max_epochs": max_epochs,
            "limit_train_batches": steps_per_epoch,
            "gradient_clip_val": gradient_clip_val,
            "callbacks": [*judges, timer, guard, _KernelNotice(), *course, *callbacks],
            "enable_progress_bar": progress,
            "enable_model_summary": False,
            "logger": False,
            "num_sanity_val_steps": 0,
            "enable_checkpointing": is_judged,
            "accelerator": "auto",
        }
        trainer = Trainer(**{**options, **(trainer_kwargs or {})})
        started = time.perf_counter()
        with suppress(_DivergenceError), _interrupts_returned():
            trainer.fit(model, **_loaders(training, validation, batch_size), **resumed)
        seconds = time.perf_counter() - started
        validation_loss = math.nan
        if is_judged:
            validation_loss = _restore_best(model, best)
        elif guard.has_diverged:
            raise RuntimeError(f"The training loss was no longer finite. {REMEDY}")
        written = None if checkpoint is None else _written(trainer, Path(checkpoint))
        copies = _snapshots(model, best) if snapshots else ()
    return FitResult(
        model=model.eval(),
        validation_loss=validation_loss,
        epochs=trainer.current_epoch,
        steps=trainer.global_step,
        seconds=seconds,
        stopped_by="divergence" if guard.has_diverged else _reason(trainer, stopper, timer),
        checkpoint=written,
        snapshots=copies,
    )


def _loaders(
    training: TimeSeriesDataSet, validation: TimeSeriesDataSet | None, batch_size: int
) -> dict[str, Any]:
    """Return what the trainer reads: shuffled batches, and those to judge by, if any."""
    size = min(batch_size, len(training))
    loaders = {"train_dataloaders": training.to_dataloader(True, size, num_workers=0)}
    if validation is not None:
        loaders["val_dataloaders"] = validation.to_dataloader(False, 2 * size, num_workers=0)
    return loaders


@contextmanager
def _interrupts_returned() -> Iterator[None]:
    """Raise `KeyboardInterrupt` where the user pressed Ctrl-C, and leave its handler as it was.

    Lightning makes an exit of it, without a word, and has the process ignore the next one.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from stop


class _BestWeights(ModelCheckpoint):
    """Keeps a state of its own beside the user's `ModelCheckpoint`, which Lightning asks for."""


class _Patience(EarlyStopping):
    """Keeps a state of its own beside the user's `EarlyStopping`, which Lightning asks for."""


class _KernelNotice(Callback):
    """Says in the progress bar that torch's cells train while the compiled kernels are made."""

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Show or take away the note."""
        bar = getattr(trainer.progress_bar_callback, "train_progress_bar", None)
        if bar is not None and hasattr(bar, "set_description_str"):
            note = " (compiling kernels)" if kernels_are_compiling() else ""
            bar.set_description_str(f"Epoch {trainer.current_epoch}{note}")


class _DivergenceError(Exception):
    """The training loss is no longer finite."""


class _DivergenceGuard(Callback):
    """Ends the training at a loss that is not finite, before it can spoil anything.

    Upstream's metrics replace such a loss by a constant, which has no gradient.
    """

    has_diverged = False

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: torch.Tensor
    ) -> None:
        """Leave `trainer.fit` where there is nothing to learn from."""
        if not loss.requires_grad:
            self.has_diverged = True
            raise _DivergenceError


def check_settings(
    max_epochs: int,
    max_seconds: float | None,
    steps_per_epoch: int | None,
    batch_size: int,
    patience: int,
    checkpoint: Path | str | None,
) -> None:
    """Refuse what cannot be trained with, before any work is done."""
    checked_integer("max_epochs", max_epochs, minimum=1)
    checked_integer("batch_size", batch_size, minimum=1)
    checked_integer("patience", patience, minimum=1)
    if steps_per_epoch is not None:
        checked_integer("steps_per_epoch", steps_per_epoch, minimum=1)
    if max_seconds is not None and not max_seconds > 0:
        raise ValueError(f"`max_seconds` must be above 0, got {max_seconds}.")
    if checkpoint is not None and not Path(checkpoint).parent.is_dir():
        raise FileNotFoundError(
            f"The folder of `checkpoint`, {str(Path(checkpoint).parent)!r}, does not exist; "
            "make it first."
        )


def _resumption(path: Path | str | None) -> dict[str, Any]:
    """Return the trainer's arguments that go on from a checkpoint, if there is one."""
    if path is None:
        return {}
    if not Path(path).is_file():
        raise FileNotFoundError(f"The checkpoint `resume_from`, {str(path)!r}, does not exist.")
    # torch's safe default refuses the encoders and losses among the hyperparameters.
    return {"ckpt_path": Path(path), "weights_only": False}


def _restore_best(model: LightningModule, best: ModelCheckpoint) -> float:
    """Load the weights of the best validation loss into `model`, and return that loss."""
    score = best.best_model_score
    if score is not None:
        _load_weights(model, best.best_model_path)
    # Upstream's metrics replace a loss that is not finite by 1e9, so the weights have to tell.
    weights_are_finite = all(bool(torch.isfinite(p).all()) for p in model.parameters())
    if score is None or not math.isfinite(score) or not weights_are_finite:
        raise RuntimeError(f"Training never reached a finite validation loss. {REMEDY}")
    return float(score)


def _snapshots(model: M, best: ModelCheckpoint) -> tuple[M, ...]:
    """Return copies of the model with the weights of each kept validation, best first."""
    losses = {path: loss for path, loss in best.best_k_models.items() if torch.isfinite(loss)}
    copies: list[M] = []
    for path in sorted(losses, key=losses.__getitem__):
        copies.append(copy.deepcopy(model).eval())
        _load_weights(copies[-1], path)
    return tuple(copies)


def _load_weights(model: LightningModule, path: str) -> None:
    """Load the weights in Lightning's own file of a moment ago."""
    # Its hyperparameters are more than the plain tensors that torch reads by default.
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=False)["state_dict"])


def _written(trainer: Trainer, path: Path) -> Path:
    """Write the model's checkpoint, whole or not at all, and return its path."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        trainer.save_checkpoint(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _reason(trainer: Trainer, stopper: EarlyStopping, timer: Timer) -> str:
    """Return which rule ended the training."""
    if stopper.stopped_epoch:
        return "patience"
    remaining = timer.time_remaining()
    if remaining is not None and remaining <= 0:
        return "max_seconds"
    return "callbacks" if trainer.should_stop else "max_epochs"

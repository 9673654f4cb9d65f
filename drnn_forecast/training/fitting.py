"""One way to train any pytorch-forecasting model: seeded, stopped early, its best weights kept."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar

from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from pytorch_forecasting.data import TimeSeriesDataSet

from drnn_forecast.host import NEVER, interrupts_returned, isolated_randomness, quiet_lightning
from drnn_forecast.layers import checked_integer, kernels_are_compiling
from drnn_forecast.model import Recipe
from drnn_forecast.training.ending import Finish, lost_processes_told
from drnn_forecast.training.foreseen import check_memory
from drnn_forecast.training.judging import DivergenceGuard, Judge, Weights
from drnn_forecast.training.options import trainer_options
from drnn_forecast.training.pace import Pace
from drnn_forecast.training.rates import check_schedule, scheduler
from drnn_forecast.training.restoring import RestorePoints
from drnn_forecast.training.seeds import checked_seed
from drnn_forecast.training.stream import Shuffled, Streamed, epochs, ordered, stream

M = TypeVar("M", bound=LightningModule)

VALIDATED = 256
"""Windows at a time where several datasets validate a run."""

STREAMED = {
    "max_epochs": -1,
    "limit_train_batches": None,
    "check_val_every_n_epoch": None,
    "val_check_interval": NEVER,
    "use_distributed_sampler": False,
}
"""Of the trainer, where the windows are a stream."""


@dataclass(frozen=True, repr=False)
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
        stopped_by: What ended training: `"max_epochs"`, `"max_steps"`, `"max_seconds"`,
            `"patience"`, `"callbacks"` of the user's, or `"divergence"` where the training loss was
            no longer finite.
        checkpoint: The Lightning checkpoint of `model`, where one was asked for.
        snapshots: The models of the best validations, best first, where they were asked for.
        best_step: The optimiser step after which `model` was; 0: before the first one.
        planned_steps: Those that the run was to have, counted from the time limit by the speed of
            the first ones: given as `max_steps` they give the same model. None: no limit is known.
    """

    model: M
    validation_loss: float
    epochs: int
    steps: int
    seconds: float
    stopped_by: str
    checkpoint: Path | None
    snapshots: tuple[M, ...] = ()
    best_step: int = 0
    planned_steps: int | None = None

    def __repr__(self) -> str:
        return (
            f"<FitResult of a {type(self.model).__name__}: loss {self.validation_loss:.4g} after "
            f"{self.steps} steps and {self.seconds:.1f} s, stopped by {self.stopped_by}>"
        )


def fit(
    build: Callable[[], M],
    training: TimeSeriesDataSet,
    validation: TimeSeriesDataSet | Sequence[TimeSeriesDataSet] | None,
    *,
    seed: int = 0,
    max_epochs: int = Recipe.max_epochs,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    steps_per_epoch: int | None = Recipe.steps_per_epoch,
    batch_size: int = Recipe.batch_size,
    patience: int = Recipe.patience,
    gradient_clip_val: float | None = Recipe.gradient_clip_val,
    snapshots: int = 0,
    schedule: str = "model",
    checks: int | None = None,
    points: Path | None = None,
    checkpoint: Path | str | None = None,
    resume_from: Path | str | None = None,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
    trainer_kwargs: Mapping[str, Any] | None = None,
) -> FitResult[M]:
    """Return the best model of a training run, and how it went.

    Nothing is written but `checkpoint`, and the random state of the caller is left as it was. Of
    several processes each ends with the same model, whichever strategy starts them; the first one
    writes.

    Args:
        build: Makes the model; called once the seed is set.
        training: Windows to learn from, drawn in random order.
        validation: Windows whose loss stops the training and chooses the weights, one dataset
            after the other where there are several; None: the whole budget is spent and the last
            weights are kept, as for a final model whose settings were chosen before.
        seed: Of initial weights, order of windows and dropout.
        max_epochs: The most epochs.
        max_steps: Optimiser steps of the run; None: what the other limits allow.
        max_seconds: The most seconds from the call on, after which a last validation follows. The
            steps that fit are counted once, by the speed of the first ones (`Pace`); None: no
            limit, as where `max_steps` is given.
        steps_per_epoch: Optimiser steps between validations, at most; None: all training windows
            once.
        batch_size: Windows per step; at most the number of training windows is used.
        patience: Validations without a better loss after which training stops.
        gradient_clip_val: The largest gradient norm; None: no limit.
        snapshots: How many models of the best validations to return as well, for an `Ensemble`;
            fewer come back where there were fewer validations.
        schedule: `"model"`: the learning rate follows the model's own rule, such as
            `reduce_on_plateau_patience`; `"cosine"`: it falls along half a cosine to zero where
            the run ends.
        checks: Validations, at equal distances over the run and one before its first step. The
            windows are then a stream without epochs, whose length `max_steps` or `max_seconds`
            gives, and `schedule` is to be `"cosine"`. None: one validation after each epoch.
        points: A folder for restore points of a stream, every 10 seconds or more. Where there are
            some of a run with the same arguments, this one goes on from the newest and ends as if
            nothing had come between, bit for bit on a CPU, unless the windows have random lengths
            (`randomize_length`). None: none are kept.
        checkpoint: Where to write the best model as a Lightning checkpoint; None: nowhere.
        resume_from: A Lightning checkpoint of an earlier run, as a `ModelCheckpoint` callback
            writes it, to go on from: weights, optimiser, epoch, and the best validation so far. It
            is a pickle: name only files that you trust. None: a new run.
        progress: Whether to show Lightning's progress bar.
        callbacks: More callbacks for the trainer.
        trainer_kwargs: More arguments for the trainer; they win over those made here, and their
            callbacks join the others.

    Raises:
        ValueError: A number is out of range, a step needs more memory than there is, or an option
            of the trainer leaves nothing to judge the weights by or would write unasked.
        TypeError: A callback is none.
        FileNotFoundError: The folder of `checkpoint` or the file `resume_from` does not exist.
        RuntimeError: The validation loss was never finite, or training diverged without one.
        KeyboardInterrupt: The user stopped the training; nothing is written.
    """
    check_settings(max_epochs, max_seconds, steps_per_epoch, batch_size, patience, checkpoint)
    checked_integer("snapshots", snapshots, minimum=0)
    checked_seed("seed", seed)
    check_schedule(schedule)
    if snapshots and validation is None:
        raise ValueError(
            f"`snapshots` must be 0 without `validation`, which chooses them, got {snapshots}."
        )
    resumed = _resumption(resume_from)
    if max_steps is not None:
        checked_integer("max_steps", max_steps, minimum=1)
    _check_stream(checks, points, max_steps, max_seconds)
    pace = Pace(max_steps, max_seconds, checks=checks or 0)
    with isolated_randomness(), quiet_lightning(), TemporaryDirectory() as folder:
        seed_everything(seed, workers=True, verbose=False)
        judge = Judge(kept=max(1, snapshots), patience=patience)
        judges = [] if validation is None else [judge]
        guard = DivergenceGuard()
        path = None if checkpoint is None else Path(checkpoint)
        finish = Finish(judges, guard, pace, checkpoint=path, folder=folder)
        course = scheduler(schedule, pace, is_judged=bool(judges))
        order = None if checks is None else ordered(training, batch_size, seed)
        kept = [] if points is None or order is None else [RestorePoints(points, pace, order)]
        defaults = {
            "max_epochs": max_epochs,
            "limit_train_batches": steps_per_epoch,
            "gradient_clip_val": gradient_clip_val,
            "callbacks": [*kept, *judges, guard, _KernelNotice(), *course, pace, finish],
            "enable_progress_bar": progress,
            "enable_model_summary": False,
            "logger": False,
            "num_sanity_val_steps": 0,
            "accelerator": "auto",
            **(STREAMED if order else {}),
        }
        options = trainer_options(
            defaults, trainer_kwargs, callbacks, is_judged=bool(judges), folder=folder
        )
        model = build()
        check_memory(model, training, batch_size)
        trainer = Trainer(**options)
        loaders = _loaders(training, validation, order or batch_size, seed, trainer.world_size)
        started = time.perf_counter()
        with interrupts_returned(), lost_processes_told(trainer):
            trainer.fit(model, **loaders, **resumed)
        seconds = time.perf_counter() - started
        ending = finish.ending
    if ending.error is not None:
        raise RuntimeError(ending.error)
    return FitResult(
        model=model.eval(),
        validation_loss=ending.validation_loss,
        epochs=ending.epochs,
        steps=ending.steps,
        seconds=seconds,
        stopped_by=ending.stopped_by,
        checkpoint=path,
        snapshots=_copies(model, ending.snapshots) if snapshots else (),
        best_step=ending.best_step,
        planned_steps=ending.planned_steps,
    )


def _loaders(
    training: TimeSeriesDataSet,
    validation: TimeSeriesDataSet | Sequence[TimeSeriesDataSet] | None,
    batches: int | Shuffled | Streamed,
    seed: int,
    processes: int,
) -> dict[str, Any]:
    """Return what the trainer reads: shuffled batches, and those to judge by, if any.

    Every process has its share of the windows, of which only whole batches are read.

    Args:
        training: Windows to learn from.
        validation: To judge by.
        batches: Windows of one in every process, or the order of a stream.
        seed: Of the order of windows that are read in parts.
        processes: How many there are.
    """
    if isinstance(batches, int):
        size = min(batches, max(1, len(training) // processes))
        loader = epochs(training, batches, seed, processes)
    else:
        size = batches.of_processes(processes)
        loader = stream(training, batches)
    loaders: dict[str, Any] = {"train_dataloaders": loader}
    if isinstance(validation, TimeSeriesDataSet):
        loaders["val_dataloaders"] = validation.to_dataloader(False, 2 * size, num_workers=0)
    elif validation is not None:
        loaders["val_dataloaders"] = Chained(
            [each.to_dataloader(False, VALIDATED, num_workers=0) for each in validation]
        )
    return loaders


class Chained:
    """The batches of several loaders, one after the other."""

    def __init__(self, loaders: Sequence[Any]) -> None:
        self.loaders = tuple(loaders)

    def __len__(self) -> int:
        return sum(map(len, self.loaders))

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.loaders)


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


def _check_stream(
    checks: int | None, points: Path | None, max_steps: int | None, max_seconds: float | None
) -> None:
    """Refuse a stream that would never end, and restore points of epochs."""
    if checks is None:
        if points is not None:
            raise ValueError(
                "`points` must be None without `checks`: runs of epochs are kept by a "
                "`ModelCheckpoint` callback and go on with `resume_from`."
            )
        return
    checked_integer("checks", checks, minimum=0)
    if max_steps is None and max_seconds is None:
        raise ValueError(
            "`max_steps` or `max_seconds` must be given beside `checks`, got neither: a stream of "
            "windows has no end of its own."
        )


def _resumption(path: Path | str | None) -> dict[str, Any]:
    """Return the trainer's arguments that go on from a checkpoint, if there is one."""
    if path is None:
        return {}
    if not Path(path).is_file():
        raise FileNotFoundError(f"The checkpoint `resume_from`, {str(path)!r}, does not exist.")
    # torch's safe default refuses the encoders and losses among the hyperparameters.
    return {"ckpt_path": Path(path), "weights_only": False}


def _copies(model: M, snapshots: Sequence[Weights]) -> tuple[M, ...]:
    """Return copies of the model with other weights, in evaluation mode."""
    copies = tuple(copy.deepcopy(model) for _ in snapshots)
    for each, weights in zip(copies, snapshots, strict=True):
        each.load_state_dict(weights)
    return copies

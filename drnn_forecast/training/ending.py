"""The end of a training run, reached in the process that ran it and told to the one that asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from drnn_forecast.data import partial_beside
from drnn_forecast.host import comes_back
from drnn_forecast.training.judging import DivergenceGuard, Judge, Weights, has_finite_weights
from drnn_forecast.training.pace import Pace

REMEDY = "Lower `learning_rate`, or look for extreme values in the data."


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        validation_loss: The best one; not a number where nothing was validated.
        epochs: Epochs begun.
        steps: Optimiser steps done.
        best_step: After which of them the best validation came; the last one without.
        planned_steps: Those that the run was to have; None where nothing says so.
        stopped_by: See `FitResult`.
        snapshots: Weights of the best validations, best first.
        error: Why the run gave no model, if so.
    """

    validation_loss: float
    epochs: int
    steps: int
    best_step: int
    planned_steps: int | None
    stopped_by: str
    snapshots: tuple[Weights, ...]
    error: str | None


@contextmanager
def lost_processes_told(trainer: Trainer) -> Iterator[None]:
    """Say what it means where one of several processes no longer answers.

    Raises:
        RuntimeError: In place of the message of whoever carries the gradients.
    """
    try:
        yield
    except RuntimeError as error:
        is_theirs = isinstance(error, torch.distributed.DistError)
        is_theirs |= any(word in str(error).lower() for word in ("gloo", "nccl", "by peer"))
        if trainer.world_size < 2 or not is_theirs:
            raise
        raise RuntimeError(
            f"One of the {trainer.world_size} processes of this training has ended, so that the "
            "others cannot go on; its own messages say why. What was learned is kept where restore "
            "points are: the same command goes on from there."
        ) from error


class Finish(Callback):
    """Restores the best weights at the end of a run, writes the checkpoint, and tells the ending.

    It does so inside the run, since a strategy may run in processes that it starts, which do not
    give back their objects.

    Args:
        judges: Of the run, one or, where the last weights are to be kept, none.
        guard: Of the run.
        pace: Of the run.
        checkpoint: Where the first process writes; None: nowhere.
        folder: A temporary one, seen by the processes that a strategy starts.
    """

    def __init__(
        self,
        judges: Sequence[Judge],
        guard: DivergenceGuard,
        pace: Pace,
        *,
        checkpoint: Path | None,
        folder: str,
    ) -> None:
        self.judges = tuple(judges)
        self.guard = guard
        self.pace = pace
        self.checkpoint = checkpoint
        self.told = Path(folder) / "ending.pt"
        self._ending: Ending | None = None

    @property
    def ending(self) -> Ending:
        """How the run ended."""
        if self._ending is None:
            # Written by this class a moment ago.
            self._ending = torch.load(self.told, weights_only=False)
        return self._ending

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the run."""
        self._ending = self._settled(trainer, pl_module)
        if self.checkpoint is not None and self._ending.error is None:
            _write(trainer, self.checkpoint)
        if not comes_back(trainer) and trainer.is_global_zero:
            torch.save(self._ending, self.told)

    def _settled(self, trainer: Trainer, model: LightningModule) -> Ending:
        """Return how the run ended, its best weights loaded."""
        best = trainer.strategy.broadcast([entry for judge in self.judges for entry in judge.best])
        error = None
        if best:
            model.load_state_dict(best[0][1])
        elif self.judges:
            error = f"Training never reached a finite validation loss. {REMEDY}"
        elif self.guard.has_diverged:
            error = f"The training loss was no longer finite. {REMEDY}"
        elif not has_finite_weights(model):
            error = f"The weights of the model are no longer finite. {REMEDY}"
        return Ending(
            validation_loss=best[0][0] if best else math.nan,
            epochs=trainer.current_epoch,
            steps=trainer.global_step,
            best_step=self.judges[0].best_step if self.judges else trainer.global_step,
            planned_steps=self.pace.planned,
            stopped_by=self._reason(trainer),
            snapshots=tuple(weights for _, weights in best),
            error=error,
        )

    def _reason(self, trainer: Trainer) -> str:
        """Return which rule ended the training."""
        if self.guard.has_diverged:
            return "divergence"
        if any(judge.has_given_up for judge in self.judges):
            return "patience"
        if self.pace.is_over:
            return "max_seconds"
        if trainer.should_stop:
            return "callbacks"
        is_last_step = 0 < trainer.max_steps <= trainer.global_step
        return "max_steps" if is_last_step else "max_epochs"


def _write(trainer: Trainer, path: Path) -> None:
    """Write the checkpoint of a run, whole or not at all; every process waits for the first."""
    is_first = trainer.is_global_zero
    with partial_beside(path) if is_first else nullcontext(path) as own:
        partial = trainer.strategy.broadcast(own)
        trainer.save_checkpoint(partial)
        if is_first:
            partial.replace(path)
        trainer.strategy.barrier("drnn_forecast checkpoint")

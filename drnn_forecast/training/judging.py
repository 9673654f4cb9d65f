"""What ends a training run: the loss of its validations, or numbers that are none."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from drnn_forecast.host import drop_schedules, validate_now

Weights = dict[str, Tensor]


class Judge(Callback):
    """Keeps the weights of the best validations, and ends a run that no longer gets better.

    What it keeps is part of every checkpoint of the run, so that a resumed one goes on from it.

    Args:
        kept: How many validations' weights to keep.
        patience: Validations without a better loss after which training stops.
    """

    def __init__(self, *, kept: int, patience: int) -> None:
        self.kept = kept
        self.patience = patience
        self.best: list[tuple[float, Weights]] = []
        self.waited = 0
        self.judged_step = self.best_step = -1

    @property
    def has_given_up(self) -> bool:
        """Whether patience is at its end."""
        return self.waited >= self.patience

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the weights by the mean loss over all processes."""
        if trainer.sanity_checking:
            return
        if "val_loss" not in trainer.callback_metrics:
            raise ValueError(
                f"The model must log `val_loss` in its `validation_step`, got a "
                f"{type(pl_module).__name__} that logs {sorted(trainer.callback_metrics)}. Log it, "
                "or pass `validation=None`."
            )
        self.judged_step = trainer.global_step
        logged = trainer.callback_metrics["val_loss"]
        loss = float(trainer.strategy.reduce(logged, reduce_op="mean"))
        is_better = not self.best or loss < self.best[0][0]
        if is_better:
            self.best_step = trainer.global_step
        self.waited = 0 if is_better and math.isfinite(loss) else self.waited + 1
        # Upstream's metrics replace a loss that is not finite by 1e9, so the weights have to tell.
        if math.isfinite(loss) and has_finite_weights(pl_module):
            self._keep(loss, pl_module)
        if self.has_given_up or not math.isfinite(loss):
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the last weights where the run ended between two validations."""
        if self.judged_step != trainer.global_step and has_finite_weights(pl_module):
            validate_now(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run has to know."""
        kept = ("best", "waited", "judged_step", "best_step")
        return {name: getattr(self, name) for name in kept}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from an earlier run."""
        self.best = [(loss, weights) for loss, weights in state_dict["best"]][: self.kept]
        self.waited, self.judged_step = state_dict["waited"], state_dict["judged_step"]
        self.best_step = state_dict.get("best_step", self.judged_step)

    def _keep(self, loss: float, model: LightningModule) -> None:
        """Keep a copy of the weights where they are among the best."""
        if len(self.best) == self.kept and loss >= self.best[-1][0]:
            return
        ranked = sorted([*self.best, (loss, copied_weights(model))], key=lambda entry: entry[0])
        self.best = ranked[: self.kept]


class FoldJudge(Callback):
    """Keeps the weights that are best on each of two folds of the validation windows.

    Those that one fold chooses can be tried on the other, which had no say.

    Args:
        batches: How many validation batches belong to the first fold; the others to the second.

    Attributes:
        best: Loss and weights of each fold; None before any, or where it has no window.
        first: The mean loss of the first validation.
    """

    def __init__(self, batches: int) -> None:
        self.batches = batches
        self.best: list[tuple[float, Weights] | None] = [None, None]
        self.first = math.nan
        self.sums: list[list[float]] = [[], []]
        self.sizes: list[list[int]] = [[], []]

    def state_dict(self) -> dict[str, Any]:
        """Return what a run that goes on has to know."""
        return {"best": self.best, "first": self.first}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from an earlier run."""
        self.best, self.first = state_dict["best"], state_dict["first"]

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the losses of the validation before."""
        self.sums, self.sizes = [[], []], [[], []]

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take the loss of a batch."""
        fold, size = int(batch_idx >= self.batches), len(batch[0]["decoder_lengths"])
        self.sums[fold].append(float(outputs["loss"]) * size)
        self.sizes[fold].append(size)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the weights where they are the best of a fold."""
        if trainer.sanity_checking or not has_finite_weights(pl_module):
            return
        kept: Weights | None = None
        if math.isnan(self.first):
            self.first = sum(map(sum, self.sums)) / max(sum(map(sum, self.sizes)), 1)
        for fold, (sums, sizes) in enumerate(zip(self.sums, self.sizes, strict=True)):
            if not sizes:
                continue
            loss, best = sum(sums) / sum(sizes), self.best[fold]
            if math.isfinite(loss) and (best is None or loss < best[0]):
                kept = copied_weights(pl_module) if kept is None else kept
                self.best[fold] = (loss, kept)


class DivergenceGuard(Callback):
    """Ends the training at a loss that is not finite, before it can spoil anything.

    Upstream's metrics replace such a loss by a constant, which has no gradient; others do not.
    """

    has_diverged = False

    def state_dict(self) -> dict[str, Any]:
        """Return what a run that goes on has to know."""
        return {"has_diverged": self.has_diverged}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from an earlier run."""
        self.has_diverged = state_dict["has_diverged"]

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Leave the epoch, in all processes at once, where there is nothing to learn from."""
        is_bad = not loss.requires_grad or not bool(torch.isfinite(loss).all())
        if trainer.strategy.reduce_boolean_decision(is_bad, all=False):
            self._stop(trainer)
            # As Lightning leaves an epoch where `on_train_batch_start` returns -1.
            raise StopIteration

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop where a gradient spoiled weights that the loss does not read in every batch."""
        if not has_finite_weights(pl_module):
            self._stop(trainer)

    def _stop(self, trainer: Trainer) -> None:
        """End the run, whose schedules may wait for a validation that does not come."""
        self.has_diverged = True
        trainer.should_stop = True
        drop_schedules(trainer)


def copied_weights(model: LightningModule) -> Weights:
    """Return a copy of the weights of a model, on the CPU."""
    return {
        name: value.detach().to("cpu", copy=True) if isinstance(value, Tensor) else value
        for name, value in model.state_dict().items()
    }


def has_finite_weights(model: LightningModule) -> bool:
    """Return whether every parameter of a model is finite."""
    return all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())

"""How the learning rate changes over a training run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from lightning.pytorch import Callback, LightningModule, Trainer

from drnn_forecast.host import drop_schedules
from drnn_forecast.training.pace import Pace

SCHEDULES: Final = ("model", "cosine")
"""The model's own schedule, and half a cosine from its learning rate to zero."""


def check_schedule(schedule: str) -> None:
    """Refuse a schedule that there is not.

    Raises:
        ValueError: There is no such schedule.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"`schedule` must be one of {', '.join(SCHEDULES)}, got {schedule!r}.")


def scheduler(schedule: str, pace: Pace, *, is_judged: bool) -> list[Callback]:
    """Return the callbacks that set the learning rate over a run; none for the model's own rule.

    Args:
        schedule: One of `SCHEDULES`.
        pace: Of the run.
        is_judged: Whether there are validations, for which the model's own rule may wait.
    """
    if schedule == "cosine":
        return [CosineSchedule(pace)]
    return [] if is_judged else [NoSchedule()]


class NoSchedule(Callback):
    """Takes away the model's own learning-rate schedule, such as one that waits for validations."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the schedules that the model configured."""
        drop_schedules(trainer)


class CosineSchedule(NoSchedule):
    """Lowers every learning rate from its first value to zero along half a cosine.

    The rate follows the share of the run's steps that is over. The model's own schedule is taken
    away.

    Args:
        pace: Of the run, which knows its steps.
    """

    def __init__(self, pace: Pace) -> None:
        self.pace = pace

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember the first rates; a resumed run has them already."""
        super().on_train_start(trainer, pl_module)
        for group in _groups(trainer):
            group.setdefault("initial_lr", group["lr"])

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the rates of this step."""
        share = self.pace.share(trainer.global_step)
        for group in _groups(trainer):
            group["lr"] = group["initial_lr"] * (1 + math.cos(math.pi * share)) / 2


def _groups(trainer: Trainer) -> Iterator[dict[str, Any]]:
    """Return the groups of parameters of all optimisers."""
    return (group for optimizer in trainer.optimizers for group in optimizer.param_groups)

"""How the learning rate changes over a training run."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, Final

from lightning.pytorch import Callback, LightningModule, Trainer

from drnn_forecast.host import drop_schedules

SCHEDULES: Final = ("model", "cosine")
"""The model's own schedule, and half a cosine from its learning rate to zero."""


def check_schedule(schedule: str) -> None:
    """Refuse a schedule that there is not.

    Raises:
        ValueError: There is no such schedule.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"`schedule` must be one of {', '.join(SCHEDULES)}, got {schedule!r}.")


def scheduler(schedule: str, max_seconds: float | None, *, is_judged: bool) -> list[Callback]:
    """Return the callbacks that set the learning rate over a run; none for the model's own rule.

    Args:
        schedule: One of `SCHEDULES`.
        max_seconds: The time limit of the run; None: none.
        is_judged: Whether there are validations, for which the model's own rule may wait.
    """
    if schedule == "cosine":
        return [CosineSchedule(max_seconds)]
    return [] if is_judged else [NoSchedule()]


class NoSchedule(Callback):
    """Takes away the model's own learning-rate schedule, such as one that waits for validations."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the schedules that the model configured."""
        drop_schedules(trainer)


class CosineSchedule(NoSchedule):
    """Lowers every learning rate from its first value to zero along half a cosine.

    The rate follows the share of the budget that is spent, in steps or in seconds, whichever is
    larger. The model's own schedule is taken away.

    Args:
        max_seconds: The time limit of the run; None: none.
    """

    def __init__(self, max_seconds: float | None = None) -> None:
        self.max_seconds = max_seconds
        self.started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, and remember the first rates; a resumed run has them already."""
        super().on_train_start(trainer, pl_module)
        self.started = time.perf_counter()
        for group in _groups(trainer):
            group.setdefault("initial_lr", group["lr"])

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the rates of this step."""
        share = trainer.global_step / trainer.estimated_stepping_batches
        if self.max_seconds is not None:
            share = max(share, (time.perf_counter() - self.started) / self.max_seconds)
        for group in _groups(trainer):
            group["lr"] = group["initial_lr"] * (1 + math.cos(math.pi * min(share, 1.0))) / 2


def _groups(trainer: Trainer) -> Iterator[dict[str, Any]]:
    """Return the groups of parameters of all optimisers."""
    return (group for optimizer in trainer.optimizers for group in optimizer.param_groups)

"""How many steps a run has: from seconds, once, by the speed of its first steps."""

from __future__ import annotations

import math
import time
from itertools import pairwise
from statistics import median
from typing import Any, Final

from lightning.pytorch import Callback, LightningModule, Trainer

from drnn_forecast.host import set_max_steps, show_steps, validate_next, validate_now

PROBE: Final = 20
"""Optimiser steps by whose speed those that fit into the budget are counted; their learning rate is
the first one, so that the same number of steps gives the same model however fast they were."""

PROBED: Final = 0.15
"""The largest share of the budget that they may take, after which fewer have to do."""

SPACED: Final = 12
"""Optimiser steps between validations at least."""

LATE: Final = 1.05
"""By which factor a run may be slower than its first steps were before it is cut off."""


class Pace(Callback):
    """Turns a time limit into a number of steps, and validates at equal distances, if asked.

    Args:
        max_steps: Optimiser steps, where they are known; None: as the trainer has it.
        max_seconds: From now on, after which the run is to be over; None: no limit.
        checks: Validations, at most, after the first steps, and one before; 0: the trainer's own.

    Attributes:
        planned: Optimiser steps of the run; None: not counted yet, or without an end.
        is_over: Whether the time limit ends the run.
    """

    def __init__(
        self, max_steps: int | None = None, max_seconds: float | None = None, *, checks: int = 0
    ) -> None:
        self.planned = max_steps
        self.held = 0 if max_steps is None and max_seconds is None else PROBE
        self.is_timed = max_seconds is not None and max_steps is None
        self.budget = max_seconds or math.inf
        self.deadline = time.monotonic() + self.budget
        self.is_over = False
        self.checks = checks
        self.checking = 0.0
        self.begun = 0.0
        self.ends: list[float] = []

    def share(self, step: int) -> float:
        """Return how much of the run is over at a step; 0 up to the end of the first ones."""
        if self.planned is None:
            return 0.0
        return min(1.0, max(0, step - self.held) / max(self.planned - self.held, 1))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate the model as it begins, and start the clock."""
        if self.checks and trainer.global_step == 0:
            begun = time.monotonic()
            validate_now(trainer)
            self.checking = time.monotonic() - begun
        if self.planned is not None:
            self._plan(trainer, self.planned)
        elif not self.is_timed and math.isfinite(_known_steps(trainer)):
            self.planned = int(_known_steps(trainer))
        self.begun = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: object
    ) -> None:
        """Count the steps that there is time for, once; validate where it is time."""
        step, now = trainer.global_step, time.monotonic()
        if self.planned is None:
            self.ends.append(now)
        if self.planned is None and self.is_timed:
            is_probed = step >= PROBE or now - self.begun > PROBED * self.budget
            if trainer.strategy.reduce_boolean_decision(is_probed, all=False):
                self.planned = int(trainer.strategy.broadcast(self._count(step, now)))
                known = _known_steps(trainer)
                self.is_over = self.planned < known
                self._plan(trainer, int(min(self.planned, known)))
        elif self.is_timed:
            late = self.deadline + (LATE - 1) * self.budget
            if trainer.strategy.reduce_boolean_decision(now > late, all=False):
                self.is_over = trainer.should_stop = True
        if self.checks:
            validate_next(trainer, PROBE < step < (self.planned or 0) and step in self._marks)

    def state_dict(self) -> dict[str, Any]:
        """Return what a run that goes on has to know: its steps, whatever the clock says."""
        return {"planned": self.planned, "is_over": self.is_over}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on as an earlier run, which has counted the steps."""
        if self.is_timed:
            self.planned, self.is_over = state_dict["planned"], state_dict["is_over"]
            self.is_timed = False

    def _plan(self, trainer: Trainer, steps: int) -> None:
        """Let the run have so many steps."""
        self.planned = steps
        set_max_steps(trainer, steps)
        show_steps(trainer, steps)

    @property
    def _marks(self) -> set[int]:
        """The steps after which the model is validated."""
        planned = self.planned or 0
        count = max(1, min(self.checks, planned // SPACED))
        return {round(planned * number / count) for number in range(1, count + 1)}

    def _count(self, step: int, now: float) -> int:
        """Return the steps of the whole run, those that are done included."""
        # The first steps make what the others find: buffers, threads, compiled code.
        each = median(b - a for a, b in pairwise([self.begun, *self.ends]))
        left = self.deadline - now
        spaced = left / max(each + self.checking / SPACED, 1e-6)
        many = (left - self.checks * self.checking) / max(each, 1e-6)
        return step + max(0, int(max(spaced if spaced <= SPACED * self.checks else 0.0, many)))


def _known_steps(trainer: Trainer) -> float:
    """Return the steps that the trainer's own limits allow."""
    return float(trainer.estimated_stepping_batches)

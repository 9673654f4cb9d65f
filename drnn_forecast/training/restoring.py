"""Restore points: what a run has reached, kept in a folder, from which the same run goes on."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from drnn_forecast.data import held, partial_beside, replaced
from drnn_forecast.host import callbacks_of, random_state, set_random_state, set_step
from drnn_forecast.training.pace import Pace
from drnn_forecast.training.stream import Shuffled, Streamed

logger = logging.getLogger("drnn_forecast.training")

EVERY: Final = 10.0
"""Seconds between two restore points at least."""

SPENT: Final = 50
"""Times that writing one took, which pass at least before the next one: 2 % of a run."""

KEPT: Final = 2
"""Restore points in a folder: the last one, and the one before in case that it is damaged."""

SUFFIX: Final = ".points"


class RestorePoints(Callback):
    """Keeps weights, optimiser, random state and what the other callbacks know, and restores them.

    They are taken before a step, once the length of the run is known, and at its end. The name of
    a file has the step and a digest of the content, which is written under another name first, so
    that nothing half written or damaged is ever restored. It has to be the first callback.

    Args:
        folder: Made where it does not exist.
        pace: Of the run.
        order: Of the training windows.
    """

    def __init__(self, folder: Path, pace: Pace, order: Shuffled | Streamed) -> None:
        self.folder = folder
        self.pace = pace
        self.order = order
        self.found = newest(folder)
        self.order.first = self.found["step"] if self.found else 0
        self.random: dict[str, Any] | None = None
        self.due = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on from the newest point, if there is one."""
        state, self.found = self.found, None
        if state is None:
            return
        pl_module.load_state_dict(state["model"])
        for optimizer, kept in zip(trainer.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        trainer.precision_plugin.load_state_dict(state["precision"])
        for callback in callbacks_of(trainer):
            if callback.state_key in state["callbacks"]:
                callback.load_state_dict(state["callbacks"][callback.state_key])
        set_step(trainer, state["step"])
        trainer.should_stop = state["is_over"]
        self.random = state["random"]
        self.due = time.monotonic() + EVERY
        logger.info("Training goes on after step %s.", state["step"])

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the random state of this step, or keep it where a point is due."""
        if self.random is not None:
            set_random_state(self.random)
            self.random = None
        if self.pace.planned is not None and time.monotonic() >= self.due:
            self._keep(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the end of the run."""
        self._keep(trainer, pl_module)

    def _keep(self, trainer: Trainer, model: LightningModule) -> None:
        """Write a point, and remove those that are too old."""
        if not trainer.is_global_zero:
            return
        begun = time.monotonic()
        states = {each.state_key: each.state_dict() for each in callbacks_of(trainer)}
        write(
            self.folder,
            {
                "step": trainer.global_step,
                "is_over": trainer.should_stop,
                "model": model.state_dict(),
                "optimizers": [each.state_dict() for each in trainer.optimizers],
                "precision": trainer.precision_plugin.state_dict(),
                "callbacks": {key: state for key, state in states.items() if state},
                "random": random_state(),
            },
        )
        now = time.monotonic()
        self.due = now + max(EVERY, SPENT * (now - begun))


def write(folder: Path, state: dict[str, Any]) -> None:
    """Write a restore point, whole or not at all, and remove the old ones."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    folder.mkdir(parents=True, exist_ok=True)
    with replaced(folder / f"{state['step']:012}-{_digest(content)}{SUFFIX}") as partial:
        partial.write_bytes(content)
    for old in points(folder)[KEPT:]:
        old.unlink(missing_ok=True)


def newest(folder: Path) -> dict[str, Any] | None:
    """Return the newest restore point that is whole; None: there is none."""
    for path in points(folder):
        try:
            content = path.read_bytes()
            if path.name.removesuffix(SUFFIX).rpartition("-")[2] == _digest(content):
                stream = io.BytesIO(content)
                state: dict[str, Any] = torch.load(stream, "cpu", weights_only=True)
                return state
        except (OSError, RuntimeError, UnpicklingError):
            pass
        logger.warning("The restore point %s is damaged; an earlier one is taken.", path)
    return None


def points(folder: Path) -> list[Path]:
    """Return the restore points of a folder, newest first."""
    return sorted(folder.glob(f"*{SUFFIX}"), reverse=True)


def _has_points(folder: Path) -> bool:
    """Return whether a call has begun a run."""
    return any(folder.rglob(f"*{SUFFIX}"))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


@dataclass(frozen=True)
class Unfinished:
    """What a call has done so far, beside the folder that it is to fill; for that call alone.

    Attributes:
        folder: Where it is kept.
        call: All that determines the result, as text.
        before: Seconds that earlier processes have spent on it.
    """

    folder: Path
    call: str
    before: float

    @classmethod
    @contextmanager
    def beside(cls, folder: Path | str, call: str) -> Iterator[Unfinished]:
        """Yield what is there of a call, held so that no other one goes on with it meanwhile.

        Raises:
            FileExistsError: Another call for the same folder has not been finished.
            OSError: One is at work.
        """
        own = Path(folder).with_name(f"{Path(folder).name}.unfinished")
        with held("folder", own):
            yield cls._found(own, call)

    @classmethod
    def _found(cls, own: Path, call: str) -> Unfinished:
        """Return what is there of a call."""
        try:
            kept = json.loads((own / "call.json").read_text())
            if kept["call"] == call:
                return cls(own, call, float(kept["seconds"]))
        except (OSError, ValueError, KeyError, TypeError):
            if not _has_points(own):
                return cls(own, call, 0.0)
        raise FileExistsError(
            f"{str(own)!r} holds an unfinished training with other data or settings. Repeat that "
            "call to finish it, choose another folder, or delete it."
        )

    @contextmanager
    def kept(self, seconds: float) -> Iterator[None]:
        """Note how long the call took so far; remove what a run leaves that has not begun."""
        is_new = not self.folder.exists()
        self.folder.mkdir(exist_ok=True)
        with replaced(self.folder / "call.json") as partial:
            partial.write_text(json.dumps({"call": self.call, "seconds": seconds}))
        try:
            yield
        finally:
            if is_new and not _has_points(self.folder):
                self.remove()

    def remove(self) -> None:
        """Remove it, since the call is finished; whole, so that no part of it is taken for one."""
        with suppress(OSError), partial_beside(self.folder, is_folder=True) as place:
            self.folder.replace(place)
        shutil.rmtree(self.folder, ignore_errors=True)

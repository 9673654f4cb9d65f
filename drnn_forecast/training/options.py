"""What a user may ask of Lightning's trainer in a run, and what has to be asked of `fit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint, ProgressBar

from drnn_forecast.host import ErrorBar

INSTEAD = {
    "fast_dev_run": "it ends without a validation and keeps no weights; pass `max_epochs=1, "
    "steps_per_epoch=1`",
    "max_time": "the time limit is the trainer's own clock; pass `max_seconds` to `fit`",
    "barebones": "it keeps no weights; leave it out",
}
"""Options of the trainer that a run cannot have, why, and what to do."""


def trainer_options(
    defaults: Mapping[str, Any],
    given: Mapping[str, Any] | None,
    callbacks: Sequence[Callback],
    *,
    is_judged: bool,
    folder: str,
) -> dict[str, Any]:
    """Return the arguments of the trainer: the defaults, over which those that are given win.

    Args:
        defaults: Of this package, its callbacks included.
        given: `trainer_kwargs` of the user; its callbacks join the others.
        callbacks: More of the user's.
        is_judged: Whether the run has validations.
        folder: A temporary one, for what the trainer writes unasked.

    Raises:
        ValueError: An option leaves nothing to judge the weights by, or would write unasked.
        TypeError: A callback is none.
    """
    options = dict(given or {})
    own = options.pop("callbacks", None)
    own = [own] if isinstance(own, Callback) else list(own or ())
    _check_options(options, is_judged=is_judged)
    writes = options.pop("enable_checkpointing", None)
    has_place = "default_root_dir" in options or bool(options.get("logger"))
    users = [*callbacks, *own]
    _check_callbacks(users, is_judged=is_judged, has_place=has_place)
    keeps = any(isinstance(each, Checkpoint) for each in users)
    if writes and not keeps and not is_judged:
        raise ValueError(
            "`enable_checkpointing` in `trainer_kwargs` must not be True without a checkpoint "
            "callback: pass `checkpoint=` to `fit`, or a `ModelCheckpoint` with a `dirpath`."
        )
    if not has_place:
        options["default_root_dir"] = folder
    found = {**defaults, "enable_checkpointing": is_judged or keeps, **options}
    has_bar = any(isinstance(each, ProgressBar) for each in users)
    bars = [ErrorBar()] if found["enable_progress_bar"] and not has_bar else []
    return {**found, "callbacks": [*defaults["callbacks"], *bars, *users]}


def _check_options(options: Mapping[str, Any], *, is_judged: bool) -> None:
    """Refuse options under which a run learns nothing, or cannot be judged."""
    for name, reason in INSTEAD.items():
        if options.get(name):
            raise ValueError(
                f"`trainer_kwargs` must not have `{name}`, got {options[name]!r}: {reason}."
            )
    if is_judged and options.get("limit_val_batches", 1) == 0:
        raise ValueError(
            "`limit_val_batches` in `trainer_kwargs` must be above 0, got 0. Pass "
            "`validation=None` to train without a validation."
        )
    for name in ("limit_train_batches", "max_epochs", "max_steps"):
        if options.get(name, 1) == 0:
            raise ValueError(f"`{name}` in `trainer_kwargs` must be above 0, got 0.")


def _check_callbacks(callbacks: Sequence[Any], *, is_judged: bool, has_place: bool) -> None:
    """Refuse callbacks that wait for what does not come, or write where nobody asked."""
    for callback in callbacks:
        kind = type(callback).__name__
        if not isinstance(callback, Callback):
            raise TypeError(f"`callbacks` must hold callbacks of Lightning, got a {kind}.")
        monitor = getattr(callback, "monitor", None)
        if not is_judged and isinstance(monitor, str) and monitor.startswith("val_"):
            raise ValueError(
                f"The {kind} in `callbacks` must not wait for {monitor!r} without `validation`. "
                "Pass a validation dataset, or monitor 'train_loss_epoch'."
            )
        if isinstance(callback, ModelCheckpoint) and not (callback.dirpath or has_place):
            raise ValueError(
                f"The {kind} in `callbacks` must have a `dirpath`, got None, which would be a new "
                "folder in the working directory. Name the folder."
            )

"""Training that goes on with newer data."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data import (
    BatchedTimeSeriesDataSet,
    Facts,
    ForecastData,
    Splits,
    target_spans,
    with_new_labels,
)
from drnn_forecast.layers import checked_integer, checked_seasons
from drnn_forecast.model import DilatedRNNForecaster, Ensemble, Recipe, grow, said_time, warn_beyond
from drnn_forecast.training.course import Course, Trained
from drnn_forecast.training.drifting import (
    Drift,
    as_known,
    mean_drift,
    mean_loss,
    members_of,
    of_windows,
    steps_read,
)
from drnn_forecast.training.seeds import checked_seed

logger = logging.getLogger("drnn_forecast.training")

SLOWER: Final = 0.1
"""The learning rate of an update, as a share of the first one: what was learned is kept."""

OLDER: Final = 3
"""Older windows that are learned from again beside each new one, at most."""

MOST_OLD: Final = 128
"""Older windows that the report is about, at most."""


@dataclass(frozen=True)
class UpdateReport:
    """How an update changed a model; of an ensemble, means over its members.

    Attributes:
        before: The loss on the newest windows, which are held out, before the update.
        after: The same by the weights that were best on them, which then go on with all windows.
        old_before: The loss on windows that end before the update's new rows begin, before it; not
            a number where the data hold none.
        old_after: The same after it.
        is_kept: Whether weights changed: where none have a lower loss, they stay.
        steps: Optimiser steps of the run that chose; given again as `max_steps`, they give the same
            model.
        seconds: Wall-clock time from the call on.
        new_labels: Series and categories that the model has not known before, by column.
        drift: How the model erred on the newest windows before the update.
        is_calibrated: Whether the intervals are calibrated on the newest windows.
    """

    before: float
    after: float
    old_before: float
    old_after: float
    is_kept: bool
    steps: int
    seconds: float
    new_labels: dict[str, list[str]]
    drift: Drift
    is_calibrated: bool

    def __str__(self) -> str:
        """What happened, in a few sentences."""
        said = [f"The loss on the newest windows went from {self.before:.4g} to {self.after:.4g}"]
        if not math.isnan(self.old_before):
            said.append(f"on older ones from {self.old_before:.4g} to {self.old_after:.4g}")
        text = f"{', '.join(said)}, in {self.steps} steps and {self.seconds:.1f} s."
        if not self.is_kept:
            text += " The weights stay as they were."
        for column, labels in self.new_labels.items():
            text += f" New in {column!r}: {len(labels)}."
        return text


def update(
    model: DilatedRNNForecaster | Ensemble,
    data: ForecastData | pd.DataFrame,
    *,
    max_seconds: float = 60,
    max_steps: int | None = None,
    seed: int = 0,
    accelerator: str = "auto",
    progress: bool = True,
) -> UpdateReport:
    """Go on training with newer data, in place, and return how the loss changed.

    Encoders and scalers stay the model's own; new series and categories get codes behind those that
    it has. It learns from the new windows and from some of the older ones, at a lower rate. The
    newest windows are held out to choose the weights, and calibrate the intervals where these hold
    more or less often on them than chance would have it. Where the update fails or is interrupted,
    the model is as it was; of an ensemble all members change, or none.

    Args:
        model: A trained model that understands tidy frames.
        data: The newer rows, with the older ones as far back as windows read, or all of them.
        max_seconds: The budget from the call on.
        max_steps: Optimiser steps in place of the budget; None: as many as there is time for.
        seed: Of the order of windows and dropout.
        accelerator: Of Lightning's trainer.
        progress: Whether to show Lightning's progress bar.

    Raises:
        ValueError: A number is out of range, the data are refused, the model knows none of their
            series, or it was not trained on a tidy frame.
        TypeError: An argument has the wrong type.
        RuntimeError: The validation loss was never finite.
    """
    called = time.monotonic()
    checked_seed("seed", seed)
    _check_seconds(max_seconds)
    if max_steps is not None:
        checked_integer("max_steps", max_steps, minimum=1)
    data = as_known(model, data)
    trainer = {"accelerator": accelerator}
    options = {"max_steps": max_steps, "trainer": trainer, "progress": progress}
    members, learners, reports = members_of(model), [], []
    for place, member in enumerate(members):
        now = time.monotonic()
        deadline = now + max(called + max_seconds - now, 0.0) / (len(members) - place)
        learner, report = _updated(member, data, seed + place, deadline, options)
        learners.append(learner)
        reports.append(report)
    # One call into C: a signal comes before it or after it, and no model is half another one.
    deque(map(dict.update, map(vars, members), map(vars, learners)), maxlen=0)
    report = replace(_mean(reports), seconds=time.monotonic() - called)
    logger.info("%s", report)
    return report


def _updated(
    model: DilatedRNNForecaster,
    data: ForecastData,
    seed: int,
    deadline: float,
    options: dict[str, Any],
) -> tuple[DilatedRNNForecaster, UpdateReport]:
    """Return another model that has gone on until a time, and how."""
    learner = copy.deepcopy(model)
    learner.dataset_parameters, _ = with_new_labels(model.dataset_parameters, data.history)
    data, is_new = _recent(model, data, _later_rows(model, data))
    recipe = _recipe(model, data)
    splits = _held_out(learner, data, recipe, is_new)
    warn_beyond(model, splits.complete.data["target"])
    new_labels = grow(learner, splits.complete)
    is_new_series = np.isin(data.panel.labels, new_labels.get(data.roles.group, []))
    is_new |= is_new_series[data.panel.rows.codes]
    old = _some(splits.complete, ~_marks(splits.complete, data, is_new))
    old_before = math.nan if old is None else mean_loss(learner, old)
    found = of_windows(learner, splits.validation, loss=math.nan)
    course = Course(splits.narrowed(lambda each: _learned(_marks(each, data, is_new))), **options)
    trained = course.run(
        lambda: _slowed(learner),
        recipe | {"calibrated": found.is_off, "trust": 1.0},
        seed=seed,
        max_seconds=max(deadline - time.monotonic(), 0.1),
    )
    learner = trained.model.to(model.device)
    learner.hparams.learning_rate = model.hparams.learning_rate
    report = UpdateReport(
        before=trained.anchored_loss,
        after=trained.loss,
        old_before=old_before,
        old_after=math.nan if old is None else mean_loss(learner, old),
        is_kept=trained.best_step > 0,
        steps=trained.planned_steps,
        seconds=0.0,
        new_labels=new_labels,
        drift=replace(found, loss_now=trained.anchored_loss),
        is_calibrated=found.is_off,
    )
    learner.hparams.record = _record(model, splits, trained, report, int(is_new.sum()))
    return learner, report


def _check_seconds(max_seconds: Any) -> None:
    """Refuse what is no budget."""
    if not isinstance(max_seconds, int | float) or isinstance(max_seconds, bool):
        raise TypeError(f"`max_seconds` must be a number, got {max_seconds!r}.")
    if not max_seconds > 0:
        raise ValueError(f"`max_seconds` must be above 0, got {max_seconds}.")


def _recipe(model: DilatedRNNForecaster, data: ForecastData) -> Recipe:
    """Return the settings for the data under the seasons of the model."""
    seasons, sizes = model.hparams.season_length, data.panel.sizes
    facts = Facts(
        horizon=model.hparams.max_prediction_length,
        num_series=len(sizes),
        num_steps=int(sizes.sum()),
        longest=int(sizes.max()),
        typical=int(np.median(sizes)),
        seasons=() if seasons is None else checked_seasons(seasons),
    )
    return Recipe.of(facts)


def _later_rows(model: DilatedRNNForecaster, data: ForecastData) -> NDArray[np.bool_]:
    """Return which rows are later than all that the model has seen; all where it does not say."""
    end = ((model.hparams.get("record") or {}).get("data") or {}).get("end")
    if end is None:
        return np.ones(len(data.panel.rows.codes), dtype=bool)
    is_later = np.asarray(data.panel.rows.times > pd.Timestamp(end))
    said = said_time(end, model.hparams.roles)
    if not is_later.any():
        logger.warning("No row is later than %s, up to which the model has learned already.", said)
    elif is_later.all():
        logger.warning(
            "All rows are later than %s: windows look back on no older ones. Give these too.", said
        )
    return is_later


def _recent(
    model: DilatedRNNForecaster, data: ForecastData, is_new: NDArray[np.bool_]
) -> tuple[ForecastData, NDArray[np.bool_]]:
    """Return the new rows, and as many older ones as are learned from or read beside them.

    So an update takes no longer where the history is long.
    """
    new = int(np.bincount(data.panel.rows.codes, weights=is_new).max())
    read = steps_read(model.dataset_parameters)
    is_kept = data.panel.steps_to_end < read + (1 + OLDER) * new
    if not new or is_kept.all():
        return data, is_new
    return data.only(is_kept), is_new[is_kept]


def _held_out(
    learner: DilatedRNNForecaster, data: ForecastData, recipe: Recipe, is_new: NDArray[np.bool_]
) -> Splits:
    """Return the windows, of which the newest are held out: at most half of the new rows."""
    horizon, sizes = learner.hparams.max_prediction_length, data.panel.sizes
    new = int(np.bincount(data.panel.rows.codes, weights=is_new).max())
    most = max(1, new // (2 * horizon)) if new else recipe.validation_windows
    count = min(most, recipe.validation_windows)
    splits = data.split(like=learner, validation_windows=count, keep_short=True)
    if not splits.has_validation:
        raise ValueError(
            "`data` must hold, of one series at least, a window to learn from and one to hold out, "
            f"{2 * horizon} time steps and what is read before them, but the longest series has "
            f"{sizes.max()}. Give the rows before them too."
        )
    return splits


def _marks(
    dataset: BatchedTimeSeriesDataSet, data: ForecastData, is_new: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which windows have a target in new rows."""
    panel = data.panel
    codes, first, lengths = target_spans(panel, dataset)
    last = panel.last_rows[codes]
    marks: NDArray[np.bool_] = is_new[last - (panel.positions[last] - first - lengths + 1)]
    return marks


def _learned(is_new: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which windows are learned from: the new ones, and some of the others."""
    if not is_new.any():
        return ~is_new
    return is_new | _evenly(~is_new, OLDER * int(is_new.sum()))


def _some(
    dataset: BatchedTimeSeriesDataSet, marks: NDArray[np.bool_]
) -> BatchedTimeSeriesDataSet | None:
    """Return a dataset with some of the marked windows; None where there are none."""
    chosen = _evenly(marks, MOST_OLD)
    return dataset.filter(lambda _: chosen) if chosen.any() else None


def _evenly(marks: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """Return marks of which at most so many are left, evenly spread."""
    places = np.flatnonzero(marks)
    count = min(len(places), most)
    left = np.zeros(len(marks), dtype=bool)
    left[places[np.arange(count) * len(places) // max(count, 1)]] = True
    return left


def _slowed(learner: DilatedRNNForecaster) -> DilatedRNNForecaster:
    """Return a network that is to learn at the rate of an update."""
    learner.hparams.learning_rate *= SLOWER
    learner.train()
    return learner


def _record(
    model: DilatedRNNForecaster, splits: Splits, trained: Trained, report: UpdateReport, rows: int
) -> dict[str, Any]:
    """Return what the model knows of itself after an update."""
    old = dict(model.hparams.get("record") or {})
    data, seen = old.get("data") or {}, dict(splits.training.seen or {})
    names = dict.fromkeys([*data.get("names", []), *seen["names"]])
    seen["names"] = list(names)[: len(seen["names"])]
    for key, choose in (("start", min), ("end", max)):
        if key in data:
            seen[key] = choose(data[key], seen[key], key=pd.Timestamp)
    if "end" in data:
        seen["rows"] = data.get("rows", 0) + rows
    now = trained.record()
    kept = ["validation_loss"]
    if report.is_calibrated:
        kept += ["coverage", "calibration_windows"]
    losses = ("before", "after", "old_before", "old_after")
    told = {name: _plain(getattr(report, name)) for name in losses}
    update = {"end": seen["end"], "steps": report.steps, **told}
    return {
        **old,
        **{name: now[name] for name in kept},
        "data": {**data, **seen},
        "updates": [*old.get("updates", []), update],
    }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


def _mean(reports: Sequence[UpdateReport]) -> UpdateReport:
    """Return the means of several reports; whatever one of them has done, has been done."""
    return replace(
        reports[0],
        before=fmean(each.before for each in reports),
        after=fmean(each.after for each in reports),
        old_before=fmean(each.old_before for each in reports),
        old_after=fmean(each.old_after for each in reports),
        is_kept=any(each.is_kept for each in reports),
        is_calibrated=any(each.is_calibrated for each in reports),
        drift=mean_drift([each.drift for each in reports]),
    )

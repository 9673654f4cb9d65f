"""How one network comes to be: trained, chosen, finished on all windows, and calibrated."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from lightning.pytorch import Callback, seed_everything
from numpy.typing import NDArray
from pytorch_forecasting.data import TimeSeriesDataSet

from drnn_forecast.data import Splits
from drnn_forecast.host import isolated_randomness
from drnn_forecast.layers import settle_backend
from drnn_forecast.model import (
    DilatedRNNForecaster,
    IntervalReport,
    Recipe,
    Residuals,
    residual_parts,
    set_intervals,
)
from drnn_forecast.training.fitting import VALIDATED, fit
from drnn_forecast.training.judging import FoldJudge, Weights, copied_weights
from drnn_forecast.training.placing import placed

logger = logging.getLogger("drnn_forecast.training")

CHECKS: Final = 16
"""Validations of a run, at equal distances."""

PATIENCE: Final = 8
"""Validations without a better loss after which a run is over."""

SLOWER: Final = 0.3
"""The learning rate of the last steps, on all windows, as a share of the first one."""

MOST: Final = 1024
"""Windows of a fold."""

SPENT: Final = 0.93
"""The share of the budget that training takes; the rest is for calibration."""


@dataclass(frozen=True)
class Trained:
    """A network, and how it came to be.

    Attributes:
        model: The network.
        loss: Its validation loss, before the last steps; not a number where nothing was held out.
        anchored_loss: That of its anchors alone.
        planned_steps: Of the run that chose it: given again, they give the same network.
        best_step: After which of them it was best; 0: training did not help.
        intervals: How often the intervals of each target held, where they were calibrated.
    """

    model: DilatedRNNForecaster
    loss: float
    anchored_loss: float
    planned_steps: int
    best_step: int
    intervals: tuple[IntervalReport | None, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return what the model keeps of it, plain data."""
        reports = [report for report in self.intervals if report is not None]
        losses = {"validation_loss": self.loss, "validation_loss_of_anchors": self.anchored_loss}
        return {
            "max_steps": self.planned_steps,
            "best_step": self.best_step,
            **{name: None if math.isnan(loss) else loss for name, loss in losses.items()},
            "calibration_windows": [report.windows for report in reports],
            "coverage": [{f"{s:g}": v for s, v in report.after.items()} for report in reports],
        }

    def tell(self) -> None:
        """Say in the log how it came to be, and how often its intervals held."""
        logger.info(
            "Best after %s of %s steps: validation loss %.6g, %.6g by the anchors alone.",
            self.best_step,
            self.planned_steps,
            self.loss,
            self.anchored_loss,
        )
        for report in self.intervals:
            if report is not None and report.is_calibrated:
                held = ", ".join(f"{v:.1%} in those of {s:.0%}" for s, v in report.after.items())
                logger.info(
                    "Intervals calibrated on %s windows, which hold %s.", report.windows, held
                )


@dataclass(frozen=True)
class Course:
    """How a network is trained.

    The windows are held out in two folds. The weights that one of them chooses are tried on the
    other, whose errors calibrate the intervals: no window calibrates what it has chosen. Then
    training goes on with all windows, for a share of the steps that were best.

    Attributes:
        splits: The windows.
        max_steps: Of the run that chooses; None: as many as there is time for.
        callbacks: Of Lightning's trainer in that run, which has validations to wait for.
        trainer: More arguments of Lightning's trainer.
        progress: Whether to show Lightning's progress bar.
        points: A folder for the restore points of all runs; None: none are kept.
    """

    splits: Splits
    max_steps: int | None = None
    callbacks: Sequence[Callback] = ()
    trainer: Mapping[str, Any] | None = None
    progress: bool = True
    points: Path | None = None

    @property
    def accelerator(self) -> str:
        """Of Lightning's trainer."""
        return str((self.trainer or {}).get("accelerator", "auto"))

    @cached_property
    def folds(self) -> list[TimeSeriesDataSet]:
        """The held-out windows."""
        return two_folds(self.splits.validation)

    def run(
        self,
        build: Callable[[], DilatedRNNForecaster],
        recipe: Recipe,
        *,
        seed: int,
        max_seconds: float,
        name: str = "",
    ) -> Trained:
        """Return a network that the held-out windows have chosen and that has learned from all.

        Args:
            build: Makes the network.
            recipe: The settings.
            seed: Of initial weights, order of windows and dropout.
            max_seconds: Of the whole course.
            name: Of its restore points.
        """
        if not self.splits.has_validation:
            return self._unjudged(build, recipe, seed=seed, max_seconds=max_seconds, name=name)
        judge = FoldJudge(-(-len(self.folds[0]) // VALIDATED))
        start: list[Weights] = []

        def started() -> DilatedRNNForecaster:
            model = build()
            start.append(copied_weights(model))
            compute_once(model, self.folds[0])
            return model

        options = self._options(recipe, seed)
        result = fit(
            started,
            placed(self.splits.training, self.accelerator),
            [placed(fold, self.accelerator) for fold in self.folds],
            max_seconds=max(SPENT * max_seconds / (1 + recipe.finishing), 0.1),
            max_steps=self.max_steps,
            checks=CHECKS,
            patience=PATIENCE,
            callbacks=[*self.callbacks, judge],
            points=self._points(f"{name}chosen"),
            **options,
        )
        parts = []
        if recipe.calibrated:
            parts = tried_parts(result.model, judge, self.folds, start[0], recipe.trust)
        more = math.ceil(recipe.finishing * result.best_step)
        options |= {"points": self._points(f"{name}finished")}
        model = self._finished(result.model, more, options) if more else result.model
        keep(model, start[0], recipe.trust)
        return Trained(
            model,
            result.validation_loss,
            judge.first,
            result.planned_steps or 0,
            result.best_step,
            tuple(set_intervals(model, parts) if parts else ()),
        )

    def _finished(
        self, model: DilatedRNNForecaster, steps: int, options: dict[str, Any]
    ) -> DilatedRNNForecaster:
        """Return a model that has gone on with all windows, at a lower rate; if it can."""

        def slower() -> DilatedRNNForecaster:
            learner = copy.deepcopy(model)
            learner.hparams.learning_rate = SLOWER * model.hparams.learning_rate
            learner.train()
            return learner

        try:
            windows = placed(self.splits.complete, self.accelerator)
            last = fit(slower, windows, None, max_steps=steps, checks=0, **options)
        except RuntimeError as error:
            logger.warning("The newest windows are not learned from: %s", error)
            return model
        last.model.hparams.learning_rate = model.hparams.learning_rate
        return last.model

    def _unjudged(
        self,
        build: Callable[[], DilatedRNNForecaster],
        recipe: Recipe,
        *,
        seed: int,
        max_seconds: float,
        name: str,
    ) -> Trained:
        """Return a network where no series has a window to hold out: its anchors, if it has any."""
        with isolated_randomness():
            seed_everything(seed, workers=True, verbose=False)
            model = build().eval()
        if model.hparams.smoothed_anchors:
            logger.warning(
                "No series is long enough to hold out a window: the anchors are not trained, and "
                "intervals not calibrated."
            )
            return Trained(model, math.nan, math.nan, 0, 0)
        logger.warning(
            "No series is long enough to hold out a window: nothing judges the training."
        )
        result = fit(
            build,
            placed(self.splits.complete, self.accelerator),
            None,
            max_seconds=SPENT * max_seconds,
            max_steps=self.max_steps,
            checks=0,
            points=self._points(f"{name}chosen"),
            **self._options(recipe, seed),
        )
        return Trained(
            result.model, math.nan, math.nan, result.planned_steps or result.steps, result.steps
        )

    def _points(self, name: str) -> Path | None:
        """Return where the restore points of a run are kept."""
        return None if self.points is None else self.points / name

    def _options(self, recipe: Recipe, seed: int) -> dict[str, Any]:
        """Return the arguments of `fit` that all runs share."""
        return {
            "seed": seed,
            "batch_size": recipe.batch_size,
            "gradient_clip_val": recipe.gradient_clip_val,
            "schedule": "cosine",
            "progress": self.progress,
            "trainer_kwargs": self.trainer,
        }


def tried_parts(
    model: DilatedRNNForecaster,
    judge: FoldJudge,
    folds: Sequence[TimeSeriesDataSet],
    start: Weights,
    trust: float,
) -> list[list[Residuals | None]]:
    """Return the residuals of each fold under the weights that the other one chose.

    Where there is but one fold, it has nobody else to choose, and those of the start are taken.
    """
    learner, parts = copy.deepcopy(model), []
    for fold, other in zip(folds, reversed(judge.best[: len(folds)]), strict=True):
        learner.load_state_dict(start if other is None or len(folds) == 1 else other[1])
        keep(learner, start, trust)
        parts.append(residual_parts(learner, fold))
    return parts


def two_folds(validation: TimeSeriesDataSet) -> list[TimeSeriesDataSet]:
    """Return the windows in two halves: of every series every other one, turn about.

    One alone where there is but one window.
    """
    index = validation.index
    number = index.groupby("sequence_id").cumcount().to_numpy()
    series = index["sequence_id"].rank(method="dense").to_numpy().astype(int)
    fold = (number + series) % 2
    if len(np.unique(fold)) < 2:
        return [validation]
    return [_some(validation, np.flatnonzero(fold == own)) for own in (0, 1)]


def _some(dataset: TimeSeriesDataSet, windows: NDArray[np.int64]) -> TimeSeriesDataSet:
    """Return a dataset with some of its windows, evenly spread where they are many."""
    chosen = windows[np.linspace(0, len(windows) - 1, min(len(windows), MOST)).astype(int)]
    is_chosen = np.isin(np.arange(len(dataset)), chosen)
    return dataset.filter(lambda _: is_chosen)


def compute_once(model: DilatedRNNForecaster, dataset: TimeSeriesDataSet) -> None:
    """Compute what a first forecast does once and later ones find, such as compiled kernels."""
    settle_backend(next(model.parameters()), {"auto"})
    x, _ = next(iter(dataset.to_dataloader(False, VALIDATED, num_workers=0)))
    with torch.no_grad():
        model.eval()(x)
    model.train()


def keep(model: DilatedRNNForecaster, start: Weights, share: float) -> None:
    """Keep a share of what training changed about the forecast of the anchors.

    What the head puts out, and how the anchors are mixed, goes back toward where it started: with
    a share of 0 the model forecasts as its anchors do. One without such anchors keeps everything.
    """
    if not model.hparams.smoothed_anchors:
        return
    weights = model.state_dict()
    for name in outputs_of(model):
        weights[name] = start[name].lerp(weights[name], share)
    model.load_state_dict(weights)


def outputs_of(model: DilatedRNNForecaster) -> list[str]:
    """Return the names of the weights that are all zero, or the anchors' own, before training."""
    last = f"head.output.{len(model.head.output) - 1}."
    return [
        name
        for name, _ in model.named_parameters()
        if name.startswith(last) or ".anchor." in name or ".linear." in name
    ]

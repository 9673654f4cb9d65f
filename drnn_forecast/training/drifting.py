"""Whether a model errs on the newest windows more than it did when it was trained."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Final

import pandas as pd
import torch
from lightning.pytorch import Trainer
from pytorch_forecasting.data import TimeSeriesDataSet

from drnn_forecast.data import ForecastData, Roles
from drnn_forecast.host import quiet_lightning
from drnn_forecast.layers import checked_integer
from drnn_forecast.model import (
    QUIET_TRAINER,
    DilatedRNNForecaster,
    Ensemble,
    Recipe,
    coverage,
    moved_quantiles,
    residual_parts,
)

BEYOND: Final = 2.0
"""Standard deviations by which a difference is more than chance. The losses of windows are taken to
deviate by as much as their mean, as waiting times do."""


@dataclass(frozen=True)
class Drift:
    """Loss and coverage on the newest windows, beside those on the windows held out in training.

    Attributes:
        windows: How many newest windows there are.
        independent: For how many independent ones they count: those of series at one time, and
            those with targets in common, count for fewer.
        loss_then: The mean of the model's own loss in its training, or its last update; not a
            number where nothing was held out, or the model does not know.
        loss_now: The same on the newest windows.
        coverage_then: By the share that an interval of the first target promises, the share of
            values inside it, in training; empty where there are no intervals, or it is not known.
        coverage_now: The same on the newest windows.
    """

    windows: int
    independent: float
    loss_then: float
    loss_now: float
    coverage_then: Mapping[float, float]
    coverage_now: Mapping[float, float]

    @property
    def is_worse(self) -> bool:
        """Whether the loss has grown by more than chance."""
        return self.loss_now > self.loss_then * (1 + BEYOND / math.sqrt(self.independent))

    @property
    def missed(self) -> list[float]:
        """The intervals, by what they promise, that hold less often by more than chance."""
        return [
            share
            for share, then in self.coverage_then.items()
            if share in self.coverage_now
            and then - self.coverage_now[share]
            > BEYOND * math.sqrt(share * (1 - share) / self.independent)
        ]

    @property
    def is_off(self) -> bool:
        """Whether an interval holds more, or less, often than it promises, by more than chance."""
        return any(
            abs(held - share) > BEYOND * math.sqrt(share * (1 - share) / self.independent)
            for share, held in self.coverage_now.items()
        )

    def __str__(self) -> str:
        """What there is to say, in one sentence."""
        said = []
        if self.is_worse:
            said.append(f"the loss is {self.loss_now:.4g}, which was {self.loss_then:.4g}")
        said += [
            f"the {share:.0%} interval holds {self.coverage_now[share]:.0%}, which was "
            f"{self.coverage_then[share]:.0%}"
            for share in self.missed
        ]
        where = f"On the {self.windows} newest windows"
        if not said:
            return f"{where} the model errs as it did in training."
        return (
            f"{where} the model errs more than it did in training: {'; '.join(said)}. "
            "Update it (`model.update(data)`), or train a new one."
        )


def drift(
    model: DilatedRNNForecaster | Ensemble, data: ForecastData | pd.DataFrame, *, windows: int = 1
) -> Drift:
    """Return how a model errs on the last windows of every series, beside how it did in training.

    Of an ensemble, numbers are means over its members.

    Args:
        model: A trained model that understands tidy frames.
        data: The history, with the roles of the training.
        windows: How many of each series, one horizon apart, as far as it holds them.

    Raises:
        ValueError: The data are refused, or no series holds a window beside one before it.
        TypeError: `windows` is no whole number.
    """
    count = checked_integer("windows", windows, minimum=1)
    data = as_known(model, data)
    members = members_of(model)
    found = [of_windows(member, newest_windows(member, data, count)) for member in members]
    return mean_drift(found)


def of_windows(
    model: DilatedRNNForecaster, dataset: TimeSeriesDataSet, *, loss: float | None = None
) -> Drift:
    """Return the drift on the windows of a dataset, whose loss may be known."""
    record = model.hparams.get("record") or {}
    then = record.get("validation_loss")
    shares = (record.get("coverage") or [{}])[0]
    now, independent = _coverage_now(model, dataset)
    return Drift(
        windows=len(dataset),
        independent=independent,
        loss_then=math.nan if then is None else then,
        loss_now=mean_loss(model, dataset) if loss is None else loss,
        coverage_then={float(promised): held for promised, held in shares.items()},
        coverage_now=now,
    )


def mean_loss(model: DilatedRNNForecaster, dataset: TimeSeriesDataSet) -> float:
    """Return the mean of the model's own loss over the windows of a dataset."""
    loader = dataset.to_dataloader(False, 4 * Recipe.batch_size, num_workers=0)
    with quiet_lightning(), torch.no_grad():
        trainer = Trainer(**{**QUIET_TRAINER, "inference_mode": True})
        (logged,) = trainer.validate(copy.deepcopy(model), loader, verbose=False)
    loss: float = logged["val_loss"]
    return loss


def members_of(model: DilatedRNNForecaster | Ensemble) -> Sequence[DilatedRNNForecaster]:
    """Return the networks of a model."""
    return model.members if isinstance(model, Ensemble) else [model]


def as_known(
    model: DilatedRNNForecaster | Ensemble, data: ForecastData | pd.DataFrame
) -> ForecastData:
    """Return data under the roles of a model, in its time zone.

    Raises:
        ValueError: The data are refused, or the model knows no roles.
    """
    if model.hparams.roles is None:
        raise ValueError(
            "`model` must know the roles of columns, as one trained on `ForecastData.split` does; "
            "train it on such datasets."
        )
    roles = Roles.from_dict(model.hparams.roles)
    if isinstance(data, ForecastData):
        return data.in_zone(roles.zone)
    return ForecastData.from_roles(data, roles)


def newest_windows(
    model: DilatedRNNForecaster, data: ForecastData, count: int
) -> TimeSeriesDataSet:
    """Return the last windows of every series, `count` of each at most, under a model's codes."""
    parts = model.dataset_parameters
    read = steps_read(parts) + (count + 1) * parts["max_prediction_length"]
    recent = data.only(data.panel.steps_to_end < read)
    return recent.split(like=model, validation_windows=count, keep_short=True).validation


def steps_read(parameters: Mapping[str, Any]) -> int:
    """Return how many time steps before a window's targets a dataset reads at most, lags too."""
    lags = (parameters.get("lags") or {}).values()
    longest: int = parameters["max_encoder_length"]
    return longest + max((max(steps) for steps in lags), default=0)


def mean_drift(found: Sequence[Drift]) -> Drift:
    """Return the means of what several networks have; they share their windows."""
    numbers: dict[str, Any] = {
        f"loss_{when}": fmean(getattr(each, f"loss_{when}") for each in found)
        for when in ("then", "now")
    }
    for when in ("coverage_then", "coverage_now"):
        shares = [getattr(each, when) for each in found]
        common = [each for each in shares[0] if all(each in other for other in shares)]
        numbers[when] = {each: fmean(other[each] for other in shares) for each in common}
    return replace(found[0], **numbers)


def _coverage_now(
    model: DilatedRNNForecaster, dataset: TimeSeriesDataSet
) -> tuple[dict[float, float], float]:
    """Return how often the intervals of the first target hold, and how many windows count."""
    part, heads = residual_parts(model, dataset)[0], list(model.target_heads)
    if part is None:
        return {}, float(len(dataset))
    intervals: Any = heads[0].intervals
    factors = intervals.factors.double().cpu().numpy()
    moved = moved_quantiles(part.quantiles, factors, part.levels)
    return coverage(moved, part.actual, part.levels), max(float(part.weight.sum()), 1.0)

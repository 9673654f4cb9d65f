"""The settings of dataset, model and training: the one set of defaults of this package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from drnn_forecast.data import closest, default_context, default_seasons

PRESETS: Final[Mapping[str, float]] = {"fast": 15.0, "medium": 60.0, "best": 600.0}
"""The budget of each preset, in seconds from the call to the model."""

_OF_DATASET: Final = ("context_length", "validation_windows")
_OF_TRAINING: Final = (
    "batch_size",
    "steps_per_epoch",
    "max_epochs",
    "patience",
    "gradient_clip_val",
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings, those that follow from the data among them (`Recipe.of`).

    Whatever trains a `DilatedRNNForecaster` and is not told otherwise has these: `train`,
    `from_dataset`, the commands, the contender of `compare`, the first trial of `tune` and the
    demonstration.

    Attributes:
        context_length: Time steps that a window looks back at most; None: as the dataset has it.
        validation_windows: Windows at the end of each series that stop the training.
        cell_type: Of every layer.
        hidden_size: Units of every layer.
        head_size: Units of the head's hidden layers.
        dilation_base: M. The depth is that of the shortest memory paths over what is read.
        dropout: At least 0 and below 1.
        season_length: Time steps, shortest first: the seasons that the forecast is anchored on.
        learning_rate: Of the optimiser, Adam.
        reduce_on_plateau_patience: Validations without a better loss after which it is divided.
        batch_size: Windows per step.
        steps_per_epoch: Optimiser steps between validations, where the windows are that many.
        max_epochs: The most validations.
        patience: Validations without a better loss after which training stops.
        gradient_clip_val: The largest gradient norm.
    """

    context_length: int | None = None
    validation_windows: int = 4
    cell_type: str = "LSTM"
    hidden_size: int = 40
    head_size: int = 128
    dilation_base: int = 4
    dropout: float = 0.0
    season_length: tuple[int, ...] = ()
    learning_rate: float = 3e-3
    reduce_on_plateau_patience: int = 2
    batch_size: int = 64
    steps_per_epoch: int = 200
    max_epochs: int = 100
    patience: int = 10
    gradient_clip_val: float = 1.0

    @classmethod
    def of(cls, freq: str, horizon: int, *, context_length: int | None = None) -> Recipe:
        """Return the settings that suit a frequency and a horizon.

        Args:
            freq: pandas frequency alias.
            horizon: Time steps to forecast.
            context_length: Time steps to look back; None: as `default_context`, the longest season
                of at most 2,000 steps, or twice the horizon where that is longer.

        Example:
            >>> recipe = Recipe.of("h", 48)
            >>> recipe.context_length, recipe.season_length
            (168, (24, 168))
        """
        context = default_context(freq, horizon) if context_length is None else context_length
        return cls(context_length=context, season_length=usual_seasons(freq, within=context))

    def __or__(self, overrides: Mapping[str, Any]) -> Recipe:
        """Return the recipe with some settings set otherwise.

        Raises:
            ValueError: There is no such setting.
        """
        names = [field.name for field in fields(self)]
        for name in overrides:
            if name not in names:
                raise ValueError(
                    f"`{name}` is no setting of a recipe{closest(name, names)}; there are "
                    f"{', '.join(names)}."
                )
        return replace(self, **overrides)

    @property
    def dataset(self) -> dict[str, Any]:
        """The arguments of `ForecastData.split`, the horizon aside."""
        return self._part(_OF_DATASET)

    @property
    def model(self) -> dict[str, Any]:
        """The arguments of `DilatedRNNForecaster.from_dataset`."""
        others = {*_OF_DATASET, *_OF_TRAINING}
        return self._part(field.name for field in fields(self) if field.name not in others)

    @property
    def training(self) -> dict[str, Any]:
        """The arguments of `fit`."""
        return self._part(_OF_TRAINING)

    def _part(self, names: Iterable[str]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}


def usual_seasons(freq: str, *, within: int) -> tuple[int, ...]:
    """Return the usual seasons of a frequency that fit into so many time steps."""
    return tuple(season for season in default_seasons(freq) if season <= within)

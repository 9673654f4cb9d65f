"""The settings of dataset, model and training: the one set of defaults of this package."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final

from drnn_forecast.data import Facts, closest

PRESETS: Final[Mapping[str, float]] = MappingProxyType(
    {"fast": 15.0, "medium": 60.0, "best": 600.0}
)
"""The budget of each preset, in seconds from the call to the model."""

_OF_DATASET: Final = ("context_length", "min_context_length", "validation_windows", "identity")
_OF_EPOCHS: Final = ("steps_per_epoch", "max_epochs", "patience")

FEW: Final = 10_000
"""Horizons of all series, below which a network learns them by heart."""

LONG: Final = 500
"""Time steps from which a series is long."""

OF_ITS_OWN: Final = 25
"""Horizons of a series from which it shows what is its own."""

ENOUGH_WINDOWS: Final = 48
"""Held-out windows of all series that choose and calibrate."""

MUCH_READ: Final = 96
"""Time steps from which the encoder reads them in segments."""

MOST_AHEAD: Final = 2**14
"""Steps of the horizons of a batch, whose values of all anchors are in memory at once."""

MOST_BEHIND: Final = 2**19
"""Steps of the windows of a batch."""

LONGEST_SEGMENT: Final = 24
"""Time steps of a segment at most."""

LONGEST_READ: Final = 336
"""Time steps that the encoder reads at most; what lies before reaches the forecast by anchors."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings, those that follow from the data among them (`Recipe.of`).

    Whatever trains a `DilatedRNNForecaster` and is not told otherwise has these: `train`,
    `from_dataset`, the commands, the contender of `compare`, the first trial of `tune` and the
    demonstration.

    Attributes:
        context_length: Time steps that a window looks back at most; None: as the dataset has it.
        min_context_length: Time steps that it looks back at least.
        validation_windows: Windows at the end of each series that stop the training.
        identity: Whether the name of the series is a covariate, where there are several.
        cell_type: Of every layer.
        hidden_size: Units of every layer.
        head_size: Units of the head's hidden layers.
        dilation_base: M. The depth is that of the shortest memory paths over what is read.
        dropout: At least 0 and below 1.
        season_length: Time steps, shortest first: the seasons that the forecast is anchored on.
        smoothed_anchors: Whether smoothed levels, drifts and profiles are among the anchors.
        linear_length: Time steps that a linear map reads; None: what the encoder reads; 0: none.
        read_length: Time steps that the encoder reads, `context_length` of the model; None: all.
        segment_length: Time steps that the encoder reads at once; None: step by step.
        relative_loss: Whether each window counts in units of how far its target moves.
        lower: The least value of the target; -inf: there is none.
        learning_rate: Of the optimiser, Adam.
        reduce_on_plateau_patience: Validations without a better loss after which it is divided,
            where the rate does not fall along a cosine.
        batch_size: Windows per step.
        gradient_clip_val: The largest gradient norm.
        trust: How much of what training changed about the anchors' forecast is kept, 0 to 1.
        finishing: Steps on all windows after the held-out ones have chosen, as a share of theirs.
        calibrated: Whether intervals are widened, or narrowed, to what held-out windows need.
        steps_per_epoch: Optimiser steps between validations, where the windows are that many.
        max_epochs: The most validations.
        patience: Validations without a better loss after which training stops.
        facts: What the settings follow from; None: they are the defaults.
    """

    context_length: int | None = None
    min_context_length: int | None = None
    validation_windows: int = 4
    identity: bool = True
    cell_type: str = "LSTM"
    hidden_size: int = 40
    head_size: int = 128
    dilation_base: int = 4
    dropout: float = 0.2
    season_length: tuple[int, ...] = ()
    smoothed_anchors: bool = True
    linear_length: int | None = None
    read_length: int | None = None
    segment_length: int | None = None
    relative_loss: bool = False
    lower: float = -math.inf
    learning_rate: float = 2e-3
    reduce_on_plateau_patience: int = 2
    batch_size: int = 64
    gradient_clip_val: float = 1.0
    trust: float = 0.85
    finishing: float = 0.25
    calibrated: bool = True
    steps_per_epoch: int = 200
    max_epochs: int = 100
    patience: int = 10
    facts: Facts | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.trust <= 1:
            raise ValueError(f"`trust` must be between 0 and 1, got {self.trust}.")
        if not 0 <= self.finishing <= 1:
            raise ValueError(f"`finishing` must be between 0 and 1, got {self.finishing}.")

    @classmethod
    def of(cls, facts: Facts) -> Recipe:
        """Return the settings that suit some series.

        Example:
            >>> hours = Facts(horizon=24, num_series=1, num_steps=9000, longest=9000,
            ...               typical=9000, seasons=(24, 168))
            >>> recipe = Recipe.of(hours)
            >>> recipe.context_length, recipe.read_length, recipe.season_length
            (408, 168, (24, 168))
        """
        settings: dict[str, Any] = {}
        for rule in RULES:
            settings |= rule.settings(facts)
        return cls(**settings, facts=facts)

    def __or__(self, overrides: Mapping[str, Any]) -> Recipe:
        """Return the recipe with some settings set otherwise.

        Raises:
            ValueError: There is no such setting.
        """
        names = self.names
        for name in overrides:
            if name not in names:
                raise ValueError(
                    f"`{name}` is no setting of a recipe{closest(name, names)}; there are "
                    f"{', '.join(names)}."
                )
        return replace(self, **overrides)

    @property
    def names(self) -> list[str]:
        """The settings that may be set otherwise."""
        return [each.name for each in fields(self) if each.name not in {"facts", *_OF_EPOCHS}]

    def explain(self) -> str:
        """Return the settings that follow from the data, one line each, with the reason."""
        if self.facts is None:
            return "No data were seen: the settings are the defaults."
        lines = []
        for rule in RULES:
            for name, usual in rule.settings(self.facts).items():
                value = getattr(self, name)
                reason = rule.reason if value == usual else f"set by hand, for {usual!r}"
                lines.append(f"{name} = {value!r}: {reason}")
        return "\n".join(lines)

    @property
    def dataset(self) -> dict[str, Any]:
        """The arguments of `ForecastData.split`, the horizon aside."""
        return self._part(_OF_DATASET)

    @property
    def shared(self) -> dict[str, Any]:
        """The same, of windows that other models read too, some of which want one length."""
        return self._part(("context_length", "validation_windows"))

    def _part(self, names: Iterable[str]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Rule:
    """Settings that follow from facts, and why."""

    settings: Callable[[Facts], dict[str, Any]]
    reason: str


def has_few_values(facts: Facts) -> bool:
    """Return whether all series together hold few horizons, or each of them is short."""
    return facts.num_steps / facts.horizon < FEW and facts.typical < LONG


def _seasons(facts: Facts) -> dict[str, Any]:
    return {"season_length": facts.seasons}


def _context(facts: Facts) -> dict[str, Any]:
    longest = max(facts.seasons, default=1)
    wanted = max(2 * longest + 3 * facts.horizon, 128)
    return {
        "context_length": max(min(wanted, facts.longest), 1),
        "min_context_length": min(2, facts.longest),
    }


def _read(facts: Facts) -> dict[str, Any]:
    context = _context(facts)["context_length"]
    longest = max((each for each in facts.seasons if each <= LONGEST_READ), default=1)
    read = min(max(min(2 * facts.horizon, LONGEST_READ), longest, 48), context)
    season = min(facts.seasons, default=1)
    # Whole seasons, so that segments of one fit.
    return {"read_length": read - read % season if season <= read else read}


def _segments(facts: Facts) -> dict[str, Any]:
    """Return the largest part of a season that is at most `LONGEST_SEGMENT`, where much is read."""
    read, season = _read(facts)["read_length"], min(facts.seasons, default=1)
    fits = [k for k in range(2, LONGEST_SEGMENT + 1) if season % k == 0 and read % k == 0]
    is_used = fits and read >= MUCH_READ and not has_few_values(facts)
    if not is_used:
        return {"segment_length": None, "dilation_base": 4}
    return {"segment_length": max(fits), "dilation_base": 2}


def _held_out(facts: Facts) -> dict[str, Any]:
    horizons = facts.typical // facts.horizon
    wanted = -(-ENOUGH_WINDOWS // max(facts.num_series, 1))
    return {"validation_windows": max(1, min(horizons // 8, wanted))}


def _network(facts: Facts) -> dict[str, Any]:
    if has_few_values(facts):
        return {"hidden_size": 16, "head_size": 64, "dropout": 0.2, "learning_rate": 1e-3}
    return {"hidden_size": 40, "head_size": 128, "dropout": 0.2, "learning_rate": 2e-3}


def _identity(facts: Facts) -> dict[str, Any]:
    return {"identity": facts.typical >= OF_ITS_OWN * facts.horizon}


def _linear(facts: Facts) -> dict[str, Any]:
    return {"linear_length": 0 if has_few_values(facts) else None}


def _weight(facts: Facts) -> dict[str, Any]:
    return {"relative_loss": facts.num_series > 1}


def _batch(facts: Facts) -> dict[str, Any]:
    behind = MOST_BEHIND // _context(facts)["context_length"]
    return {"batch_size": max(8, min(64, MOST_AHEAD // facts.horizon, behind))}


def _lower(facts: Facts) -> dict[str, Any]:
    return {"lower": -math.inf if facts.is_signed else 0.0}


def _trust(facts: Facts) -> dict[str, Any]:
    return {"trust": 0.7 if has_few_values(facts) else 0.85}


RULES: Final = (
    Rule(_seasons, "they show in the autocorrelation of the values"),
    Rule(_context, "two of the longest seasons and three horizons, on which anchors are tried"),
    Rule(_read, "a season or two horizons; the anchors carry what lies before"),
    Rule(_segments, "a network learns more in the time that it has from fewer serial steps"),
    Rule(_held_out, "48 windows in all, and at most an eighth of a series' horizons"),
    Rule(_network, "a small network learns few values less by heart"),
    Rule(_identity, "what is learned of one short series is its noise"),
    Rule(_linear, "a linear map has too many weights for few values"),
    Rule(_weight, "no series drowns another"),
    Rule(_batch, "memory and time of a step grow with horizon and context"),
    Rule(_lower, "no value is below zero, or some are"),
    Rule(_trust, "of few values a network learns the one end that they all have"),
)
"""The rules, at most 15; `benchmarks/suite` has the ablation of each."""

"""Models by name, with the options that follow from the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from drnn_forecast.data import ForecastData, default_seasons
from drnn_forecast.evaluation.contenders.classical import (
    ClassicalModel,
    auto_ets,
    auto_theta,
    mstl,
    seasonal_naive,
    statsforecast_models,
)
from drnn_forecast.evaluation.contenders.naive import SeasonalNaive
from drnn_forecast.evaluation.contenders.neural import (
    NeuralModel,
    deepar,
    dilated_rnn,
    gru,
    lstm,
    nhits,
    tft,
)

Model: TypeAlias = NeuralModel | ClassicalModel | SeasonalNaive

LONGEST_SMOOTHED = 24
"""The longest season of AutoETS, time steps: each of them has a state that is estimated."""


@dataclass(frozen=True)
class _Facts:
    """What models need to know about the data: all seasons, and that of a model of one."""

    seasons: tuple[int, ...]
    season_length: int


def named_models(
    names: Sequence[str],
    data: ForecastData,
    *,
    context_length: int,
    season_length: int | None = None,
) -> list[Model]:
    """Return the models of these names, with sizes by default and seasons from the data.

    The dilated models are anchored on the usual seasons of the data's frequency that fit into the
    context, and MSTL takes these apart; the seasonal naive method repeats `season_length`;
    AutoTheta and AutoETS have it too, AutoETS where it is at most 24 and else the longest usual
    season that is.

    Args:
        names: Among `MODEL_NAMES`.
        data: What the models are for.
        context_length: Time steps that every trained model reads.
        season_length: Time steps; None: the longest usual season that fits into the context, or 1.

    Raises:
        ValueError: A name is unknown or given twice, or there is none.
        ImportError: A classical model lacks statsforecast.
    """
    unknown = sorted(set(names) - set(_MAKERS))
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(
            f"`models` must be different names among {', '.join(MODEL_NAMES)}; got {list(names)}"
            f"{f', of which {unknown} are unknown' if unknown else ''}."
        )
    seasons = tuple(s for s in default_seasons(data.freq) if s <= context_length)
    facts = _Facts(
        seasons=seasons,
        season_length=season_length or max(seasons, default=1),
    )
    made = [_MAKERS[name](facts) for name in names]
    if any(isinstance(model, ClassicalModel) for model in made):
        statsforecast_models()
    return made


def _dilated(cell_type: str, facts: _Facts) -> Model:
    return dilated_rnn(f"DilatedRNN ({cell_type})", cell_type=cell_type)


def _smoothed(facts: _Facts) -> Model:
    candidates = [s for s in (facts.season_length, *facts.seasons) if s <= LONGEST_SMOOTHED]
    return auto_ets(max(candidates, default=1))


_MAKERS: Mapping[str, Callable[[_Facts], Model]] = {
    "dilated_lstm": partial(_dilated, "LSTM"),
    "dilated_gru": partial(_dilated, "GRU"),
    "dilated_rnn": partial(_dilated, "RNN"),
    "lstm": lambda facts: lstm(),
    "gru": lambda facts: gru(),
    "deepar": lambda facts: deepar(),
    "nhits": lambda facts: nhits(),
    "tft": lambda facts: tft(),
    "seasonal_naive": lambda facts: seasonal_naive(facts.season_length),
    "auto_ets": _smoothed,
    "mstl": lambda facts: mstl(facts.seasons or (facts.season_length,)),
    "auto_theta": lambda facts: auto_theta(facts.season_length),
}

MODEL_NAMES = tuple(_MAKERS)
"""What `named_models` knows."""

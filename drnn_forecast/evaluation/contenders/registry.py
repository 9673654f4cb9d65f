"""Models by name, with the options that follow from the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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


def named_models(
    names: Sequence[str],
    data: ForecastData,
    *,
    context_length: int,
) -> list[Model]:
    """Return the models of these names, with sizes by default and seasons from the data.

    MSTL takes apart the usual seasons of the frequency that fit into the context; the seasonal
    naive method repeats the longest of them, which AutoTheta has too, and AutoETS where it is at
    most 24, and else the longest that is.

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
    fitting = tuple(s for s in default_seasons(data.freq) if s <= context_length)
    made = [_MAKERS[name](fitting or (1,)) for name in names]
    if any(isinstance(model, ClassicalModel) for model in made):
        statsforecast_models()
    return made


def default_names(data: ForecastData, context_length: int) -> list[str]:
    """Return the names of all models, but of MSTL where no season fits into the context."""
    has_season = any(season <= context_length for season in default_seasons(data.freq))
    return [name for name in MODEL_NAMES if has_season or name != "mstl"]


def _dilated(cell_type: str, seasons: tuple[int, ...]) -> Model:
    return dilated_rnn(f"DilatedRNN ({cell_type})", cell_type=cell_type)


def _smoothed(seasons: tuple[int, ...]) -> Model:
    """Return AutoETS with the longest season that it can have."""
    left_out = [season for season in seasons if season > LONGEST_SMOOTHED]
    model = auto_ets(max((s for s in seasons if s <= LONGEST_SMOOTHED), default=1))
    if not left_out:
        return model
    said = ", ".join(map(str, left_out))
    return replace(model, note=f"without the season of {said} time steps, too long for it")


_MAKERS: Mapping[str, Callable[[tuple[int, ...]], Model]] = {
    "dilated_lstm": partial(_dilated, "LSTM"),
    "dilated_gru": partial(_dilated, "GRU"),
    "dilated_rnn": partial(_dilated, "RNN"),
    "lstm": lambda seasons: lstm(),
    "gru": lambda seasons: gru(),
    "deepar": lambda seasons: deepar(),
    "nhits": lambda seasons: nhits(),
    "tft": lambda seasons: tft(),
    "seasonal_naive": lambda seasons: seasonal_naive(seasons[-1]),
    "auto_ets": lambda seasons: _smoothed(seasons),
    "mstl": mstl,
    "auto_theta": lambda seasons: auto_theta(seasons[-1]),
}

MODEL_NAMES = tuple(_MAKERS)
"""What `named_models` knows."""

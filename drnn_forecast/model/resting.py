"""Places in a season at which a target rests on its bound, such as solar power at night."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import torch
from pytorch_forecasting.utils import to_list
from torch import Tensor

from drnn_forecast.host import before_transformation
from drnn_forecast.layers import checked_seasons
from drnn_forecast.model.losses import bounds_of, has_values, losses_of_targets, normalizers_of

CHANCE: Final = 1e-3
"""How likely it may be at most that a place of the season has none but rests by chance, as in
demand that is rare at all times."""

FEWEST: Final = 3
"""Seasons in which a place has to rest."""

MOVING: Final = 12
"""Time steps of a season from which a place beside one that does not rest may wake up, as days
get longer."""

ROUNDING: Final = 1e-5
"""Relative difference of normalised values from the bound, by rounding."""


def at_rest(
    model: Any, prediction: Tensor | list[Tensor], x: Mapping[str, Any]
) -> Tensor | list[Tensor]:
    """Return a network's outputs, which stay on the lower bound where the targets always do.

    In training they stay as they are, and so do those that are no values of their target.

    Args:
        model: A `DilatedRNNForecaster`.
        prediction: In target units, `(batch, steps, outputs)`; a list for several targets.
        x: The batch, whose targets are scaled.
    """
    low, seasons = bounds_of(model)[0], model.hparams.season_length
    if model.training or seasons is None or not math.isfinite(low):
        return prediction
    found = []
    for part, loss, history, known, scale, normalizer in zip(
        to_list(prediction),
        losses_of_targets(model.loss),
        model.histories(x),
        model.known_histories(x),
        to_list(x["target_scale"]),
        normalizers_of(model.output_transformer),
        strict=True,
    ):
        if history is None or not has_values(loss):
            found.append(part)
            continue
        center, spread = scale.unbind(-1)
        bound = (before_transformation(normalizer, torch.full_like(center, low)) - center) / spread
        season, steps = min(checked_seasons(seasons)), part.shape[1]
        lengths = x["encoder_lengths"]
        is_rest = rests(history, lengths, bound, known=known, season=season, steps=steps)
        found.append(torch.where(is_rest.unsqueeze(-1), low, part))
    return found if isinstance(prediction, list) else found[0]


def rests(
    history: Tensor,
    lengths: Tensor,
    bound: Tensor,
    *,
    season: int,
    steps: int,
    known: Tensor | None = None,
) -> Tensor:
    """Return which steps of the horizon lie where nothing but the bound has ever been.

    That is the place of the step in the season, in all seasons of the window, and not by chance
    alone: at places where the target does not always rest, it rests too seldom for that.

    Args:
        history: Normalised target, padded on the right, `(batch, time)`.
        lengths: Valid time steps, `(batch,)`.
        bound: Normalised in the same way, `(batch,)`; it may be infinite.
        season: Time steps.
        steps: Of the horizon.
        known: Which values are known, `(batch, time)`; None: all.

    Returns:
        `(batch, steps)`.
    """
    count = history.shape[1] // season
    if count == 0:
        return torch.zeros(history.shape[0], steps, dtype=torch.bool, device=history.device)
    back = torch.arange(count * season, device=history.device)
    place = lengths.unsqueeze(1) - 1 - back
    is_there, place = place >= 0, place.clamp(min=0)
    if known is not None:
        is_there = is_there & known.gather(1, place)
    is_valid = is_there.to(history.dtype)
    values, bound = history.gather(1, place), bound.to(history).unsqueeze(1)
    is_off = (values - bound).abs() > ROUNDING * (1 + bound.abs())
    off = (is_off.to(history.dtype) * is_valid).view(-1, count, season)
    seasons = is_valid.view(-1, count, season).sum(1)
    is_awake = off.sum(1) > 0
    share = off.sum((1, 2)) / (seasons * is_awake).sum(1).clamp(min=1)
    is_rest = ~is_awake & (seasons >= FEWEST) & ((1 - share).unsqueeze(1) ** seasons < CHANCE)
    if season >= MOVING:
        is_rest = is_rest & is_rest.roll(1, 1) & is_rest.roll(-1, 1)
    ahead = torch.arange(steps, device=history.device)
    return is_rest[:, season - 1 - ahead % season]

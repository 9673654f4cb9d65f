"""Values of the window that a forecast starts from: a season ago, the last one, their mean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from drnn_forecast.layers import checked_seasons

LEAST_MOVE, MOST_MOVE = 0.1, 3.0
"""Of a window, in units of its normalised target: no window outweighs all others."""

STILL = 0.5
"""The standard deviation of a normalised window below which it moves less than its series does."""

ENOUGH_MOVES = 4
"""Changes from season to season that a window needs for a mean of them."""


class SeasonalAnchor(nn.Module):
    """The values one season before each step of the horizon, mixed over several seasons.

    A forecast that is a difference from this anchor starts from the seasonal naive method; a
    season of 1 is the last value. With `level` the mean of the window's history is mixed in too.
    Of several seasons, those that fit into a window's history are mixed with weights that sum to
    one; a window shorter than every season is anchored on its last value, or its level where this
    is mixed in, and one without any history on zero, the centre of the normalised target.

    Args:
        season_length: One or several seasons, time steps; None: the level alone.
        level: Whether the mean of the history is among the anchors.
    """

    def __init__(self, season_length: int | Sequence[int] | None, *, level: bool = False) -> None:
        super().__init__()
        is_alone = level and season_length is None
        self.season_lengths = () if is_alone else checked_seasons(season_length)
        self.level = level
        count = len(self.season_lengths) + level
        # One anchor needs no weights.
        self.num_weights = count if count > 1 else 0

    def forward(self, history: Tensor, lengths: Tensor, logits: Tensor) -> Tensor:
        """Return the anchor of every step, `(batch, steps)`, in the units of `history`.

        Args:
            history: Past target, padded on the right, `(batch, time)`.
            lengths: Valid time steps of each row, `(batch,)`.
            logits: Before the softmax over anchors, `(batch, steps, num_weights)`.
        """
        steps = logits.shape[1]
        values, valid = seasonal_values(history, lengths, self.season_lengths, steps)
        if self.level:
            level = mean_values(history, lengths)[:, None, None].expand(-1, steps, 1)
            values = torch.cat([values, level], dim=-1)
            valid = torch.cat([valid, (lengths > 0).unsqueeze(-1)], dim=-1)
        if self.num_weights:
            weights = logits.masked_fill(~valid.unsqueeze(1), -torch.inf).softmax(-1)
        else:
            weights = valid.unsqueeze(1).to(values.dtype)
        # Where no anchor fits, the softmax is undefined and its gradient would poison the rest.
        fits = valid.any(-1)[:, None]
        mixed = (torch.where(fits.unsqueeze(-1), weights, 0.0) * values).sum(-1)
        return torch.where(fits, mixed, last_values(history, lengths).unsqueeze(1))


def seasonal_values(
    history: Tensor, lengths: Tensor, season_lengths: Sequence[int], steps: int
) -> tuple[Tensor, Tensor]:
    """Return the value one season before each step, and whether each season fits the history.

    Step k reads the value s * ceil(k / s) time steps earlier: past the first season of the
    horizon, the last whole season repeats.

    Args:
        history: Past target, padded on the right, `(batch, time)`.
        lengths: Valid time steps of each row, `(batch,)`.
        season_lengths: Time steps.
        steps: Length of the horizon, time steps.

    Returns:
        Values `(batch, steps, seasons)`, zero where a season does not fit, and the mask
        `(batch, seasons)` of the seasons that do.
    """
    seasons = numbers_on(history.device, season_lengths, torch.long)
    step = torch.arange(steps, device=history.device).unsqueeze(-1)
    offset = step - seasons * (step // seasons + 1)
    index = lengths[:, None, None] + offset
    valid = lengths.unsqueeze(-1) >= seasons
    index = torch.where(valid.unsqueeze(1), index, 0)
    if not history.shape[1]:
        return history.new_zeros(index.shape), valid
    gathered = history.gather(1, index.flatten(1)).view(index.shape)
    return torch.where(valid.unsqueeze(1), gathered, 0.0), valid


def numbers_on(device: torch.device, values: Sequence[float], dtype: torch.dtype) -> Tensor:
    """Return numbers as a tensor that is made where it is, without a copy from the host."""
    empty = torch.empty(0, dtype=dtype, device=device)
    return torch.cat([empty, *(empty.new_full((1,), value) for value in values)])


def last_values(history: Tensor, lengths: Tensor) -> Tensor:
    """Return the last valid value of each row, `(batch,)`; zero for a row without any."""
    if not history.shape[1]:
        return history.new_zeros(history.shape[0])
    last = history.gather(1, (lengths - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
    return torch.where(lengths > 0, last, 0.0)


def mean_values(history: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean of the valid values of each row, `(batch,)`; zero for a row without any."""
    step = torch.arange(history.shape[1], device=lengths.device)
    total = torch.where(step < lengths.unsqueeze(1), history, 0.0).sum(1)
    return total / lengths.clamp(min=1)


def seasonal_moves(
    history: Tensor,
    lengths: Tensor,
    season_length: int | Sequence[int] | None,
    known: Tensor | None = None,
) -> Tensor:
    """Return the mean absolute change from one season to the next, `(batch,)`.

    Of the shortest season, or from step to step where there is none: the denominator of MASE. In
    the units of `history`, between `LEAST_MOVE` and `MOST_MOVE`, and at least its `stillness`; 1
    for a window that is too short.

    Args:
        history: Past target, normalised, padded on the right, `(batch, time)`.
        lengths: Valid time steps of each row, `(batch,)`.
        season_length: One or several seasons, time steps; None: none.
        known: Which values count, `(batch, time)`; None: all that are valid.
    """
    seasons = (1,) if season_length is None else checked_seasons(season_length)
    season = min(seasons)
    moved = (history[:, season:] - history[:, :-season]).abs()
    is_valid = torch.arange(moved.shape[1], device=moved.device) < (lengths - season).unsqueeze(1)
    if known is not None:
        is_valid = is_valid & known[:, season:] & known[:, :-season]
    count = is_valid.sum(1)
    mean = torch.where(is_valid, moved, 0.0).sum(1) / count.clamp(min=1)
    still = stillness(history, lengths, known).squeeze(1)
    mean = torch.maximum(mean.clamp(LEAST_MOVE, MOST_MOVE), still)
    return torch.where(count >= ENOUGH_MOVES, mean, 1.0)


def stillness(history: Tensor, lengths: Tensor, known: Tensor | None = None) -> Tensor:
    """Return the least error to expect of a window that moves less than its series, `(batch, 1)`.

    In the units of `history`: `STILL` for one that does not move at all, such as one in which
    nothing was sold, and 0 from a standard deviation of `STILL` on. Of what is `known` alone, where
    that is given, `(batch, time)`.
    """
    is_valid = torch.arange(history.shape[1], device=history.device) < lengths.unsqueeze(1)
    count = lengths.unsqueeze(1).clamp(min=1)
    if known is not None:
        is_valid, count = known, known.sum(1, keepdim=True).clamp(min=1)
    mean = torch.where(is_valid, history, 0.0).sum(1, keepdim=True) / count
    squares = torch.where(is_valid, (history - mean).square(), 0.0).sum(1, keepdim=True)
    return (STILL - (squares / count).sqrt()).clamp(min=0.0)

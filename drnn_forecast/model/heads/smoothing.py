"""Smoothed levels of a window, carried on with its drifts and seasonal profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from drnn_forecast.model.heads.anchors import numbers_on

RATES = (0.1, 0.3, 0.6, 0.9, 1.0)
"""Of the exponential smoothing of the level."""

DRIFTS = (0.0, 0.5, 1.0)
"""Shares of the window's linear slope that the forecast goes on with; one half is Theta's."""

LAST_SLOPES = ((5, 0.9), (10, 0.95))
"""Time steps at the end whose slope the forecast goes on with, and by what it fades each step."""

PER_PROFILE = len(RATES) * (len(DRIFTS) + len(LAST_SLOPES))


@dataclass(frozen=True)
class Window:
    """Histories that end at the same column, so that a step's phase is that of its column.

    `values` are `(batch, time)`, zero before each history begins; `lengths` `(batch,)` time steps.
    """

    values: Tensor
    lengths: Tensor

    @classmethod
    def ending_at(cls, history: Tensor, lengths: Tensor) -> Window:
        """Return the first `lengths` steps of each row of a history that begins at column 0."""
        longest = history.shape[1]
        index = torch.arange(longest, device=history.device) + lengths.unsqueeze(1) - longest
        values = history.gather(1, index.clamp(min=0))
        return cls(torch.where(index >= 0, values, 0.0), lengths)

    @cached_property
    def back(self) -> Tensor:
        """How many steps each column is before the end, `(time,)`, the last 0."""
        return torch.arange(self.values.shape[1] - 1, -1, -1, device=self.values.device)

    @cached_property
    def is_valid(self) -> Tensor:
        """Where there is history, `(batch, time)`."""
        return self.back < self.lengths.unsqueeze(1)

    def slopes(self, span: int | None = None) -> Tensor:
        """Return the slope of a line through each history, per time step, `(batch,)`.

        Of its last `span` steps alone, where that is given.
        """
        values = self.values if span is None else self.values[:, -span:]
        count = self.lengths.clamp(max=values.shape[1]).to(values.dtype)
        back = self.back[-values.shape[1] :].to(values.dtype)
        # Sums over all columns: what lies before the history is zero.
        moment: Tensor = (count - 1) / 2 * values.sum(1) - values @ back
        return moment / (count * (count**2 - 1) / 12).clamp(min=1)

    def profiles(self, season: int) -> Tensor:
        """Return the mean deviation of each phase from its season, `(batch, season)`.

        Over the whole seasons that end with the history, less its linear drift; the last column is
        the phase of the last step. Zero where there is no whole season.
        """
        drift = -self.slopes().unsqueeze(1) * self.back
        missing = -self.values.shape[1] % season
        rows = torch.nn.functional.pad(self.values - drift, (missing, 0))
        by_season = rows.view(rows.shape[0], -1, season)
        whole = self.lengths.unsqueeze(1) // season
        age = torch.arange(by_season.shape[1] - 1, -1, -1, device=rows.device)
        is_whole = (age < whole).unsqueeze(-1)
        deviations = by_season - by_season.mean(-1, keepdim=True)
        total = torch.where(is_whole, deviations, 0.0).sum(1)
        return total / whole.clamp(min=1)

    def levels(self, rates: Sequence[float]) -> Tensor:
        """Return the exponentially smoothed level at the end, `(batch, rates)`.

        Smoothing starts at the first value.
        """
        kept = 1 - numbers_on(self.values.device, rates, self.values.dtype)
        weights = (1 - kept) * kept ** self.back.unsqueeze(1)
        place = (self.values.shape[1] - self.lengths).clamp(0, self.values.shape[1] - 1)
        first = self.values.gather(1, place.unsqueeze(1))
        masked = torch.where(self.is_valid, self.values, 0.0)
        level: Tensor = masked @ weights + first * kept ** self.lengths.unsqueeze(1)
        return level


def smoothed_anchors(
    history: Tensor, lengths: Tensor, seasons: Sequence[int], steps: int
) -> tuple[Tensor, Tensor]:
    """Return smoothed levels carried on, and which of them a history is long enough for.

    Each is a level by exponential smoothing at one of `RATES`, plus a drift: one of `DRIFTS` of the
    window's slope, or one of `LAST_SLOPES`. For each season there are the same with the mean
    profile of its whole seasons; level and drift are then those of the history less the profile.
    With half of the window's slope and one season this is the Theta
    method (Assimakopoulos and Nikolopoulos, 2000, as Hyndman and Billah, 2003, write it).

    Args:
        history: Past target, padded on the right, `(batch, time)`.
        lengths: Valid time steps of each row, `(batch,)`.
        seasons: Time steps, each above 1; two whole ones are needed.
        steps: Length of the horizon, time steps.

    Returns:
        Values `(batch, steps, anchors)` and the mask `(batch, anchors)`.
    """
    window = Window.ending_at(history, lengths)
    values = [_carried_on(window, steps)]
    valid = [(lengths >= 1).unsqueeze(1).expand(-1, PER_PROFILE)]
    for season in seasons:
        profile = window.profiles(season)
        past = profile.flip(1)[:, window.back % season]
        ahead = profile[:, torch.arange(steps, device=history.device) % season]
        fits = (lengths >= 2 * season).unsqueeze(1)
        rest = torch.where(window.is_valid, window.values - past, 0.0)
        values.append(_carried_on(Window(rest, lengths), steps) + ahead.unsqueeze(-1))
        valid.append(fits.expand(-1, PER_PROFILE))
    return torch.cat(values, dim=-1), torch.cat(valid, dim=-1)


def _carried_on(window: Window, steps: int) -> Tensor:
    """Return each level with each drift, `(batch, steps, PER_PROFILE)`."""
    ahead = torch.arange(1, steps + 1, dtype=window.values.dtype, device=window.values.device)
    whole = window.slopes().unsqueeze(1) * ahead
    drifts = [share * whole for share in DRIFTS]
    drifts += [
        window.slopes(span).unsqueeze(1) * (fade**ahead).cumsum(0) for span, fade in LAST_SLOPES
    ]
    levels = window.levels(RATES)[:, None, :, None]
    return (levels + torch.stack(drifts, dim=-1).unsqueeze(2)).flatten(2)

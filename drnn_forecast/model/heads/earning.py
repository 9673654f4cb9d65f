"""A mix of all anchors of a window, weighted by what each would have earned inside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from drnn_forecast.model.heads.anchors import mean_values, seasonal_values, stillness
from drnn_forecast.model.heads.smoothing import PER_PROFILE, smoothed_anchors

ORIGINS = 3
"""How many past horizons of a window its anchors are tried on."""

OWN_POWER = 4.0
"""By which a window's own error counts against an anchor, before training."""

SHARED_POWER = 24.0
"""By which its error over the training windows counts, before training."""

FLOOR = 1e-3
"""Is added to errors, in units of the normalised target: what is nearly exact is equally good."""


class EarnedAnchors(nn.Module):
    """The values a season ago, the level and all smoothed anchors, mixed into one.

    Each anchor is tried on the last horizons of the window, from before them; its weight starts
    from the inverse of its mean error there and, once `start` has seen the training windows, of
    its relative error over these. Sharpness and bias of the mix are learned, and the head adds to
    its logits.

    Args:
        seasons: Time steps, shortest first; may be none.
        horizon: Time steps of the past horizons.
    """

    def __init__(self, seasons: Sequence[int], *, horizon: int) -> None:
        super().__init__()
        self.seasons = tuple(season for season in seasons if season > 1)
        self.horizon = horizon
        profiles = 1 + len(self.seasons)
        self.num_weights = len(self.seasons) + 1 + profiles * PER_PROFILE
        self.power = nn.Parameter(torch.tensor(OWN_POWER))
        self.bias = nn.Parameter(torch.zeros(self.num_weights))

    def forward(
        self, history: Tensor, lengths: Tensor, logits: Tensor, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the anchor of every step and its usual error, `(batch, steps)` each.

        In the units of `history`. The anchor is zero, the centre of the normalised target, and its
        error 1 for a window without history.

        Args:
            history: Past target, padded on the right, `(batch, time)`.
            lengths: Valid time steps of each row, `(batch,)`.
            logits: Of the head, added to those of the mix, `(batch, steps, num_weights)`.
            known: Which values of the history an anchor is tried on, `(batch, time)`; None: all.
        """
        steps = logits.shape[1]
        if not history.shape[1]:
            return history.new_zeros(logits.shape[:2]), history.new_ones(logits.shape[:2])
        with torch.no_grad():
            values, is_valid = self.values(history, lengths, steps)
            errors = self.errors(history, lengths, known)
        mix = self.bias - self.power * errors.log()
        mix = (mix.unsqueeze(1) + logits).masked_fill(~is_valid.unsqueeze(1), -torch.inf)
        has_any = is_valid.any(-1)[:, None, None]
        weights = torch.where(has_any, mix, 0.0).softmax(-1)
        error = (weights * errors.unsqueeze(1)).sum(-1)
        return (weights * values).sum(-1), torch.maximum(error, stillness(history, lengths, known))

    @torch.no_grad()
    def start(self, history: Tensor, lengths: Tensor, known: Tensor | None = None) -> None:
        """Start the mix from the relative errors of the anchors over these windows."""
        if not history.shape[1]:
            return
        errors = self.errors(history, lengths, known)
        relative = (errors / errors.median(1, keepdim=True).values).clamp(max=20.0)
        self.bias.copy_(-SHARED_POWER * relative.mean(0).log())

    def values(self, history: Tensor, lengths: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Return every anchor `(batch, steps, anchors)`, zero and marked where it is not there."""
        ago, has_season = seasonal_values(history, lengths, self.seasons, steps)
        level = mean_values(history, lengths)[:, None, None].expand(-1, steps, 1)
        smoothed, is_long = smoothed_anchors(history, lengths, self.seasons, steps)
        is_valid = torch.cat([has_season, (lengths >= 1).unsqueeze(1), is_long], dim=-1)
        values = torch.cat([ago, level, smoothed], dim=-1)
        return torch.where(is_valid.unsqueeze(1), values, 0.0), is_valid

    def errors(self, history: Tensor, lengths: Tensor, known: Tensor | None = None) -> Tensor:
        """Return the mean absolute error of each anchor on past horizons, `(batch, anchors)`.

        Normalised units. An anchor that could not be tried has the median error of the others, and
        1 where none could. Only `known` values count, `(batch, time)`; None: all.
        """
        steps = self.horizon
        before = lengths - steps * torch.arange(1, ORIGINS + 1, device=lengths.device).unsqueeze(1)
        origins = before.clamp(min=0).flatten()
        repeated = history.repeat(ORIGINS, 1)
        values, is_valid = self.values(repeated, origins, steps)
        index = origins.unsqueeze(1) + torch.arange(steps, device=history.device)
        index = index.clamp(max=history.shape[1] - 1)
        error = (values - repeated.gather(1, index).unsqueeze(-1)).abs()
        tried = is_valid & (origins >= 2).unsqueeze(1)
        if known is None:
            error = error.mean(1)
        else:
            counts = known.repeat(ORIGINS, 1).gather(1, index)
            tried = tried & counts.any(1, keepdim=True)
            error = torch.where(counts.unsqueeze(-1), error, 0.0).sum(1)
            error = error / counts.sum(1, keepdim=True).clamp(min=1)
        shape = ORIGINS, history.shape[0], self.num_weights
        count = tried.view(shape).sum(0)
        total = torch.where(tried, error, 0.0).view(shape).sum(0)
        mean = total / count.clamp(min=1)
        return torch.where(count > 0, mean, known_median(mean, count > 0)) + FLOOR


def known_median(values: Tensor, is_known: Tensor) -> Tensor:
    """Return the lower median of the known values of each row, `(batch, 1)`; 1 without any.

    Args:
        values: `(batch, numbers)`.
        is_known: Which of them count, `(batch, numbers)`.
    """
    # torch's own median of numbers that may be missing cannot be exported.
    ordered = torch.where(is_known, values, torch.inf).sort(dim=1).values
    count = is_known.sum(1, keepdim=True)
    median = ordered.gather(1, (count - 1).clamp(min=0) // 2)
    return torch.where(count > 0, median, 1.0)

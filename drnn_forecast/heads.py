"""From the encoder's last state to a forecast of every step of the horizon at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pytorch_forecasting.metrics import (
    CrossEntropy,
    DistributionLoss,
    ImplicitQuantileNetworkDistributionLoss,
    Metric,
    MQF2DistributionLoss,
    PoissonLoss,
    QuantileLoss,
    TweedieLoss,
)
from torch import Tensor, nn

from drnn_forecast.dilations import checked_seasons

WITHOUT_LOCATION = (
    CrossEntropy,
    ImplicitQuantileNetworkDistributionLoss,
    MQF2DistributionLoss,
    PoissonLoss,
    TweedieLoss,
)
"""Losses none of whose outputs lives in the normaliser's space, so that nothing can be anchored."""


class TargetHead(nn.Module):
    """The last steps from one target's share of the head's outputs to what its loss takes.

    Shifts the location, or all quantiles, by the anchor, and sorts quantiles, so that they never
    cross: sorting never raises the quantile loss (Chernozhukov et al., 2010).

    Args:
        loss: The loss of this target.
        output_size: Numbers per step that the loss takes.
        season_length: One or several seasons, time steps; None: none.
        level_anchor: Whether the mean of the history is an anchor too.

    Raises:
        ValueError: The loss has no location that an anchor could shift.
    """

    def __init__(
        self,
        loss: Metric,
        *,
        output_size: int,
        season_length: int | Sequence[int] | None = None,
        level_anchor: bool = False,
    ) -> None:
        super().__init__()
        is_anchored = level_anchor or season_length is not None
        if is_anchored and isinstance(loss, WITHOUT_LOCATION):
            raise ValueError(
                "`season_length` and `level_anchor` need a loss with a location in the target's "
                f"own units, got {type(loss).__name__}. Leave both out, or pass another loss."
            )
        self.anchor = SeasonalAnchor(season_length, level=level_anchor) if is_anchored else None
        self.output_size = output_size
        self.num_shifted = 1 if isinstance(loss, DistributionLoss) else output_size
        self.ranks = (
            torch.as_tensor(loss.quantiles).argsort().argsort().tolist()
            if isinstance(loss, QuantileLoss)
            else None
        )

    @property
    def input_size(self) -> int:
        """Numbers per step that this target needs from the head."""
        return self.output_size + (self.anchor.num_weights if self.anchor else 0)

    def forward(self, raw: Tensor, history: Tensor | None, lengths: Tensor) -> Tensor:
        """Return what the loss takes, normalised, `(batch, steps, outputs)`.

        Args:
            raw: `(batch, steps, input_size)`.
            history: Past target, normalised, padded on the right, `(batch, time)`; used only
                with an anchor.
            lengths: Valid time steps of each row of the history, `(batch,)`.
        """
        output, logits = raw[..., : self.output_size], raw[..., self.output_size :]
        if self.anchor is not None and history is not None:
            anchor = self.anchor(history, lengths, logits).unsqueeze(-1)
            shifted = output[..., : self.num_shifted] + anchor
            output = torch.cat([shifted, output[..., self.num_shifted :]], dim=-1)
        return output if self.ranks is None else output.sort(dim=-1).values[..., self.ranks]


class MultiHorizonHead(nn.Module):
    """A perceptron from state, horizon step and known covariates to all outputs of that step.

    Its first layer adds a projection of the state, a learned context of the horizon step and a
    projection of the covariates known for that step, so the state is projected once a window.

    Args:
        state_size: Features of the encoder's state.
        covariate_size: Features known for each step of the horizon; may be 0.
        horizon: The longest forecast, time steps.
        output_size: Numbers per step: quantiles or parameters of a distribution.
        hidden_size: Units of both hidden layers.
        dropout: Probability of dropping a hidden unit while training.
    """

    def __init__(
        self,
        *,
        state_size: int,
        covariate_size: int,
        horizon: int,
        output_size: int,
        hidden_size: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.horizon = horizon
        self.from_state = nn.Linear(state_size, hidden_size)
        self.from_step = nn.Embedding(horizon, hidden_size)
        self.from_covariates = (
            nn.Linear(covariate_size, hidden_size, bias=False) if covariate_size else None
        )
        self.output = nn.Sequential(
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_size, hidden_size),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_size, output_size),
        )

    def forward(self, state: Tensor, covariates: Tensor) -> Tensor:
        """Return the outputs of every step, `(batch, steps, outputs)`.

        Args:
            state: `(batch, state)`.
            covariates: `(batch, steps, covariates)`, at most `horizon` steps.

        Raises:
            ValueError: More steps are asked for than the head has learned.
        """
        steps = covariates.shape[1]
        if steps > self.horizon:
            raise ValueError(
                f"The forecast may be at most `max_prediction_length={self.horizon}` time steps "
                f"long, the horizon that this model was made for, got {steps}. "
                "Train a model on a dataset with a longer `max_prediction_length`."
            )
        hidden = self.from_state(state).unsqueeze(1) + self.from_step.weight[:steps]
        if self.from_covariates is not None:
            hidden = hidden + self.from_covariates(covariates)
        return self.output(hidden)


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

    Raises:
        ValueError: There is nothing to anchor on, a season is below 1, or one is given twice.
        TypeError: A season is not an integer.
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
    seasons = torch.as_tensor(season_lengths, dtype=torch.long, device=history.device)
    step = torch.arange(steps, device=history.device).unsqueeze(-1)
    offset = step - seasons * (step // seasons + 1)
    index = lengths[:, None, None] + offset
    valid = lengths.unsqueeze(-1) >= seasons
    index = torch.where(valid.unsqueeze(1), index, 0)
    if not history.shape[1]:
        return history.new_zeros(index.shape), valid
    gathered = history.gather(1, index.flatten(1)).view(index.shape)
    return torch.where(valid.unsqueeze(1), gathered, 0.0), valid


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


def checked_quantiles(quantiles: Sequence[float]) -> list[float]:
    """Return the levels in ascending order.

    Raises:
        ValueError: A level does not lie between 0 and 1, is given twice, or 0.5 is not among them.
    """
    levels = sorted(quantiles)
    if not all(0 < level < 1 for level in levels) or len(set(levels)) < len(levels):
        raise ValueError(
            f"`quantiles` must be different numbers between 0 and 1, got {list(quantiles)}."
        )
    if 0.5 not in levels:
        raise ValueError(
            f"`quantiles` must include 0.5, which is the point forecast, got {list(quantiles)}."
        )
    return levels

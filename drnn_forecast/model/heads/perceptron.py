"""The perceptron between the encoder's state and the outputs of every step."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
        starts_at_zero: Whether all outputs are zero before training.
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
        starts_at_zero: bool = False,
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
        if starts_at_zero:
            for parameter in self.output[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(self, state: Tensor, covariates: Tensor) -> Tensor:
        """Return the outputs of every step, `(batch, steps, outputs)`.

        Args:
            state: `(batch, state)`.
            covariates: `(batch, steps, covariates)`, at most `horizon` steps.
        """
        steps = covariates.shape[1]
        if steps > self.horizon:
            raise ValueError(
                f"The forecast may be at most `max_prediction_length={self.horizon}` time steps "
                f"long, the horizon that this model was made for, got {steps}. "
                "Train a model on a dataset with a longer `max_prediction_length`."
            )
        # Called, not read, so that hooks that make its weight anew are heard.
        step = torch.arange(steps, device=state.device)
        hidden = self.from_state(state).unsqueeze(1) + self.from_step(step)
        if self.from_covariates is not None:
            hidden = hidden + self.from_covariates(covariates)
        output: Tensor = self.output(hidden)
        return output

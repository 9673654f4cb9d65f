"""The seasonal naive method, on the windows of a dataset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_forecasting.data import TimeSeriesDataSet

from drnn_forecast.model import anchored, known_steps, seasonal_values


@dataclass(frozen=True)
class SeasonalNaive:
    """The values one season ago, again.

    Attributes:
        season_length: Time steps.
    """

    season_length: int

    @property
    def name(self) -> str:
        """As shown in tables."""
        return f"Seasonal naive ({self.season_length})"

    def points(self, dataset: TimeSeriesDataSet) -> NDArray[np.float32]:
        """Return the forecast of every window, `(windows, steps)`, in target units.

        Raises:
            ValueError: A window is shorter than the season.
        """
        parts = []
        for x, _ in dataset.to_dataloader(train=False, batch_size=1024, num_workers=0):
            steps = x["decoder_target"].shape[1]
            history, lengths, lacks = x["encoder_target"], x["encoder_lengths"], "encoder_missing"
            if lacks in x:
                history = anchored(history, known_steps(x[lacks], lengths), [self.season_length])
            values, valid = seasonal_values(history, lengths, [self.season_length], steps)
            if not valid.all():
                raise ValueError(
                    f"`season_length` must fit into every window, got {self.season_length} with "
                    f"a window of {int(x['encoder_lengths'].min())} time steps. "
                    "Lengthen the context, or choose a shorter season."
                )
            parts.append(values[..., 0])
        return torch.cat(parts).numpy()

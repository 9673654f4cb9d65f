"""Neighbouring time steps read together."""

from __future__ import annotations

from torch import Tensor, nn

from drnn_forecast.layers.checks import check_input
from drnn_forecast.layers.dilations import checked_integer


class SegmentEmbedding(nn.Module):
    """Neighbouring time steps, k at a time, through one linear layer.

    A recurrence over segments has k times fewer serial steps. Segments do not overlap and know
    nothing of each other, so a sequence may be split at any border of two segments.

    Args:
        input_size: Features of a time step.
        hidden_size: Features of a segment.
        length: k, time steps.

    Raises:
        ValueError: An argument is below 1.
        TypeError: An argument is not an integer.
    """

    def __init__(self, input_size: int, hidden_size: int, length: int) -> None:
        super().__init__()
        self.length = checked_integer("length", length, minimum=1)
        self.input_size = checked_integer("input_size", input_size, minimum=1)
        size = checked_integer("hidden_size", hidden_size, minimum=1)
        self.linear = nn.Linear(self.length * self.input_size, size)

    def forward(self, input: Tensor) -> Tensor:
        """Return the segments `(time / k, batch, hidden)`.

        Args:
            input: `(time, batch, features)`, a whole number of segments.

        Raises:
            ValueError: The input does not have this shape.
        """
        check_input(input, self.input_size)
        if input.shape[0] % self.length:
            raise ValueError(
                f"`input` must have a whole number of segments of {self.length} time steps, "
                f"got {input.shape[0]} time steps. Pad its start with zeros."
            )
        time, batch, features = input.shape
        steps = input.reshape(time // self.length, self.length, batch, features).transpose(1, 2)
        joined = steps.reshape(len(steps), batch, self.length * features)
        segments: Tensor = self.linear(joined)
        return segments

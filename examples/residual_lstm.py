"""A recurrence of your own in the dilated layers: the residual LSTM.

Its output is o_t * (tanh(c_t) + shortcut(x_t)) (Kim et al., 2017; here without peepholes and
projection): the shortcut is the input itself where the widths agree, and a learned map where they
do not. Stacks of this cell with dilations won the M4 competition (Smyl, 2020).

    python examples/residual_lstm.py
"""

from functools import partial

import torch
from torch import Tensor, nn

from drnn_forecast import DilatedRNN, DilatedRNNForecaster, ForecastData, fit, load_sample


class ResidualLSTM(nn.Module):
    """One step of a residual LSTM: a `RecurrentCell`.

    Weights begin like those of `torch.nn.LSTM`, uniform within 1 / sqrt(hidden_size).
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size, self.state_sizes = hidden_size, (hidden_size, hidden_size)
        self.gates = nn.Linear(input_size + hidden_size, 4 * hidden_size)
        is_same = input_size == hidden_size
        self.shortcut = nn.Identity() if is_same else nn.Linear(input_size, hidden_size, bias=False)
        for weight in self.parameters():
            nn.init.uniform_(weight, -(hidden_size**-0.5), hidden_size**-0.5)

    def forward(
        self, input: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the output `(batch, hidden)` and the state (h, c) after the step."""
        h, c = state
        i, f, g, o = self.gates(torch.cat([input, h], 1)).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * (c.tanh() + self.shortcut(input))
        return h, (h, c)


def main(seconds: float = 30) -> None:
    encoder = DilatedRNN(3, 20, dilations=(1, 4, 16), cell_type=ResidualLSTM)
    x = torch.randn(100, 8, 3)
    whole, _ = encoder(x)
    first, state = encoder(x[:37])
    second, _ = encoder(x[37:], state)
    print(f"Split at step 37: {(torch.cat([first, second]) - whole).abs().max():.1e} apart")

    data = ForecastData.from_frame(
        load_sample(), series="series", time="time", target="load", known=["temperature"]
    )
    splits = data.split(horizon=24, context_length=72, validation_windows=7)
    build = partial(
        DilatedRNNForecaster.from_dataset,
        splits.training,
        hidden_size=32,
        dilations=(1, 4, 24),
        cell_type=ResidualLSTM,
        season_length=24,
    )
    result = fit(build, splits.training, splits.validation, max_seconds=seconds, steps_per_epoch=50)
    print(f"Validation loss {result.validation_loss:.4g} after {result.steps} steps")


if __name__ == "__main__":
    main()

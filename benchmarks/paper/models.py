"""Heads on `DilatedRNN`, and the architectures that the paper compares it with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from drnn_forecast.layers.fusion import OutputFusion
from drnn_forecast.layers.layer import DilatedRNNLayer
from drnn_forecast.layers.stack import DilatedRNN

FIRST_BIASES: Final = {
    "wide": {"GRU": (0.0, -3.0, 0.0), "LSTM": (5.0, -5.0, 0.0, 5.0)},
    "open": {"GRU": (0.0, -1.0, 0.0), "LSTM": (3.0, -2.0, 0.0, 3.0)},
    "even": {"GRU": (0.0, 0.0, 0.0), "LSTM": (0.0, 1.0, 0.0, 0.0)},
    "keeping": {"GRU": (1.0, 1.0, 0.0), "LSTM": (0.0, 3.0, 0.0, 0.0)},
}
"""How gates may start, in torch's order: r, z, n of a GRU and i, f, g, o of an LSTM.

"open" lets the input through and forgets, "wide" more so: an even gate halves what a layer passes
on, an LSTM's two quarter it, so that of nine layers little arrives. "keeping" holds the state; for
a GRU it is TensorFlow's start, which for an LSTM is "even".
"""


class SequenceClassifier(nn.Module):
    """One class for a whole sequence, read from an encoder's last output, or the last fused ones.

    Args:
        encoder: From `(time, batch, features)` to outputs `(time, batch, hidden)` and a state.
        hidden_size: Features of the encoder's output.
        classes: How many.
        fusion_width: g; the last g outputs are joined by an `OutputFusion`. 1: none.
    """

    def __init__(
        self, encoder: nn.Module, hidden_size: int, classes: int, *, fusion_width: int = 1
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.fusion = OutputFusion(hidden_size, fusion_width) if fusion_width > 1 else None
        self.head = nn.Linear(hidden_size, classes)

    def forward(self, input: Tensor) -> Tensor:
        """Return the logits `(batch, classes)` of sequences `(time, batch, features)`."""
        output, _ = self.encoder(input)
        if self.fusion is not None:
            output, _ = self.fusion(output[-self.fusion.width :])
        return self.head(output[-1])


class SymbolModel(nn.Module):
    """The logits of a symbol at every step, from the symbols up to that step.

    Args:
        encoder: From `(time, batch, symbols)` to outputs `(time, batch, hidden)` and a state.
        hidden_size: Features of the encoder's output.
        symbols: How many there are; they enter as one-hot vectors.
    """

    def __init__(self, encoder: nn.Module, hidden_size: int, symbols: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(hidden_size, symbols)

    def forward(self, input: Tensor) -> Tensor:
        """Return the logits `(time, batch, symbols)` of integers `(time, batch)`."""
        one_hot = functional.one_hot(input, self.head.out_features)
        output, _ = self.encoder(one_hot.to(self.head.weight.dtype))
        return self.head(output)


class SkipRNN(nn.Module):
    """A stack of layers that read their state from one step ago and from `skip` steps ago.

    c_t = f(x_t, c_(t-1), c_(t-skip)): the regular skip connection that the paper compares with
    (Chang et al., 2017, section 3.2).

    Args:
        input_size: Features of the input.
        hidden_size: Units of every layer.
        num_layers: How many.
        skip: Time steps.
        cell_type: `"RNN"`, `"GRU"` or `"LSTM"`.
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, num_layers: int, skip: int, cell_type: str
    ) -> None:
        super().__init__()
        self.skip = skip
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(
            DilatedRNNLayer(size + hidden_size, hidden_size, dilation=1, cell_type=cell_type)
            for size in sizes
        )

    def forward(self, input: Tensor) -> tuple[Tensor, None]:
        """Return the top layer's output `(time, batch, hidden)`; no state is kept."""
        for layer in self.layers:
            input = self._run(layer, input)
        return input, None

    def _run(self, layer: nn.Module, input: Tensor) -> Tensor:
        """Return a layer's output: within `skip` steps the far state is known, so it is input."""
        far = input.new_zeros(self.skip, input.shape[1], layer.hidden_size)
        state, outputs = None, []
        for block in input.split(self.skip):
            far, state = layer(torch.cat([block, far[: len(block)]], dim=-1), state)
            outputs.append(far)
        return torch.cat(outputs)


class DilatedCNN(nn.Module):
    """Causal convolutions of two taps with growing dilations, ReLU and residual connections.

    Args:
        input_size: Features of the input.
        channels: Of every layer.
        dilations: Time steps, one per layer; their sum plus one is what an output sees.
    """

    def __init__(self, input_size: int, channels: int, *, dilations: Sequence[int]) -> None:
        super().__init__()
        sizes = [input_size] + [channels] * (len(dilations) - 1)
        self.layers = nn.ModuleList(
            nn.Conv1d(size, channels, kernel_size=2, dilation=dilation)
            for size, dilation in zip(sizes, dilations, strict=True)
        )

    def forward(self, input: Tensor) -> tuple[Tensor, None]:
        """Return the outputs `(time, batch, channels)`; no state is kept."""
        hidden = input.permute(1, 2, 0)
        for index, layer in enumerate(self.layers):
            padded = functional.pad(hidden, (layer.dilation[0], 0))
            output = functional.relu(layer(padded))
            hidden = output + hidden if index else output
        return hidden.permute(2, 0, 1), None


def classifier(
    input_size: int,
    hidden_size: int,
    classes: int,
    dilations: Sequence[int],
    cell_type: str,
    *,
    fusion_width: int = 1,
    backend: str = "auto",
) -> SequenceClassifier:
    """Return a classifier on a stack; dilations of 1 are an ordinary stack, as in `torch.nn`."""
    encoder = DilatedRNN(
        input_size, hidden_size, dilations=dilations, cell_type=cell_type, backend=backend
    )
    return SequenceClassifier(initialised(encoder), hidden_size, classes, fusion_width=fusion_width)


def symbol_model(
    frequencies: Sequence[float], hidden_size: int, dilations: Sequence[int], cell_type: str
) -> SymbolModel:
    """Return a model of symbols on a stack; dilations of 1 are an ordinary stack.

    `frequencies` has one positive number per symbol: how often it is the answer. The head starts
    with their logarithms, so that no training is spent, and no layer saturated, on learning them.
    """
    symbols = len(frequencies)
    encoder = DilatedRNN(symbols, hidden_size, dilations=dilations, cell_type=cell_type)
    model = SymbolModel(initialised(encoder), hidden_size, symbols)
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor(frequencies).log())
    return model


@torch.no_grad()
def initialised(encoder: nn.Module) -> nn.Module:
    """Return the encoder with orthogonal weights in every gate, which carry a signal far.

    Biases are 0, those of the gates as in "even" of `FIRST_BIASES`. Nine layers of torch's own
    initial weights, or of TensorFlow's, pass on so little that a short run learns nothing from 500
    steps ago.
    """
    for layer in encoder.modules():
        if isinstance(layer, DilatedRNNLayer):
            for weight in (layer.weight_ih_l0, layer.weight_hh_l0):
                for gate in weight.split(layer.hidden_size):
                    nn.init.orthogonal_(gate)
            layer.bias_ih_l0.zero_()
            layer.bias_hh_l0.zero_()
    return with_gates(encoder, "even")


@torch.no_grad()
def with_gates(network: nn.Module, start: str) -> nn.Module:
    """Return the network, of which every GRU and LSTM layer has the `FIRST_BIASES` of a start."""
    for layer in network.modules():
        if isinstance(layer, DilatedRNNLayer) and layer.cell_type in FIRST_BIASES[start]:
            biases = FIRST_BIASES[start][layer.cell_type]
            layer.bias_ih_l0.copy_(torch.tensor(biases).repeat_interleave(layer.hidden_size))
    return network


@torch.no_grad()
def skip_initialised(encoder: SkipRNN, *, near: float = 0.3) -> SkipRNN:
    """Return the encoder with orthogonal weights, of which both states share one's strength.

    The state one step ago has `near` times an orthogonal matrix, the far one `sqrt(1 - near^2)`
    times. With two whole ones, the gradients of 1000 steps are too large for the learning rate of
    the other networks.
    """
    initialised(encoder)
    for layer in encoder.layers:
        hidden = layer.hidden_size
        for gate in layer.weight_ih_l0.split(hidden):
            far = gate[:, -hidden:]
            nn.init.orthogonal_(gate[:, :-hidden])
            nn.init.orthogonal_(far, gain=math.sqrt(1 - near**2))
        layer.weight_hh_l0.mul_(near)
    return encoder


def parameter_count(network: nn.Module) -> int:
    """Return how many numbers a network learns."""
    return sum(parameter.numel() for parameter in network.parameters())

"""Dilated recurrent layers on top of one another, with the manners of `torch.nn.LSTM`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from drnn_forecast.layers.cells import Cell
from drnn_forecast.layers.checks import checked_probability, checked_widths
from drnn_forecast.layers.dilations import LARGEST_KERNEL, checked_dilations, checked_integer
from drnn_forecast.layers.layer import MODES, DilatedCell, DilatedLayer, DilatedRNNLayer, LayerState
from drnn_forecast.layers.recurrence import checked_backend, settle_backend


class DilatedRNN(nn.Module):
    """A stack of dilated recurrent layers, called like `torch.nn.LSTM`.

    Args:
        input_size: Features of the input.
        hidden_size: Units of every layer, or a list with one width per layer.
        dilations: s^(l), time steps, one per layer, lowest first; any positive integers.
        cell_type: `"RNN"` (tanh), `"GRU"` or `"LSTM"`; or a class of your own, or any function,
            that makes a `RecurrentCell` of an input size and a hidden size.
        input_kernel_size: k, as in `DilatedRNNLayer`, of every layer.
        dropout: Probability of dropping an output of any layer but the last, while training.
        residual: Add the input of each layer but the first to its output.
        batch_first: Input and output are `(batch, time, features)`, not `(time, batch, features)`.
            As in `torch.nn`, the state keeps its own order.
        checkpoint_layers: Keep only the layers' inputs for the backward pass, and run each layer
            once more in it: less memory for about a third more time.
        backend: As in `DilatedRNNLayer`; a cell of your own runs on torch.

    Raises:
        ValueError: A value is out of its range, the widths do not match the dilations in number,
            `residual` is asked of layers of different widths, or a cell does not keep to the
            protocol.
        TypeError: A size or a dilation is not an integer, or a cell is no module.
        ImportError: The backend needs a package that is not installed.

    Example:
        >>> encoder = DilatedRNN(3, 20, dilations=(1, 2, 4), cell_type="GRU", batch_first=True)
        >>> output, state = encoder(torch.randn(8, 30, 3))
        >>> output.shape, state[2].shape
        (torch.Size([8, 30, 20]), torch.Size([4, 8, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        *,
        dilations: Sequence[int],
        cell_type: Cell = "GRU",
        input_kernel_size: int = 1,
        dropout: float = 0.0,
        residual: bool = False,
        batch_first: bool = False,
        checkpoint_layers: bool = False,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.dilations = checked_dilations(dilations)
        self.hidden_sizes = checked_widths(hidden_size, len(self.dilations))
        if residual and len(set(self.hidden_sizes)) > 1:
            raise ValueError(
                "`residual` needs layers of one width, "
                f"got `hidden_size={list(self.hidden_sizes)}`. Pass one integer."
            )
        self.residual = residual
        self.batch_first = batch_first
        self.checkpoint_layers = checkpoint_layers
        self.dropout = nn.Dropout(checked_probability("dropout", dropout))
        input_sizes = (input_size, *self.hidden_sizes)
        self.layers = nn.ModuleList(
            _layer(size, width, dilation, cell_type, input_kernel_size, backend)
            for size, width, dilation in zip(
                input_sizes, self.hidden_sizes, self.dilations, strict=False
            )
        )

    def forward(
        self, input: Tensor, state: Sequence[LayerState] | None = None
    ) -> tuple[Tensor, tuple[LayerState, ...]]:
        """Return the top layer's output `(time, batch, hidden)` and the state of every layer.

        A sequence may be split anywhere: the state after the first part, passed with the second,
        gives the output of the whole.

        Args:
            input: `(time, batch, features)`, or `(batch, time, features)` with `batch_first`.
            state: One `LayerState` per layer, lowest first; None: zeros.

        Raises:
            ValueError: The input or the state does not have these shapes.
        """
        if state is not None and len(state) != len(self.layers):
            raise ValueError(
                f"`state` must hold one entry per layer ({len(self.layers)}), got {len(state)}."
            )
        hidden = input.transpose(0, 1) if self.batch_first and input.dim() == 3 else input
        states = []
        is_recomputed = self.checkpoint_layers and torch.is_grad_enabled()
        if is_recomputed:
            settle_backend(hidden, {getattr(layer, "backend", "torch") for layer in self.layers})
        for index, layer in enumerate(self.layers):
            below = self.dropout(hidden) if index else hidden
            before = None if state is None else state[index]
            if is_recomputed:
                hidden, last = checkpoint(
                    layer, below, before, use_reentrant=False, preserve_rng_state=False
                )
            else:
                hidden, last = layer(below, before)
            if self.residual and index:
                hidden = hidden + below
            states.append(last)
        return (hidden.transpose(0, 1) if self.batch_first else hidden), tuple(states)

    def extra_repr(self) -> str:
        """Return what the layers' own lines do not show, for `repr`."""
        return f"residual={self.residual}, batch_first={self.batch_first}"


def _layer(
    input_size: int, hidden_size: int, dilation: int, cell_type: Cell, kernel: int, backend: str
) -> DilatedLayer:
    """Return one layer of a named cell, or of one of the user's own."""
    if not callable(cell_type):
        return DilatedRNNLayer(
            input_size,
            hidden_size,
            dilation=dilation,
            cell_type=cell_type,
            input_kernel_size=kernel,
            backend=backend,
        )
    if checked_backend(backend) not in ("auto", "torch"):
        raise ValueError(
            f'`backend="{backend}"` has the cells {", ".join(MODES)}, got one of your own. '
            'Pass `backend="auto"` or "torch".'
        )
    features = checked_integer("input_size", input_size, minimum=1)
    width = (
        checked_integer("input_kernel_size", kernel, minimum=1, maximum=LARGEST_KERNEL) * features
    )
    cell = cell_type(width, hidden_size)
    layer = DilatedCell(cell, features, dilation=dilation, input_kernel_size=kernel)
    if layer.hidden_size != hidden_size:
        raise ValueError(
            f"`hidden_size` of the cell {layer.cell_name} must be the {hidden_size} that it was "
            f"made with, got {layer.hidden_size}."
        )
    return layer

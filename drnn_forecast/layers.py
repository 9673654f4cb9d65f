"""Dilated recurrent layers (Chang et al., 2017) with the manners of `torch.nn.LSTM`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from drnn_forecast.dilations import checked_dilations, checked_integer
from drnn_forecast.recurrence import checked_backend, recurrence

LayerState: TypeAlias = Tensor | tuple[Tensor, Tensor]
"""What a layer remembers: h, for an LSTM (h, c), each `(dilation, batch, hidden)`, oldest first."""

WEIGHTS: Final = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
MODES: Final = {"RNN": "RNN_TANH", "GRU": "GRU", "LSTM": "LSTM"}


class DilatedRNNLayer(nn.RNNBase):
    """One recurrent layer that reads its own state from `dilation` time steps ago.

    c_t = f(x_t, c_(t-s)) (Chang et al., 2017, equation 1). Parameters have the names, the order
    and the initial distribution of the `torch.nn` module of the same cell.

    Args:
        input_size: Features of the input.
        hidden_size: Units of the layer.
        dilation: s, time steps. 1 is an ordinary recurrent layer.
        cell_type: `"RNN"` (tanh), `"GRU"` or `"LSTM"`.
        backend: Who computes: `"torch"`, `"numba"` (an extra), or `"auto"`, the faster one of
            those that can run. Values agree to rounding.

    Raises:
        ValueError: A size or the dilation is below 1, or the cell or the backend is unknown.
        TypeError: A size or the dilation is not an integer.
        ImportError: The backend needs a package that is not installed.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        dilation: int,
        cell_type: str = "GRU",
        backend: str = "auto",
    ) -> None:
        super().__init__(
            MODES[checked_cell_type(cell_type)],
            checked_integer("input_size", input_size, minimum=1),
            checked_integer("hidden_size", hidden_size, minimum=1),
        )
        self.cell_type = cell_type
        self.dilation = checked_integer("dilation", dilation, minimum=1)
        self.backend = checked_backend(backend)

    def forward(self, input: Tensor, state: LayerState | None = None) -> tuple[Tensor, LayerState]:
        """Return the output `(time, batch, hidden)` and the state after the last step.

        Args:
            input: `(time, batch, features)`; no time steps are allowed.
            state: The last s steps, oldest first; None: zeros.

        Raises:
            ValueError: The input or the state does not have these shapes or the weights' device
                and dtype, or the backend that was asked for by name cannot run on them.
        """
        check_input(input, self.input_size)
        weights: list[Tensor] = [getattr(self, name) for name in WEIGHTS]
        check_kind("input", input, like=weights[0])
        parts = self._parts(state, input.shape[1], like=input)
        output, parts = recurrence(self.cell_type, input, parts, weights, backend=self.backend)
        return output, (parts[0], parts[1]) if self.cell_type == "LSTM" else parts[0]

    def extra_repr(self) -> str:
        """Return the arguments, for `repr`."""
        return (
            f"{self.input_size}, {self.hidden_size}, "
            f"dilation={self.dilation}, cell_type={self.cell_type!r}"
        )

    def _parts(self, state: LayerState | None, batch: int, like: Tensor) -> tuple[Tensor, ...]:
        """Return the parts of the state, each `(dilation, batch, hidden)`."""
        shape = (self.dilation, batch, self.hidden_size)
        count = 2 if self.cell_type == "LSTM" else 1
        if state is None:
            return (like.new_zeros(shape),) * count
        parts = (state,) if isinstance(state, Tensor) else tuple(state)
        if len(parts) != count or any(part.shape != shape for part in parts):
            raise ValueError(
                f"`state` of a {self.cell_type} layer must be {count} tensor(s) of shape "
                f"(dilation, batch, hidden) = {shape}, got {[tuple(part.shape) for part in parts]}."
            )
        for part in parts:
            check_kind("state", part, like=like)
        return parts


class DilatedRNN(nn.Module):
    """A stack of dilated recurrent layers, called like `torch.nn.LSTM`.

    Args:
        input_size: Features of the input.
        hidden_size: Units of every layer, or a list with one width per layer.
        dilations: s^(l), time steps, one per layer, lowest first; any positive integers.
        cell_type: `"RNN"` (tanh), `"GRU"` or `"LSTM"`.
        dropout: Probability of dropping an output of any layer but the last, while training.
        residual: Add the input of each layer but the first to its output.
        batch_first: Input and output are `(batch, time, features)`, not `(time, batch, features)`.
            As in `torch.nn`, the state keeps its own order.
        checkpoint_layers: Keep only the layers' inputs for the backward pass, and run each layer
            once more in it: less memory for about a third more time.
        backend: As in `DilatedRNNLayer`.

    Raises:
        ValueError: A value is out of its range, the widths do not match the dilations in number,
            or `residual` is asked of layers of different widths.
        TypeError: A size or a dilation is not an integer.
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
        cell_type: str = "GRU",
        dropout: float = 0.0,
        residual: bool = False,
        batch_first: bool = False,
        checkpoint_layers: bool = False,
        backend: str = "auto",
        orthogonal: bool = False,
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
            DilatedRNNLayer(size, width, dilation=dilation, cell_type=cell_type, backend=backend)
            for size, width, dilation in zip(
                input_sizes, self.hidden_sizes, self.dilations, strict=False
            )
        )
        if orthogonal:
            for layer in self.layers:
                for gate in layer.weight_hh_l0.chunk(
                    layer.weight_hh_l0.shape[0] // layer.hidden_size
                ):
                    nn.init.orthogonal_(gate)
                for w in layer.weight_ih_l0.chunk(layer.weight_hh_l0.shape[0] // layer.hidden_size):
                    nn.init.xavier_uniform_(w)
                nn.init.zeros_(layer.bias_ih_l0)
                nn.init.zeros_(layer.bias_hh_l0)
                if cell_type == "LSTM":
                    nn.init.ones_(layer.bias_ih_l0.data[layer.hidden_size : 2 * layer.hidden_size])

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
        for index, layer in enumerate(self.layers):
            below = self.dropout(hidden) if index else hidden
            before = None if state is None else state[index]
            if self.checkpoint_layers and torch.is_grad_enabled():
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


class OutputFusion(nn.Module):
    """A causal 1 x g convolution that joins the last g outputs of a stack.

    Where all dilations share a divisor g, the output at t has seen only the inputs t, t - g,
    t - 2g, ...; fusing g neighbours restores the rest (Chang et al., 2017, section 4.5).

    Args:
        hidden_size: Features of input and output.
        width: g, time steps.

    Raises:
        ValueError: An argument is below 1.
        TypeError: An argument is not an integer.
    """

    def __init__(self, hidden_size: int, width: int) -> None:
        super().__init__()
        self.width = checked_integer("width", width, minimum=1)
        size = checked_integer("hidden_size", hidden_size, minimum=1)
        self.convolution = nn.Conv1d(size, size, self.width)

    def forward(self, input: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the fused output `(time, batch, hidden)` and the last g - 1 inputs.

        Args:
            input: `(time, batch, hidden)`.
            state: `(g - 1, batch, hidden)`, oldest first; None: zeros.

        Raises:
            ValueError: The input or the state does not have these shapes.
        """
        check_input(input, self.convolution.in_channels)
        shape = (self.width - 1, *input.shape[1:])
        if state is None:
            state = input.new_zeros(shape)
        if state.shape != shape:
            raise ValueError(
                f"`state` must have the shape (width - 1, batch, hidden) = {shape}, "
                f"got {tuple(state.shape)}."
            )
        history = torch.cat([state, input])
        if not len(input):
            return input, state
        fused = self.convolution(history.permute(1, 2, 0)).permute(2, 0, 1)
        return fused, history[len(input) :]


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
        return self.linear(steps.reshape(len(steps), batch, self.length * features))


def checked_cell_type(cell_type: str) -> str:
    """Return `cell_type` if there is such a cell.

    Raises:
        ValueError: There is none.
    """
    if cell_type not in MODES:
        raise ValueError(f"`cell_type` must be one of {', '.join(MODES)}, got {cell_type!r}.")
    return cell_type


def checked_widths(hidden_size: int | Sequence[int], num_layers: int) -> tuple[int, ...]:
    """Return the width of every layer.

    Raises:
        ValueError: A width is below 1, or their number is not `num_layers`.
        TypeError: A width is not an integer.
    """
    if isinstance(hidden_size, Sequence) and not isinstance(hidden_size, str):
        if len(hidden_size) != num_layers:
            raise ValueError(
                f"`hidden_size` must be one integer or one per layer ({num_layers}), "
                f"got {len(hidden_size)}: {list(hidden_size)}."
            )
        return tuple(checked_integer("hidden_size", width, minimum=1) for width in hidden_size)
    return (checked_integer("hidden_size", hidden_size, minimum=1),) * num_layers


def checked_probability(name: str, value: float) -> float:
    """Return `value` if it is at least 0 and below 1; `name` is the argument to blame.

    Raises:
        ValueError: It is not.
        TypeError: It is not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"`{name}` must be a number of at least 0 and below 1, got {value!r}.")
    if not 0 <= value < 1:
        raise ValueError(f"`{name}` must be at least 0 and below 1, got {value}.")
    return float(value)


def check_input(input: Tensor, features: int) -> None:
    """Check that `input` is a batch of sequences of that many features.

    Raises:
        ValueError: It has another rank or width.
    """
    if input.dim() != 3:
        raise ValueError(
            f"`input` must have three axes, time, batch and features, got {tuple(input.shape)}. "
            "Add a batch axis of 1 to a single sequence."
        )
    if input.shape[-1] != features:
        raise ValueError(
            f"`input` must have {features} features in its last axis, got {input.shape[-1]}."
        )


def check_kind(name: str, tensor: Tensor, *, like: Tensor) -> None:
    """Check that a tensor has the device and dtype of the weights; autocast may mix dtypes.

    Raises:
        ValueError: It has another; `name` is the argument to blame.
    """
    if tensor.device != like.device:
        raise ValueError(
            f"`{name}` must be on the device of the weights, {like.device}, got {tensor.device}. "
            "Move one of them with `.to`."
        )
    if tensor.dtype != like.dtype and not torch.is_autocast_enabled(like.device.type):
        raise ValueError(
            f"`{name}` must have the dtype of the weights, {like.dtype}, got {tensor.dtype}. "
            "Convert one of them with `.to`."
        )

"""One dilated recurrent layer, of a cell of torch or of a user's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Final, TypeAlias

import torch
from torch import Tensor, nn

from drnn_forecast.layers.cells import cell_recurrence, checked_cell
from drnn_forecast.layers.checks import check_input, check_kind, checked_cell_type, checked_width
from drnn_forecast.layers.dilations import LARGEST_KERNEL, checked_integer
from drnn_forecast.layers.recurrence import checked_backend, folded_recurrence, recurrence

LayerState: TypeAlias = Tensor | tuple[Tensor, ...]
"""What a layer remembers: h, for an LSTM (h, c), each `(dilation, batch, hidden)`, oldest first.

With an input kernel of k > 1 the last part is the past inputs, `((k - 1) * dilation, batch,
features)`.
"""

WEIGHTS: Final = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
MODES: Final = {"RNN": "RNN_TANH", "GRU": "GRU", "LSTM": "LSTM"}


class DilatedLayer(nn.Module, ABC):
    """What dilated layers share: windows of the input, and an exact state."""

    dilation: int  # s, time steps
    features: int  # of each time step of the input
    input_kernel_size: int  # k; the cell reads x_t, x_(t-s), ..., x_(t-(k-1)s), joined
    state_sizes: tuple[int, ...]  # widths of the parts of the cell's state
    cell_name: str

    def forward(self, input: Tensor, state: LayerState | None = None) -> tuple[Tensor, LayerState]:
        """Return the output `(time, batch, hidden)` and the state after the last step.

        Args:
            input: `(time, batch, features)`; no time steps are allowed.
            state: The last s steps, oldest first, and with an input kernel of k > 1 the last
                (k - 1) s inputs; None: zeros.

        Raises:
            ValueError: The input or the state does not have these shapes or the weights' device
                and dtype, or the backend that was asked for by name cannot run on them.
        """
        check_input(input, self.features)
        check_kind("input", input, like=next(self.parameters(), input))
        parts = self._parts(state, input)
        count = len(self.state_sizes)
        past = parts[count:]
        if past:
            history = torch.cat([past[0], input])
            past = (history[len(input) :],)
            input = self._windows(history, len(input))
        output, parts = self._recur(input, parts[:count])
        parts = (*parts, *past)
        return output, parts if len(parts) > 1 else parts[0]

    @abstractmethod
    def _recur(self, input: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the output and the cell's state after the last step."""

    def _windows(self, history: Tensor, time: int) -> Tensor:
        """Return (x_t, x_(t-s), ...) for the last `time` steps, `(time, batch, k * features)`."""
        starts = range(len(history) - time, -1, -self.dilation)
        return torch.cat([history[start : start + time] for start in starts], dim=-1)

    def _parts(self, state: LayerState | None, input: Tensor) -> tuple[Tensor, ...]:
        """Return the parts of the state, checked."""
        batch = input.shape[1]
        shapes = [(self.dilation, batch, size) for size in self.state_sizes]
        if self.input_kernel_size > 1:
            shapes.append(((self.input_kernel_size - 1) * self.dilation, batch, self.features))
        if state is None:
            return tuple(input.new_zeros(shape) for shape in shapes)
        parts = (state,) if isinstance(state, Tensor) else tuple(state)
        if [tuple(part.shape) for part in parts] != shapes:
            axes = "(dilation, batch, hidden)"
            if self.input_kernel_size > 1:
                axes += " and, last, ((kernel - 1) * dilation, batch, features)"
            raise ValueError(
                f"`state` of a {self.cell_name} layer must be {len(shapes)} tensor(s) of the "
                f"shapes {axes} = {', '.join(map(str, shapes))}, "
                f"got {[tuple(part.shape) for part in parts]}."
            )
        for part in parts:
            check_kind("state", part, like=input)
        return parts


class DilatedRNNLayer(DilatedLayer, nn.RNNBase):
    """One recurrent layer that reads its own state from `dilation` time steps ago.

    c_t = f(x_t, c_(t-s)) (Chang et al., 2017, equation 1). Parameters have the names, the order
    and the initial distribution of the `torch.nn` module of the same cell.

    Args:
        input_size: Features of the input.
        hidden_size: Units of the layer.
        dilation: s, time steps. 1 is an ordinary recurrent layer.
        cell_type: `"RNN"` (tanh), `"GRU"` or `"LSTM"`.
        input_kernel_size: k. The input map is a causal convolution with the layer's dilation,
            W_0 x_t + W_1 x_(t-s) + ... + W_(k-1) x_(t-(k-1)s), where inputs before the first are
            zeros; `weight_ih_l0` holds W_0, ..., W_(k-1) side by side. 1 is the paper's.
        backend: Who computes: `"torch"`, `"numba"`, `"triton"`, or `"auto"`, the faster one of
            those that can run now, as `recurrence` says. Values agree to rounding.

    Raises:
        ValueError: A size, the dilation or the kernel is below 1, or the cell or the backend is
            unknown.
        TypeError: A size, the dilation or the kernel is not an integer.
        ImportError: The backend needs a package that is not installed.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        dilation: int,
        cell_type: str = "GRU",
        input_kernel_size: int = 1,
        backend: str = "auto",
    ) -> None:
        mode = MODES[checked_cell_type(cell_type, MODES)]
        features = checked_integer("input_size", input_size, minimum=1)
        kernel = checked_integer(
            "input_kernel_size", input_kernel_size, minimum=1, maximum=LARGEST_KERNEL
        )
        # torch's base class knows the cell's own input, which is k steps wide.
        super().__init__(mode, kernel * features, checked_width("hidden_size", hidden_size))
        self.cell_type = self.cell_name = cell_type
        self.dilation = checked_integer("dilation", dilation, minimum=1)
        self.features = features
        self.input_kernel_size = kernel
        self.state_sizes = (self.hidden_size,) * (2 if cell_type == "LSTM" else 1)
        self.backend = checked_backend(backend)

    def extra_repr(self) -> str:
        """Return the arguments, for `repr`."""
        kernel = self.input_kernel_size
        return (
            f"{self.features}, {self.hidden_size}, "
            f"dilation={self.dilation}, cell_type={self.cell_type!r}"
            f"{f', input_kernel_size={kernel}' if kernel > 1 else ''}"
        )

    def _recur(self, input: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        weights: list[Tensor] = [getattr(self, name) for name in WEIGHTS]
        return recurrence(
            self.cell_type, input, state, weights, dilation=self.dilation, backend=self.backend
        )


class DilatedCell(DilatedLayer):
    """One layer of a recurrence of a user's own that reads its state from `dilation` steps ago.

    Called like `DilatedRNNLayer`, and a sequence may be split anywhere just as well.

    Args:
        cell: A `RecurrentCell`, made for `input_kernel_size * input_size` features.
        input_size: Features of the input.
        dilation: s, time steps.
        input_kernel_size: k; the cell reads x_t, x_(t-s), ..., x_(t-(k-1)s), joined.

    Raises:
        ValueError: The cell does not return what the protocol asks, or a number is below 1.
        TypeError: The cell is no module or lacks an attribute, or a number is not an integer.

    Example:
        >>> class Running(nn.Module):  # adds up what it reads
        ...     hidden_size, state_sizes = 2, (2,)
        ...
        ...     def forward(self, input, state):
        ...         return state[0] + input, (state[0] + input,)
        >>> output, state = DilatedCell(Running(), 2, dilation=3)(torch.ones(7, 1, 2))
        >>> output[:, 0, 0]
        tensor([1., 1., 1., 2., 2., 2., 3.])
    """

    def __init__(
        self, cell: nn.Module, input_size: int, *, dilation: int, input_kernel_size: int = 1
    ) -> None:
        super().__init__()
        self.dilation = checked_integer("dilation", dilation, minimum=1)
        self.features = checked_integer("input_size", input_size, minimum=1)
        self.input_kernel_size = checked_integer(
            "input_kernel_size", input_kernel_size, minimum=1, maximum=LARGEST_KERNEL
        )
        self.cell = checked_cell(cell, self.features * self.input_kernel_size)
        self.cell_name = type(cell).__name__
        self.hidden_size = int(cell.hidden_size)  # type: ignore[arg-type]
        self.state_sizes = tuple(map(int, cell.state_sizes))  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        """Return the arguments but the cell, for `repr`."""
        kernel = self.input_kernel_size
        return (
            f"{self.features}, dilation={self.dilation}"
            f"{f', input_kernel_size={kernel}' if kernel > 1 else ''}"
        )

    def _recur(self, input: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        if not input.numel():
            return input.new_zeros(*input.shape[:2], self.hidden_size), state
        run = partial(cell_recurrence, self.cell, hidden_size=self.hidden_size)
        return folded_recurrence(run, input, state, dilation=self.dilation)

"""What the kernels are launched with: sizes, tiles, precision and room for what they write."""

from __future__ import annotations

import os
from typing import Any, Final

import torch
from torch import Tensor

from drnn_forecast.layers.kernels.cpu.operator import CELLS

ON_CHIP: Final = 160 * 2**10
"""Bytes of all recurrent matrices up to which they stay on the chip, which has 227 KB of it."""

LANES: Final = 16
"""Of a program, the least that tensor cores take: 32 and 64 were slower in every shape measured."""

IS_INTERPRETED: Final = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether Triton interprets its kernels on the CPU, as tests let it."""


class Launch:
    """The sizes of one run, and its kernels on their way to the GPU."""

    def __init__(
        self,
        cell: int,
        input: Tensor,
        weights: list[Tensor],
        state: Tensor,
        dtype: torch.dtype,
    ) -> None:
        self.cell, self.dtype, self.device = cell, dtype, input.device
        self.rows, self.features = input.shape
        self.lanes, self.hidden = state.shape
        self.gates = (1, 3, 4)[cell]
        self.blocks = (1, 4, 4)[cell]
        # A GRU's blocks begin with n of h, so that those of x, and those of h, stand together.
        self.first = self.hidden if cell == CELLS["GRU"] else 0
        self._like = input

    @property
    def grid(self) -> tuple[int]:
        """Programs of the recurrence."""
        return (-(-self.lanes // LANES),)

    @property
    def options(self) -> dict[str, Any]:
        """What the kernels of the recurrence are compiled for."""
        units = _padded(self.hidden)
        bytes_on_chip = self.gates * units**2 * self.dtype.itemsize
        return {
            "HIDDEN": self.hidden,
            "UNITS": units,
            "TILE": LANES,
            "CELL": self.cell,
            "STREAMS": bytes_on_chip > ON_CHIP,
            "PRECISION": _precision(),
            "num_warps": 4 if units <= 64 else 8,
            "num_stages": 1,
        }

    def empty(self, *shape: int) -> Tensor:
        """Return room for numbers of the type that is computed in."""
        return self._like.new_empty(shape, dtype=self.dtype)

    def empty_results(self, state_c: Tensor, keep: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return room for what the forward pass gives."""
        kept = self.rows if keep and self.cell == CELLS["LSTM"] else 0
        return (
            self.empty(self.rows, self.hidden),
            self.empty(self.lanes, self.hidden),
            self.empty(*state_c.shape),
            self.empty(kept, self.hidden),
        )

    def recur_forward(self, *arrays: Tensor) -> None:
        """Run `passes.recur_forward` on its arrays."""
        cells = arrays[6]
        _passes().recur_forward[self.grid](
            *map(_dense, arrays), self.rows, self.lanes, KEEPS=len(cells) > 0, **self.options
        )

    def recur_backward(self, *arrays: Tensor) -> None:
        """Run `passes.recur_backward` on its arrays."""
        _passes().recur_backward[self.grid](
            *map(_dense, arrays), self.rows, self.lanes, **self.options
        )

    def multiply(
        self,
        source: Tensor,
        weight: Tensor,
        target: Tensor,
        *,
        strides: tuple[int, int],
        bias: Tensor | None = None,
        past: tuple[Tensor, Tensor, Tensor, Tensor] | None = None,
    ) -> None:
        """Write rows times a weight to `target`, from blocks or the input, to blocks or the input.

        Args:
            source: `(rows, ...)`.
            weight: Of the input, `(gates * hidden, features)`.
            target: `(rows, columns)`.
            strides: Of the weight, along what is summed over and along the columns.
            bias: Of every column; None: none.
            past: Output, first h, weight and bias, of what the h one step earlier adds.
        """
        columns, depth = target.shape[1], len(weight) if bias is None else self.features
        if bias is None:
            source = source[:, source.shape[1] - depth :]
        output, state, weight_hh, bias_hh = past or (target, target, weight, target)
        size = 64 if columns >= 64 else _padded(columns)
        _products().row_products[-(-self.rows // 64), -(-columns // size)](
            source,
            weight,
            weight if bias is None else bias,
            target,
            output,
            state,
            weight_hh,
            bias_hh,
            self.rows,
            self.lanes,
            depth,
            columns,
            source.stride(0),
            *strides,
            self.first if past else 0,
            self.gates * self.hidden,
            HIDDEN=self.hidden,
            HAS_BIAS=bias is not None,
            ADDS_STATE=past is not None,
            ROWS=64,
            COLUMNS=size,
            DEPTH=32,
            PRECISION=_precision(),
        )

    def weight_gradients(
        self, blocks: Tensor, input: Tensor, output: Tensor, state_h: Tensor
    ) -> tuple[Tensor, ...]:
        """Return the gradients of the weights, float32, in torch's order."""
        columns = self.gates * self.hidden
        found = []
        for source, is_shifted in ((input, False), (output, True)):
            width = source.shape[1]
            size = min(64, _padded(width + 1))
            tiles = (-(-columns // 64), -(-(width + 1) // size))
            # About as many programs as two for each multiprocessor of a large GPU.
            splits = max(1, min(-(-self.rows // 256), 256 // (tiles[0] * tiles[1])))
            partial = source.new_empty(splits, columns, width + 1, dtype=torch.float32)
            _products().weight_gradients[tiles[0], tiles[1], splits](
                blocks,
                source,
                state_h,
                partial,
                self.rows,
                self.lanes,
                width,
                columns,
                blocks.shape[1],
                self.first,
                # The gradients of what reads x stand behind n of h, which its own columns lack.
                columns if is_shifted else columns + self.first,
                SHIFTED=is_shifted,
                ROWS=32,
                COLUMNS=64,
                WIDTH=size,
                PRECISION=_precision(),
            )
            found.append((partial[..., :-1].sum(0), partial[..., -1].sum(0)))
        (weight_ih, bias_ih), (weight_hh, bias_hh) = found
        return weight_ih, weight_hh, bias_ih, bias_hh


def _precision() -> str:
    """Return how float32 is multiplied, as cuDNN's cells would.

    Where tf32 is not wanted three products of it stand in, whose error is that of float32.
    """
    if IS_INTERPRETED:
        return "interpreted"
    # Up to torch 2.8 the flag has no part of its own for recurrences; later the old one may refuse.
    of_cells = getattr(torch.backends.cudnn, "rnn", None)
    is_short = torch.backends.cudnn.allow_tf32 if of_cells is None else of_cells.fp32_precision
    return "tf32" if is_short in (True, "tf32") else "tf32x3"


def _padded(size: int) -> int:
    """Return the power of two, at least 16, that holds a size."""
    return max(16, 1 << (size - 1).bit_length())


def _dense(tensor: Tensor) -> Tensor:
    return tensor.contiguous()


def _passes() -> Any:
    from drnn_forecast.layers.kernels.gpu import passes

    return passes


def _products() -> Any:
    from drnn_forecast.layers.kernels.gpu import products

    return products

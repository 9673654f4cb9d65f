"""The matrix products of one step of a tile, compiled by numba into their callers.

The packed weight is `(gates * hidden, features + hidden + 2)`, its columns what the cell reads:
(x, 1, h, 1). A GRU's candidate reads x and h apart, so its rows are n of x, r, z, n of h, in
three bands that read different columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import numba

from drnn_forecast.layers.kernels.cpu.arguments import Sizes
from drnn_forecast.layers.kernels.cpu.vectors import BLOCK_ROWS, VECTOR_BYTES, block_product

RNN: Final = 0
GRU: Final = 1
LSTM: Final = 2

F = TypeVar("F", bound=Callable[..., Any])

compiled: Final[Callable[[F], F]] = numba.njit(nogil=True, error_model="numpy")
inlined: Final[Callable[[F], F]] = numba.njit(nogil=True, error_model="numpy", inline="always")
wide_block: Final = block_product(BLOCK_ROWS, 2)
wide_row: Final = block_product(1, 2)
narrow_block: Final = block_product(BLOCK_ROWS, 1)
narrow_row: Final = block_product(1, 1)


@compiled
def gate_rows(cell: int) -> int:
    """Return the rows of the packed weight, in units."""
    return 1 if cell == RNN else 4


@compiled
def band(cell: int, sizes: Sizes, index: int) -> tuple[int, int, int, int]:
    """Return the first row, the rows, the first column and the columns of a band of the weight."""
    columns = sizes.features + sizes.hidden + 2
    if cell != GRU:
        return 0, gate_rows(cell) * sizes.hidden, 0, columns
    if index == 0:
        return 0, sizes.hidden, 0, sizes.features + 1
    if index == 1:
        return sizes.hidden, 2 * sizes.hidden, 0, columns
    return 3 * sizes.hidden, sizes.hidden, sizes.features + 1, sizes.hidden + 1


@inlined
def gate_products(cell: int, sizes: Sizes, gates: Any, at: int, weight: Any, work: Any) -> None:
    """Set the gates to the packed weight times (x, 1, h, 1), which `work` begins with."""
    width, stride = sizes.width, sizes.features + sizes.hidden + 2
    for index in range(3 if cell == GRU else 1):
        row, rows, column, columns = band(cell, sizes, index)
        multiply(
            gates, at + row * width, width,
            weight, row * stride + column, stride, 1,
            work, column * width, width,
            rows, width, columns, False,
        )  # fmt: skip


@inlined
def weight_products(
    cell: int, sizes: Sizes, grad_weight: Any, stride: int, work: Any, gates: int, read: int
) -> None:
    """Add the gates' gradients times (x, 1, h, 1) to the packed weight's gradient.

    Its rows are `stride` apart, as are the lanes of what was read. Bands widen to whole vectors:
    the places between them hold what no weight asks for.
    """
    vector = VECTOR_BYTES // work.itemsize
    for index in range(3 if cell == GRU else 1):
        row, rows, column, columns = band(cell, sizes, index)
        first = column // vector * vector
        last = (column + columns + vector - 1) // vector * vector
        multiply(
            grad_weight, row * stride + first, stride,
            work, gates + row * sizes.width, sizes.width, 1,
            work, read + first, stride,
            rows, last - first, sizes.width, True,
        )  # fmt: skip


@inlined
def state_products(cell: int, sizes: Sizes, work: Any, dh: int, weight: Any, gates: int) -> None:
    """Set the gradient of the h before to what the gates pass back; GRU's adds to what z kept."""
    stride = sizes.features + sizes.hidden + 2
    row = sizes.hidden if cell == GRU else 0
    multiply(
        work, dh, sizes.width,
        weight, row * stride + sizes.features + 1, 1, stride,
        work, gates + row * sizes.width, sizes.width,
        sizes.hidden, sizes.width, gate_rows(cell) * sizes.hidden - row, cell == GRU,
    )  # fmt: skip


@inlined
def input_products(cell: int, sizes: Sizes, work: Any, dx: int, weight: Any, gates: int) -> None:
    """Set the gradient of x to what the gates pass back."""
    rows = 3 if cell == GRU else gate_rows(cell)
    multiply(
        work, dx, sizes.width,
        weight, 0, 1, sizes.features + sizes.hidden + 2,
        work, gates, sizes.width,
        sizes.features, sizes.width, rows * sizes.hidden, False,
    )  # fmt: skip


@compiled
def multiply(
    c: Any, c_at: int, c_row: int,
    a: Any, a_at: int, a_row: int, a_column: int,
    b: Any, b_at: int, b_row: int,
    rows: int, columns: int, depth: int, add: bool,
) -> None:  # fmt: skip
    """Set C = A B, or add to it; `columns` is a multiple of what a vector holds."""
    vector = VECTOR_BYTES // c.itemsize
    wide = columns // (2 * vector) * 2 * vector
    whole = rows // BLOCK_ROWS * BLOCK_ROWS
    for i in range(0, whole, BLOCK_ROWS):
        c_i, a_i = c_at + i * c_row, a_at + i * a_row
        for j in range(0, wide, 2 * vector):
            wide_block(c, c_i + j, c_row, a, a_i, a_row, a_column, b, b_at + j, b_row, depth, add)
        if wide < columns:
            j = wide
            narrow_block(c, c_i + j, c_row, a, a_i, a_row, a_column, b, b_at + j, b_row, depth, add)
    for i in range(whole, rows):
        c_i, a_i = c_at + i * c_row, a_at + i * a_row
        for j in range(0, wide, 2 * vector):
            wide_row(c, c_i + j, c_row, a, a_i, a_row, a_column, b, b_at + j, b_row, depth, add)
        if wide < columns:
            j = wide
            narrow_row(c, c_i + j, c_row, a, a_i, a_row, a_column, b, b_at + j, b_row, depth, add)

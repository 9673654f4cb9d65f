"""The matrix products of one step of a tile, compiled by numba into its callers.

The packed weight is `(gates * hidden, features + hidden + 2)`, its columns what the cell reads:
(x, 1, h, 1). A GRU's candidate reads x and h apart, so its rows are n of x, r, z, n of h.
"""

from __future__ import annotations

from typing import Any, Final

import numba

from drnn_forecast.recurrence.vectors import BLOCK_ROWS, VECTOR_BYTES, block_product

RNN: Final = 0
GRU: Final = 1
LSTM: Final = 2

compiled: Final = numba.njit(nogil=True, fastmath={"contract"}, error_model="numpy")
wide_block: Final = block_product(BLOCK_ROWS, 2)
wide_row: Final = block_product(1, 2)
narrow_block: Final = block_product(BLOCK_ROWS, 1)
narrow_row: Final = block_product(1, 1)


@compiled
def gate_rows(cell: int) -> int:
    """Return the rows of the packed weight, in units; GRU's candidate has one for x and one for h."""
    return 1 if cell == RNN else 4


@compiled
def saved_rows(cell: int) -> int:
    """Return what one slot holds, in units: the gates, and for an LSTM c."""
    return 5 if cell == LSTM else gate_rows(cell)


@compiled
def padded_columns(like: Any, features: int, hidden: int) -> int:
    """Return the columns of the packed weight, (x, 1, h, 1), filled up to whole vectors."""
    vector = VECTOR_BYTES // like.itemsize
    return (features + hidden + 2 + vector - 1) // vector * vector


@compiled
def gate_products(cell: int, sizes: Any, gates: Any, at: int, weight: Any, work: Any) -> None:
    """Set the gates to the packed weight times (x, 1, h, 1)."""
    _, _, features, hidden, width = sizes
    columns = features + hidden + 2
    if cell != GRU:
        multiply(
            gates, at, width, weight, 0, columns, 1, work, 0, width,
            gate_rows(cell) * hidden, width, columns, False,
        )  # fmt: skip
        return
    multiply(
        gates, at, width, weight, 0, columns, 1, work, 0, width, hidden, width, features + 1, False
    )
    first = hidden
    multiply(
        gates, at + first * width, width, weight, first * columns, columns, 1, work, 0, width,
        2 * hidden, width, columns, False,
    )  # fmt: skip
    first = 3 * hidden
    multiply(
        gates, at + first * width, width, weight, first * columns + features + 1, columns, 1,
        work, (features + 1) * width, width, hidden, width, hidden + 1, False,
    )  # fmt: skip


@compiled
def weight_products(
    cell: int, sizes: Any, grad_weight: Any, work: Any, gates: int, read: int, padded: int
) -> None:
    """Add the gates' gradients times (x, 1, h, 1) to the packed weight's gradient."""
    _, _, features, hidden, width = sizes
    if cell != GRU:
        multiply(
            grad_weight, 0, padded, work, gates, width, 1, work, read, padded,
            gate_rows(cell) * hidden, padded, width, True,
        )  # fmt: skip
        return
    vector = VECTOR_BYTES // work.itemsize
    stop = (features + 1 + vector - 1) // vector * vector
    start = (features + 1) // vector * vector
    multiply(grad_weight, 0, padded, work, gates, width, 1, work, read, padded,
             hidden, stop, width, True)  # fmt: skip
    multiply(grad_weight, hidden * padded, padded, work, gates + hidden * width, width, 1,
             work, read, padded, 2 * hidden, padded, width, True)  # fmt: skip
    first = 3 * hidden
    multiply(grad_weight, first * padded + start, padded, work, gates + first * width, width, 1,
             work, read + start, padded, hidden, padded - start, width, True)  # fmt: skip


@compiled
def state_products(cell: int, sizes: Any, work: Any, dh: int, weight: Any, gates: int) -> None:
    """Set the gradient of the h before to what the gates pass back; GRU's adds to what z kept."""
    _, _, features, hidden, width = sizes
    columns = features + hidden + 2
    first = hidden if cell == GRU else 0
    depth = gate_rows(cell) * hidden - first
    multiply(
        work, dh, width, weight, first * columns + features + 1, 1, columns,
        work, gates + first * width, width, hidden, width, depth, cell == GRU,
    )  # fmt: skip


@compiled
def input_products(cell: int, sizes: Any, work: Any, dx: int, weight: Any, gates: int) -> None:
    """Set the gradient of x to what the gates pass back."""
    _, _, features, hidden, width = sizes
    columns = features + hidden + 2
    depth = (3 if cell == GRU else gate_rows(cell)) * hidden
    multiply(
        work, dx, width, weight, 0, 1, columns, work, gates, width, features, width, depth, False
    )


@compiled
def multiply(
    c: Any, c_at: int, c_row: int,
    a: Any, a_at: int, a_row: int, a_column: int,
    b: Any, b_at: int, b_row: int,
    rows: int, columns: int, depth: int, add: bool,
) -> None:  # fmt: skip
    """Set C = A B, or add to it; `columns` is a multiple of what a vector holds."""
    vector = VECTOR_BYTES // c.itemsize
    whole = rows // BLOCK_ROWS * BLOCK_ROWS
    j = 0
    while columns - j >= 2 * vector:
        for i in range(0, whole, BLOCK_ROWS):
            wide_block(c, c_at + i * c_row + j, c_row, a, a_at + i * a_row, a_row, a_column,
                       b, b_at + j, b_row, depth, add)  # fmt: skip
        for i in range(whole, rows):
            wide_row(c, c_at + i * c_row + j, c_row, a, a_at + i * a_row, a_row, a_column,
                     b, b_at + j, b_row, depth, add)  # fmt: skip
        j += 2 * vector
    if j < columns:
        for i in range(0, whole, BLOCK_ROWS):
            narrow_block(c, c_at + i * c_row + j, c_row, a, a_at + i * a_row, a_row, a_column,
                         b, b_at + j, b_row, depth, add)  # fmt: skip
        for i in range(whole, rows):
            narrow_row(c, c_at + i * c_row + j, c_row, a, a_at + i * a_row, a_row, a_column,
                       b, b_at + j, b_row, depth, add)  # fmt: skip

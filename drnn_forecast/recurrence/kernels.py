"""The recurrence compiled by numba: whole sequences of a tile of lanes at a time.

A tile is so many lanes as fill one or two vectors. Its state and gates are held transposed,
(units, lanes), so that every vector is full whatever the number of units; they stay in the cache
from step to step. Each step is one product of the weights with what the cell reads, (x, 1, h, 1),
and one pass over the units. Tiles are independent, so that threads share them out.

All arrays are flat. `sizes` is (rows, lanes, features, hidden, width): rows of the input and the
output, the time-major `(time, batch)`; lanes that the rows visit in turn, `(dilation, batch)`, of
which the last visit may reach only the first ones; features and units; and lanes of a tile.

The two functions are kept compiled on disk, beside the bytecode. numba renews them when this
file changes, not when the files that it imports do: touch it after editing those.
"""

from __future__ import annotations

from typing import Any, Final

import numba

from drnn_forecast.recurrence.products import (
    gate_products,
    gate_rows,
    input_products,
    padded_columns,
    saved_rows,
    state_products,
    weight_products,
    GRU,
    LSTM,
)
from drnn_forecast.recurrence.tiles import add_lanes, copy_lanes, load_lanes, set_lanes, store_lanes
from drnn_forecast.recurrence.units import (
    gru_gradients,
    gru_units,
    lstm_gradients,
    lstm_units,
    rnn_gradients,
    rnn_units,
)

compiled: Final = numba.njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")


@compiled
def forward(
    cell: int,
    sizes: tuple[int, ...],
    tiles: tuple[int, int],
    input: Any,
    weight: Any,
    state_h: Any,
    state_c: Any,
    output: Any,
    last_h: Any,
    last_c: Any,
    saved: Any,
    slots: int,
    work: Any,
) -> None:
    """Set `output`, the last state and, with a slot per step, what the backward pass reads."""
    rows, lanes, features, hidden, width = sizes
    steps = (rows + lanes - 1) // lanes
    rest = rows - (steps - 1) * lanes
    block = hidden * width
    h = (features + 1) * width
    c = (features + hidden + 2) * width
    work[features * width : h] = 1
    work[h + block : c] = 1
    for tile in range(tiles[0], tiles[1]):
        lane = tile * width
        count = min(width, lanes - lane)
        load_lanes(work, h, width, state_h, lane, hidden, count)
        if cell == LSTM:
            load_lanes(work, c, width, state_c, lane, hidden, count)
        for step in range(steps):
            row = step * lanes + lane
            live = min(count, rows - row)
            slot = (tile * slots + step % slots) * saved_rows(cell) * block
            if live < count:
                at = lane - rest
                store_lanes(last_h, at, hidden, work, h, width, max(live, 0), count)
                if cell == LSTM:
                    store_lanes(last_c, at, hidden, work, c, width, max(live, 0), count)
            if live <= 0:
                break
            load_lanes(work, 0, width, input, row, features, live)
            gate_products(cell, sizes, saved, slot, weight, work)
            if cell == LSTM:
                lstm_units(block, (saved, slot, work, c), (saved, slot, work, c, work, h))
            elif cell == GRU:
                gru_units(block, (saved, slot, work, h), (saved, slot, work, h))
            else:
                rnn_units(block, (saved, slot), (work, h))
            store_lanes(output, row, hidden, work, h, width, 0, live)
        live = min(count, rest - lane)
        if live > 0:
            at = lanes - rest + lane
            store_lanes(last_h, at, hidden, work, h, width, 0, live)
            if cell == LSTM:
                store_lanes(last_c, at, hidden, work, c, width, 0, live)


@compiled
def backward(
    cell: int,
    sizes: tuple[int, ...],
    tiles: tuple[int, int],
    input: Any,
    weight: Any,
    state_h: Any,
    state_c: Any,
    output: Any,
    saved: Any,
    grad_output: Any,
    grad_last_h: Any,
    grad_last_c: Any,
    grad_input: Any,
    grad_weight: Any,
    grad_h: Any,
    grad_c: Any,
    work: Any,
) -> None:
    """Set the gradients of the input (where it has room) and the state; add to the weights'."""
    rows, lanes, features, hidden, width = sizes
    steps = (rows + lanes - 1) // lanes
    rest = rows - (steps - 1) * lanes
    block = hidden * width
    dh, dc, before, gates = 0, block, 2 * block, 3 * block
    read = gates + gate_rows(cell) * block
    padded = padded_columns(work, features, hidden)
    dx = read + width * padded
    work[read:dx] = 0
    for lane in range(width):
        work[read + lane * padded + features] = 1
        work[read + lane * padded + features + hidden + 1] = 1
    for tile in range(tiles[0], tiles[1]):
        lane = tile * width
        count = min(width, lanes - lane)
        for step in range(steps - 1, -1, -1):
            row = step * lanes + lane
            live = max(min(count, rows - row), 0)
            slot = (tile * steps + step) * saved_rows(cell) * block
            if step == steps - 1:
                at = lanes - rest + lane
                load_lanes(work, dh, width, grad_last_h, at, hidden, live)
                if cell == LSTM:
                    load_lanes(work, dc, width, grad_last_c, at, hidden, live)
            if live > 0:
                add_lanes(work, dh, width, grad_output, row, hidden, before, live)
                copy_lanes(work, read, padded, input, row, features, live)
                if step == 0:
                    copy_lanes(work, read + features + 1, padded, state_h, lane, hidden, live)
                else:
                    copy_lanes(work, read + features + 1, padded, output, row - lanes, hidden, live)
                if cell == LSTM:
                    if step == 0:
                        load_lanes(work, before, width, state_c, lane, hidden, live)
                        lstm_gradients(
                            block,
                            (saved, slot, work, before, work, dh, work, dc),
                            (work, gates, work, dc),
                        )
                    else:
                        earlier = slot - block
                        lstm_gradients(
                            block,
                            (saved, slot, saved, earlier, work, dh, work, dc),
                            (work, gates, work, dc),
                        )
                elif cell == GRU:
                    if step == 0:
                        load_lanes(work, before, width, state_h, lane, hidden, live)
                    else:
                        load_lanes(work, before, width, output, row - lanes, hidden, live)
                    gru_gradients(
                        block, (saved, slot, work, before, work, dh), (work, gates, work, dh)
                    )
                else:
                    load_lanes(work, before, width, output, row, hidden, live)
                    rnn_gradients(block, (work, before, work, dh), (work, gates))
                weight_products(cell, sizes, grad_weight, work, gates, read, padded)
                state_products(cell, sizes, work, dh, weight, gates)
                if grad_input.size:
                    input_products(cell, sizes, work, dx, weight, gates)
                    store_lanes(grad_input, row, features, work, dx, width, 0, live)
            if live < count:
                at = lane - rest
                set_lanes(work, dh, width, grad_last_h, at, hidden, live, count)
                if cell == LSTM:
                    set_lanes(work, dc, width, grad_last_c, at, hidden, live, count)
        store_lanes(grad_h, lane, hidden, work, dh, width, 0, count)
        if cell == LSTM:
            store_lanes(grad_c, lane, hidden, work, dc, width, 0, count)

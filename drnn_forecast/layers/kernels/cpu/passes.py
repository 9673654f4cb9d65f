"""The recurrence compiled by numba: whole sequences of a tile of lanes at a time.

A tile is so many lanes as fill one or two vectors. Its state and gates are held transposed,
(units, lanes), so that every vector is full whatever the number of units; they stay in the cache
from step to step. Each step is one product of the weights with what the cell reads, (x, 1, h, 1),
and one pass over the units. Tiles are independent, so that threads share them out. Arrays are flat.

`compilation` keeps `forward` and `backward` on disk, where numba looks for them by this file and by
what they close over: hence the digest of all the files that they come from.
"""

from __future__ import annotations

import zlib
from importlib.resources import files as files_of
from typing import Any

from drnn_forecast.layers.kernels.cpu.arguments import Gradients, Run, Sizes
from drnn_forecast.layers.kernels.cpu.products import (
    GRU,
    LSTM,
    compiled,
    gate_products,
    gate_rows,
    inlined,
    input_products,
    state_products,
    weight_products,
)
from drnn_forecast.layers.kernels.cpu.tiles import (
    add_lanes,
    copy_lanes,
    load_lanes,
    set_lanes,
    store_lanes,
)
from drnn_forecast.layers.kernels.cpu.units import (
    gru_gradients,
    gru_units,
    lstm_gradients,
    lstm_units,
    rnn_gradients,
    rnn_units,
)


@inlined
def run_forward(cell: int, sizes: Sizes, first: int, stop: int, run: Run, work: Any) -> None:
    """Set the output, the last state and `saved` of the tiles from `first` to `stop`."""
    width, block = sizes.width, sizes.hidden * sizes.width
    h = (sizes.features + 1) * width
    c = h + block + width
    work[h - width : h] = 1
    work[h + block : c] = 1
    for tile in range(first, stop):
        lane = tile * width
        count = min(width, sizes.lanes - lane)
        load_lanes(work, h, width, run.state_h, lane, sizes.hidden, count)
        if cell == LSTM:
            load_lanes(work, c, width, run.state_c, lane, sizes.hidden, count)
        for step in range(sizes.steps):
            row = step * sizes.lanes + lane
            live = max(min(count, sizes.rows - row), 0)
            if live < count:
                store_state(cell, sizes, run, work, h, c, lane - sizes.rest, live, count)
            if live:
                slot = (tile * sizes.slots + step) * slot_size(cell, sizes) if sizes.slots else 0
                load_lanes(work, 0, width, run.input, row, sizes.features, live)
                gate_products(cell, sizes, run.saved, slot, run.weight, work)
                update_units(cell, block, run.saved, slot, work, h, c)
                store_lanes(run.output, row, sizes.hidden, work, h, width, 0, live)
        live = max(min(count, sizes.rest - lane), 0)
        at = sizes.lanes - sizes.rest + lane
        store_state(cell, sizes, run, work, h, c, at, 0, live)


@inlined
def slot_size(cell: int, sizes: Sizes) -> int:
    """Return the numbers in one slot."""
    return (gate_rows(cell) + (cell == LSTM)) * sizes.hidden * sizes.width


@inlined
def store_state(
    cell: int, sizes: Sizes, run: Run, work: Any, h: int, c: int, at: int, first: int, stop: int
) -> None:
    """Set the last state of the lanes from `first` to `stop`; lane 0 belongs to row `at`."""
    store_lanes(run.last_h, at, sizes.hidden, work, h, sizes.width, first, stop)
    if cell == LSTM:
        store_lanes(run.last_c, at, sizes.hidden, work, c, sizes.width, first, stop)


@inlined
def update_units(cell: int, block: int, gates: Any, at: int, work: Any, h: int, c: int) -> None:
    """Set the state from the gates' sums, and the gates to what the backward pass reads."""
    if cell == LSTM:
        lstm_units(block, (gates, at, work, c), (gates, at, work, c, work, h))
    elif cell == GRU:
        gru_units(block, (gates, at, work, h), (gates, at, work, h))
    else:
        rnn_units(block, (gates, at), (work, h))


@inlined
def run_backward(
    cell: int, sizes: Sizes, first: int, stop: int, run: Run, grads: Gradients, work: Any
) -> None:
    """Set the gradients of input and state of these tiles, and add to the weights'."""
    width, features, hidden = sizes.width, sizes.features, sizes.hidden
    block = hidden * width
    stride = len(grads.weight) // (gate_rows(cell) * hidden)
    dh, dc, before, gates = 0, block, 2 * block, 3 * block
    read = (3 + gate_rows(cell)) * block
    dx = read + width * stride
    work[read:dx] = 0
    for lane in range(width):
        work[read + lane * stride + features] = 1
        work[read + lane * stride + features + hidden + 1] = 1
    for tile in range(first, stop):
        lane = tile * width
        count = min(width, sizes.lanes - lane)
        live = max(min(count, sizes.rest - lane), 0)
        load_gradients(cell, sizes, grads, work, dh, dc, sizes.lanes - sizes.rest + lane, live)
        for step in range(sizes.steps - 1, -1, -1):
            row = step * sizes.lanes + lane
            live = max(min(count, sizes.rows - row), 0)
            if live:
                add_lanes(work, dh, width, grads.output, row, hidden, before, live)
                unit_gradients(cell, sizes, tile, step, live, run, work)
                copy_lanes(work, read, stride, run.input, row, features, live)
                past, at = (run.output, row - sizes.lanes) if step else (run.state_h, lane)
                copy_lanes(work, read + features + 1, stride, past, at, hidden, live)
                weight_products(cell, sizes, grads.weight, stride, work, gates, read)
                state_products(cell, sizes, work, dh, run.weight, gates)
            if live and len(grads.input):
                input_products(cell, sizes, work, dx, run.weight, gates)
                store_lanes(grads.input, row, features, work, dx, width, 0, live)
            if live < count:
                at = lane - sizes.rest
                set_lanes(work, dh, width, grads.last_h, at, hidden, live, count)
                if cell == LSTM:
                    set_lanes(work, dc, width, grads.last_c, at, hidden, live, count)
        store_lanes(grads.state_h, lane, hidden, work, dh, width, 0, count)
        if cell == LSTM:
            store_lanes(grads.state_c, lane, hidden, work, dc, width, 0, count)


@inlined
def load_gradients(
    cell: int, sizes: Sizes, grads: Gradients, work: Any, dh: int, dc: int, at: int, live: int
) -> None:
    """Set the state's gradient after the last step, where a lane has that step, and zero else."""
    load_lanes(work, dh, sizes.width, grads.last_h, at, sizes.hidden, live)
    if cell == LSTM:
        load_lanes(work, dc, sizes.width, grads.last_c, at, sizes.hidden, live)


@inlined
def unit_gradients(
    cell: int, sizes: Sizes, tile: int, step: int, live: int, run: Run, work: Any
) -> None:
    """Set the gradients of the gates' sums, and what the state before gets besides."""
    width, hidden = sizes.width, sizes.hidden
    block = hidden * width
    dh, dc, before, gates = 0, block, 2 * block, 3 * block
    slot = (tile * sizes.slots + step) * slot_size(cell, sizes)
    row = step * sizes.lanes + tile * width
    if cell == LSTM:
        past, at = (run.saved, slot - block) if step else (work, before)
        if step == 0:
            load_lanes(work, before, width, run.state_c, row, hidden, live)
        lstm_gradients(
            block, (run.saved, slot, past, at, work, dh, work, dc), (work, gates, work, dc)
        )
    elif cell == GRU:
        past, at = (run.output, row - sizes.lanes) if step else (run.state_h, row)
        load_lanes(work, before, width, past, at, hidden, live)
        gru_gradients(block, (run.saved, slot, work, before, work, dh), (work, gates, work, dh))
    else:
        load_lanes(work, before, width, run.output, row, hidden, live)
        rnn_gradients(block, (work, before, work, dh), (work, gates))


def source_digest() -> int:
    """Return a checksum of the sources in this folder."""
    files = sorted(files_of(__package__).iterdir(), key=lambda file: file.name)
    return zlib.crc32(b"".join(file.read_bytes() for file in files if file.name.endswith(".py")))


def kernels_of(digest: int) -> tuple[Any, Any]:
    """Return `forward` and `backward`, which return the digest that they were compiled with."""

    @compiled
    def forward(cell: int, sizes: Sizes, first: int, stop: int, run: Run, work: Any) -> int:
        run_forward(cell, sizes, first, stop, run, work)
        return digest

    @compiled
    def backward(
        cell: int, sizes: Sizes, first: int, stop: int, run: Run, grads: Gradients, work: Any
    ) -> int:
        run_backward(cell, sizes, first, stop, run, grads, work)
        return digest

    return forward, backward


forward, backward = kernels_of(source_digest())

"""Moves between rows, (lanes, units) in memory, and tiles, (units, lanes), compiled by numba."""

from __future__ import annotations

from typing import Any, Final

from drnn_forecast.layers.kernels.cpu.products import compiled
from drnn_forecast.layers.kernels.cpu.units import added
from drnn_forecast.layers.kernels.cpu.vectors import (
    STRIP,
    VECTOR_BYTES,
    mover,
    transpose_in,
    transpose_out,
)

move_vector: Final = mover(strip=False)
move_strip: Final = mover(strip=True)


@compiled
def load_lanes(
    tile: Any, at: int, width: int, rows: Any, row: int, columns: int, live: int
) -> None:
    """Set the tile to `live` rows from `row` on; the lanes beyond become zero."""
    vector = VECTOR_BYTES // tile.itemsize
    strips = columns // STRIP * STRIP
    whole = live // vector * vector
    for lane in range(0, whole, vector):
        place = (row + lane) * columns
        for j in range(0, strips, STRIP):
            transpose_in(tile, at + j * width + lane, width, rows, place + j, columns)
        for j in range(strips, columns):
            for k in range(vector):
                tile[at + j * width + lane + k] = rows[place + k * columns + j]
    for lane in range(whole, live):
        for j in range(columns):
            tile[at + j * width + lane] = rows[(row + lane) * columns + j]
    if live < width:
        for j in range(columns):
            tile[at + j * width + live : at + (j + 1) * width] = 0


@compiled
def store_lanes(
    rows: Any, row: int, columns: int, tile: Any, at: int, width: int, first: int, stop: int
) -> None:
    """Set row `row + lane` to that lane of the tile, for lanes from `first` to `stop`."""
    vector = VECTOR_BYTES // tile.itemsize
    strips = columns // STRIP * STRIP
    lane = first
    while stop - lane >= vector:
        place = (row + lane) * columns
        for j in range(0, strips, STRIP):
            transpose_out(rows, place + j, columns, tile, at + j * width + lane, width)
        for j in range(strips, columns):
            for k in range(vector):
                rows[place + k * columns + j] = tile[at + j * width + lane + k]
        lane += vector
    for rest in range(lane, stop):
        for j in range(columns):
            rows[(row + rest) * columns + j] = tile[at + j * width + rest]


@compiled
def copy_lanes(
    target: Any, at: int, stride: int, rows: Any, row: int, columns: int, live: int
) -> None:
    """Set `live` rows of the target, `stride` apart, to the rows from `row` on."""
    vector = VECTOR_BYTES // target.itemsize
    vectors, strips = columns // vector * vector, columns // STRIP * STRIP
    for lane in range(live):
        place = (row + lane) * columns
        start = at + lane * stride
        for j in range(0, vectors, vector):
            move_vector(target, start + j, rows, place + j)
        for j in range(vectors, strips, STRIP):
            move_strip(target, start + j, rows, place + j)
        for j in range(strips, columns):
            target[start + j] = rows[place + j]


@compiled
def add_lanes(
    tile: Any, at: int, width: int, rows: Any, row: int, columns: int, spare: int, live: int
) -> None:
    """Add `live` rows from `row` on to the tile; `spare` is room for as much again."""
    load_lanes(tile, spare, width, rows, row, columns, live)
    added(columns * width, (tile, at, tile, spare), (tile, at))


@compiled
def set_lanes(
    tile: Any, at: int, width: int, rows: Any, row: int, columns: int, first: int, stop: int
) -> None:
    """Set that lane of the tile to row `row + lane`, for lanes from `first` to `stop`."""
    for lane in range(first, stop):
        for j in range(columns):
            tile[at + j * width + lane] = rows[(row + lane) * columns + j]

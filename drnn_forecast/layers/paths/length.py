"""The mean recurrent length of an architecture, exact."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drnn_forecast.layers.dilations import checked_integer
from drnn_forecast.layers.paths.graph import Layers, checked_edges, stack_edges, waves

LONGEST_PERIOD: Final = 1_000_000
"""Time steps over which the paths of a stack are found: a second for a few layers."""
LONGEST_OF_GRAPH: Final = 100_000
"""The same of any architecture, whose paths are followed edge by edge."""


def mean_recurrent_length(
    dilations: Layers,
    *,
    period: int | None = None,
    input_kernel_size: int = 1,
    fusion_width: int = 1,
) -> float:
    """Return the mean number of edges on the shortest paths from inputs to later outputs.

    The mean over n = 1, ..., m of the largest d(n), the length of the shortest path from an input
    to the output n time steps later (Chang et al., 2017, definition 3.1). All inputs look alike,
    so the largest is any of them.

    Args:
        dilations: The recurrent edges of each layer, time steps, lowest layer first: one, as in a
            dilated RNN, or several, such as (1, 256) for a layer with a skip connection.
        period: m, time steps; None is the longest edge.
        input_kernel_size: k of every layer's input map, as in `DilatedRNNLayer`.
        fusion_width: g of an `OutputFusion` on top; 1 is none.

    Returns:
        The mean, in edges; infinite where some distance up to m cannot be bridged, as when all
        edges share a divisor above 1 and nothing fuses the outputs.

    Raises:
        ValueError: There is no layer, or a number is out of range.
        TypeError: A number is not an integer.

    Example:
        >>> round(mean_recurrent_length((1, 2, 4, 8, 16, 32, 64, 128, 256)), 3)
        13.004
        >>> round(mean_recurrent_length([(1, 256)] * 9), 3)  # every layer skips 256 steps
        136.504
        >>> mean_recurrent_length([1] * 9, period=256)  # an ordinary stack
        137.5
    """
    edges = stack_edges(dilations, input_kernel_size=input_kernel_size, fusion_width=fusion_width)
    longest = max(edge.steps for edge in edges if edge.source == edge.target)
    period = longest if period is None else period
    last = checked_integer("period", period, minimum=1, maximum=LONGEST_PERIOD)
    distances = _distances(dilations, last, input_kernel_size, fusion_width)[1:]
    return math.inf if distances.max() >= UNREACHED else int(distances.sum()) / last


UNREACHED: Final = 2**40
"""Edges of a path that there is not."""


def _distances(layers: Layers, last: int, kernel: int, fusion_width: int) -> NDArray[np.int64]:
    """Return the edges of the shortest path over 0, ..., `last` time steps through a stack.

    From layer to layer: one edge climbs, from a few places, and recurrent edges follow it.
    """
    found = np.full(last + 1, UNREACHED)
    found[0] = 0
    for layer in layers:
        steps = layer if isinstance(layer, Sequence) else [layer]
        found = _climbed(found, [tap * max(steps) for tap in range(kernel)])
        for step in steps:
            found = _recurred(found, step)
    return _climbed(found, range(fusion_width)) if fusion_width > 1 else found


def _climbed(found: NDArray[np.int64], delays: Iterable[int]) -> NDArray[np.int64]:
    """Return the distances one node higher, which is entered after each of some delays."""
    higher = np.full_like(found, UNREACHED)
    for delay in delays:
        if delay < len(found):
            shifted = found[: len(found) - delay] + 1
            np.minimum(higher[delay:], shifted, out=higher[delay:])
    return higher


def _recurred(found: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """Return the distances with any number of recurrent edges of a layer behind them."""
    if step >= len(found):
        return found
    rows = -(-len(found) // step)
    padded = np.full(rows * step, UNREACHED)
    padded[: len(found)] = found
    lead = padded.reshape(rows, step) - np.arange(rows)[:, None]
    best = np.minimum.accumulate(lead, axis=0) + np.arange(rows)[:, None]
    return best.reshape(-1)[: len(found)]


def graph_recurrent_length(edges: Iterable[Sequence[int]], *, period: int | None = None) -> float:
    """Return the mean recurrent length of any architecture, given as the set of its edges.

    Args:
        edges: (source, target, steps), as in `Edge`: node 0 is the input, the highest node the
            output, and `steps` the time steps from one to the other.
        period: m, time steps; None is the longest edge.

    Returns:
        The mean, in edges; infinite where some distance up to m cannot be bridged.

    Raises:
        ValueError: The edges are no architecture (see `checked_edges`), none of them spans a
            time step, or the period is below 1.
        TypeError: An edge is no triple of integers, or the period is not an integer.

    Example:
        One layer whose output also reads the input of three steps ago directly.

        >>> graph_recurrent_length([(0, 1, 0), (1, 1, 1), (1, 2, 0), (0, 2, 3)])
        2.6666666666666665
    """
    known = checked_edges(edges)
    longest = max(edge.steps for edge in known) if period is None else period
    if period is None and longest == 0:
        raise ValueError("`edges` must hold one that spans a time step at least, got none.")
    last = checked_integer("period", longest, minimum=1, maximum=LONGEST_OF_GRAPH)
    output = max(edge.target for edge in known)
    total = reached = 0
    for length, wave in enumerate(waves(known, last)):
        found = (wave.get(output, 0) >> 1).bit_count()  # the distance of 0 steps does not count
        total, reached = total + length * found, reached + found
    return total / last if reached == last else math.inf

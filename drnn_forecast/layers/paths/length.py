"""The mean recurrent length of an architecture, exact."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from drnn_forecast.layers.dilations import checked_integer
from drnn_forecast.layers.paths.graph import Layers, checked_edges, stack_edges, waves


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
        ValueError: There is no layer, or a number is below 1.
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
    return graph_recurrent_length(edges, period=longest if period is None else period)


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
    last = checked_integer("period", longest, minimum=1)
    output = max(edge.target for edge in known)
    total = reached = 0
    for length, wave in enumerate(waves(known, last)):
        found = (wave.get(output, 0) >> 1).bit_count()  # the distance of 0 steps does not count
        total, reached = total + length * found, reached + found
    return total / last if reached == last else math.inf

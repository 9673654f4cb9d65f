"""How far back a recurrent architecture reaches, and over how many steps: analysis of its graph."""

from __future__ import annotations

import math
from collections.abc import Sequence

from drnn_forecast.dilations import checked_dilations, checked_integer


def mean_recurrent_length(
    dilations: Sequence[int | Sequence[int]], *, period: int | None = None
) -> float:
    """Return the mean number of edges on the shortest paths from inputs to later outputs.

    The mean over n = 1, ..., m of d(n), the length of the shortest path from an input to the
    output n time steps later (Chang et al., 2017, definition 3.1); every output looks alike, so
    the definition's maximum over outputs is any of them. Exact: d(n) is one edge into each layer
    plus the fewest recurrent edges that add up to n.

    Args:
        dilations: The recurrent edges of each layer, time steps, lowest layer first: one, as in a
            dilated RNN, or several, such as (1, 256) for a layer with a skip connection.
        period: m, time steps; None is the longest edge.

    Returns:
        The mean, in edges; infinite where some distance up to m cannot be bridged, as when all
        edges share a divisor above 1.

    Raises:
        ValueError: There is no layer, or an edge or the period is below 1.
        TypeError: An edge or the period is not an integer.

    Example:
        >>> round(mean_recurrent_length((1, 2, 4, 8, 16, 32, 64, 128, 256)), 3)
        13.004
        >>> round(mean_recurrent_length([(1, 256)] * 9), 3)  # every layer skips 256 steps
        136.504
    """
    layers = list(dilations)
    if not layers:
        raise ValueError("`dilations` must hold the edges of at least one layer, got none.")
    edges = sorted({edge for layer in layers for edge in _edges(layer)})
    longest = edges[-1] if period is None else checked_integer("period", period, minimum=1)
    return len(layers) + sum(fewest_steps(edges, longest)[1:]) / longest


def fewest_steps(edges: Sequence[int], distance: int) -> list[float]:
    """Return the fewest edges that add up to each distance 0, ..., `distance`.

    Infinite where none do. A path may climb the layers at any time, so which layer an edge belongs
    to does not matter.

    Args:
        edges: Lengths, time steps.
        distance: The longest distance, time steps.

    Example:
        >>> fewest_steps([1, 4], 6)
        [0, 1, 2, 3, 1, 2, 3]
    """
    fewest: list[float] = [0] + [math.inf] * distance
    for total in range(1, distance + 1):
        fewest[total] = 1 + min(
            (fewest[total - edge] for edge in edges if edge <= total), default=math.inf
        )
    return fewest


def serial_steps(dilations: Sequence[int], length: int) -> int:
    """Return how many steps of a stack over `length` time steps wait for one another.

    A layer of dilation s runs its s phases side by side, one block of s time steps after another.

    Args:
        dilations: One per layer, time steps.
        length: Of the sequence, time steps.

    Raises:
        ValueError: There is no layer, or a number is below 1.
        TypeError: A number is not an integer.

    Example:
        >>> serial_steps((1, 2, 4), 512), serial_steps((4, 8, 16), 512)
        (896, 224)
    """
    steps = checked_integer("length", length, minimum=1)
    return sum(-(-steps // dilation) for dilation in checked_dilations(dilations))


def _edges(layer: int | Sequence[int]) -> tuple[int, ...]:
    """Return the edges of one layer, checked."""
    return checked_dilations(layer if isinstance(layer, Sequence) else [layer])

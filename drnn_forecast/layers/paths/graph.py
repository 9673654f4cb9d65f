"""A recurrent architecture as a set of edges, and the shortest paths through it, unrolled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from drnn_forecast.layers.dilations import LARGEST_KERNEL, checked_dilations, checked_integer


class Edge(NamedTuple):
    """One edge of an architecture, the same at every time step.

    Attributes:
        source: The node that it leaves: 0 is the input, 1 the lowest layer, and so on.
        target: The node that it enters, at least 1.
        steps: How many time steps later; 0 within one step, from a lower node to a higher one.
    """

    source: int
    target: int
    steps: int


Layers: TypeAlias = Sequence[int | Sequence[int]]
"""The recurrent edges of each layer, time steps, lowest layer first: one or several."""


def stack_edges(
    dilations: Layers, *, input_kernel_size: int = 1, fusion_width: int = 1
) -> frozenset[Edge]:
    """Return the edges of a stack of recurrent layers.

    Args:
        dilations: The recurrent edges of each layer, time steps, lowest layer first: one, as in a
            dilated RNN, or several, such as (1, 256) for a layer with a skip connection.
        input_kernel_size: k; the input of a layer also comes from s, ..., (k - 1) s steps ago,
            with s its longest edge.
        fusion_width: g; above 1, the outputs of the last g steps are joined by one node more.

    Raises:
        ValueError: There is no layer, or a number is below 1.
        TypeError: A number is not an integer.

    Example:
        >>> sorted(stack_edges([2]))
        [Edge(source=0, target=1, steps=0), Edge(source=1, target=1, steps=2)]
    """
    layers = [_recurrent_edges(layer) for layer in dilations]
    if not layers:
        raise ValueError("`dilations` must hold the edges of at least one layer, got none.")
    kernel = checked_integer(
        "input_kernel_size", input_kernel_size, minimum=1, maximum=LARGEST_KERNEL
    )
    width = checked_integer("fusion_width", fusion_width, minimum=1)
    edges = set()
    for node, steps in enumerate(layers, start=1):
        edges |= {Edge(node, node, step) for step in steps}
        edges |= {Edge(node - 1, node, tap * max(steps)) for tap in range(kernel)}
    if width > 1:
        edges |= {Edge(len(layers), len(layers) + 1, tap) for tap in range(width)}
    return frozenset(edges)


def checked_edges(edges: Iterable[Sequence[int]]) -> frozenset[Edge]:
    """Return the edges of an architecture whose signals can be computed step by step."""
    checked = set()
    for edge in edges:
        if not isinstance(edge, Sequence) or isinstance(edge, str) or len(edge) != 3:
            raise TypeError(
                f"`edges` must hold triples of integers (source, target, steps), got {edge!r}."
            )
        source, target, steps = (checked_integer("edges", number, minimum=0) for number in edge)
        if target == 0 or (steps == 0 and target <= source):
            raise ValueError(
                "`edges` of 0 time steps must lead upwards and none may enter the input, node 0, "
                f"got {(source, target, steps)}."
            )
        checked.add(Edge(source, target, steps))
    if not checked:
        raise ValueError("`edges` must hold at least one edge, got none.")
    return frozenset(checked)


def shortest_path(edges: Iterable[Sequence[int]], distance: int) -> list[tuple[int, int]]:
    """Return a shortest path from an input to the output `distance` steps later.

    Args:
        edges: (source, target, steps), as in `Edge`.
        distance: Time steps.

    Returns:
        The nodes on it as (node, time step), from (0, 0) on; empty where no path leads there.

    Raises:
        ValueError: The edges are no architecture, or the distance is negative.
        TypeError: An edge is no triple of integers, or the distance is not an integer.

    Example:
        >>> shortest_path(stack_edges([1, 4]), 5)
        [(0, 0), (1, 0), (1, 1), (2, 1), (2, 5)]
    """
    known = sorted(checked_edges(edges))
    time = checked_integer("distance", distance, minimum=0)
    reached = list(waves(known, time))
    node = max(edge.target for edge in known)
    lengths = [length for length, wave in enumerate(reached) if wave.get(node, 0) >> time & 1]
    if not lengths:
        return []
    path = [(node, time)]
    for wave in reversed(reached[: lengths[0]]):
        # Of the edges that lead here the one from the highest node, so that a path climbs late.
        node, time = max(
            (edge.source, time - edge.steps)
            for edge in known
            if edge.target == node
            and time >= edge.steps
            and wave.get(edge.source, 0) >> (time - edge.steps) & 1
        )
        path.append((node, time))
    return path[::-1]


def waves(edges: Iterable[Edge], distance: int) -> Iterator[dict[int, int]]:
    """Yield the time steps at which each node is first reached over 0, 1, 2, ... edges.

    From the input at step 0, breadth first. A set of time steps up to `distance` is one integer,
    whose bit n stands for step n, so that an edge moves all of them with one shift.
    """
    steps = (1 << (distance + 1)) - 1
    wave = seen = {0: 1}
    while wave:
        yield wave
        ahead: dict[int, int] = {}
        for source, target, delay in edges:
            if source in wave:
                ahead[target] = ahead.get(target, 0) | wave[source] << delay
        new = {node: bits & steps & ~seen.get(node, 0) for node, bits in ahead.items()}
        wave = {node: bits for node, bits in new.items() if bits}
        seen = seen | {node: bits | seen.get(node, 0) for node, bits in wave.items()}


def _recurrent_edges(layer: int | Sequence[int]) -> tuple[int, ...]:
    """Return the recurrent edges of one layer, checked."""
    return checked_dilations(layer if isinstance(layer, Sequence) else [layer])

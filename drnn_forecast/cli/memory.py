"""The command `memory`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import drnn_forecast as drnn
from drnn_forecast import data as tables
from drnn_forecast.cli.outputs import check_file
from drnn_forecast.layers import (
    checked_integer,
    common_divisor,
    mean_recurrent_length,
    parameter_count,
    receptive_field,
    recommend_dilations,
    resolve_dilations,
    serial_steps,
    shortest_path,
    stack_edges,
)
from drnn_forecast.plotting import length_by_depth, unrolled_network

PICTURES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".eps", ".ps", ".tif", ".tiff", ".webp")
MOST_DRAWN = 20_000
"""Edges of a picture, beyond which nothing is seen in it."""
LONGEST_DRAWN = 100_000
"""Time steps of the largest dilation in a picture by depth."""


def show_memory(
    *,
    encoder_length: int | None = None,
    num_layers: int | None = None,
    dilation_base: int | None = None,
    start_exponent: int | None = None,
    dilations: list[int] | None = None,
    input_kernel_size: int = 1,
    cell_type: str | None = None,
    input_size: int = 1,
    hidden_size: int | None = None,
    top: int = 8,
    out: Path | None = None,
    depth_out: Path | None = None,
) -> None:
    """Shows how far dilated layers reach back, over how many steps, before any training.

    Of a schedule (dilations or num_layers): its mean recurrent length beside those of a regular
    skip RNN and of an undilated stack. Of an encoder length alone: the schedules that suit it, best
    first.

    Args:
        encoder_length: Time steps that the network reads.
        num_layers: L.
        dilation_base: M; by default 2, and 2 to 8 are ranked.
        start_exponent: l0, by default 0.
        dilations: One per layer, in place of the three above.
        input_kernel_size: k of every layer's input map.
        cell_type: RNN, GRU or LSTM, for the parameters; by default the recipe's.
        input_size: Features of the input, for the parameters.
        hidden_size: Units of every layer, for the parameters; by default the recipe's.
        top: The most schedules to list.
        out: Picture to write: the network unrolled over one recurrent step of every layer.
        depth_out: Picture to write: mean recurrent length of two to nine layers of this base, up to
            dilations of 100,000 time steps.
    """
    checked_integer("top", top, minimum=1)
    if out is not None and out == depth_out:
        raise ValueError(f"`out` and `depth_out` must differ, got {str(out)!r} for both.")
    for name, path in (("out", out), ("depth_out", depth_out)):
        if path is not None:
            check_file(name, path, suffixes=PICTURES)
    sizes: dict[str, Any] = {
        "cell_type": drnn.Recipe.cell_type if cell_type is None else cell_type,
        "input_size": input_size,
        "hidden_size": drnn.Recipe.hidden_size if hidden_size is None else hidden_size,
        "input_kernel_size": input_kernel_size,
    }
    if dilations is not None or num_layers is not None:
        schedule = resolve_dilations(
            dilations,
            num_layers=num_layers,
            dilation_base=dilation_base,
            start_exponent=start_exponent,
        )
        said = _analysis(schedule, encoder_length, sizes)
    elif encoder_length is not None:
        ranked = recommend_dilations(
            encoder_length,
            dilation_base=dilation_base,
            start_exponent=start_exponent or 0,
            **sizes,
        )
        schedule = ranked[0].dilations
        listed = _text([asdict(each) for each in ranked[:top]])
        said = f"Schedules for {encoder_length} time steps, best first:\n\n{listed}"
    else:
        raise ValueError("Pass `--encoder_length`, or a schedule: `--dilations` or `--num_layers`.")
    pictures: dict[Path, Any] = {}
    if out is not None:
        pictures[out] = _network(schedule, input_kernel_size)
    if depth_out is not None:
        pictures[depth_out] = _depths(dilation_base or 2, input_kernel_size)
    print(said)
    for path, figure in pictures.items():
        _write(figure, path)


def _write(figure: Any, path: Path) -> None:
    """Write a picture, and say so."""
    with tables.replaced(path) as place:
        figure.savefig(place, dpi=120)
    print(f"Written: {path}")


def _analysis(schedule: tuple[int, ...], length: int | None, sizes: dict[str, Any]) -> str:
    """Return what a schedule means, beside a skip RNN and an undilated stack of as many layers."""
    m, kernel = max(schedule), sizes["input_kernel_size"]
    length = 2 * m if length is None else checked_integer("encoder_length", length, minimum=1)
    depth, fusion = len(schedule), common_divisor(schedule)
    networks: dict[str, list[Any]] = {
        "dilated" if fusion == 1 else f"dilated, {fusion} outputs fused": list(schedule),
        f"regular skip of {m}": [(1, m)] * depth,
        "undilated": [1] * depth,
    }
    serial = [serial_steps(schedule, length), *[depth * length] * 2]
    table = [
        {
            "network": name,
            "mean_recurrent_length": mean_recurrent_length(
                layers, period=m, input_kernel_size=kernel, fusion_width=width
            ),
            "serial_steps": steps,
        }
        for (name, layers), steps, width in zip(
            networks.items(), serial, (fusion, 1, 1), strict=True
        )
    ]
    span = receptive_field(schedule, input_kernel_size=kernel)
    return (
        f"Dilations {_words(schedule)}: {parameter_count(depth, **sizes)} parameters "
        f"({sizes['cell_type']}, {sizes['hidden_size']} units). One recurrent step a layer spans "
        f"{span} time steps.\nPaths to outputs 1 to {m} time steps later, serial steps over "
        f"{length}:\n\n{_text(table)}"
    )


def _network(schedule: tuple[int, ...], kernel: int) -> Any:
    """Return a picture of the network, unrolled over one recurrent step of every layer."""
    edges = stack_edges(
        schedule, input_kernel_size=kernel, fusion_width=(fusion := common_divisor(schedule))
    )
    distance = sum(schedule)
    if len(edges) * distance > MOST_DRAWN:
        raise ValueError(
            f"`out` draws networks of at most {MOST_DRAWN:,} edges, got {len(edges) * distance:,} "
            f"over {distance:,} time steps. Leave it out, or give a shorter schedule."
        )
    layers = [f"layer {number}, s = {s}" for number, s in enumerate(schedule, start=1)]
    return unrolled_network(
        edges,
        shortest_path(edges, distance),
        distance=distance,
        labels=["input", *layers, *["fusion"] * (fusion > 1)],
        title=f"Dilations {_words(schedule)}: from an input to the output {distance} steps later",
    )


def _depths(base: int, kernel: int) -> Any:
    """Return a picture of the lengths of two to nine layers with dilations M^(l-1)."""
    lengths: dict[str, dict[int, float]] = {"dilated": {}, "regular skip": {}, "undilated": {}}
    deepest = max(depth for depth in range(1, 10) if base ** (depth - 1) <= LONGEST_DRAWN)
    if deepest < 2:
        raise ValueError(
            f"`depth_out` draws bases of at most {LONGEST_DRAWN:,}, got {base}. Leave it out."
        )
    for depth in range(2, deepest + 1):
        m = base ** (depth - 1)
        for name, layers in (
            ("dilated", [base**level for level in range(depth)]),
            ("regular skip", [(1, m)] * depth),
            ("undilated", [1] * depth),
        ):
            lengths[name][depth] = mean_recurrent_length(layers, period=m, input_kernel_size=kernel)
    return length_by_depth(
        lengths, title=f"Mean recurrent length, largest dilation {base}^(layers - 1)"
    )


def _text(table: Sequence[dict[str, Any]]) -> str:
    """Return a table as text, one row a line."""
    lines = [[name.replace("_", " ") for name in table[0]]]
    lines += [[_word(value) for value in row.values()] for row in table]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)


def _word(value: object) -> str:
    """Return a cell of a table as text."""
    if isinstance(value, tuple):
        return _words(value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _words(schedule: Iterable[int]) -> str:
    """Return dilations as `1 2 4`."""
    return " ".join(map(str, schedule))

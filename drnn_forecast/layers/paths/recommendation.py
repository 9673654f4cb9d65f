"""Schedules for a history of known length, from the shortest memory path on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from drnn_forecast.layers.dilations import checked_dilations, checked_integer, common_divisor
from drnn_forecast.layers.paths.costs import parameter_count, receptive_field, serial_steps
from drnn_forecast.layers.paths.length import mean_recurrent_length

BASES: Final = (2, 3, 4, 5, 6, 7, 8)
"""The M that are tried where none is given; larger ones leave few layers."""


@dataclass(frozen=True)
class Recommendation:
    """One schedule and what it means for a history of the length that was asked about.

    Attributes:
        dilations: s^(l), time steps, one per layer, lowest first.
        mean_recurrent_length: Edges, over all distances within the history; with the fusion of g
            outputs where the dilations share a divisor g above 1, as the forecaster has it.
        serial_steps: Steps that wait for one another.
        parameters: Of the dilated layers.
        receptive_field: Time steps that one recurrent step in each layer spans.
    """

    dilations: tuple[int, ...]
    mean_recurrent_length: float
    serial_steps: int
    parameters: int
    receptive_field: int


def recommend_dilations(
    encoder_length: int,
    *,
    num_layers: int | None = None,
    dilation_base: int | None = None,
    start_exponent: int = 0,
    candidates: Iterable[Sequence[int]] | None = None,
    cell_type: str = "GRU",
    input_size: int = 1,
    hidden_size: int = 64,
    input_kernel_size: int = 1,
) -> tuple[Recommendation, ...]:
    """Return schedules for a history, best first.

    Ranked by mean recurrent length over the distances 1, ..., `encoder_length` - 1, then by
    serial steps, then by parameters. By itself it ranks every s^(l) = M^(l-1+l0) whose largest
    dilation is at most half of the history, so that the top layer joins at least two steps; the
    lowest layer is kept even where it alone is longer.

    Args:
        encoder_length: Time steps that the network reads.
        num_layers: L; None tries every depth.
        dilation_base: M; None tries 2 to 8.
        start_exponent: l0.
        candidates: Schedules to rank in place of these, such as seasonal ones.
        cell_type: `"RNN"`, `"GRU"` or `"LSTM"`, for the parameters.
        input_size: Features of the input, for the parameters.
        hidden_size: Units of every layer, for the parameters.
        input_kernel_size: k of every layer's input map.

    Raises:
        ValueError: A number is below its minimum, M = 1 is given without `num_layers`, no
            schedule fits, or candidates are given beside a schedule.
        TypeError: A number is not an integer.

    Example:
        >>> recommend_dilations(168)[0].dilations
        (1, 4, 16, 64)
        >>> recommend_dilations(168, dilation_base=2)[0].dilations
        (1, 2, 4, 8, 16, 32)
        >>> recommend_dilations(65, candidates=[(1, 4, 16, 64), (1, 8, 13, 64)])[0].dilations
        (1, 8, 13, 64)
    """
    length = checked_integer("encoder_length", encoder_length, minimum=1)
    if candidates is None:
        schedules = _geometric_schedules(length, num_layers, dilation_base, start_exponent)
    elif num_layers is not None or dilation_base is not None or start_exponent != 0:
        raise ValueError(
            "`candidates` and `num_layers`, `dilation_base` or `start_exponent` exclude each "
            "other. Pass the schedules or what they are made of, not both."
        )
    else:
        schedules = list(dict.fromkeys(map(checked_dilations, candidates)))
    if not schedules:
        raise ValueError(
            f"No schedule has `num_layers={num_layers}` and a largest dilation of at most half of "
            f"`encoder_length={length}`. Lower `num_layers`, or pass `candidates`."
        )
    recommendations = [
        Recommendation(
            dilations,
            mean_recurrent_length(
                dilations,
                period=max(length - 1, 1),
                input_kernel_size=input_kernel_size,
                fusion_width=common_divisor(dilations),
            ),
            serial_steps(dilations, length),
            parameter_count(
                len(dilations),
                input_size=input_size,
                hidden_size=hidden_size,
                cell_type=cell_type,
                input_kernel_size=input_kernel_size,
            ),
            receptive_field(dilations, input_kernel_size=input_kernel_size),
        )
        for dilations in schedules
    ]
    return tuple(
        sorted(
            recommendations, key=lambda r: (r.mean_recurrent_length, r.serial_steps, r.parameters)
        )
    )


def _geometric_schedules(
    length: int, num_layers: int | None, dilation_base: int | None, start_exponent: int
) -> list[tuple[int, ...]]:
    """Return every schedule M^(l-1+l0) that fits, once."""
    start = checked_integer("start_exponent", start_exponent, minimum=0)
    depth = None if num_layers is None else checked_integer("num_layers", num_layers, minimum=1)
    bases: tuple[int, ...] = BASES
    if dilation_base is not None:
        bases = (checked_integer("dilation_base", dilation_base, minimum=1),)
    if bases == (1,):
        if depth is None:
            raise ValueError(
                "`num_layers` must be given when `dilation_base` is 1, got None: "
                "no length limits the depth of an undilated stack. Pass `num_layers`."
            )
        return [(1,) * depth]
    schedules = []
    for base in bases:
        schedule = [base**start]
        schedules.append(tuple(schedule))
        while schedule[-1] * base <= length / 2:
            schedule.append(schedule[-1] * base)
            schedules.append(tuple(schedule))
    return [s for s in dict.fromkeys(schedules) if depth in (None, len(s))]

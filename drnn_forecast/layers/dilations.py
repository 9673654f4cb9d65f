"""The dilation of every layer: the schedule s^(l) = M^(l - 1 + l0), its rules and its divisor."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Final

MOST_LAYERS: Final = 1_000
LONGEST_DILATION: Final = 2**31 - 1
"""Time steps."""
WIDEST: Final = 16_384
"""Units of a layer."""
LARGEST_KERNEL: Final = 1_024
LARGEST_INTEGER: Final = 2**63 - 1
"""Beyond this no array can count."""


def dilation_schedule(
    num_layers: int, *, dilation_base: int = 2, start_exponent: int = 0
) -> tuple[int, ...]:
    """Return the dilation of every layer, in time steps, lowest layer first.

    s^(l) = M^(l - 1 + l0) for l = 1, ..., L, with L `num_layers`, M `dilation_base`
    and l0 `start_exponent` (Chang et al., 2017, section 2.2).

    Raises:
        ValueError: An argument is below its minimum (1, 1 and 0), or there are too many layers or
            too long dilations. M = 1 is an ordinary stacked RNN.
        TypeError: An argument is not an integer.

    Example:
        >>> dilation_schedule(3, dilation_base=4, start_exponent=1)
        (4, 16, 64)
    """
    layers = checked_integer("num_layers", num_layers, minimum=1, maximum=MOST_LAYERS)
    base = checked_integer("dilation_base", dilation_base, minimum=1, maximum=LONGEST_DILATION)
    start = checked_integer("start_exponent", start_exponent, minimum=0)
    last = start + layers - 1
    if last * math.log2(base) >= math.log2(LONGEST_DILATION + 1):
        raise ValueError(
            f"`dilations` must be at most {LONGEST_DILATION:,} time steps, got {base} to the power "
            f"of {last}. Lower `num_layers`, `dilation_base` or `start_exponent`."
        )
    return tuple(base**exponent for exponent in range(start, start + layers))


def resolve_dilations(
    dilations: Iterable[int] | None = None,
    *,
    num_layers: int | None = None,
    dilation_base: int | None = None,
    start_exponent: int | None = None,
) -> tuple[int, ...]:
    """Return the dilations that a user's choice of arguments means, in time steps.

    A list is taken as it is. Otherwise the schedule of L `num_layers`, M `dilation_base`
    (None: 2) and l0 `start_exponent` (None: 0).

    Raises:
        ValueError: A list and a schedule are both given, an argument is out of range, or there is
            neither a list nor `num_layers`.
        TypeError: An argument is not an integer.
    """
    schedule = {
        "num_layers": num_layers,
        "dilation_base": dilation_base,
        "start_exponent": start_exponent,
    }
    if dilations is not None:
        for name, value in schedule.items():
            if value is not None:
                raise ValueError(
                    f"`dilations` and `{name}` exclude each other, "
                    f"got `dilations={dilations}` and `{name}={value}`. "
                    "Pass the list or the schedule, not both."
                )
        return checked_dilations(dilations)
    base = 2 if dilation_base is None else dilation_base
    start = 0 if start_exponent is None else start_exponent
    if num_layers is None:
        raise ValueError(
            "`num_layers` must be given when the length of the history is unknown, got None. "
            "Pass `num_layers` or `dilations`, or build the model with `from_dataset`."
        )
    return dilation_schedule(num_layers, dilation_base=base, start_exponent=start)


def checked_dilations(dilations: Iterable[int]) -> tuple[int, ...]:
    """Return `dilations` as a tuple of positive integers, in time steps, lowest layer first.

    Raises:
        ValueError: The list is empty or too long, or an entry is below 1 or too long.
        TypeError: It is not a list of integers.
    """
    if isinstance(dilations, str) or not isinstance(dilations, Iterable):
        raise TypeError(
            f"`dilations` must be a list of positive integers, one per layer, got {dilations!r}."
        )
    checked = tuple(
        checked_integer("dilations", entry, minimum=1, maximum=LONGEST_DILATION)
        for entry in dilations
    )
    if len(checked) > MOST_LAYERS:
        raise ValueError(
            f"`dilations` must hold at most {MOST_LAYERS:,} layers, got {len(checked):,}."
        )
    if not checked:
        raise ValueError("`dilations` must hold one positive integer per layer, got an empty list.")
    return checked


def common_divisor(dilations: Iterable[int]) -> int:
    """Return g, the greatest common divisor: paths connect only steps that agree modulo g.

    Example:
        >>> common_divisor((4, 8, 16))
        4
    """
    return math.gcd(*dilations)


def checked_integer(
    name: str, value: object, *, minimum: int, maximum: int = LARGEST_INTEGER
) -> int:
    """Return `value` as an integer within bounds; `name` is the argument to blame.

    Raises:
        ValueError: The value is below the minimum, or above the maximum.
        TypeError: The value is not an integer.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"`{name}` must be an integer of at least {minimum}, got {value!r}.")
    number = operator.index(value)  # numpy and Optuna hand out integers of their own types
    if minimum <= number <= maximum:
        return number
    bound = f"at least {minimum}" if number < minimum else f"at most {maximum:,}"
    raise ValueError(f"`{name}` must be {bound}, got {_shown(number)}.")


def _shown(number: int) -> str:
    """Return an integer as text, one of very many digits by their number."""
    if abs(number) < 10**20:
        return str(number)
    return f"one of {1 + int(number.bit_length() * math.log10(2))} digits"


def checked_seasons(season_length: int | Sequence[int] | None) -> tuple[int, ...]:
    """Return the seasons as a tuple of distinct positive integers, time steps.

    Raises:
        ValueError: There is none, one is below 1, or one is given twice.
        TypeError: One is not an integer.
    """
    if isinstance(season_length, str) or not isinstance(season_length, Sequence):
        return (checked_integer("season_length", season_length, minimum=1),)
    seasons = tuple(checked_integer("season_length", entry, minimum=1) for entry in season_length)
    if not seasons or len(set(seasons)) < len(seasons):
        raise ValueError(
            "`season_length` must be None, an integer or a list of different integers, "
            f"got {season_length!r}."
        )
    return seasons

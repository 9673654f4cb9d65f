"""What is searched: a range, some choices or one value for every hyperparameter. No Optuna."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from drnn_forecast.layers import checked_dilations, checked_integer

CELL_TYPES = ("RNN", "GRU", "LSTM")
MINIMA = {
    "dilation_base": 2,
    "start_exponent": 0,
    "layers_below_longest": 0,
    "num_layers": 1,
    "hidden_size": 1,
    "batch_size": 1,
    "context_length": 1,
}
"""Of the integer hyperparameters: their lowest legal values."""


@dataclass(frozen=True)
class Range:
    """Every number between two ends, both included; `log`: equal ratios are equally likely."""

    low: float
    high: float
    log: bool = False


Integers: TypeAlias = Range | int | tuple[int, ...]
Floats: TypeAlias = Range | float | tuple[float, ...]


@dataclass(frozen=True)
class SearchSpace:
    """The hyperparameters that `tune` draws: each a `Range`, a tuple of choices, or one value.

    The largest dilation always stays below what the encoder reads. Base and exponent are drawn,
    and the depth from the deepest schedule downwards; an exponent that does not fit is lowered, a
    context that is too short for the first layer or for a list is lengthened.

    Attributes:
        dilation_base: M, the ratio between neighbouring dilations; at least 2.
        start_exponent: l0, the lowest dilation is M^l0.
        layers_below_longest: How many layers fewer than the deepest schedule that fits.
        num_layers: L, one number in place of `layers_below_longest`; None: drawn.
        dilations: Lists of dilations, time steps, as choices beside the schedules of M and l0;
            `seasonal_dilations` gives the usual one of a frequency.
        with_schedules: Whether schedules of M and l0 are drawn at all.
        hidden_size: Units of every layer.
        cell_type: `"RNN"`, `"GRU"` or `"LSTM"`, or a tuple of them.
        dropout: At least 0 and below 1.
        learning_rate: Of the optimiser.
        batch_size: Windows per step.
        context_length: Time steps that the encoder reads; None: half of the window or all of it.

    Raises:
        ValueError: A range is empty or reversed, or a value is out of bounds.
        TypeError: A value has the wrong type.

    Example:
        >>> space = SearchSpace(hidden_size=Range(16, 64, log=True), cell_type="LSTM")
        >>> space.cell_type
        'LSTM'
    """

    dilation_base: Integers = Range(2, 4)
    start_exponent: Integers = Range(0, 2)
    layers_below_longest: Integers = Range(0, 3)
    num_layers: int | None = None
    dilations: tuple[tuple[int, ...], ...] = ()
    with_schedules: bool = True
    hidden_size: Integers = Range(16, 128, log=True)
    cell_type: str | tuple[str, ...] = ("GRU", "LSTM")
    dropout: Floats = Range(0.0, 0.3)
    learning_rate: Floats = Range(5e-4, 1e-2, log=True)
    batch_size: Integers = (32, 64, 128)
    context_length: Integers | None = None

    def __post_init__(self) -> None:
        lists = tuple(checked_dilations(entry) for entry in self.dilations)
        object.__setattr__(self, "dilations", lists)
        if not (lists or self.with_schedules):
            raise ValueError(
                "`search_space.dilations` must hold a list where `with_schedules` is False, "
                "got none. Add a list, or leave `with_schedules` True."
            )
        if isinstance(self.num_layers, list | tuple | Range):
            raise TypeError(
                "`search_space.num_layers` must be one integer or None, "
                f"got {self.num_layers!r}. Draw the depth with `layers_below_longest`."
            )
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                value = tuple(value)
                object.__setattr__(self, field.name, value)
            if value is not None and field.name not in ("dilations", "with_schedules"):
                _check_values(field.name, value)


def seasonal_dilations(freq: str, *, length: int) -> tuple[tuple[int, ...], ...]:
    """Return the seasonal list of a frequency, cut to what fits into `length`; maybe none.

    1, 4, 24, 168 for hours, 1, 7 for days, 1, 3, 6, 12 for months: a seasonal state at the top.

    Args:
        freq: A pandas alias, such as `"h"`, `"D"` or `"MS"`.
        length: Time steps that the encoder reads.

    Example:
        >>> seasonal_dilations("h", length=336), seasonal_dilations("W", length=52)
        (((1, 4, 24, 168),), ())
    """
    months = dict.fromkeys(("MS", "ME", "BMS", "BME", "CBMS", "CBME"), (1, 3, 6, 12))
    known = {"h": (1, 4, 24, 168), "D": (1, 7), **months}
    fitting = tuple(dilation for dilation in known.get(freq, ()) if dilation < length)
    return (fitting,) if len(fitting) > 1 else ()


def is_drawn(values: Any) -> bool:
    """Return whether a hyperparameter has more than one possible value."""
    if isinstance(values, Range):
        return values.low < values.high
    return isinstance(values, tuple) and len(values) > 1


def lowest(values: Any) -> Any:
    """Return the smallest value, of choices the first one for words."""
    if isinstance(values, Range):
        return values.low
    if isinstance(values, tuple):
        return values[0] if isinstance(values[0], str) else min(values)
    return values


def highest(values: Any) -> Any:
    """Return the largest number."""
    if isinstance(values, Range):
        return values.high
    return max(values) if isinstance(values, tuple) else values


def _check_values(name: str, values: Any) -> None:
    """Refuse values that cannot be drawn from, or that the forecaster cannot take."""
    label = f"search_space.{name}"
    if values == ():
        raise ValueError(f"`{label}` must hold at least one value, got an empty list.")
    if isinstance(values, Range):
        each: tuple[Any, ...] = (values.low, values.high)
    else:
        each = values if isinstance(values, tuple) else (values,)
    for value in each:
        _check_value(label, name, value)
    if isinstance(values, Range) and values.low > values.high:
        raise ValueError(
            f"`{label}` must run from a lower to a higher value, "
            f"got {values.low} to {values.high}. Swap the ends."
        )
    if isinstance(values, Range) and values.log and values.low == 0:
        raise ValueError(
            f"`{label}` must begin above 0 on a log scale, got 0. Raise `low`, or leave out `log`."
        )


def _check_value(label: str, name: str, value: Any) -> None:
    """Refuse one value that the forecaster cannot take."""
    if name in MINIMA:
        is_whole = isinstance(value, float) and value.is_integer()
        checked_integer(label, int(value) if is_whole else value, minimum=MINIMA[name])
    elif name == "cell_type":
        if value not in CELL_TYPES:
            raise ValueError(f"`{label}` must be one of {CELL_TYPES}, got {value!r}.")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"`{label}` must be a number, got {value!r}.")
    elif name == "dropout" and not 0 <= value < 1:
        raise ValueError(f"`{label}` must be at least 0 and below 1, got {value}.")
    elif name == "learning_rate" and not 0 < value < math.inf:
        raise ValueError(f"`{label}` must be a number above 0, got {value}.")

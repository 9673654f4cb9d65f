"""Which windows of a history are held out, in time steps."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Windows:
    """How many windows are held out and where they lie, counted back from the end of a series.

    Attributes:
        horizon: Targets of a window (time steps).
        stride: Time steps between the starts of neighbouring windows.
        context_length: The most time steps that a window looks back.
        min_context_length: The fewest.
        validation: Number of validation windows.
        test: Number of test windows.
        lag: The largest lag: as many time steps again are needed before a window.
    """

    horizon: int
    stride: int
    context_length: int
    min_context_length: int
    validation: int
    test: int = 0
    lag: int = 0

    @property
    def steps_after_validation(self) -> int:
        """Time steps after the last validation target: no test target is seen in validation."""
        if self.test == 0:
            return 0
        return (self.test - 1) * self.stride + max(self.stride, self.horizon)

    @property
    def steps_after_training(self) -> int:
        """Time steps from the first validation target to the end of the series."""
        return self.steps_after_validation + (self.validation - 1) * self.stride + self.horizon

    @property
    def shortest_series(self) -> int:
        """Time steps of a series that has one training window and every held-out one."""
        return self.lag + self.min_context_length + self.horizon + self.steps_after_training


def make_windows(
    *,
    horizon: int,
    context_length: int,
    validation_windows: int,
    test_windows: int,
    stride: int | None,
    min_context_length: int | None,
    lags: Mapping[str, Sequence[int]] | None,
) -> Windows:
    """Return the windows, checked, with what was left to be derived.

    Raises:
        TypeError: A number is no whole number.
        ValueError: A number is out of its range.
    """
    horizon = whole_number("horizon", horizon, least=1)
    context = whole_number("context_length", context_length, least=1)
    shortest = context if min_context_length is None else min_context_length
    shortest = whole_number("min_context_length", shortest, least=0)
    if shortest > context:
        raise ValueError(
            f"`min_context_length` must be at most `context_length` ({context} time steps), "
            f"got {shortest}; lower it."
        )
    return Windows(
        horizon=horizon,
        stride=horizon if stride is None else whole_number("stride", stride, least=1),
        context_length=context,
        min_context_length=shortest,
        validation=whole_number("validation_windows", validation_windows, least=1),
        test=whole_number("test_windows", test_windows, least=0),
        lag=max((max(steps) for steps in (lags or {}).values()), default=0),
    )


def whole_number(argument: str, value: Any, *, least: int) -> int:
    """Return the value as an int.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is below `least`.
    """
    is_whole = hasattr(value, "__index__") and not isinstance(value, bool)
    if not is_whole:
        raise TypeError(f"`{argument}` must be a whole number, got {value!r}.")
    if value < least:
        raise ValueError(f"`{argument}` must be at least {least}, got {value}.")
    return operator.index(value)

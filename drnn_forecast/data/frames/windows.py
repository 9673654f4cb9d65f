"""Which windows of a history are held out, in time steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drnn_forecast.layers import checked_integer


@dataclass(frozen=True)
class WindowPlan:
    """How many windows are held out and where they lie, counted back from the end of a series.

    All but the numbers of validation and test windows are time steps.
    """

    horizon: int
    stride: int  # between the starts of neighbouring windows
    context_length: int  # the most that a window looks back
    min_context_length: int
    validation: int
    test: int = 0
    lag: int = 0  # the largest lag: as many steps again are needed before a window

    @property
    def steps_after_validation(self) -> int:
        """Time steps after the last validation target: no test target is seen in validation."""
        if self.test == 0:
            return 0
        return (self.test - 1) * self.stride + max(self.stride, self.horizon)

    @property
    def steps_after_training(self) -> int:
        """Time steps from the first held-out target to the end of the series."""
        if self.validation == 0:
            return (self.test - 1) * self.stride + self.horizon if self.test else 0
        return self.steps_after_validation + (self.validation - 1) * self.stride + self.horizon

    @property
    def shortest_window(self) -> int:
        """Time steps of a series that has one window."""
        return self.lag + self.min_context_length + self.horizon

    @property
    def shortest_series(self) -> int:
        """Time steps of a series that has one training window and every held-out one."""
        return self.shortest_window + self.steps_after_training


def plan_windows(
    *,
    horizon: int,
    context_length: int,
    validation_windows: int,
    test_windows: int,
    stride: int | None = None,
    min_context_length: int | None = None,
    lags: Mapping[str, Sequence[int]] | None = None,
) -> WindowPlan:
    """Return the windows, checked, with what was left to be derived.

    Raises:
        TypeError: A number is no whole number.
        ValueError: A number is out of its range.
    """
    horizon = checked_integer("horizon", horizon, minimum=1)
    context = checked_integer("context_length", context_length, minimum=1)
    shortest = context if min_context_length is None else min_context_length
    shortest = checked_integer("min_context_length", shortest, minimum=0)
    if shortest > context:
        raise ValueError(
            f"`min_context_length` must be at most `context_length` ({context} time steps), "
            f"got {shortest}; lower it."
        )
    return WindowPlan(
        horizon=horizon,
        stride=horizon if stride is None else checked_integer("stride", stride, minimum=1),
        context_length=context,
        min_context_length=shortest,
        validation=checked_integer("validation_windows", validation_windows, minimum=1),
        test=checked_integer("test_windows", test_windows, minimum=0),
        lag=max((max(steps) for steps in (lags or {}).values()), default=0),
    )

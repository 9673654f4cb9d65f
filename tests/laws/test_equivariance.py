"""A frame whose time is moved by whole cycles has the forecast moved as far."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from laws.drawing import law
from laws.sayings import numbers, trained

YEARS_OF_A_CYCLE = 28
"""After which weekdays and leap years come again, between 1901 and 2099 (10,227 days)."""


@pytest.fixture(scope="module")
def counting(frame):
    """Return a model without calendar, to which time is a count of steps."""
    return trained(frame, calendar=False)


def moved(frame, by):
    return frame.assign(when=frame["when"] + by)


def times(forecast):
    return pd.DatetimeIndex(forecast["when"])


def check_moved(model, frame, by):
    before, after = model.forecast(frame), model.forecast(moved(frame, by))
    np.testing.assert_array_equal(times(after), times(before) + by)
    np.testing.assert_array_equal(numbers(after), numbers(before))


@pytest.mark.parametrize("cycles", [-2, -1, 1, 2])
def test_whole_cycles_of_the_calendar_move_the_forecast_with_them(model, frame, cycles):
    check_moved(model, frame, pd.Timedelta(days=cycles * (365 * YEARS_OF_A_CYCLE + 7)))


@law
@given(hours=st.integers(-300_000, 300_000))
def test_without_a_calendar_any_step_moves_the_forecast_with_it(counting, frame, hours):
    check_moved(counting, frame, pd.Timedelta(hours=hours))


@pytest.mark.parametrize("days", [7, 28 * 365 + 7])
def test_a_model_trained_on_moved_time_is_the_same(counting, frame, days):
    by = pd.Timedelta(days=days)
    other = trained(moved(frame, by), calendar=False)
    np.testing.assert_array_equal(
        numbers(other.forecast(moved(frame, by))), numbers(counting.forecast(frame))
    )

"""Sizes have bounds: what would exhaust time or memory is refused, with the bound."""

import math
import time

import pytest
from hypothesis import given, strategies as st

from drnn_forecast import DilatedRNN, dilation_schedule, mean_recurrent_length, recommend_dilations
from drnn_forecast.layers import (
    checked_dilations,
    checked_integer,
    graph_recurrent_length,
    parameter_count,
    stack_edges,
)
from laws.drawing import law

HUGE = 10**400


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: dilation_schedule(10**6), "`num_layers` must be at most 1,000, got 1000000"),
        (lambda: dilation_schedule(HUGE), "`num_layers` must be at most 1,000, got one of 401 digits"),
        (lambda: dilation_schedule(60), "`dilations` must be at most 2,147,483,647 time steps, got 2 to"),
        (lambda: dilation_schedule(2, start_exponent=10**12), "got 2 to the power of 1000000000001"),
        (lambda: dilation_schedule(2, start_exponent=HUGE), "`start_exponent` must be at most"),
        (lambda: dilation_schedule(2, dilation_base=HUGE), "`dilation_base` must be at most"),
        (lambda: checked_dilations([1] * 1001), "at most 1,000 layers, got 1,001"),
        (lambda: checked_dilations([1, 2**31]), "`dilations` must be at most 2,147,483,647"),
        (lambda: DilatedRNN(1, 10**7, dilations=[1]), "`hidden_size` must be at most 16,384"),
        (lambda: parameter_count(3, input_size=1, hidden_size=HUGE), "`hidden_size` must be at most"),
        (lambda: recommend_dilations(10**7), "`period` must be at most 1,000,000, got 9999999"),
        (lambda: mean_recurrent_length([1, 10**9]), "`period` must be at most 1,000,000"),
        (lambda: graph_recurrent_length([(0, 1, 1)], period=10**6), "must be at most 100,000"),
        (lambda: checked_integer("horizon", HUGE, minimum=1), "`horizon` must be at most"),
        (lambda: checked_integer("horizon", -HUGE, minimum=1), "at least 1, got one of 401 digits"),
    ],
)  # fmt: skip
def test_a_size_out_of_bounds_is_refused_at_once_with_the_bound(build, message):
    begun = time.monotonic()
    with pytest.raises(ValueError, match=message):
        build()
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(("base", "most"), [(2, 31), (3, 20), (10, 10), (2**31 - 1, 2), (1, 1000)])
def test_the_deepest_schedule_is_the_last_whose_dilations_are_allowed(base, most):
    deepest = dilation_schedule(most, dilation_base=base)

    assert checked_dilations(deepest) == deepest
    with pytest.raises(ValueError, match="must be at most"):
        dilation_schedule(most + 1, dilation_base=base)


layers = st.lists(
    st.one_of(st.integers(1, 9), st.lists(st.integers(1, 9), min_size=1, max_size=2).map(tuple)),
    min_size=1,
    max_size=4,
)


@law
@given(layers, st.integers(1, 60), st.integers(1, 3), st.integers(1, 3))
def test_the_length_of_a_stack_is_that_of_its_graph(stack, period, kernel, width):
    edges = stack_edges(stack, input_kernel_size=kernel, fusion_width=width)
    found = mean_recurrent_length(
        stack, period=period, input_kernel_size=kernel, fusion_width=width
    )

    assert found == graph_recurrent_length(edges, period=period)


def test_a_year_of_minutes_is_analysed():
    best = recommend_dilations(525_600, dilation_base=8)[0]

    assert math.isfinite(best.mean_recurrent_length)

import itertools

import numpy as np
import pytest

from drnn_forecast.layers.dilations import (
    checked_dilations,
    common_divisor,
    dilation_schedule,
    resolve_dilations,
)


@pytest.mark.parametrize("num_layers", [1, 2, 9])
@pytest.mark.parametrize("base", [1, 2, 3])
@pytest.mark.parametrize("start", [0, 1, 3])
def test_neighbouring_dilations_have_the_base_as_their_ratio(num_layers, base, start):
    schedule = dilation_schedule(num_layers, dilation_base=base, start_exponent=start)

    assert len(schedule) == num_layers
    assert schedule[0] == base**start
    assert all(high == base * low for low, high in itertools.pairwise(schedule))


def test_the_paper_reaches_256_with_nine_layers():
    assert dilation_schedule(9) == (1, 2, 4, 8, 16, 32, 64, 128, 256)


@pytest.mark.parametrize(
    ("dilations", "divisor"), [((1,), 1), ((4, 8, 16), 4), ((6, 10), 2), ((24, 168), 24)]
)
def test_the_divisor_divides_every_dilation_and_is_the_greatest(dilations, divisor):
    assert common_divisor(dilations) == divisor


def test_a_list_is_taken_as_it_is():
    assert resolve_dilations([1, 4, 24, 168]) == (1, 4, 24, 168)
    assert resolve_dilations(np.array([2, 3])) == (2, 3)


def test_a_schedule_is_resolved_from_depth_base_and_start():
    assert resolve_dilations(num_layers=2, dilation_base=3, start_exponent=1) == (3, 9)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_layers": 0}, ValueError, "`num_layers` must be at least 1, got 0"),
        (
            {"num_layers": 2, "dilation_base": 0},
            ValueError,
            "`dilation_base` must be at least 1, got 0",
        ),
        (
            {"num_layers": 2, "start_exponent": -1},
            ValueError,
            "`start_exponent` must be at least 0, got -1",
        ),
        ({"num_layers": 2.0}, TypeError, r"`num_layers` must be an integer .* got 2\.0"),
        ({"num_layers": True}, TypeError, "`num_layers` must be an integer"),
        ({"dilations": ()}, ValueError, "`dilations` must hold one positive integer per layer"),
        ({"dilations": (1, 0)}, ValueError, "`dilations` must be at least 1, got 0"),
        ({"dilations": (1, 1.5)}, TypeError, r"`dilations` must be an integer .* got 1\.5"),
        ({"dilations": "124"}, TypeError, "`dilations` must be a list"),
        ({"dilations": 4}, TypeError, "`dilations` must be a list"),
        ({"dilations": (1, 2), "num_layers": 2}, ValueError, "`num_layers` exclude each other"),
        (
            {"dilations": (1, 2), "dilation_base": 2},
            ValueError,
            "`dilation_base` exclude each other",
        ),
        (
            {"dilations": (1, 2), "start_exponent": 0},
            ValueError,
            "`start_exponent` exclude each other",
        ),
        ({}, ValueError, "`num_layers` must be given when the length"),
    ],
)
def test_an_impossible_choice_of_dilations_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        resolve_dilations(**arguments)


def test_checked_dilations_are_plain_integers():
    checked = checked_dilations(np.array([1, 2]))

    assert [type(entry) for entry in checked] == [int, int]

import itertools
import math
import random

import pytest

from drnn_forecast.memory import fewest_steps, mean_recurrent_length, serial_steps


def by_brute_force(layers, period):
    """Return the mean length of shortest paths through the graph, unrolled node by node."""
    horizon = 2 * period
    nodes = [(layer, t) for t in range(horizon + 1) for layer in range(len(layers))]
    distance = dict.fromkeys(nodes, math.inf)
    distance[0, 0] = 1  # the edge from the input at time 0 into the lowest layer
    for layer, t in nodes:  # in order of time, and within it upwards: a topological order
        here = distance[layer, t]
        if layer + 1 < len(layers):
            distance[layer + 1, t] = min(distance[layer + 1, t], here + 1)
        for edge in layers[layer]:
            if t + edge <= horizon:
                distance[layer, t + edge] = min(distance[layer, t + edge], here + 1)
    top = len(layers) - 1
    return sum(distance[top, n] for n in range(1, period + 1)) / period


@pytest.mark.parametrize("seed", range(20))
def test_the_mean_is_that_of_shortest_paths_through_the_unrolled_graph(seed):
    generator = random.Random(seed)
    layers = [
        tuple({1, *generator.sample(range(1, 20), generator.randint(1, 2))})
        for _ in range(generator.randint(1, 4))
    ]
    period = generator.randint(1, 40)

    expected = by_brute_force(layers, period)
    assert mean_recurrent_length(layers, period=period) == pytest.approx(expected)


@pytest.mark.parametrize(("base", "num_layers"), [(2, 1), (2, 5), (2, 9), (2, 13), (3, 4), (4, 4)])
def test_a_dilated_stack_has_the_length_of_the_closed_form(base, num_layers):
    dilations = [base**layer for layer in range(num_layers)]
    m, depth = dilations[-1], num_layers - 1

    expected = (base - 1) / 2 * depth + depth + 1 / m + 1
    assert mean_recurrent_length(dilations) == pytest.approx(expected)


@pytest.mark.parametrize(("base", "num_layers"), [(2, 5), (2, 9), (3, 4)])
def test_a_regular_skip_stack_has_the_length_of_the_closed_form(base, num_layers):
    m, depth = base ** (num_layers - 1), num_layers - 1

    expected = (m - 1) / 2 + depth + 1 / m + 1
    assert mean_recurrent_length([(1, m)] * num_layers) == pytest.approx(expected)


def test_the_numbers_of_the_paper_for_nine_layers():
    assert mean_recurrent_length([2**layer for layer in range(9)]) == pytest.approx(
        13.004, abs=1e-3
    )
    assert mean_recurrent_length([(1, 256)] * 9) == pytest.approx(136.504, abs=1e-3)


@pytest.mark.parametrize(("m", "base", "num_layers"), [(64, 4, 4), (27, 3, 4), (64, 2, 7)])
def test_the_geometric_schedule_is_best_where_each_dilation_divides_the_next(m, base, num_layers):
    divisors = [d for d in range(1, m + 1) if m % d == 0]
    chains = [
        chain
        for chain in itertools.combinations_with_replacement(divisors, num_layers)
        if chain[0] == 1
        and chain[-1] == m
        and all(high % low == 0 for low, high in itertools.pairwise(chain))
    ]
    lengths = {chain: mean_recurrent_length(chain) for chain in chains}

    assert len(chains) > 1
    assert min(lengths, key=lengths.get) == tuple(base**layer for layer in range(num_layers))


def test_a_free_schedule_can_be_better_than_the_geometric_one():
    assert mean_recurrent_length((1, 4, 16, 64)) == pytest.approx(8.516, abs=1e-3)
    assert mean_recurrent_length((1, 8, 13, 64)) == pytest.approx(8.234, abs=1e-3)


def test_distances_that_no_path_bridges_are_infinitely_long():
    assert mean_recurrent_length((2, 4, 8)) == math.inf
    assert fewest_steps([2, 4], 5) == [0, math.inf, 1, math.inf, 1, math.inf]


def test_a_plain_stack_needs_a_step_for_every_time_step():
    assert mean_recurrent_length([1] * 3, period=10) == pytest.approx(3 + 5.5)


@pytest.mark.parametrize("length", [1, 7, 512, 1000])
def test_serial_steps_are_the_blocks_of_every_layer(length):
    assert serial_steps((1, 4, 16), length) == sum(
        len(range(0, length, dilation)) for dilation in (1, 4, 16)
    )


def test_every_step_of_the_start_exponent_halves_the_serial_steps():
    schedules = [[2 ** (layer + start) for layer in range(5)] for start in range(4)]
    steps = [serial_steps(schedule, 1024) for schedule in schedules]

    assert steps == [steps[0] / 2**start for start in range(4)]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mean_recurrent_length([]), ValueError, "at least one layer, got none"),
        (lambda: mean_recurrent_length([()]), ValueError, "`dilations` must hold one positive"),
        (lambda: mean_recurrent_length([0]), ValueError, "`dilations` must be at least 1, got 0"),
        (lambda: mean_recurrent_length([1.5]), TypeError, "`dilations` must be an integer"),
        (lambda: mean_recurrent_length([1], period=0), ValueError, "`period` must be at least 1"),
        (lambda: serial_steps([], 5), ValueError, "got an empty list"),
        (lambda: serial_steps([1], 0), ValueError, "`length` must be at least 1, got 0"),
    ],
)
def test_a_graph_that_is_none_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()

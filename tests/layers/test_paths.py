import itertools
import math
import random

import pytest

from drnn_forecast.layers.paths.costs import parameter_count, receptive_field, serial_steps
from drnn_forecast.layers.paths.graph import Edge, shortest_path, stack_edges
from drnn_forecast.layers.paths.length import graph_recurrent_length, mean_recurrent_length
from drnn_forecast.layers.paths.recommendation import recommend_dilations
from drnn_forecast.layers.stack import DilatedRNN


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


def test_a_free_schedule_is_better_than_the_geometric_one_and_the_best_of_all():
    free = [(1, a, b, 64) for a, b in itertools.combinations(range(2, 64), 2)]

    lengths = {schedule: mean_recurrent_length(schedule) for schedule in free}
    shortest = min(lengths.values())
    best = [schedule for schedule, length in lengths.items() if length == shortest]
    assert best == [(1, 6, 14, 64), (1, 8, 13, 64)]
    assert mean_recurrent_length((1, 4, 16, 64)) == pytest.approx(8.516, abs=1e-3)
    assert mean_recurrent_length((1, 8, 13, 64)) == pytest.approx(8.234, abs=1e-3)


def lengths_of_paths(edges, distance):
    """Return the edges of a shortest path over 0, 1, ..., `distance` steps; infinite for none."""
    paths = [shortest_path(edges, steps) for steps in range(distance + 1)]
    return [len(path) - 1 if path else math.inf for path in paths]


def test_distances_that_no_path_bridges_are_infinitely_long():
    assert mean_recurrent_length((2, 4, 8)) == math.inf
    edges = stack_edges([2, 4])
    assert lengths_of_paths(edges, 5) == [2, math.inf, 3, math.inf, 3, math.inf]
    assert shortest_path(edges, 5) == []


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


def closed_form_dilated(schedule):
    """Return L + 1/m and half of each ratio less one: the digits in the schedule's mixed base."""
    ratios = sum(high // low - 1 for low, high in itertools.pairwise(schedule))
    return len(schedule) + 1 / schedule[-1] + ratios / 2


@pytest.mark.parametrize("num_layers", [7, 13])
@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (lambda count, _: [2**layer for layer in range(count)], "dilated"),
        (lambda count, m: [(1, m)] * count, "skip"),
        (lambda count, _: [1] * count, "plain"),
    ],
    ids=["dilated", "skip", "plain"],
)
def test_exact_lengths_are_the_closed_forms_up_to_4096_steps(num_layers, layers, expected):
    m = 2 ** (num_layers - 1)
    closed = {
        "dilated": closed_form_dilated([2**layer for layer in range(num_layers)]),
        "skip": num_layers + (m - 1) / 2 + 1 / m,
        "plain": num_layers + (m + 1) / 2,
    }
    exact = mean_recurrent_length(layers(num_layers, m), period=m)
    assert exact == pytest.approx(closed[expected], rel=1e-12)


@pytest.mark.parametrize("schedule", [(1,), (1, 1, 6), (1, 3, 6, 6, 24), (1, 5, 50)])
def test_the_closed_form_holds_wherever_each_dilation_divides_the_next(schedule):
    assert mean_recurrent_length(schedule) == pytest.approx(closed_form_dilated(schedule))


@pytest.mark.parametrize("seed", range(20))
def test_any_set_of_edges_has_the_shortest_paths_of_its_unrolled_graph(seed):
    generator = random.Random(seed)
    top = generator.randint(1, 4)
    edges = {Edge(node, node + 1, 0) for node in range(top)}
    for _ in range(generator.randint(1, 5)):
        edges.add(
            Edge(generator.randint(0, top), generator.randint(1, top), generator.randint(1, 7))
        )
    distance = 30
    nodes = [(node, time) for time in range(distance + 1) for node in range(top + 1)]
    length = dict.fromkeys(nodes, math.inf)
    length[0, 0] = 0
    for node, time in nodes:  # in order of time, and within it upwards: a topological order
        for source, target, steps in edges:
            if source == node and time + steps <= distance:
                after = (target, time + steps)
                length[after] = min(length[after], length[node, time] + 1)
    expected = [length[top, time] for time in range(distance + 1)]

    assert lengths_of_paths(edges, distance) == expected
    assert graph_recurrent_length(edges, period=distance) == sum(expected[1:]) / distance


@pytest.mark.parametrize("distance", [0, 1, 15, 23])
@pytest.mark.parametrize("options", [{}, {"input_kernel_size": 3}, {"fusion_width": 4}])
def test_a_shortest_path_is_one_of_the_edges_and_as_long_as_it_should_be(distance, options):
    edges = stack_edges([1, 3, 8], **options)
    path = shortest_path(edges, distance)

    top = max(edge.target for edge in edges)
    assert (path[0], path[-1]) == ((0, 0), (top, distance))
    hops = {
        (source, target, end - start) for (source, start), (target, end) in itertools.pairwise(path)
    }
    assert hops <= set(edges)
    total = sum(lengths_of_paths(edges, distance)[1:])
    assert total == pytest.approx(
        distance and distance * graph_recurrent_length(edges, period=distance)
    )


def test_a_kernel_shortens_paths_and_fusion_bridges_what_a_divisor_leaves_out():
    assert mean_recurrent_length((1, 4), input_kernel_size=2) < mean_recurrent_length((1, 4))
    assert mean_recurrent_length((2, 4)) == math.inf
    assert mean_recurrent_length((2, 4), fusion_width=2) < math.inf


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("hops", [0, 1, 2])
def test_the_receptive_field_is_the_furthest_step_on_paths_of_so_many_hops(kernel, hops):
    dilations = (1, 3, 4)
    reached = {0}
    for dilation in dilations:  # `hops` recurrent steps, and any tap of the kernel
        lags = [dilation * (hop + tap) for hop in range(hops + 1) for tap in range(kernel)]
        reached = {step + lag for step in reached for lag in lags}

    field = receptive_field(dilations, recurrent_steps=hops, input_kernel_size=kernel)
    assert field == max(reached) + 1


@pytest.mark.parametrize("cell_type", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("kernel", [1, 3])
def test_the_parameters_are_those_of_the_layers(cell_type, kernel):
    options = {"cell_type": cell_type, "input_kernel_size": kernel}
    model = DilatedRNN(3, 7, dilations=(1, 2, 4), **options)

    expected = sum(weight.numel() for weight in model.parameters())
    assert parameter_count(3, input_size=3, hidden_size=7, **options) == expected


@pytest.mark.parametrize("options", [{}, {"dilation_base": 2}, {"start_exponent": 1}])
@pytest.mark.parametrize("length", [1, 2, 24, 168, 500])
def test_schedules_are_ranked_by_memory_then_serial_steps_then_parameters(length, options):
    ranked = recommend_dilations(length, **options)

    keys = [(r.mean_recurrent_length, r.serial_steps, r.parameters) for r in ranked]
    assert keys == sorted(keys)
    assert all(len(r.dilations) == 1 or r.dilations[-1] <= length / 2 for r in ranked)
    assert len({r.dilations for r in ranked}) == len(ranked)


@pytest.mark.parametrize("length", [8, 9, 15])
def test_the_largest_dilation_may_be_half_of_the_history(length):
    ranked = recommend_dilations(length, dilation_base=2)

    assert {r.dilations for r in ranked} == {(1,), (1, 2), (1, 2, 4)}


def test_a_recommendation_says_what_its_schedule_costs():
    (one,) = recommend_dilations(
        100, candidates=[(1, 4, 24)], cell_type="LSTM", input_size=3, hidden_size=8
    )

    assert one.mean_recurrent_length == mean_recurrent_length((1, 4, 24), period=99)
    assert one.serial_steps == serial_steps((1, 4, 24), 100)
    assert one.parameters == parameter_count(3, input_size=3, hidden_size=8, cell_type="LSTM")
    assert one.receptive_field == receptive_field((1, 4, 24))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"num_layers": 3}, 3),
        ({"num_layers": 2, "dilation_base": 1}, 2),
        ({"dilation_base": 2, "start_exponent": 2}, 4),
    ],
)
def test_what_is_given_of_a_schedule_is_kept(options, expected):
    best = recommend_dilations(168, **options)[0].dilations

    assert len(best) == expected
    assert best[0] == options.get("dilation_base", 2) ** options.get("start_exponent", 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mean_recurrent_length([]), ValueError, "at least one layer, got none"),
        (lambda: mean_recurrent_length([()]), ValueError, "`dilations` must hold one positive"),
        (lambda: mean_recurrent_length([0]), ValueError, "`dilations` must be at least 1, got 0"),
        (lambda: mean_recurrent_length([1.5]), TypeError, "`dilations` must be an integer"),
        (lambda: mean_recurrent_length([1], period=0), ValueError, "`period` must be at least 1"),
        (lambda: graph_recurrent_length([]), ValueError, "`edges` must hold at least one edge"),
        (
            lambda: graph_recurrent_length([(0, 1)]),
            TypeError,
            r"triples of integers .* got \(0, 1\)",
        ),
        (lambda: graph_recurrent_length([(0, 1, 0.5)]), TypeError, "`edges` must be an integer"),
        (lambda: graph_recurrent_length([(0, 1, -1)]), ValueError, "`edges` must be at least 0"),
        (lambda: graph_recurrent_length([(1, 0, 2)]), ValueError, "none may enter the input"),
        (lambda: graph_recurrent_length([(2, 1, 0)]), ValueError, "must lead upwards"),
        (lambda: graph_recurrent_length([(0, 1, 0)]), ValueError, "spans a time step"),
        (lambda: shortest_path([(0, 1, 1)], -1), ValueError, "`distance` must be at least 0"),
        (
            lambda: stack_edges([1], input_kernel_size=0),
            ValueError,
            "`input_kernel_size` must be at",
        ),
        (lambda: receptive_field([]), ValueError, "got an empty list"),
        (
            lambda: receptive_field([1], recurrent_steps=-1),
            ValueError,
            "`recurrent_steps` must be at",
        ),
        (
            lambda: parameter_count(1, input_size=1, hidden_size=1, cell_type="lstm"),
            ValueError,
            "`cell_type` must be one of RNN, GRU, LSTM, got 'lstm'",
        ),
        (lambda: recommend_dilations(0), ValueError, "`encoder_length` must be at least 1, got 0"),
        (
            lambda: recommend_dilations(24, dilation_base=1),
            ValueError,
            "`num_layers` must be given when `dilation_base` is 1",
        ),
        (
            lambda: recommend_dilations(24, num_layers=9),
            ValueError,
            "No schedule has `num_layers=9`",
        ),
        (
            lambda: recommend_dilations(24, num_layers=2, candidates=[(1, 2)]),
            ValueError,
            "exclude each other",
        ),
        (
            lambda: recommend_dilations(24, candidates=[(1, 0)]),
            ValueError,
            "`dilations` must be at",
        ),
        (lambda: serial_steps([], 5), ValueError, "got an empty list"),
        (lambda: serial_steps([1], 0), ValueError, "`length` must be at least 1, got 0"),
    ],
)
def test_a_graph_that_is_none_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()

from dataclasses import asdict, replace

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given
from optuna.trial import FixedTrial

from drnn_forecast import dilation_schedule, mean_recurrent_length
from drnn_forecast.model import Recipe
from drnn_forecast.training.tuning.configuration import (
    draw,
    first_trial,
    fit_space,
    hyperparameters,
)
from drnn_forecast.training.tuning.space import Range, SearchSpace, seasonal_dilations

POINT = {
    "dilations": "schedule",
    "dilation_base": 2,
    "start_exponent": 0,
    "layers_below_longest": 0,
    "hidden_size": 32,
    "cell_type": "GRU",
    "dropout": 0.1,
    "learning_rate": 1e-3,
    "batch_size": 64,
    "context_length": 60,
}


def drawn(space, length=60, **point):
    """Return the configuration that a point of the fitted space means."""
    return draw(FixedTrial({**POINT, **point}), fit_space(space, length))


@given(
    length=st.integers(4, 600),
    base=st.integers(2, 4),
    start=st.integers(0, 4),
    below=st.integers(0, 3),
    half=st.booleans(),
)
def test_no_dilation_reaches_past_what_the_encoder_reads(length, base, start, below, half):
    context = length // 2 if half else length
    assume(context > 1)
    space = SearchSpace(start_exponent=Range(0, 4))
    found = drawn(
        space,
        length,
        dilation_base=base,
        start_exponent=start,
        layers_below_longest=below,
        context_length=context,
    )

    # Counted by hand: what fits, and as many layers fewer as were drawn.
    fitting = [exponent for exponent in range(20) if base**exponent < found["context_length"]]
    first = min(start, fitting[-1])
    layers = max(fitting[-1] - first + 1 - below, 1)
    expected = dilation_schedule(layers, dilation_base=base, start_exponent=first)
    assert found["dilations"] == list(expected)
    assert max(found["dilations"]) < found["context_length"] <= length
    assert (found["num_layers"], found["dilation_base"], found["start_exponent"]) == (
        layers,
        base,
        first,
    )


@pytest.mark.parametrize("lists", [(), ((1, 8, 13, 59),), ((1, 2),)])
def test_the_recommended_draw_has_the_shortest_memory_paths_of_the_space(lists):
    space = fit_space(SearchSpace(dilations=lists), 60)
    best = first_trial(space)
    found = draw(FixedTrial(POINT | best), space)

    others = [
        draw(FixedTrial(POINT | {"dilation_base": base, "layers_below_longest": below}), space)
        for base in (2, 3, 4)
        for below in range(4)
    ]
    lengths = [
        mean_recurrent_length(dilations, period=59)
        for dilations in [*(other["dilations"] for other in others), *lists]
    ]
    assert set(best) <= set(POINT)
    assert mean_recurrent_length(found["dilations"], period=59) == min(lengths)
    assert found["context_length"] == 60


OF_RECIPE = {"hidden_size", "cell_type", "dropout", "learning_rate", "batch_size"}


def test_the_first_trial_has_the_recipe_s_settings_where_the_space_holds_them():
    first = first_trial(fit_space(SearchSpace(), 60))

    assert {name: first[name] for name in OF_RECIPE} == {
        name: getattr(Recipe, name) for name in OF_RECIPE
    }
    assert first["dilation_base"] == Recipe.dilation_base


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("hidden_size", Range(3, Recipe.hidden_size - 1)),
        ("cell_type", ("RNN", "GRU")),
        ("dropout", (0.1, 0.3)),
        ("learning_rate", Range(Recipe.learning_rate * 1.1, 1.0, log=True)),
        ("batch_size", (16, 32)),
    ],
)
def test_optuna_draws_in_the_first_trial_what_the_space_does_not_hold(name, values):
    first = first_trial(fit_space(SearchSpace(**{name: values}), 60))
    assert OF_RECIPE - set(first) == {name}


@pytest.mark.parametrize(
    ("values", "base"),
    [(Range(2, 4), 4), (Range(4, 4), 4), ((3, 4), 4), (4, 4), (4.0, 4), (2, 2), ((2, 3), 3)],
)
def test_the_first_schedule_has_the_recipe_s_base_where_the_space_holds_it(values, base):
    space = fit_space(SearchSpace(dilation_base=values), 60)
    assert draw(FixedTrial(POINT | first_trial(space)), space)["dilation_base"] == base


def test_what_is_fixed_is_not_in_the_first_trial():
    space = SearchSpace(
        dilation_base=(2, 3), start_exponent=0, layers_below_longest=1, context_length=60,
        hidden_size=40, cell_type="LSTM", dropout=(0.0,), learning_rate=3e-3, batch_size=64,
    )  # fmt: skip
    assert set(first_trial(fit_space(space, 60))) == {"dilation_base"}


def test_what_the_forecaster_takes_has_the_dilations_and_no_schedule_beside_them():
    options = hyperparameters(drawn(SearchSpace()))

    assert options == {
        "dilations": [1, 2, 4, 8, 16, 32],
        "hidden_size": 32,
        "cell_type": "GRU",
        "dropout": 0.1,
        "learning_rate": 1e-3,
        "context_length": 60,
    }


def test_a_seasonal_list_is_a_choice_beside_the_schedules():
    space = SearchSpace(dilations=((1, 4, 24),))
    found = drawn(space, dilations="1, 4, 24")

    assert (found["dilations"], found["num_layers"]) == ([1, 4, 24], 3)
    assert (found["dilation_base"], found["start_exponent"]) == (None, None)


@pytest.mark.parametrize(("contexts", "expected"), [((12, 24, 36, 60), 36), (Range(12, 60), 25)])
def test_a_context_too_short_for_a_list_is_lengthened_as_little_as_the_space_allows(
    contexts, expected
):
    space = SearchSpace(dilations=((1, 4, 24),), context_length=contexts)
    assert drawn(space, dilations="1, 4, 24", context_length=12)["context_length"] == expected


def test_a_number_of_layers_can_be_fixed():
    space = SearchSpace(num_layers=3, start_exponent=Range(0, 3), dilation_base=(2, 3))
    found = drawn(space, dilation_base=3, start_exponent=3, context_length=60)

    assert found["dilations"] == [3, 9, 27]  # 9, 27, 81 would not fit


def test_what_is_fixed_is_not_drawn():
    space = SearchSpace(
        dilation_base=2, start_exponent=Range(1, 1), layers_below_longest=(1,), hidden_size=8.0,
        cell_type="LSTM", dropout=0.0, learning_rate=1e-3, batch_size=16, context_length=60,
    )  # fmt: skip
    trial = FixedTrial({})
    found = draw(trial, fit_space(space, 60))

    assert trial.params == {}
    assert found["dilations"] == [2, 4, 8, 16]
    assert found["hidden_size"] == 8
    assert isinstance(found["hidden_size"], int)


def test_every_parameter_is_drawn_in_every_trial():
    space = fit_space(SearchSpace(dilations=((1, 4, 24),)), 60)
    schedule, seasonal = (FixedTrial(POINT | {"dilations": d}) for d in ("schedule", "1, 4, 24"))
    draw(schedule, space)
    draw(seasonal, space)

    assert set(schedule.params) == set(seasonal.params) == set(POINT)
    assert schedule.distributions == seasonal.distributions


def test_the_space_is_plain_data_that_makes_the_same_space_again():
    space = SearchSpace(hidden_size=Range(8, 64, log=True), dilations=((1, 4, 24),))
    data = asdict(space)

    assert data["hidden_size"] == {"low": 8, "high": 64, "log": True}
    assert replace(space, hidden_size=Range(**data["hidden_size"])) == space


@pytest.mark.parametrize(
    ("freq", "length", "expected"),
    [
        ("h", 336, ((1, 4, 24, 168),)),
        ("h", 168, ((1, 4, 24),)),
        ("D", 30, ((1, 7),)),
        ("MS", 24, ((1, 3, 6, 12),)),
        ("D", 5, ()),
        ("W-SUN", 52, ()),
    ],
)
def test_a_frequency_has_its_seasonal_list_as_far_as_it_fits(freq, length, expected):
    assert seasonal_dilations(freq, length=length) == expected


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"learning_rate": Range(0.1, 0.01)}, ValueError, r"`search_space\.learning_rate` must run from a lower to a higher value, got 0\.1 to 0\.01"),
        ({"hidden_size": ()}, ValueError, r"`search_space\.hidden_size` must hold at least one value"),
        ({"dropout": Range(0.0, 1.0)}, ValueError, r"`search_space\.dropout` must be at least 0 and below 1, got 1"),
        ({"dropout": Range(0.0, 0.1, log=True)}, ValueError, "must begin above 0 on a log scale"),
        ({"learning_rate": 0.0}, ValueError, r"`search_space\.learning_rate` must be a number above 0, got 0"),
        ({"dropout": Range(0.0, float("nan"))}, ValueError, "must be at least 0 and below 1, got nan"),
        ({"dilation_base": Range(1, 4)}, ValueError, r"`search_space\.dilation_base` must be at least 2, got 1"),
        ({"hidden_size": Range(1.5, 4)}, TypeError, r"`search_space\.hidden_size` must be an integer"),
        ({"cell_type": ("GRU", "TCN")}, ValueError, r"`search_space\.cell_type` must be one of .*, got 'TCN'"),
        ({"cell_type": Range(0, 1)}, ValueError, r"`search_space\.cell_type` must be one of"),
        ({"num_layers": Range(1, 3)}, TypeError, r"`search_space\.num_layers` must be one integer or None.*layers_below_longest"),
        ({"dilations": ((1, 0),)}, ValueError, "`dilations` must be at least 1, got 0"),
        ({"with_schedules": False}, ValueError, r"`search_space\.dilations` must hold a list"),
        ({"dropout": "much"}, TypeError, r"`search_space\.dropout` must be a number, got 'much'"),
        ({"batch_size": {"low": 3}}, TypeError, r"`search_space\.batch_size` must be an integer"),
    ],
)  # fmt: skip
def test_a_space_that_cannot_be_drawn_from_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        SearchSpace(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dilations": ((1, 24, 60),)}, r"`search_space\.dilations` must stay below the 60 time steps .*got \(1, 24, 60\)\. Take out 60"),
        ({"context_length": (30, 61)}, r"`search_space\.context_length` must be at most the 60 .*got 61"),
        ({"dilation_base": (4,), "start_exponent": (3,)}, r"`search_space\.dilation_base` must leave a schedule below the 60 .*got 4"),
        ({"num_layers": 7, "dilation_base": 2}, r"`search_space\.dilation_base` .* 7 layers"),
    ],
)  # fmt: skip
def test_a_space_that_does_not_fit_the_windows_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit_space(SearchSpace(**options), 60)

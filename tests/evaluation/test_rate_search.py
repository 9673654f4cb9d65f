"""The search for a learning rate holds nobody back."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given, strategies as st

from drnn_forecast.evaluation.comparison import search
from drnn_forecast.evaluation.comparison.plan import LEARNING_RATES
from drnn_forecast.evaluation.contenders.neural import NeuralModel
from laws.drawing import law


def searched(loss, rates=LEARNING_RATES, max_seconds=60):
    """Return what a search finds for a model whose loss follows from its rate, and its budgets."""
    budgets = []

    def train(candidate, block, *, seed, fit_options):
        budgets.append(fit_options["max_seconds"])
        return SimpleNamespace(validation_loss=loss(candidate.options["learning_rate"]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "train_contender", train)
        found = search.search_learning_rate(
            NeuralModel("Fake", dict),
            None,
            rates,
            seed=0,
            fit_options={"max_seconds": max_seconds, "max_epochs": 10},
            announce=lambda line: None,
        )
    return found, budgets


def valley(best):
    """Return a loss that is lowest at a rate, and symmetric on a logarithmic scale."""
    return lambda rate: abs(math.log(rate / best))


def tried(found):
    return [float(rate) for rate in (*found["losses"], *found["failures"])]


@pytest.mark.parametrize(
    ("best", "rates"),
    [
        (0.003, [0.001, 0.003, 0.01]),
        (0.03, [0.001, 0.003, 0.01, 0.03, 0.09]),
        (1.0, [0.001, 0.003, 0.01, 0.03, 0.09]),
        (0.0003, [0.001, 0.003, 0.01, 0.000333, 0.000111]),
        (0.0008, [0.001, 0.003, 0.01, 0.000333]),
    ],
)
def test_a_search_goes_on_until_the_best_rate_lies_between_two_or_five_are_tried(best, rates):
    found, _ = searched(valley(best))

    assert tried(found) == rates


@law
@given(best=st.floats(1e-5, 1.0), count=st.integers(2, 7), start=st.floats(1e-4, 1e-2))
def test_the_rate_found_is_no_edge_unless_the_search_was_spent(best, count, start):
    rates = tuple(float(f"{start * 3**n:.3g}") for n in range(count))
    found, _ = searched(valley(best), rates)
    values = tried(found)

    assert values[: len(rates)] == list(rates)
    assert len(values) == len(set(values)) <= max(search.MOST_RATES, count)
    chosen = float(search.best_rate(found["losses"]))
    assert min(values) < chosen < max(values) or len(values) >= search.MOST_RATES


def test_a_rate_that_fails_beyond_the_best_ends_the_search():
    def loss(rate):
        if rate > 0.01:
            raise RuntimeError("the loss was never finite")
        return -rate

    found, _ = searched(loss)

    assert list(found["losses"]) == ["0.001", "0.003", "0.01"]
    assert found["failures"] == {"0.03": "RuntimeError: the loss was never finite"}


def test_where_every_rate_fails_no_further_one_is_tried():
    def loss(rate):
        raise RuntimeError("no")

    found, _ = searched(loss)

    assert (found["losses"], list(found["failures"])) == ({}, ["0.001", "0.003", "0.01"])


def test_a_rate_beyond_the_given_ones_has_the_same_budget():
    found, budgets = searched(valley(1.0))

    assert budgets == [20] * len(tried(found)) == [20] * 5

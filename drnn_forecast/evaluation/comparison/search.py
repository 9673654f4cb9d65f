"""The same search for a learning rate, for every model that is trained and names none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drnn_forecast.evaluation.comparison.blocks import Block
from drnn_forecast.evaluation.comparison.cells import failure_text, train_contender
from drnn_forecast.evaluation.contenders.neural import NeuralModel

MOST_RATES = 5
"""Learning rates that a search tries at most, where not more are given."""

FACTOR = 3.0
"""Between the best rate, where it is the lowest or the highest, and the next one tried."""


def search_budget(fit_options: Mapping[str, Any], rates: int) -> dict[str, Any]:
    """Return what one learning rate gets: the budget of a training run over the number of rates.

    So the given rates take as long as one training run together, and no part of that run's budget.
    """
    seconds = fit_options["max_seconds"]
    return {
        **fit_options,
        "max_seconds": None if seconds is None else seconds / rates,
        "max_epochs": math.ceil(fit_options["max_epochs"] / rates),
    }


def search_learning_rate(
    model: NeuralModel,
    block: Block,
    learning_rates: Sequence[float],
    *,
    seed: int,
    fit_options: Mapping[str, Any],
    announce: Callable[[str], None],
) -> dict[str, Any]:
    """Return `losses`, the lowest validation loss by learning rate, and `failures` of the others.

    Where the best rate is the lowest or the highest of those tried, the search goes on beyond it,
    with the same budget for each rate. The test windows of the block are not used.
    """
    losses: dict[str, float] = {}
    failures: dict[str, str] = {}
    budget = search_budget(fit_options, len(learning_rates))
    waiting = list(learning_rates)
    while waiting:
        rate = waiting.pop(0)
        announce(f"{model.name}: trying the learning rate {rate:g}")
        candidate = model.with_options(learning_rate=rate)
        try:
            result = train_contender(candidate, block, seed=seed, fit_options=budget)
        except Exception as error:  # whatever a model of somebody else's may raise
            failures[str(rate)] = failure_text(error)
        else:
            losses[str(rate)] = result.validation_loss
        if not waiting:
            waiting = next_rates(losses, failures)
    return {"losses": losses, "failures": failures}


def next_rates(losses: Mapping[str, float], failures: Mapping[str, str]) -> list[float]:
    """Return the rate beyond the best one where that is at an edge of those tried, else none.

    Example:
        >>> next_rates({"0.001": 0.5, "0.003": 0.4, "0.01": 0.3}, {})
        [0.03]
        >>> next_rates({"0.001": 0.5, "0.003": 0.4}, {"0.01": "RuntimeError: it diverged"})
        []
    """
    tried = [float(rate) for rate in (*losses, *failures)]
    if not losses or len(tried) >= MOST_RATES:
        return []
    best = float(best_rate(losses))
    beyond = {max(tried): best * FACTOR, min(tried): best / FACTOR}.get(best)
    return [] if beyond is None else [float(f"{beyond:.3g}")]


def best_rate(losses: Mapping[str, float]) -> str:
    """Return the rate of the lowest loss."""
    return min(losses, key=losses.__getitem__)

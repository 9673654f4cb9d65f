"""The same small search for a learning rate, for every model that is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drnn_forecast.evaluation.comparison.blocks import Block
from drnn_forecast.evaluation.comparison.cells import failure_text, train_contender
from drnn_forecast.evaluation.contenders.neural import NeuralModel


def search_budget(fit_options: Mapping[str, Any], rates: int) -> dict[str, Any]:
    """Return what one learning rate gets: the budget of a training run over the number of rates.

    So the search takes as long as one training run, and no part of that run's budget.
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

    The test windows of the block are not used.
    """
    losses: dict[str, float] = {}
    failures: dict[str, str] = {}
    budget = search_budget(fit_options, len(learning_rates))
    for rate in learning_rates:
        announce(f"{model.name}: trying the learning rate {rate:g}")
        candidate = model.with_options(learning_rate=rate)
        try:
            result = train_contender(candidate, block, seed=seed, fit_options=budget)
        except Exception as error:  # whatever a model of somebody else's may raise
            failures[str(rate)] = failure_text(error)
        else:
            losses[str(rate)] = result.validation_loss
    return {"losses": losses, "failures": failures}

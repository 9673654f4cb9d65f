"""Several recipes on the same held-out windows, and the networks of those that do best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from drnn_forecast.model import Recipe
from drnn_forecast.training.course import Trained

FIRST_ROUND: Final = 0.4
"""The share of the budget in which all variants run once."""

WINNERS: Final = 2
"""Variants of the second round."""

SEEDS: Final = 2
"""Networks of each winner."""

CLOSE: Final = 1.03
"""By which factor of the best loss a network may be worse to be in the ensemble."""


def variants(recipe: Recipe, fixed: Sequence[str]) -> list[Recipe]:
    """Return the recipe and others that differ from it in one respect, none in what is fixed."""
    is_small = recipe.hidden_size < Recipe.hidden_size
    size = {"hidden_size": 40, "head_size": 128} if is_small else {"hidden_size": 64}
    changes: tuple[Mapping[str, Any], ...] = (
        {"cell_type": "GRU" if recipe.cell_type == "LSTM" else "LSTM"},
        size,
        {"dropout": 0.4 if recipe.dropout else 0.2},
        {"linear_length": None if recipe.linear_length == 0 else 0},
        {"learning_rate": recipe.learning_rate / 3},
    )
    free = [change for change in changes if not set(change) & set(fixed)]
    return [recipe, *(recipe | change for change in free)]


def race(
    run: Callable[[Recipe, int, float], Trained],
    recipe: Recipe,
    *,
    fixed: Sequence[str],
    seed: int,
    left: Callable[[], float],
) -> list[Trained]:
    """Return the networks of the variants that do best, by halving: each with its own budget.

    In the first round every variant runs once; in the second one the best of them run anew, longer
    and with several seeds.

    Args:
        run: From a recipe, a seed and seconds to a network.
        recipe: The one that the others vary.
        fixed: Settings that may not vary.
        seed: The first of the seeds.
        left: Seconds of the budget that are left.
    """
    entered = variants(recipe, fixed)
    seconds = FIRST_ROUND * left() / len(entered)
    first = [(run(each, seed, seconds), each) for each in entered]
    ranked = sorted(first, key=lambda entry: entry[0].loss)
    members = []
    starts = [(each, number) for _, each in ranked[:WINNERS] for number in range(SEEDS)]
    for place, (each, number) in enumerate(starts):
        members.append(run(each, seed + 1 + number, left() / (len(starts) - place)))
    best = min(member.loss for member in members)
    # Where nothing was held out there is no loss to compare.
    close = [member for member in members if member.loss <= CLOSE * best]
    return close or members

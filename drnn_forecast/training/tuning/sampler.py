"""Optuna's TPE sampler with a seed of its own for every trial."""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial


class SeededSampler(BaseSampler):
    """Draws what the study's seed, its history and the trial's number say.

    One worker draws the same again with the same seed, a resumed study goes on where it was, and
    several workers never draw the same, as samplers of one seed would.

    Args:
        seed: Of the study.
        is_multivariate: Whether parameters are drawn jointly.
    """

    def __init__(self, seed: int, *, is_multivariate: bool) -> None:
        self._seed = seed
        self._is_multivariate = is_multivariate
        self._sampler = self._seeded(0)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Seed the draws of this trial."""
        self._sampler = self._seeded(trial.number)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what is drawn jointly."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a joint draw."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a draw of one parameter."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def _seeded(self, number: int) -> TPESampler:
        """Return the sampler of one trial."""
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        return TPESampler(seed=seed, multivariate=self._is_multivariate, constant_liar=True)

"""The work itself: every model, seed and block in turn, finished work kept and found again."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, TypeVar

from drnn_forecast.data import ForecastData, WindowPlan, described, fingerprint
from drnn_forecast.evaluation.comparison.blocks import Block, observed
from drnn_forecast.evaluation.comparison.cells import CellFacts, Outcome, failure_text, run
from drnn_forecast.evaluation.comparison.ledger import Ledger
from drnn_forecast.evaluation.comparison.peak import with_peak_memory
from drnn_forecast.evaluation.comparison.plan import Plan, check_block, refusals
from drnn_forecast.evaluation.comparison.results import Results, significance
from drnn_forecast.evaluation.comparison.search import (
    MOST_RATES,
    best_rate,
    search_learning_rate,
)
from drnn_forecast.evaluation.contenders.neural import NeuralModel
from drnn_forecast.evaluation.contenders.registry import Model
from drnn_forecast.model import QUANTILE_LEVELS

PACKAGES = ("torch", "lightning", "pytorch-forecasting", "drnn-forecast")
"""Those whose versions results depend on."""

ResultsT = TypeVar("ResultsT", bound=Results)


def work(
    plan: Plan,
    blocks: Iterable[Block],
    kind: type[ResultsT],
    *,
    total: int,
    asked: ForecastData,
    history: ForecastData,
    windows: WindowPlan,
    **settings: Any,
) -> ResultsT:
    """Return the results of every model and seed on every block, as a `kind` of results.

    `total` is how many blocks there are, each let go of when it is done; `asked` are the data as
    given, `history` those of the series that hold the windows; `windows` and `settings` are to be
    shown.

    Raises:
        RuntimeError: Every model failed.
    """
    started = time.perf_counter()
    engine = _Engine(plan, total)
    try:
        for number, block in enumerate(blocks):
            if number == 0:
                check_block(plan, block)
            engine.work_on(block)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(engine.interrupted()) from stop
    frames = engine.ledger.frames()
    if frames["forecasts"].empty:
        reasons = frames["runs"].groupby("model", sort=False)["failure"].first()
        said = "; ".join(f"{model}: {reason}" for model, reason in reasons.items())
        raise RuntimeError(f"Every model failed, so there is nothing to compare. {said}")
    kept = set(history.series_names)
    names = [model.name for model in plan.models]
    return kind(
        **frames,
        history=observed(history),
        significance=significance(frames["scores"], frames["runs"], names, plan.baselines),
        settings={
            "horizon": windows.horizon,
            "context_length": windows.context_length,
            "min_context_length": windows.min_context_length,
            "validation_windows": windows.validation,
            "test_windows": windows.test,
            **settings,
            **plan.settings(),
            "left_out": [str(name) for name in asked.series_names if name not in kept],
            "notes": plan.notes(history),
            "search": engine.searches,
            "seconds": {**engine.seconds, "total": time.perf_counter() - started},
        },
    )


class _Engine:
    """Works on one block after another; `seconds` leaves out work that was found finished."""

    def __init__(self, plan: Plan, blocks: int) -> None:
        self.plan = plan
        self.ledger = Ledger(scale_season=plan.scale_season, calibrated=plan.calibrated)
        self.searches: dict[str, dict[str, Any]] = {}
        self.seconds = dict.fromkeys(("search", "training", "prediction"), 0.0)
        self._total = blocks * sum(len(self._seeds(model)) for model in plan.models)
        self._finished = 0

    def work_on(self, block: Block) -> None:
        """Enter the outcome of every model and seed for one block."""
        plan = self.plan
        failures = refusals(plan, block)
        for name, reason in failures.items():
            plan.announce(f"{name}: left out, {reason}")
        data = fingerprint(block.data)
        for model in plan.models:
            ready, failure = model, failures.get(model.name)
            if failure is None and isinstance(model, NeuralModel):
                ready, failure = self._with_learning_rate(model, block, data)
            for seed in self._seeds(model):
                outcome = Outcome(CellFacts(failure=failure))
                if failure is None:
                    outcome = self._outcome(ready, seed, block, data)
                self.ledger.enter(model.name, seed, block, outcome)
                self._finished += 1

    def interrupted(self) -> str:
        """Return what is kept, in words."""
        progress = f"{self._finished} of {self._total} runs are finished"
        if self.plan.store.folder is None:
            return f"{progress}, and nothing is kept; with a folder they would be"
        return f"{progress} and kept in {self.plan.store.folder}; the same again goes on from there"

    def _seeds(self, model: Model) -> tuple[int, ...]:
        """Return the seeds that a model runs under: one, where it does not depend on them."""
        return self.plan.seeds if isinstance(model, NeuralModel) else self.plan.seeds[:1]

    def _with_learning_rate(
        self, model: NeuralModel, block: Block, data: str
    ) -> tuple[NeuralModel, str | None]:
        """Return the model with a learning rate, and why it has none."""
        rates = self.plan.learning_rates
        if model.name not in self.plan.searched:
            return model, None
        if len(rates) == 1:
            return model.with_options(learning_rate=rates[0]), None
        if model.name not in self.searches:
            self.searches[model.name] = self._search(model, block, data)
        found = self.searches[model.name]
        if not found["losses"]:
            return model, next(iter(found["failures"].values()))
        return model.with_options(learning_rate=float(best_rate(found["losses"]))), None

    def _search(self, model: NeuralModel, block: Block, data: str) -> dict[str, Any]:
        """Return the losses by learning rate, from the store where they are known."""
        plan, seed, name = self.plan, self.plan.seeds[0], f"search-{model.name}"
        identity = self._identity(model, seed, block, data)
        identity["learning_rates"] = list(plan.learning_rates)
        identity["most_rates"] = MOST_RATES
        kept = plan.store.load(name, identity)
        if kept is not None:
            return kept.facts
        started = time.perf_counter()
        found = search_learning_rate(
            model,
            block,
            plan.learning_rates,
            seed=seed,
            fit_options=plan.fit_options,
            announce=plan.announce,
        )
        self.seconds["search"] += time.perf_counter() - started
        if found["losses"]:
            plan.store.save(name, identity, found)
        return found

    def _outcome(self, model: Model, seed: int, block: Block, data: str) -> Outcome:
        """Return the outcome of one model, seed and block, from the store where it is known."""
        plan = self.plan
        folds = block.fold_numbers
        name = f"{model.name}-seed-{seed}-fold-{folds[0]}-to-{folds[-1]}"
        place = f"{model.name}, seed {seed} ({self._finished + 1} of {self._total})"
        identity = self._identity(model, seed, block, data)
        kept = plan.store.load(name, identity)
        if kept is not None:
            plan.announce(f"{place}: finished before")
            return Outcome(CellFacts(**kept.facts), kept.forecasts)
        plan.announce(place)
        try:
            outcome, peak = with_peak_memory(
                lambda: run(model, block, seed=seed, fit_options=plan.fit_options)
            )
        except Exception as error:  # whatever a model of somebody else's may raise
            plan.announce(f"{place}: failed, {failure_text(error)}")
            return Outcome(CellFacts(failure=failure_text(error)))
        facts = dataclasses.replace(outcome.facts, peak_memory_mb=peak)
        plan.store.save(name, identity, dataclasses.asdict(facts), outcome.forecasts)
        if outcome.fit is not None:
            plan.on_fit(model.name, seed, outcome.fit)
        self.seconds["training"] += facts.training_seconds
        self.seconds["prediction"] += facts.prediction_seconds + facts.validation_seconds
        return Outcome(facts, outcome.forecasts)

    def _identity(self, model: Model, seed: int, block: Block, data: str) -> dict[str, Any]:
        """Return everything that determines an outcome, as plain values."""
        options = {key: value for key, value in self.plan.fit_options.items() if key != "progress"}
        return {
            "model": described(model),
            "seed": seed,
            "folds": list(block.folds),
            "calibrating": block.calibrating,
            "windows": dataclasses.asdict(block.windows),
            "data": data,
            "training": described(options),
            "quantiles": list(QUANTILE_LEVELS),
            "versions": {name: version(name) for name in PACKAGES},
        }

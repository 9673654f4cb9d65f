"""Figures of a study: numbers for `plotting` to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import Study

from drnn_forecast.plotting import bars, front_chart, history_chart, parallel_chart, slice_chart
from drnn_forecast.training.tuning.study import loss_of, new_trials, quiet_optuna

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOSS = "validation_loss"
ARCHITECTURE = ("num_layers", "dilation_base", "start_exponent")
TRAINING = (
    "hidden_size",
    "cell_type",
    "dropout",
    "learning_rate",
    "batch_size",
    "context_length",
)
LOGARITHMIC = ("learning_rate",)
LABELS = {
    "validation_loss": "validation loss",
    "training_seconds": "training, seconds",
    "parameters": "parameters of the network",
    "num_layers": "layers L",
    "dilation_base": "base M",
    "start_exponent": "starting exponent l0",
}
TRIALS_FOR_IMPORTANCES = 5
BELOW = -0.15
"""Where lists of dilations, which have neither base nor exponent, lie on those axes."""


def study_figures(
    study: Study, table: pd.DataFrame, front: pd.DataFrame, objectives: tuple[str, ...]
) -> dict[str, Figure]:
    """Return the figures of a study by name.

    Args:
        study: With at least one complete trial.
        table: `TuningResult.table`.
        front: `TuningResult.front`.
        objectives: What was lowered.

    Raises:
        ImportError: matplotlib is not installed.
    """
    new = table[table["duplicate_of"].isna()]
    complete = new[new["state"] == "complete"]
    figures = {
        "history": _history(new),
        "parallel": _parallel(complete),
        "slice": slice_chart(
            complete[list(ARCHITECTURE)].astype(float).rename(columns=LABELS),
            complete[LOSS],
            label=LABELS[LOSS],
            title="Validation loss over the architecture",
        ),
    }
    if len(complete) >= TRIALS_FOR_IMPORTANCES:
        title = "How much of the loss's variance each parameter explains"
        figures["importances"] = bars(importances(study), title=title, label="importance")
    if len(objectives) > 1:
        figures["pareto"] = _pareto(complete, front, objectives[1])
    return figures


def importances(study: Study) -> dict[str, float]:
    """Return the share of every drawn parameter in the variance of the validation loss (fANOVA)."""
    with quiet_optuna():
        copy = optuna.create_study()
        for trial in new_trials(study):
            copy.add_trial(
                optuna.create_trial(
                    value=loss_of(trial), params=trial.params, distributions=trial.distributions
                )
            )
        return get_param_importances(copy, evaluator=FanovaImportanceEvaluator(seed=0))


def _history(new: pd.DataFrame) -> Figure:
    """Draw losses by trial."""
    complete = new.loc[new["state"] == "complete", LOSS].astype(float)
    return history_chart(
        complete,
        new.loc[new["state"] == "pruned", LOSS].dropna().astype(float),
        complete.cummin(),
        label=LABELS[LOSS],
        title="Course of the study",
    )


def _parallel(complete: pd.DataFrame) -> Figure:
    """Draw every parameter that differs between trials; the best trials are on top."""
    ordered = complete.sort_values(LOSS, ascending=False)
    positions, ticks = {}, {}
    for name in (*ARCHITECTURE, *TRAINING):
        if len(set(ordered[name].dropna())) > 1:
            positions[name], ticks[name] = _axis(ordered[name], is_log=name in LOGARITHMIC)
    return parallel_chart(
        pd.DataFrame(positions, index=ordered.index),
        ticks,
        ordered[LOSS].astype(float),
        label=LABELS[LOSS],
        title="Trials, one line each; dark is good",
    )


def _axis(values: pd.Series, *, is_log: bool) -> tuple[pd.Series, dict[float, str]]:
    """Return where values lie on an axis from 0 to 1, and what to write beside it."""
    levels = sorted(set(values.dropna()))
    if isinstance(levels[0], str):
        places = np.linspace(0, 1, len(levels))
        return values.map(dict(zip(levels, places, strict=True))), dict(
            zip(places.tolist(), levels, strict=True)
        )
    scale = np.log(values.astype(float)) if is_log else values.astype(float)
    low, high = scale.min(), scale.max()
    shown = levels if len(levels) <= 5 else [levels[0], levels[-1]]
    heights = [(float(np.log(level) if is_log else level) - low) / (high - low) for level in shown]
    ticks = dict(zip(heights, [f"{level:.3g}" for level in shown], strict=True))
    places = (scale - low) / (high - low)
    return places.fillna(BELOW), ticks | ({BELOW: "list"} if values.isna().any() else {})


def _pareto(complete: pd.DataFrame, front: pd.DataFrame, cost: str) -> Figure:
    """Draw loss against cost, coloured by the starting exponent."""

    def points(rows: pd.DataFrame) -> pd.DataFrame:
        exponents = [_exponent_name(value) for value in rows["start_exponent"]]
        return pd.DataFrame({"cost": rows[cost], "value": rows[LOSS], "l0": exponents})

    return front_chart(
        points(complete),
        points(front),
        groups="l0",
        labels=(LABELS[cost], LABELS[LOSS]),
        title="What accuracy costs",
    )


def _exponent_name(value: Any) -> str:
    """Return how the legend calls a starting exponent; a list of dilations has none."""
    return "list of dilations" if pd.isna(value) else f"l0 = {int(value)}"

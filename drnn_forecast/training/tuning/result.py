"""What `tune` gives: the study, its table, its best model and its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from drnn_forecast.host import retried_trial
from drnn_forecast.model import DilatedRNNForecaster
from drnn_forecast.training.tuning.figures import study_figures
from drnn_forecast.training.tuning.places import model_of_trial
from drnn_forecast.training.tuning.study import (
    FINISHED,
    best_trials,
    is_sound,
    kept_trials,
    loss_of,
    values_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHANGED = "its record was changed after it had finished"
"""Why a finished trial counts as failed."""


@dataclass(frozen=True, eq=False)
class TuningResult:
    """A study of the forecaster's hyperparameters, as far as it has come.

    Attributes:
        study: Optuna's. Every trial that was trained has the attributes `configuration`,
            `num_layers`, `dilations`, `run`, `is_cut` (by `max_seconds`) and `worker`; a duplicate
            has `duplicate_of`, a failed one `reason`.
        objectives: What was lowered, the validation loss first.
        stopped_by: `"n_trials"`, `"max_seconds"`, `"interrupt"` (Ctrl-C), `"duplicates"` (fifty
            in a row: there is nothing new to try) or `"failures"` (ten in a row).
        keep_checkpoints: How many are kept.
        checkpoints: The folder that holds them.
    """

    study: Study
    objectives: tuple[str, ...]
    stopped_by: str
    keep_checkpoints: int
    checkpoints: Path

    @property
    def best_trial(self) -> FrozenTrial:
        """The trial with the lowest validation loss.

        Raises:
            RuntimeError: No trial is complete.
        """
        best = best_trials(self.study)
        if not best:
            raise RuntimeError(
                f"No trial of the study {self.study.study_name!r} is complete; "
                "`table` says what became of each."
            )
        return best[0]

    @property
    def best_params(self) -> dict[str, Any]:
        """The best trial's hyperparameters: the forecaster's, and `batch_size`.

        Where the dilations are those of a schedule, `num_layers`, `dilation_base` and
        `start_exponent` are given in place of `dilations`.
        """
        configuration = dict(self.best_trial.user_attrs["configuration"])
        schedule = ("num_layers", "dilation_base", "start_exponent")
        is_schedule = configuration["dilation_base"] is not None
        left_out = ("dilations",) if is_schedule else schedule
        return {name: value for name, value in configuration.items() if name not in left_out}

    @property
    def best_value(self) -> float:
        """The lowest validation loss; the mean over seeds of each one's lowest."""
        return loss_of(self.best_trial)

    @property
    def best_checkpoint(self) -> Path:
        """The folder with the model of the best trial, its seed with the lowest loss.

        Raises:
            RuntimeError: No trial is complete.
            FileNotFoundError: It is not here: another machine's worker wrote it, or it has parts
                that cannot be written.
        """
        path = model_of_trial(self.checkpoints, self.best_trial.number)
        if reason := self.best_trial.user_attrs.get("not_kept"):
            raise FileNotFoundError(
                f"The best model was not kept: {reason} Train it again with `best_params`."
            )
        if not path.is_dir():
            raise FileNotFoundError(
                f"The best model {str(path)!r} is not on this machine; worker "
                f"{self.best_trial.user_attrs['worker']} wrote it. Copy it, or give all workers a "
                "`folder` that they share."
            )
        return path

    def best_model(self) -> DilatedRNNForecaster:
        """Return the model of `best_checkpoint` in evaluation mode."""
        return DilatedRNNForecaster.from_pretrained(self.best_checkpoint)

    @property
    def table(self) -> pd.DataFrame:
        """One row per trial: what became of it, its values, configuration and costs.

        `duplicate_of` names the trial whose values were taken, `retry_of` the one whose worker
        died, `reason` why a trial failed. Seconds, epochs and steps are means over the seeds.
        `checkpoint` is given for those that are kept.
        """
        rows = [self._row(trial) for trial in self.study.get_trials(deepcopy=False)]
        table = pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="trial"))
        kept = {trial.number for trial in kept_trials(self.study, self.keep_checkpoints)}
        table["checkpoint"] = [
            model_of_trial(self.checkpoints, number) if number in kept else None
            for number in table.index
        ]
        return table

    @property
    def front(self) -> pd.DataFrame:
        """The rows of `table` that no other trial beats in every objective, lowest loss first."""
        best = best_trials(self.study)
        numbers = [trial.number for trial in (best if len(self.objectives) > 1 else best[:1])]
        return self.table.loc[numbers]

    @property
    def plots(self) -> dict[str, Figure]:
        """Optuna's figures by name: history, parallel, slice; from five trials on importances.

        Of one objective also pruning (the losses that were reported), of two the pareto front.

        Raises:
            ImportError: matplotlib is not installed.
            RuntimeError: No trial is complete.
        """
        _ = self.best_trial
        return study_figures(self.study, self.objectives)

    def save_plots(self, folder: Path | str) -> list[Path]:
        """Write every figure as a PNG file into a folder, which is made, and return the paths."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        paths = []
        for name, figure in self.plots.items():
            paths.append(Path(folder) / f"{name}.png")
            figure.savefig(paths[-1], dpi=110, bbox_inches="tight")
        return paths

    def _row(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return what the table says of a trial."""
        attributes = trial.user_attrs
        values: list[float | None] = [*values_of(trial)] or [None] * len(self.objectives)
        reason, state = attributes.get("reason"), trial.state
        if state == TrialState.FAIL and reason is None:
            reason = "its worker died"
        if state in FINISHED and not is_sound(trial):
            reason, state, values = CHANGED, TrialState.FAIL, [None] * len(self.objectives)
        run = _mapping(attributes.get("run"))
        costs = {name: run.get(name) for name in ("training_seconds", "parameters")}
        return {
            "state": "failed" if state == TrialState.FAIL else state.name.lower(),
            "validation_loss": None,
            **costs,
            **dict(zip(self.objectives, values, strict=True)),
            "duplicate_of": attributes.get("duplicate_of"),
            "retry_of": retried_trial(trial),
            "reason": reason,
            **_mapping(attributes.get("configuration")),
            "epochs": run.get("epochs"),
            "steps": run.get("steps"),
            "worker": attributes.get("worker"),
        }


def _mapping(value: Any) -> dict[str, Any]:
    """Return a dictionary as it is, and an empty one in place of what is none."""
    return value if isinstance(value, dict) else {}

"""Which checkpoints of a study are kept: those of its best trials."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from optuna.study import Study
from optuna.trial import TrialState

from drnn_forecast.training.tuning.study import best_trials

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def checkpoint_folder(folder: Path, study_name: str) -> Path:
    """Return the folder of a study's checkpoints, which is made."""
    path = folder.resolve() / "checkpoints" / quote(study_name, safe=" ")
    path.mkdir(parents=True, exist_ok=True)
    return path


def kept_checkpoints(study: Study, count: int) -> dict[int, Path]:
    """Return the checkpoints of the best trials by their number; of two objectives all the front's.

    Args:
        study: With a checkpoint's path as attribute of every trial that was trained.
        count: How many are kept of one objective.
    """
    best = best_trials(study)
    kept = best if len(study.directions) > 1 else best[:count]
    return {trial.number: Path(trial.user_attrs["checkpoint"]) for trial in kept}


def delete_others(study: Study, count: int) -> None:
    """Delete the checkpoints of the trials that ended and are not among the best."""
    kept = kept_checkpoints(study, count)
    for trial in study.get_trials(deepcopy=False, states=ENDED):
        path = trial.user_attrs.get("checkpoint")
        if path is not None and trial.number not in kept:
            Path(path).unlink(missing_ok=True)

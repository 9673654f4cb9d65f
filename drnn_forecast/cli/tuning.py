"""The command `tune`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonargparse.typing import SecretStr

import drnn_forecast as drnn
from drnn_forecast import model as models, training
from drnn_forecast.cli.outputs import check_folder, file_bytes, network_bytes
from drnn_forecast.cli.table import Table

EVERYTHING = drnn.SearchSpace()


def tune_on_table(
    data: Path,
    *,
    n_trials: int | None = None,
    max_seconds: float | None = None,
    search_space: drnn.SearchSpace = EVERYTHING,
    seasonal: bool = True,
    objectives: list[str] | None = None,
    storage: SecretStr | None = None,
    study_name: str = "drnn_forecast",
    out: Path = Path("drnn-tuning"),
    head_size: int | None = None,
    quantiles: list[float] | None = None,
    max_epochs: int | None = None,
    steps_per_epoch: int | None = None,
    patience: int | None = None,
    seeds: list[int] | None = None,
    keep_checkpoints: int = 3,
    heartbeat_seconds: int = 60,
    plots: bool = False,
    progress: bool = True,
    **table: Any,
) -> None:
    """Searches good hyperparameters, alone or beside the same command elsewhere.

    Args:
        data: CSV or Parquet file, one row per series and time.
        n_trials: Trials of the whole study that are to be finished, those of all workers together.
        max_seconds: Seconds after which no trial is begun, and a running one ends.
        search_space: What is drawn: one YAML file, or flags.
        seasonal: Whether the frequency's seasonal list of dilations is a choice as well, where
            the space has no lists.
        objectives: What is lowered; [validation_loss,training_seconds] or
            [validation_loss,parameters] for a Pareto front.
        storage: A database for several workers, such as postgresql://user@host/name, or @file, a
            file that holds its URL; by default the URL in the environment variable
            DRNN_FORECAST_STORAGE, or a SQLite file in `out`. A password belongs into these.
        study_name: Under which the study is stored.
        out: Folder for models and pictures.
        head_size: Units of the head's hidden layers; by default the recipe's.
        quantiles: Levels to forecast, 0.5 among them; by default seven from 0.025 to 0.975.
        max_epochs: The most epochs of a training run.
        steps_per_epoch: Optimiser steps between validations.
        patience: Validations without a better loss after which a run stops.
        seeds: Of each configuration's runs, whose mean loss counts; by default [0].
        keep_checkpoints: How many of the best trials' models are kept.
        heartbeat_seconds: Between two signs of life of a worker.
        plots: Whether to draw the study into `out`.
        progress: Whether to show the progress bar.
        **table: See `Table`.
    """
    room = file_bytes(data) + network_bytes(None, None)
    check_folder("out", out, is_below=True, room=room)
    source = Table(path=data, **table)
    budget: dict[str, Any] = {
        "max_epochs": max_epochs,
        "steps_per_epoch": steps_per_epoch,
        "patience": patience,
    }
    fixed: dict[str, Any] = source.given(("season_length",))
    if head_size is not None:
        fixed["head_size"] = head_size
    if quantiles is not None:
        fixed["loss"] = models.quantile_loss(quantiles)
    if seasonal and not search_space.dilations:
        context = source.recipe.shared["context_length"]
        lists = training.seasonal_dilations(source.data.freq, length=context)
        search_space = replace(search_space, dilations=lists)
    result = drnn.tune(
        source.data,
        source.horizon,
        **source.recipe.shared,
        **source.given(("min_context_length", "stride", "drop_short")),
        n_trials=n_trials,
        max_seconds=max_seconds,
        search_space=search_space,
        fixed=fixed,
        objectives=objectives or ("validation_loss",),
        storage=None if storage is None else storage.get_secret_value(),
        study_name=study_name,
        folder=out,
        **{name: value for name, value in budget.items() if value is not None},
        seeds=seeds or (0,),
        keep_checkpoints=keep_checkpoints,
        heartbeat_seconds=heartbeat_seconds,
        progress=progress,
    )
    if result.stopped_by == "interrupt":
        raise KeyboardInterrupt(
            f"{_counts(result.table['state'].tolist()) or 'no trial'} so far, which the study in "
            f"{str(out)!r} keeps; the same command goes on from there"
        )
    print(f"Stopped by {result.stopped_by}; {_counts(result.table['state'].tolist())}")
    print(f"Best validation loss {result.best_value:.6g}, trial {result.best_trial.number}:")
    for name, value in result.best_params.items():
        print(f"  {name}: {value}")
    print(f"Model: {result.best_checkpoint}")
    if plots:
        for path in result.save_plots(out / "plots"):
            print(f"Written: {path}")


def _counts(states: list[str]) -> str:
    """Return how many trials there are of each state, such as "18 complete, 2 pruned"."""
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))

"""The tasks that the levers are tried on and the reported rows belong to, with their settings."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import torch
from pytorch_forecasting import EncoderNormalizer
from pytorch_forecasting.metrics import MAE
from runs import Task
from utilsforecast import losses

from data import ett, m4

SHARED_MODEL: dict[str, Any] = {
    "level_anchor": False,
    "residual": True,
    "relative_loss": False,
    "logging_metrics": torch.nn.ModuleList(),
}
SHARED_FIT: dict[str, Any] = {"schedule": "cosine", "batch_size": 128}

ROLES = {"id_col": "series", "target_col": "actual"}


def competition_scores(
    forecasts: pd.DataFrame, history: pd.DataFrame, *, scale_season: int
) -> dict[str, float]:
    """Return sMAPE (0 to 200) and MASE as M4 defines them: means over series."""
    smape = losses.smape(forecasts, ["forecast"], **ROLES)
    mase = losses.mase(forecasts, ["forecast"], scale_season, history, time_col="time", **ROLES)
    return {"sMAPE": 200 * smape["forecast"].mean(), "MASE": mase["forecast"].mean()}


def standardised_scores(forecasts: pd.DataFrame, history: pd.DataFrame) -> dict[str, float]:
    """Return MSE and MAE of standardised values: means over columns, windows and steps."""
    squared, absolute = (
        function(forecasts, ["forecast"], **ROLES)["forecast"].mean()
        for function in (losses.mse, losses.mae)
    )
    return {"MSE": squared, "MAE": absolute}


HOURLY = Task(
    name="M4 Hourly",
    load=partial(m4, "Hourly"),
    horizon=48,
    windows=1,
    score=partial(competition_scores, scale_season=24),
    split={"context_length": 336, "target_normalizer": EncoderNormalizer(center=False)},
    model={
        **SHARED_MODEL,
        "cell_type": "LSTM",
        "hidden_size": 64,
        "context_length": 168,
        "segment_length": 24,
        "dilations": (1, 2, 3),
        "season_length": tuple(range(24, 337, 24)),
        "level_anchor": True,
        "linear_length": 168,
        "head_size": 128,
        "dropout": 0.2,
        "learning_rate": 5e-3,
        "loss": MAE(),
        "relative_loss": True,
        "embedding_sizes": {"series": (415, 4)},
    },
    fit={**SHARED_FIT, "steps_per_epoch": 2000, "max_epochs": 2},
)

WEEKLY = Task(
    name="M4 Weekly",
    load=partial(m4, "Weekly"),
    horizon=13,
    windows=1,
    score=partial(competition_scores, scale_season=1),
    split={
        "context_length": 104,
        "min_context_length": 52,
        "target_normalizer": EncoderNormalizer(center=False),
    },
    model={
        **SHARED_MODEL,
        "cell_type": "LSTM",
        "hidden_size": 40,
        "segment_length": 13,
        "dilations": (1, 2, 4),
        "season_length": (1, 52),
        "level_anchor": True,
        "linear_length": 52,
        "head_size": 64,
        "dropout": 0.0,
        "learning_rate": 3e-3,
        "loss": MAE(),
        "relative_loss": True,
        "embedding_sizes": {"series": (360, 4)},
    },
    fit={**SHARED_FIT, "steps_per_epoch": 1200, "max_epochs": 2},
)

ETT = {
    name: Task(
        name=name,
        load=partial(ett, name),
        horizon=96,
        windows=4 * 30 * 24 - 96 + 1,
        score=standardised_scores,
        trains_on_validation=False,
        split={"context_length": length, "target_normalizer": EncoderNormalizer()},
        model={
            **SHARED_MODEL,
            "cell_type": "GRU",
            "hidden_size": 32,
            "segment_length": 24,
            "dilations": dilations,
            "season_length": 1,
            "linear_length": length,
            "head_size": 64,
            "dropout": 0.3,
            "learning_rate": 2e-3,
            "loss": MAE(),
        },
        fit={**SHARED_FIT, "steps_per_epoch": 450, "max_epochs": 2},
    )
    for name, length, dilations in (("ETTh1", 336, (1, 2, 7)), ("ETTh2", 168, (1, 2, 3)))
}
"""Look-backs of two weeks and of one."""

TASKS = {task.name: task for task in (HOURLY, WEEKLY, *ETT.values())}

CHOICE = {
    name: replace(task, stride=24, windows=(task.windows + 24) // 24) if name in ETT else task
    for name, task in TASKS.items()
}
"""The tasks as settings are chosen: of ETT's validation windows every 24th, to save time."""

METRICS = {name: ("MSE", "MAE") if name in ETT else ("sMAPE", "MASE") for name in TASKS}
"""What is reported of each task."""

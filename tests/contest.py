"""Small data, windows and budgets for comparisons and backtests."""

import numpy as np
import pandas as pd

from drnn_forecast import ForecastData
from drnn_forecast.evaluation import dilated_rnn

WINDOWS = {
    "horizon": 12,
    "context_length": 48,
    "validation_windows": 3,
    "test_windows": 2,
    "scale_season": 24,
}
FOLDS = {
    "horizon": 12,
    "context_length": 48,
    "validation_windows": 2,
    "scale_season": 24,
    "folds": 3,
}
QUICK = {"max_epochs": 1, "steps_per_epoch": 3, "batch_size": 32, "progress": False}
LENGTH = 24 * 16


def frame(length=LENGTH, names=("a", "b")):
    """Return hourly series of a daily season, with a covariate known ahead and one that is not."""
    time = pd.date_range("2024-01-01", periods=length, freq="h")
    rng = np.random.default_rng(0)
    season = np.sin(np.arange(length) * 2 * np.pi / 24)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "id": name,
                    "ds": time,
                    "y": 50.0 * (number + 1) * (1 + season / 10) + rng.normal(size=length),
                    "price": rng.normal(size=length),
                    "visits": rng.normal(size=length),
                }
            )
            for number, name in enumerate(names)
        ],
        ignore_index=True,
    )


def data(table=None, **roles):
    """Return the data of a frame."""
    table = frame() if table is None else table
    return ForecastData.from_frame(table, series="id", time="ds", target="y", **roles)


def small(name="DilatedRNN", **options):
    """Return a dilated network that trains in a moment."""
    return dilated_rnn(
        name, **{"hidden_size": 4, "num_layers": 2, "learning_rate": 0.01, **options}
    )

"""A frame with every kind of column, for forecasts from folders."""

import numpy as np
import pandas as pd

from drnn_forecast import ForecastData

HORIZON = 4


def every_kind():
    """Return three series of 80 hours with covariates of every role and kind, and the hours ahead.

    Those after 76 hours have no target.
    """
    steps = np.arange(80)
    draw = np.random.default_rng(0)
    frames = []
    for number, name in enumerate("abc"):
        y = 20 + 10 * number + 5 * np.sin(steps * np.pi / 3) + draw.normal(size=80)
        frames.append(
            pd.DataFrame(
                {
                    "id": name,
                    "ds": pd.date_range("2024-01-01", periods=80, freq="h"),
                    "y": np.where(steps < 76, y, np.nan),
                    "price": draw.normal(3, 2, size=80),
                    "sky": draw.choice(["sun", "rain"], size=80),
                    "wind": draw.normal(5, 1, size=80),
                    "open": draw.random(80) < 0.5,
                    "size": 10.0 * number,
                    "region": ["north", "south", "north"][number],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def make_data(frame, **roles):
    """Return the data of such a frame; roles are of `ForecastData.from_frame`."""
    usual = {
        "series": "id",
        "time": "ds",
        "target": "y",
        "known": ["price", "sky"],
        "observed": ["wind", "open"],
        "static": ["size", "region"],
    }
    return ForecastData.from_frame(frame, **{**usual, **roles})


def future_of(frame):
    """Return the rows ahead, of which only keys and known covariates are left."""
    return frame.loc[frame.y.isna(), ["id", "ds", "price", "sky"]]


def cut(frame, name, steps):
    """Return a frame with the last known steps of one series, the hours ahead included."""
    own = frame[frame.id == name].iloc[-HORIZON - steps :]
    return pd.concat([frame[frame.id != name], own])

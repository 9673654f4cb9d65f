"""Features made from the time column, in the local time of its zone."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.frames.frequency import step_in_days
from drnn_forecast.frames.roles import CALENDAR_PREFIX

HOUR = CALENDAR_PREFIX + "hour"
WEEKDAY = CALENDAR_PREFIX + "weekday"
MONTH = CALENDAR_PREFIX + "month"

VOCABULARIES: dict[str, tuple[str, ...]] = {
    HOUR: tuple(f"{hour:02d}" for hour in range(24)),
    WEEKDAY: ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    MONTH: tuple(f"{month:02d}" for month in range(1, 13)),
}
CODES: dict[str, Callable[[pd.DatetimeIndex], pd.Index]] = {
    HOUR: lambda times: times.hour,
    WEEKDAY: lambda times: times.dayofweek,
    MONTH: lambda times: times.month - 1,
}


def calendar_categoricals(freq: str) -> list[str]:
    """Return the names of the categorical features that suit a frequency."""
    days = step_in_days(freq)
    if days < 1:
        return [HOUR, WEEKDAY]
    if days < 7:
        return [WEEKDAY]
    return [MONTH] if 28 <= days < 365 else []


def calendar_reals(freq: str) -> list[str]:
    """Return the names of the real features that suit a frequency, all between -1 and 1."""
    days = step_in_days(freq)
    cycles = ["day"] if days < 1 / 24 else []
    cycles += ["year"] if days < 28 else []
    return [f"{CALENDAR_PREFIX}{cycle}_{wave}" for cycle in cycles for wave in ("sin", "cos")]


def calendar_features(times: pd.DatetimeIndex, freq: str) -> dict[str, NDArray]:
    """Return the features of each stamp, by name."""
    features: dict[str, NDArray] = {
        name: np.array(VOCABULARIES[name], dtype=object)[np.asarray(CODES[name](times))]
        for name in calendar_categoricals(freq)
    }
    cycles = calendar_reals(freq)
    if cycles:
        # Arrays: the same sums on an index of pandas take ten times as long.
        hour, minute, second = map(np.asarray, (times.hour, times.minute, times.second))
        day = (hour + minute / 60 + second / 3600) / 24
        year = (np.asarray(times.dayofyear) - 1 + day) / (365 + np.asarray(times.is_leap_year))
    for name in cycles:
        turn = 2 * np.pi * (day if "_day_" in name else year)
        features[name] = np.sin(turn) if name.endswith("_sin") else np.cos(turn)
    return features

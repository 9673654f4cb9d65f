"""Tidy frames of tables that hold a series per column, or a series per row."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

DATA: Final = Path(os.environ.get("DRNN_DATA", Path(__file__).parents[3] / "shared" / "data"))
"""Where the public data lie; each folder's SOURCE.md says where they come from."""

MOST_SERIES: Final = 200
MOST_STEPS: Final = 30_000
"""What a task holds at most, but for those of fev: every k-th series, the last steps of each."""


def table(path: str, **options: Any) -> pd.DataFrame:
    """Return a table of the data folder; without `index_col` its first column, times, is it."""
    options = {"index_col": 0, **options}
    read = pd.read_csv(DATA / path, **options)
    if read.index.name is not None and not pd.api.types.is_numeric_dtype(read.index):
        read.index = pd.to_datetime(read.index)
    return read


def every_kth(wide: pd.DataFrame, most: int = MOST_SERIES) -> pd.DataFrame:
    """Return every k-th column, the first among them, so that at most `most` are left."""
    return wide.iloc[:, :: math.ceil(wide.shape[1] / most)]


def tidy(wide: pd.DataFrame, *, season: int = 1, **covariates: Any) -> pd.DataFrame:
    """Return `series`, `time`, `target`, `filled` and the covariates of a table by time.

    A series begins with its first value. A missing value is the one `season` steps before it, or,
    where there is none, the last one: no later value is looked at. `filled` marks them; no score
    counts them.

    Args:
        wide: A column per series, a row per time step.
        season: Of the values that fill gaps, time steps.
        **covariates: Tables like `wide`, series by time, or mappings from series to one value.
    """
    parts = []
    for name, values in wide.items():
        values = values.loc[values.first_valid_index() :].iloc[-MOST_STEPS:].astype(float)
        part = {
            "series": str(name),
            "time": values.index,
            "target": fill(values, season).to_numpy(),
            "filled": values.isna().to_numpy(),
        }
        for label, given in covariates.items():
            if isinstance(given, dict):
                part[label] = given[name]
            else:
                column = given[name] if isinstance(given, pd.DataFrame) else given
                part[label] = column.reindex(values.index).to_numpy()
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def fill(values: pd.Series, season: int = 1) -> pd.Series:
    """Return the values with gaps filled from earlier ones: of a season ago, or the last."""
    phase = np.arange(len(values)) % season
    return values.groupby(phase).ffill().ffill()


def by_row(rows: pd.DataFrame, freq: str, starts: dict[str, str] | str) -> pd.DataFrame:
    """Return the tidy frame of a table with a series per row, on a calendar from `starts` on.

    One start stands for all series that have no date of their own.
    """
    parts = []
    for name, row in rows.iterrows():
        values = row.dropna().to_numpy(float)
        start = starts if isinstance(starts, str) else starts[str(name)]
        times = pd.date_range(start, periods=len(values), freq=freq)
        parts.append(pd.DataFrame({"series": str(name), "time": times, "target": values}))
    return pd.concat(parts, ignore_index=True).assign(filled=False)


def regular(wide: pd.DataFrame, freq: str) -> pd.DataFrame:
    """Return the table with every time step from its first to its last; new ones are missing."""
    once = wide[~wide.index.duplicated()]
    return once.reindex(pd.date_range(once.index[0], once.index[-1], freq=freq))

"""Published data and forecasts that lie beside the repository, where they do."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "data"


def published(name):
    """Return a file of the published data, or skip the test."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"published data are not here: {name}")
    return path


def m3(period, part):
    """Return the values of every series of a period of the M3 competition, by name."""
    table = pd.read_csv(published(f"m3/M3-{period}-{part}.csv.gz"), index_col=0)
    return _rows(table)


def m3_forecasts(period, method):
    """Return the competition's own forecasts by series."""
    table = pd.read_csv(published("m3/M3-forecasts-3methods.csv.gz"))
    chosen = table[table["method"] == method].drop(columns="method").set_index("id")
    return _rows(chosen.loc[list(m3(period, "test"))])


def _rows(table):
    """Return the values of each row without the blanks behind them."""
    values = table.to_numpy(float)
    return {name: row[~np.isnan(row)] for name, row in zip(table.index, values, strict=True)}

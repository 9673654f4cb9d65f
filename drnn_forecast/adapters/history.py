"""Rows of other tools as data, all of which have happened, and refusals in their words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd

from drnn_forecast.data import ForecastData, Roles


def whole_data(rows: pd.DataFrame, roles: Roles, ahead: pd.DataFrame | None = None) -> ForecastData:
    """Return data whose history is all of the rows, those at the end that lack a target too.

    A tidy frame has its end where the targets end, and the rows after it are future rows. Other
    tools say how long a series is, and forecast from there.

    Args:
        rows: With the columns of the roles; times are stamps, periods or counts.
        roles: What the columns are.
        ahead: The rows after them, with the covariates known ahead; None: there are none.
    """
    data = ForecastData.from_roles(rows, roles, future=after(rows[roles.time]))
    return data if ahead is None else data.with_future(ahead)


def after(times: pd.Series) -> Any:
    """Return a time after all of some stamps, periods or counts."""
    last = times.max()
    if isinstance(last, pd.Timestamp):
        return last + pd.Timedelta(days=1)
    return last + 1 if isinstance(last, pd.Period) else int(last) + 1


@contextmanager
def refused_as(words: Mapping[str, str], kind: type[Exception] | None = None) -> Iterator[None]:
    """Let a refusal name arguments as another tool does.

    Args:
        words: Theirs by ours.
        kind: Of its errors; None: as they are.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        text = str(error)
        for ours, theirs in words.items():
            text = text.replace(f"`{ours}`", f"`{theirs}`")
        known = TypeError if isinstance(error, TypeError) else ValueError
        raise (kind or known)(text) from error

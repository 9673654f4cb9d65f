"""From a column of text or dates to time stamps."""

import logging

import pandas as pd
from pandas.api import types

from drnn_forecast.data.frames.kinds import stamps_of
from drnn_forecast.data.frames.places import shown

logger = logging.getLogger("drnn_forecast.data")


def parse_times(values: pd.Series, name: str) -> pd.arrays.DatetimeArray:
    """Return the column as time stamps; those with differing UTC offsets come back in UTC.

    Text must be in the ISO 8601 form: where day and month are ambiguous, guessing would be silent.
    """
    where = f"Time column {values.name!r} of `{name}`"
    if types.is_datetime64_any_dtype(values.dtype):
        times = stamps_of(values)
    elif types.infer_dtype(values) in {"string", "date", "datetime", "mixed", "empty"}:
        times = stamps_of(parse_text(values, where))
    else:
        raise TypeError(
            f"{where} must hold time stamps or ISO 8601 text, got dtype {values.dtype}; convert it "
            "with `pd.to_datetime` (or `.dt.to_timestamp()` for periods)."
        )
    missing = times.isna()
    if missing.any():
        raise ValueError(
            f"{where} must have a time stamp in every row, but {missing.sum()} of {len(missing)} "
            f"are empty, first in row {missing.argmax()} (the first row is 0); fill or drop them."
        )
    return times


def parse_text(values: pd.Series, where: str) -> pd.Series:
    """Return parsed ISO 8601 text, NaT where a value is empty."""
    try:
        times = pd.to_datetime(values, format="ISO8601", errors="coerce")
    except ValueError:  # pandas refuses differing offsets unless told to use UTC
        times = pd.to_datetime(values, format="ISO8601", errors="coerce", utc=True)
        logger.warning("%s has differing UTC offsets and was converted to UTC.", where)
    wrong = (times.isna() & values.notna()).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{where} must hold ISO 8601 time stamps such as '2024-03-31 13:00', but {wrong.sum()} "
            f"of {len(wrong)} values are not, first {shown(values.iloc[row])} in row {row} (the "
            "first row is 0); convert the column with `pd.to_datetime(..., format=...)`."
        )
    return times

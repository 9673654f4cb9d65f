"""The axis that a time column is of: stamps, periods, or steps that are counted.

Inside, all of them are stamps: a period is its first moment, and step n the second n since 1970.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from drnn_forecast.data.frames.frequency import Stamps, is_counted, resolve_frequency
from drnn_forecast.data.frames.places import counted, in_series

Times: TypeAlias = pd.DatetimeIndex | NDArray[Any] | pd.PeriodIndex

OF_PERIODS = {"Y": "YS", "YE": "YS", "Q": "QS", "QE": "QS", "M": "MS", "ME": "MS", "W": "W"}
"""Frequencies of the first days of periods, by those of the periods."""


MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def as_given(stamps: Stamps | NDArray[np.datetime64], dtype: Any) -> Times:
    """Return stamps in the form of a time column of some dtype: stamps, periods or counts."""
    if isinstance(dtype, pd.PeriodDtype):
        return pd.PeriodIndex(pd.DatetimeIndex(stamps), freq=dtype.freq)
    if types.is_integer_dtype(dtype):
        return np.asarray(stamps).astype("M8[s]").astype(np.int64)
    return stamps


def frequency_of_column(
    times: Stamps,
    codes: NDArray[np.int64],
    names: Sequence[Hashable],
    given: pd.Series,
    freq: str | None,
) -> str:
    """Return the frequency that every series shares, of whichever axis; `given` is the column."""
    dtype = given.dtype
    if types.is_integer_dtype(dtype):
        return freq or counted_step(times.asi8, codes, names, str(given.name))
    if freq is not None and is_counted(freq):
        raise ValueError(
            f"`freq` {freq!r} is for steps that are counted, but time column {given.name!r} has "
            f"dtype {dtype}; give a pandas frequency alias such as 'h' or 'D'."
        )
    if freq is None and isinstance(dtype, pd.PeriodDtype):
        freq = of_periods(dtype, pd.DatetimeIndex(times))
    return resolve_frequency(times, codes, names, column=str(given.name), freq=freq)


def of_periods(dtype: pd.PeriodDtype, starts: pd.DatetimeIndex) -> str:
    """Return the frequency of the first moments of periods."""
    alias: str = dtype.freq.freqstr
    many = "" if dtype.freq.n == 1 else str(dtype.freq.n)
    base, _, anchor = alias.removeprefix(many).partition("-")
    own = OF_PERIODS.get(base)
    if own is None:
        return alias
    if own == "W":
        return f"{many}W-{starts[0].day_name()[:3].upper()}"
    if own == "MS":
        return f"{many}{own}"
    last = MONTHS.index(anchor or "DEC")
    return f"{many}{own}-{MONTHS[(last + 1) % 12]}"


def counted_step(
    steps: NDArray[np.int64], codes: NDArray[np.int64], names: Sequence[Hashable], column: str
) -> str:
    """Return the largest step on whose grid all counts lie, at least half of it present."""
    apart = np.diff(steps)[codes[1:] == codes[:-1]]
    apart = np.concatenate([apart[apart > 0], np.unique(steps[steps > steps.min()] - steps.min())])
    step = int(np.gcd.reduce(apart)) if len(apart) else 1
    sizes = np.bincount(codes, minlength=len(names))
    longest = int(sizes.argmax())
    own = steps[codes == longest]
    missing = (int(own.max()) - int(own.min())) // step + 1 - len(own)
    if missing > len(own):
        raise ValueError(
            f"Time column {column!r} counts steps of {step}, but more than half of them are "
            f"missing{in_series(names[longest])}: {counted(len(own), 'row')} from {own.min()} to "
            f"{own.max()}; give `freq`, the steps between rows as text, or number the rows, such "
            "as by `groupby(series).cumcount()`."
        )
    return str(step)


def stamp_of_origin(origin: Any, given: pd.Series) -> Any:
    """Return a first time to forecast as what a stamp is made of; of counts and periods too."""
    if types.is_integer_dtype(given.dtype):
        if isinstance(origin, str) and origin.strip().lstrip("+-").isdigit():
            origin = int(origin)
        if isinstance(origin, bool) or not isinstance(origin, int | np.integer):
            raise ValueError(
                f"`origin` must be a whole number, as time column {given.name!r} counts steps, got "
                f"{origin!r}."
            )
        return pd.Timestamp(int(origin), unit="s")
    if isinstance(origin, pd.Period):
        return origin.to_timestamp()
    if isinstance(given.dtype, pd.PeriodDtype) and isinstance(origin, str):
        try:
            return pd.Period(origin, freq=given.dtype.freq).to_timestamp()
        except ValueError:
            return origin
    return origin

"""What a frame must be like, and what is said when it is not."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from drnn_forecast.data.frames.kinds import as_numbers, is_category, is_real, labels_of
from drnn_forecast.data.frames.places import (
    closest,
    counted,
    first_place,
    in_series,
    place,
    series_at,
    shown,
    some,
)
from drnn_forecast.data.frames.roles import COUNTRY, Roles
from drnn_forecast.data.frames.rows import Names, Rows

logger = logging.getLogger("drnn_forecast.data")

SUMMER_TIME_HINT = (
    " This is how local time looks where clocks change: use UTC, or time stamps with their zone"
    " (`Series.dt.tz_localize`)."
)

MOST_MISSING = 20
"""Missing time steps for each that is there, at most; with more, a stamp is likely to be wrong."""

CONVERSIONS = ("to_pandas", "toPandas", "df", "compute", "to_frame")
"""How frames of other libraries become those of pandas."""
FLATTEN = '{name}.columns = ["_".join(map(str, names)) for names in {name}.columns]'


def check_frame(frame: Any, name: str) -> None:
    """Raise unless `frame` is a DataFrame with rows, whose columns have names of their own."""
    check_is_frame(frame, name)
    if frame.empty:
        raise ValueError(
            f"`{name}` must have rows, got {len(frame)} rows and {frame.shape[1]} columns."
        )
    if frame.columns.nlevels > 1:
        raise ValueError(
            f"`{name}` must have one name for each column, but its columns have "
            f"{frame.columns.nlevels} levels, first {frame.columns[0]!r}. Either join the levels, "
            f"`{FLATTEN.format(name=name)}`, or, where one level names the series, stack it: "
            f"`{name}.stack(level=1).reset_index()`."
        )
    if not frame.columns.is_unique:
        repeated = frame.columns[frame.columns.duplicated()]
        raise ValueError(
            f"Column names must be unique, but `{name}` has {some(repeated.unique())} more than "
            "once; rename or drop the others."
        )


def check_is_frame(frame: Any, name: str) -> None:
    """Raise unless `frame` is a DataFrame of pandas."""
    if isinstance(frame, pd.DataFrame):
        return
    module, own = type(frame).__module__.partition(".")[0], type(frame).__name__
    remedy = next(
        (f" Pass `{name}.{method}()`." for method in CONVERSIONS if hasattr(frame, method)), ""
    )
    if isinstance(frame, Mapping | list | tuple):
        remedy = f" Pass `pd.DataFrame({name})`."
    found = own if module == "builtins" else f"a {own} of {module}"
    raise TypeError(f"`{name}` must be a pandas DataFrame, got {found}.{remedy}")


def check_columns(frame: pd.DataFrame, columns: Iterable[str], name: str) -> None:
    """Raise unless every column is there."""
    for column in columns:
        if column in frame.columns:
            continue
        raise ValueError(
            f"Column {column!r} is not in `{name}`{closest(column, list(frame.columns))}; its "
            f"columns are {some(frame.columns, limit=20)}."
        )


def check_series_names(column: str, codes: NDArray[np.int64], names: Names, name: str) -> None:
    """Raise unless every row names its series (code -1: none), in values that differ as text."""
    missing = codes < 0
    if missing.any():
        raise ValueError(
            f"Series column {column!r} of `{name}` must name a series in every row, but is "
            f"empty in {counted(missing.sum(), 'row')}, first in row {missing.argmax()}; fill or "
            "drop them."
        )
    kind = types.infer_dtype(names)
    cut = [text for text in names if isinstance(text, str) and "\0" in text]
    if cut:
        raise ValueError(
            f"Series column {column!r} of `{name}` must hold text, but has a NUL character "
            f"in {some(cut)}; rename them."
        )
    if kind == "string":
        return
    alike = names[pd.Index(labels_of(names)).duplicated(keep=False)]
    if len(alike) or kind.startswith("mixed"):
        raise ValueError(
            f"Series column {column!r} of `{name}` must hold names of one type, but has "
            f"{some(alike if len(alike) else names)}; convert it with `.astype(str)`."
        )


def check_holiday_column(rows: Rows, roles: Roles) -> None:
    """Raise where `holidays` is no country and no column."""
    column, columns = roles.holiday_column, list(rows.frame.columns)
    if column is None or column in columns:
        return
    country = column.upper()
    hint = f" (did you mean {country!r}?)" if COUNTRY.fullmatch(country) else ""
    raise ValueError(
        "`holidays` must be a country code of two capitals such as 'DE' or 'DE-BY', or name a "
        f"column of codes, got {column!r}{hint or closest(column, columns)}; the columns of "
        f"`frame` are {some(columns, limit=20)}."
    )


def check_dtypes(rows: Rows, roles: Roles) -> None:
    """Raise unless the target holds numbers, and covariates numbers, text or truth values."""
    target = rows[roles.target]
    if not is_real(target) or types.is_complex_dtype(target.dtype):
        raise TypeError(
            f"Target column {roles.target!r} must hold numbers, got dtype {target.dtype}"
            f"{first_text(rows, roles)}; {number_remedy(target)}."
        )
    for column in roles.covariates:
        values = rows[column]
        if types.is_complex_dtype(values.dtype) or not (is_real(values) or is_category(values)):
            raise TypeError(
                f"Covariate {column!r} must hold numbers, text, categories or truth values, got "
                f"dtype {values.dtype} ({types.infer_dtype(values)}); convert it, for example with "
                "`.astype(str)`, or leave it out."
            )


def number_remedy(values: pd.Series) -> str:
    """Return what makes numbers of a column."""
    column = f"frame[{values.name!r}]"
    is_labelled = isinstance(values.dtype, pd.CategoricalDtype) or types.is_bool_dtype(values.dtype)
    if is_labelled:
        return f"convert it with `{column} = {column}.astype(float)`"
    return f"correct what is no number, then convert it with `{column} = pd.to_numeric({column})`"


def first_text(rows: Rows, roles: Roles) -> str:
    """Return how many targets are no numbers and where the first is, or nothing."""
    values = rows[roles.target]
    wrong = (pd.to_numeric(values.astype(str), errors="coerce").isna() & values.notna()).to_numpy()
    if not wrong.any() or types.is_bool_dtype(values.dtype):
        return ""
    return (
        f" with {counted(wrong.sum(), 'value')} that {'is' if wrong.sum() == 1 else 'are'} no "
        f"number, first {shown(values.iloc[wrong.argmax()])} ({first_place(rows, roles, wrong)})"
    )


def check_unique(rows: Rows, roles: Roles) -> None:
    """Raise where two rows of a series have the same time stamp; rows are sorted."""
    stamps, codes = rows.times.asi8, rows.codes
    again = np.append(False, (stamps[1:] == stamps[:-1]) & (codes[1:] == codes[:-1]))
    if not again.any():
        return
    autumn = is_clock_change(rows[roles.time][again], months={10, 11, 3, 4})
    raise ValueError(
        f"A time stamp must occur once per series, but time column {roles.time!r} has "
        f"{counted(again.sum(), 'duplicate')}, first {first_place(rows, roles, again)}; drop or "
        f"aggregate them, or name the `series` column.{SUMMER_TIME_HINT if autumn else ''}"
    )


def is_clock_change(times: pd.Series, months: set[int]) -> bool:
    """Whether all stamps lie in the small hours of Sundays in these months, without a zone."""
    if not types.is_datetime64_dtype(times.dtype):  # in a zone, periods or counts
        return False
    sundays = (times.dt.dayofweek == 6) & (times.dt.hour < 4) & times.dt.month.isin(months)
    is_hourly = (times.dt.floor("D") != times).any()
    return bool(sundays.all() and is_hourly)


def check_observed(rows: Rows, roles: Roles, is_observed: NDArray[np.bool_]) -> None:
    """Raise where a series has no target at all; `is_observed` tells which rows have one."""
    empty = np.bincount(rows.codes, weights=is_observed) == 0
    if empty.any():
        own = series_at(rows, roles, int(np.flatnonzero(empty[rows.codes])[0]))
        names = "" if own is None else f" {shown(own)}"
        raise ValueError(
            f"Every series needs target values, but target column {roles.target!r} is empty in all "
            f"rows of {counted(empty.sum(), 'series')}, first{names}; drop the series, or fill it."
        )


def check_values(rows: Rows, roles: Roles) -> None:
    """Raise where a target or covariate of the history is infinite, or empty and may not be."""
    may_be_empty = roles.missing != "error"
    if may_be_empty:
        remedy = "correct them, or leave them empty"
    else:
        remedy = "fill them, or give `missing='mask'`, under which they count in no loss"
    where = "row of a series"
    for column in (roles.target, *roles.covariates):
        what = f"{'Target' if column == roles.target else 'Covariate'} column {column!r}"
        check_finite(rows, roles, column, what, where, remedy, may_be_empty=may_be_empty)
        if rows[column].isna().all():
            raise ValueError(f"{what} must have a value in some row, but is empty; leave it out.")
    if roles.holiday_column is not None:
        what = f"`holidays` column {roles.holiday_column!r}"
        check_finite(rows, roles, roles.holiday_column, what, where, "fill them")


def check_future_values(rows: Rows, roles: Roles) -> None:
    """Raise where a covariate that should be known ahead is empty in a future row."""
    remedy = "fill them, drop the rows, or give the column as `observed`"
    where = "future row (a row after its series' last target)"
    for column in roles.known:
        check_finite(rows, roles, column, f"Known covariate {column!r}", where, remedy)


def check_finite(
    rows: Rows,
    roles: Roles,
    column: str,
    what: str,
    where: str,
    remedy: str,
    *,
    may_be_empty: bool = False,
) -> None:
    """Raise where a value of a column is none that a dataset can hold."""
    wrong = not_finite(rows[column])
    if may_be_empty:
        wrong = wrong & rows[column].notna().to_numpy()
    if wrong.any():
        empty = "" if may_be_empty else "empty, "
        raise ValueError(
            f"{what} must have a finite value in every {where}, but "
            f"{counted(wrong.sum(), 'value')} {'is' if wrong.sum() == 1 else 'are'} {empty}"
            f"infinite or beyond float32, first {first_place(rows, roles, wrong)}; {remedy}."
        )


def not_finite(values: pd.Series) -> NDArray[np.bool_]:
    """Return where values are missing, infinite or too large for a dataset."""
    if is_real(values):
        # Datasets hold float32, in which larger numbers are infinite.
        is_finite: NDArray[np.bool_] = np.abs(as_numbers(values)) <= np.finfo(np.float32).max
        return ~is_finite
    is_missing: NDArray[np.bool_] = values.isna().to_numpy()
    return is_missing


def check_static(rows: Rows, roles: Roles) -> None:
    """Raise where a static covariate or a country changes within a series; rows are sorted."""
    codes, country = rows.codes, roles.holiday_column
    for column in (*roles.static, *([] if country is None else [country])):
        # An empty value, which equals nothing, is the same in every row here.
        values = rows[column].to_numpy()
        if rows[column].hasnans:
            values = pd.factorize(rows[column])[0]
        changed = np.append(False, (values[1:] != values[:-1]) & (codes[1:] == codes[:-1]))
        if changed.any():
            row = int(changed.argmax())
            is_static = column in roles.static
            what = f"{'Static covariate' if is_static else '`holidays` column'} {column!r}"
            remedy = "give it as `known` or `observed`" if is_static else "split such series"
            raise ValueError(
                f"{what} must be constant within a series, but changes in "
                f"{counted(len(np.unique(codes[changed])), 'series')}, first from "
                f"{shown(values[row - 1])} to {shown(values[row])} ({place(rows, roles, row)}); "
                f"{remedy}."
            )


def check_on_grid(rows: Rows, roles: Roles, is_off: NDArray[np.bool_], origin: Any) -> None:
    """Raise where a stamp does not lie on the grid of the frequency."""
    if is_off.any():
        raise ValueError(
            f"All stamps of time column {roles.time!r} must lie on the grid of frequency "
            f"{roles.freq!r} that starts at {origin}, but {counted(is_off.sum(), 'stamp')} "
            f"{'does' if is_off.sum() == 1 else 'do'} not, first "
            f"{first_place(rows, roles, is_off)}; correct or resample them, or give another `freq`."
        )


def check_gap_free(
    rows: Rows, roles: Roles, missing: NDArray[np.int64], first_missing: Any
) -> None:
    """Refuse or tell of `missing` steps before rows, each gap from a `first_missing` stamp on."""
    gaps = np.flatnonzero(missing)
    name = series_at(rows, roles, int(gaps[0]))
    stamps = pd.Series(first_missing)
    spring = is_clock_change(stamps, months={3, 4, 9, 10}) and (missing[gaps] == 1).all()
    hint = SUMMER_TIME_HINT if spring else ""
    found = (
        f"{counted(missing.sum(), 'step')} {'is' if missing.sum() == 1 else 'are'} missing in "
        f"{counted(len(gaps), 'gap')}, the first of {counted(missing[gaps[0]], 'step')}"
        f"{in_series(name)} at {stamps.iloc[0]}"
    )
    if missing.sum() > MOST_MISSING * len(missing):
        raise ValueError(
            f"Time column {roles.time!r} must have at least one in {MOST_MISSING + 1} steps of "
            f"frequency {roles.freq!r}, but {found}; correct stamps that are far from the others, "
            f"or give another `freq`.{hint}"
        )
    if roles.missing == "error":
        raise ValueError(
            f"Time column {roles.time!r} must have every step of frequency {roles.freq!r}, but "
            f"{found}; give `missing='mask'`, under which such steps count in no loss, or another "
            f"`freq`.{hint}"
        )
    logger.log(
        logging.WARNING if spring else logging.INFO,
        "Of time column %r at frequency %r, %s: missing values (`missing=%r`).%s",
        roles.time,
        roles.freq,
        found,
        roles.missing,
        hint,
    )

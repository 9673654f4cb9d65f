"""Wide frames, with a column or a row for each series or target, as tidy ones, and back."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from drnn_forecast.data.frames.kinds import is_boxed, is_real
from drnn_forecast.data.frames.places import closest, some
from drnn_forecast.data.frames.roles import FORECAST_COLUMN, TARGET_NAME, TARGET_VALUE, Roles

PATH = "path"
"""The column with the number of a sample path."""

NUMBERED = re.compile(r"\D*?(\d+)")
"""Columns that are numbered, such as V1, V2, ...; the number counts steps."""


def as_long(frame: Any, roles: Roles) -> Any:
    """Return a frame with one row per series and time, whether it was wide before or not.

    Columns with roles stay; of the others each is a series, or, where rows are series, a time. Of
    several targets, each is a series of its own, of every series. A series has no rows before its
    first value, nor after its last one, unless these have covariates known ahead.

    Raises:
        TypeError: A column that should be a series holds no numbers.
        ValueError: A column is lacking.
    """
    is_wide = isinstance(frame, pd.DataFrame) and roles.wide is not None
    if not is_wide or roles.target in frame.columns or frame.columns.nlevels > 1:
        return frame
    by_rows, targets = roles.wide == "rows", roles.targets
    kept = [name for name in (*roles.keys, *roles.covariates) if name in frame.columns]
    columns = list(frame.columns)
    needed = roles.series_columns if by_rows else (*roles.series_columns[:-1], roles.time)
    for name in (*needed, *targets):
        if name not in columns and (targets or name in needed):
            raise ValueError(
                f"Column {name!r} is not in `frame`{closest(name, columns)}; its columns are "
                f"{some(columns, limit=20)}."
            )
    if targets:
        country = [roles.holiday_column] if roles.holiday_column in columns else []
        kept, values = [*dict.fromkeys([*kept, *filter(None, country)])], list(targets)
    else:
        values = [name for name in columns if name not in kept]
    for name in values:
        if not (is_real(frame[name]) or is_boxed(frame[name]) or frame[name].isna().all()):
            raise TypeError(
                f"Every {'target' if targets else 'column without a role'} must hold numbers where "
                f"each is a series, but {name!r} has {frame[name].dropna().iloc[0]!r}; drop it, "
                f"`frame.drop(columns={name!r})` or `--csv '{{usecols: [...]}}'`, or give it "
                "another role."
            )
    named = roles.time if by_rows else roles.series_columns[-1]
    long = frame.melt(id_vars=kept, value_vars=values, var_name=named, value_name=roles.target)
    if by_rows:
        long[named] = times_of_names(long[named])
    keys = list(roles.series_columns)
    value = long[roles.target]
    has_begun = value.groupby([long[key] for key in keys], sort=False).ffill().notna()
    has_more = value[::-1].groupby([long[key] for key in keys], sort=False).ffill().notna()
    return long[has_begun & (has_more | bool(roles.known))].reset_index(drop=True)


def times_of_names(names: pd.Series) -> pd.Series:
    """Return names of columns as times: the numbers of numbered ones, others as they are."""
    texts = names.astype(str)
    found = texts.str.fullmatch(NUMBERED).all()
    return texts.str.extract(NUMBERED.pattern + "$")[0].astype("int64") if found else texts


def of_every_series(future: pd.DataFrame, names: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """Return future rows, where a wide frame does not name the series, one for each of them.

    `names` has the columns of the series, a row for each of them.
    """
    if roles.wide is None or not isinstance(future, pd.DataFrame):
        return future
    lacking = [name for name in roles.series_columns if name not in future.columns]
    if not lacking:
        return future
    empty = [name for name in roles.targets if name in future and future[name].isna().all()]
    given = [name for name in roles.targets if name in future and name not in empty]
    if given:
        raise ValueError(
            f"`future` must not hold target values, but its column {given[0]!r} has some; put "
            "observed rows into `frame`."
        )
    shared = [name for name in roles.series_columns if name not in lacking]
    rows = future.drop(columns=empty)
    if not shared:
        return names.merge(rows, how="cross")
    return names.merge(rows.astype({name: names[name].dtype for name in shared}), on=shared)


def side_by_side(result: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """Return a forecast of several targets with columns of each, its name in front, in one row."""
    if not roles.targets or TARGET_NAME not in result.columns:
        return result
    keys = [name for name in roles.keys if name != TARGET_NAME]
    keys += [name for name in (PATH,) if name in result.columns]
    parts = []
    for target in roles.targets:
        part = result[result[TARGET_NAME] == target].drop(columns=TARGET_NAME)
        names = {name: target_column(target, name) for name in part.columns if name not in keys}
        parts.append(part.rename(columns=names).reset_index(drop=True))
    joint = parts[0]
    for part in parts[1:]:
        if part[keys].equals(joint[keys]):
            joint = pd.concat([joint, part.drop(columns=keys)], axis=1)
        else:  # one ends earlier than the other
            joint = joint.merge(part, on=keys, how="outer")
    return joint


def target_column(target: str, name: str) -> str:
    """Return what a column of a forecast is called where there are several targets."""
    return target if name == TARGET_VALUE else f"{target}_{name}"


def one_below_another(forecast: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """Return a forecast with a row for each of several targets, as `side_by_side` had it."""
    keys = [name for name in roles.keys if name in forecast.columns and name != TARGET_NAME]
    parts = []
    for target in roles.targets:
        own = {
            name: name.removeprefix(f"{target}_")
            for name in forecast.columns
            if FORECAST_COLUMN.fullmatch(name.removeprefix(f"{target}_"))
        }
        part = forecast[[*keys, *own]].rename(columns=own)
        parts.append(part.assign(**{TARGET_NAME: target}))
    return pd.concat(parts, ignore_index=True)

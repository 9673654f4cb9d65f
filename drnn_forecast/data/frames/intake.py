"""From a user's frame to a history and future rows that have passed every check."""

import dataclasses
import logging
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from drnn_forecast.data.frames import checks
from drnn_forecast.data.frames.axes import as_given, frequency_of_column
from drnn_forecast.data.frames.columns import holidays_of_rows
from drnn_forecast.data.frames.frequency import OFF_GRID, mention_strides
from drnn_forecast.data.frames.kinds import as_numbers, is_real, stamps_of, with_numbers
from drnn_forecast.data.frames.natives import as_pandas, with_keys
from drnn_forecast.data.frames.origins import check_end, from_origin
from drnn_forecast.data.frames.panel import Panel
from drnn_forecast.data.frames.places import counted, first_place, some
from drnn_forecast.data.frames.roles import Roles
from drnn_forecast.data.frames.rows import Names, Rows, factorized, factorized_column
from drnn_forecast.data.frames.times import parse_times, zone_of
from drnn_forecast.data.frames.wide import as_long, of_every_series

logger = logging.getLogger("drnn_forecast.data")


def take_in(
    frame: pd.DataFrame,
    roles: Roles,
    *,
    future: Any,
    origin: Any = None,
    cut: pd.DataFrame | None = None,
) -> tuple[Panel, pd.DataFrame | None]:
    """Return the history, under roles with frequency and zone, and the future rows, if any.

    Rows from a time on, `origin` or else `future`, are future rows, of which nothing else is read
    or checked. Those before it are history, whatever they lack, as all rows are where the future
    rows are those of `cut`, of which there may be none.
    """
    start, future = (future, None) if is_time(future) else (None, future)
    start, name = (start, "future") if origin is None else (origin, "origin")
    rows, parts = read_rows(frame, roles, roles.columns, "frame"), list[pd.DataFrame]()
    if cut is not None:
        parts.append(with_stamps(cut, roles, "future")[0] if len(cut) else cut)
    checks.check_holiday_column(rows, roles)
    if roles.zone is None:
        roles = dataclasses.replace(roles, zone=zone_of(rows.times))
    if start is not None:
        is_late = from_origin(Panel(rows, roles), start, name)
        rows, parts = rows.marked(~is_late), [*parts, rows.frame[is_late]]
    checks.check_dtypes(rows, roles)
    checks.check_unique(rows, roles)
    history, tail = observed_rows(rows, roles, is_cut=start is not None or cut is not None)
    checks.check_values(history, roles)
    history = with_constants(history, roles)
    checks.check_static(history, roles)
    later = future_rows(history, parts, tail, future, roles)
    panel = on_grid(history, later, roles)
    check_calendars(panel)
    if origin is not None:
        check_end(panel, origin)
    return panel, later


def check_calendars(panel: Panel) -> None:
    """Raise where a country has no calendar, or none of the first or the last year of a series."""
    if panel.roles.holidays is not None:
        ends = np.concatenate([panel.last_rows - panel.sizes + 1, panel.last_rows])
        times = pd.DatetimeIndex(panel.rows.times[ends])
        holidays_of_rows(times, panel.rows.codes[ends], panel)


def read_rows(frame: Any, roles: Roles, columns: tuple[str, ...], name: str) -> Rows:
    """Return the sorted rows of a frame whose columns are there and whose keys are readable."""
    frame = with_keys(as_pandas(frame), columns, roles.time)
    frame = frame if name == "future" else as_long(frame, roles)
    checks.check_frame(frame, name)
    checks.check_columns(frame, columns, name)
    frame = frame.reset_index(drop=True)  # which may have the name of a column
    frame = with_numbers(frame, [column for column in columns if column not in roles.keys])
    codes, names = checked_series(frame, roles, name)
    frame, times = with_stamps(frame, roles, name)
    backward = backward_rows(codes, times.asi8)
    if backward:
        logger.warning(
            "Sorted `%s` by time: %s of time column %r came before the row above.",
            name,
            counted(backward, "row"),
            roles.time,
        )
    elif len(names) == 1 or (is_ascending(names, roles) and (codes[1:] >= codes[:-1]).all()):
        return Rows(frame, codes, names, times)
    keys = list(roles.keys)
    return Rows.of(frame.sort_values(keys, kind="stable", ignore_index=True), roles)


def with_stamps(
    frame: pd.DataFrame, roles: Roles, name: str
) -> tuple[pd.DataFrame, pd.arrays.DatetimeArray]:
    """Return a frame whose time column holds the stamps in the zone of the roles, and those."""
    given = frame[roles.time]
    column = parse_times(given, name, roles.zone, roles.freq)
    if column is not given.array:
        frame = frame.assign(**{roles.time: column})
    return frame, stamps_of(frame[roles.time])


def checked_series(frame: pd.DataFrame, roles: Roles, name: str) -> tuple[NDArray[np.int64], Names]:
    """Return the number of each row's series and the name of each, which must be readable."""
    columns = roles.series_columns
    codes, names = factorized(frame, roles)
    for column in columns:
        own = (codes, names) if len(columns) == 1 else factorized_column(frame[column])
        checks.check_series_names(column, *own, name)
    return codes, names


def is_ascending(names: Names, roles: Roles) -> bool:
    """Return whether each name of one column sorts behind the one before it."""
    is_joined = len(roles.series_columns) > 1
    return not is_joined and bool(pd.Index(names, dtype=names.dtype).is_monotonic_increasing)


def backward_rows(codes: NDArray[np.int64], times: NDArray[np.int64]) -> int:
    """Return how many rows are earlier than the row above them in their series."""
    order = np.argsort(codes, kind="stable")
    times, codes = times[order], codes[order]
    return int(((times[1:] < times[:-1]) & (codes[1:] == codes[:-1])).sum())


def observed_rows(rows: Rows, roles: Roles, *, is_cut: bool) -> tuple[Rows, pd.DataFrame | None]:
    """Return the rows from the first target of their series on, and the future ones among them.

    These are, unless the frame is cut at a time, the rows after the last target of their series,
    where some of them have a known covariate. If not, they are rows whose target is missing.
    """
    is_observed = ~np.isnan(as_numbers(rows[roles.target]))
    if is_observed.all():
        return rows, None
    checks.check_observed(rows, roles, is_observed)
    observed, place = np.flatnonzero(is_observed), np.arange(len(rows.codes))
    first, last = np.full(len(rows.names), len(place)), np.zeros(len(rows.names), dtype=np.int64)
    np.minimum.at(first, rows.codes[observed], observed)
    np.maximum.at(last, rows.codes[observed], observed)
    is_late = place > last[rows.codes]
    is_named = np.zeros(len(place), dtype=bool)
    for name in () if is_cut else roles.known:
        is_named |= is_late & rows[name].notna().to_numpy()
    is_future = is_late & is_named.any()
    is_past = ~is_future
    if roles.missing != "error":
        is_past &= place >= first[rows.codes]
    if is_past.all():
        return rows, None
    return rows.marked(is_past), rows.frame[is_future] if is_future.any() else None


def with_constants(rows: Rows, roles: Roles) -> Rows:
    """Return rows in which what is constant within a series stands in each of its rows."""
    empty = [name for name in roles.static if rows[name].hasnans]
    if not empty:
        return rows
    first = rows.frame.groupby(rows.codes, sort=False)[empty].transform("first")
    return dataclasses.replace(rows, frame=rows.frame.assign(**rows.frame[empty].fillna(first)))


def is_time(value: Any) -> bool:
    """Whether a value is a time: a stamp, as text too, a period or a count."""
    return isinstance(value, str | date | np.datetime64 | pd.Period | int)


def future_rows(
    history: Rows,
    cut: list[pd.DataFrame],
    tail: pd.DataFrame | None,
    future: pd.DataFrame | None,
    roles: Roles,
) -> pd.DataFrame | None:
    """Return the rows after the history: keys and known covariates, all else empty.

    Those of `cut` are of a history, in which a known covariate may be missing.
    """
    columns = [*roles.keys, *roles.known]
    given = [] if tail is None else [tail[columns]]
    if future is not None and not has_no_rows(future):
        given.append(read_future(future, history, roles)[columns])
    if given:
        checks.check_future_values(joined_rows(given, roles), roles)
    parts = [*given, *(part[columns] for part in cut if len(part))]
    if not parts:
        return None
    rows = joined_rows(parts, roles)
    checks.check_unique(rows, roles)
    return rows.frame.reindex(columns=history.frame.columns)


def joined_rows(parts: list[pd.DataFrame], roles: Roles) -> Rows:
    """Return the sorted rows of some frames."""
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    return Rows.of(frame.sort_values(list(roles.keys), kind="stable", ignore_index=True), roles)


def read_ahead(future: Any, panel: Panel) -> pd.DataFrame:
    """Return future rows with keys and known covariates, their times as the history has them."""
    roles = panel.roles
    columns = (*roles.keys, *roles.known)
    names = pd.DataFrame(panel.keys_of(np.arange(len(panel.names))))
    given = of_every_series(with_keys(as_pandas(future), columns, roles.time), names, roles)
    checks.check_frame(given, "future")
    checks.check_columns(given, columns, "future")
    return with_stamps(given, roles, "future")[0]


def has_no_rows(frame: Any) -> bool:
    """Return whether a frame of whichever library is empty."""
    return hasattr(frame, "__len__") and len(frame) == 0


def read_future(future: Any, history: Rows, roles: Roles) -> pd.DataFrame:
    """Return the rows of `future`, which must fit the history."""
    names = history.frame[list(roles.series_columns)].drop_duplicates()
    future = of_every_series(with_keys(as_pandas(future), roles.keys, roles.time), names, roles)
    rows = read_rows(future, roles, (*roles.keys, *roles.known), "future")
    if roles.target in rows.frame and rows[roles.target].notna().any():
        raise ValueError(
            f"`future` must not hold target values, but its column {roles.target!r} has "
            f"{counted(int(rows[roles.target].notna().sum()), 'value')}; put observed rows into "
            "`frame`."
        )
    check_same_kinds(rows, history, roles)
    panel = Panel(history, roles)
    check_after_history(rows, panel)
    times = as_given(pd.DatetimeIndex(rows.times), history[roles.time].dtype)
    alike = rows.frame.assign(**{roles.time: times}).astype({roles.time: history[roles.time].dtype})
    return named_alike(alike, panel)


def named_alike(future: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """Return future rows whose series have the names of the history, where it has them."""
    columns = [name for name in panel.roles.series_columns if name in future]
    if not columns:
        return future
    codes = panel.code_of(future)
    kinds = [panel.rows[name].dtype for name in columns]
    is_alike = all(
        future[name].dtype == kind and not types.is_object_dtype(kind)
        for name, kind in zip(columns, kinds, strict=True)
    )
    return future if is_alike or (codes < 0).any() else future.assign(**panel.keys_of(codes))


def check_same_kinds(rows: Rows, history: Rows, roles: Roles) -> None:
    """Raise where a covariate holds numbers in the history, and labels in the future."""
    for column in roles.known:
        if is_real(history[column]) and not is_real(rows[column]) and rows[column].notna().any():
            raise TypeError(
                f"Known covariate {column!r} must have one kind of value, but has dtype "
                f"{history[column].dtype} in `frame` and {rows[column].dtype} in `future`; "
                "convert one of them."
            )


def check_after_history(rows: Rows, panel: Panel) -> None:
    """Raise where a row is of a series without history, or not after its last target."""
    roles = panel.roles
    codes = panel.code_of(rows.frame)
    unknown = codes < 0
    if unknown.any():
        others = pd.unique(np.asarray(rows.names)[rows.codes[unknown]])
        raise ValueError(
            f"`future` must be about series of `frame`, but series column {roles.series!r} has "
            f"others: {some(others)}; drop them, or add their history."
        )
    is_early = np.asarray(rows.times <= panel.rows.times[panel.last_rows][codes])
    if is_early.any():
        raise ValueError(
            "The rows of `future` must come after the last target of their series, but "
            f"{counted(is_early.sum(), 'row')} do not, first {first_place(rows, roles, is_early)}; "
            "drop them."
        )


def on_grid(history: Rows, later: pd.DataFrame | None, roles: Roles) -> Panel:
    """Return the history with a row for every step, on a grid that the future rows share."""
    times, codes = history.times, history.codes
    names = [None] if roles.series is None else history.names.tolist()
    freq = frequency_of_column(times, codes, names, history[roles.time], roles.freq)
    given = roles if freq == roles.freq else dataclasses.replace(roles, freq=freq)
    rows = None if later is None else Rows.of(later, roles)
    panel = Panel(history, given, ahead=None if rows is None else rows.times)
    grid, positions = panel.grid, panel.positions
    origin = panel.times_at(np.zeros(1, dtype=np.int64))[0]
    checks.check_on_grid(history, given, positions == OFF_GRID, origin)
    if rows is not None:
        checks.check_on_grid(rows, given, grid.positions(rows.times) == OFF_GRID, origin)
    is_within = codes[1:] == codes[:-1]
    steps = np.where(is_within, np.diff(positions), 1)
    if roles.freq is not None:
        mention_strides(steps[is_within], freq, roles.time)
    missing = np.append(0, steps - 1)
    if not missing.any():
        return panel
    gaps = missing > 0
    first = panel.times_at(positions[gaps] - missing[gaps])
    checks.check_gap_free(history, given, missing, first)
    return dataclasses.replace(panel, rows=Rows.of(with_every_step(panel, missing), roles))


def with_every_step(panel: Panel, missing: NDArray[np.int64]) -> pd.DataFrame:
    """Return the history with rows for the missing steps, empty but for what is constant."""
    history, roles = panel.rows.frame, panel.roles
    present = np.arange(len(history)) + np.cumsum(missing)
    source = np.zeros(present[-1] + 1, dtype=np.int64)
    source[present] = np.arange(len(history))
    source = np.maximum.accumulate(source)
    steps_later = np.arange(len(source)) - present[source]
    stamps = pd.Series(panel.times_at(panel.positions[source] + steps_later))
    frame = history.iloc[source].reset_index(drop=True)
    kept = {*roles.keys, roles.holiday_column, *roles.static}
    others = [name for name in frame.columns if name not in kept]
    empty = {name: frame[name].mask(steps_later > 0) for name in others}
    return frame.assign(**{**empty, roles.time: stamps.astype(history[roles.time].dtype)})

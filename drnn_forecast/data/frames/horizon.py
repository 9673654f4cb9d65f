"""The columns of the windows right after the last observations."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data.frames.columns import model_columns, variables
from drnn_forecast.data.frames.kinds import is_real, stamps_of
from drnn_forecast.data.frames.panel import Panel
from drnn_forecast.data.frames.places import counted, series_place
from drnn_forecast.data.frames.roles import BEFORE, KINDS, MARK, TIME_INDEX


def window_columns(
    panel: Panel, future: pd.DataFrame | None, *, context: int, horizon: int, least: int
) -> dict[str, NDArray[Any]]:
    """Return the columns of a dataset for the last steps of every series and the next ones.

    One series follows the other, complete and in order of time. The rows ahead repeat the last one
    but for time and known covariates. A series of fewer than `least` rows is as if it had stood at
    its first row before.
    `future` has the known covariates.
    """
    roles, history = panel.roles, panel.rows
    early, steps_before = rows_before(panel, least)
    recent = np.concatenate([early, np.flatnonzero(panel.steps_to_end < context)])
    last = np.repeat(panel.last_rows, horizon)
    ahead = panel.positions[last] + np.tile(np.arange(1, horizon + 1), len(panel.names))
    rows = np.concatenate([recent, last])
    order = np.argsort(panel.rows.codes[rows], kind="stable")
    rows, shown_at = rows[order], np.concatenate([panel.positions[recent], ahead])[order]
    steps = np.zeros(len(rows), dtype=np.int64)
    steps[: len(early)] = steps_before
    positions = shown_at - steps[order]
    values = {name: history[name].array[rows] for name in (roles.target, *roles.covariates)}
    if roles.known:
        future = history.frame.iloc[:0] if future is None else future
        found = known_rows(panel, future, panel.rows.codes[last], ahead)
        for name in roles.known:
            parts = [history[name].iloc[recent], future[name].iloc[found]]
            values[name] = pd.concat(parts).array[order]
    before = {f"{BEFORE}{roles.target}": panel.before[rows]} if panel.lacks_values else {}
    return {
        TIME_INDEX: positions,
        roles.group: panel.labels[panel.rows.codes[rows]],
        **before,
        **model_columns(values, panel.grid.column(shown_at), panel.rows.codes[rows], panel),
    }


def rows_before(panel: Panel, least: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first rows of series with fewer than `least`, as often as rows are lacking.

    Beside them, how many time steps each is to stand before the first row itself.
    """
    lacking = np.maximum(least - panel.sizes, 0)
    first = panel.last_rows - panel.sizes + 1
    within = np.arange(lacking.sum()) - np.repeat(np.cumsum(lacking) - lacking, lacking)
    return np.repeat(first, lacking), np.repeat(lacking, lacking) - within


def known_rows(
    panel: Panel, future: pd.DataFrame, codes: NDArray[np.int64], positions: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return which row of `future` holds each step ahead."""
    given = panel.grid.positions(stamps_of(future[panel.roles.time]))
    rows = pd.MultiIndex.from_arrays([panel.code_of(future), given])
    found: NDArray[np.int64] = rows.get_indexer(pd.MultiIndex.from_arrays([codes, positions]))
    check_reach(panel, positions, found < 0)
    return found


def check_reach(panel: Panel, positions: NDArray[np.int64], is_missing: NDArray[np.bool_]) -> None:
    """Raise where a step ahead (as many of every series) has no row of known covariates."""
    if not is_missing.any():
        return
    horizon = len(positions) // len(panel.names)
    first = int(is_missing.argmax())
    code = first // horizon
    of_first = int(is_missing[code * horizon : (code + 1) * horizon].sum())
    name = None if panel.roles.series is None else panel.names[code]
    lacking = len(np.unique(np.flatnonzero(is_missing) // horizon))
    raise ValueError(
        f"Known covariates {list(panel.roles.known)} must be given for the {horizon} steps after "
        f"the last observation, but {counted(of_first, 'future row')} "
        f"{'is' if of_first == 1 else 'are'} missing for "
        f"{series_place(name, panel.times_at(positions[first : first + 1])[0])} "
        f"({counted(lacking, 'series')} in all); add them as rows with an empty target, or in "
        "`future`."
    )


def as_trained(panel: Panel, parameters: Mapping[str, Any]) -> Panel:
    """Return the history as training read it, in which numbers may be labels.

    Raises:
        ValueError: It lacks a variable of training, or has it in another part.
    """
    trained = {name for kind in KINDS if "categoricals" in kind for name in parameters[kind] or []}
    labelled = frozenset(
        name for name in panel.roles.covariates if name in trained and is_real(panel.rows[name])
    )
    panel = dataclasses.replace(panel, labelled=labelled) if labelled else panel
    check_trained_variables(panel, parameters)
    return panel


def check_trained_variables(panel: Panel, parameters: Mapping[str, Any]) -> None:
    """Raise where the history lacks a variable of training, or has it in another part."""
    roles = panel.roles
    if parameters["time_idx"] != TIME_INDEX:
        raise ValueError(
            "`parameters` must be those of a dataset that `ForecastData.split` made, but its time "
            f"index is {parameters['time_idx']!r}; make the training dataset with `split`."
        )
    if parameters["target"] != roles.target:
        raise ValueError(
            f"The target of training was {parameters['target']!r}, here it is {roles.target!r}; "
            "give the same column as `target`."
        )
    if parameters["group_ids"] != [roles.group]:
        raise ValueError(
            f"The series of training were told apart by {parameters['group_ids']}, here by "
            f"{[roles.group]}; give the same columns as `series`."
        )
    here = variables(panel)
    if roles.series is not None and roles.group not in here["static_categoricals"]:
        here["static_categoricals"].append(roles.group)
    part_here = {name: kind for kind in KINDS for name in here[kind]}
    for kind in KINDS:
        for name in parameters.get(kind) or []:
            found = part_here.get(name)
            if found != kind and not name.startswith(MARK):
                raise ValueError(
                    f"The variable {name!r} was {readable(kind)} in training, but "
                    f"{'is lacking here' if found is None else 'is ' + readable(found) + ' here'}; "
                    "give the frame the same columns, dtypes and roles (and `calendar`, `holidays` "
                    "and `freq`)."
                )


def readable(kind: str) -> str:
    """Return the list of a dataset that a variable is in, in words."""
    part, values = kind.rsplit("_", 1)
    role = {"static": "static", "time_varying_known": "known", "time_varying_unknown": "observed"}
    return f"{role[part]} ({'categories' if values == 'categoricals' else 'numbers'})"

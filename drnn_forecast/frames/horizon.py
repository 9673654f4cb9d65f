"""The windows right after the last observations."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pytorch_forecasting import TimeSeriesDataSet

from drnn_forecast.frames.features import model_frame, variables
from drnn_forecast.frames.panel import Panel
from drnn_forecast.frames.places import counted, series_place
from drnn_forecast.frames.roles import TIME_INDEX

KINDS = (
    "static_categoricals",
    "static_reals",
    "time_varying_known_categoricals",
    "time_varying_known_reals",
    "time_varying_unknown_categoricals",
    "time_varying_unknown_reals",
)


def make_forecast_dataset(
    panel: Panel,
    future: pd.DataFrame,
    parameters: dict[str, Any],
    dataset_class: type[TimeSeriesDataSet],
) -> TimeSeriesDataSet:
    """Return one window per series whose targets are the steps after its last observation.

    Targets and observed covariates, which nobody knows there, hold the last observed value.

    Args:
        panel: The history.
        future: Rows with the known covariates.
        parameters: `get_parameters()` of the training dataset.
        dataset_class: The class to make.

    Raises:
        ValueError: A variable of training is lacking, a series is too short, or known covariates
            do not reach to the end of the horizon.
    """
    check_variables(panel, parameters)
    lags = parameters.get("lags") or {}
    lag = max((max(steps) for steps in lags.values()), default=0)
    check_lengths(panel, parameters, lag)
    recent = panel.steps_to_end < parameters["max_encoder_length"] + lag
    ahead, positions = decoder_rows(panel, future, parameters["max_prediction_length"])
    weight = [parameters["weight"]] if parameters.get("weight") else []
    frame = pd.concat(
        [
            model_frame(panel.history[recent], panel.positions[recent], panel, extra=weight),
            model_frame(ahead, positions, panel, extra=weight),
        ],
        ignore_index=True,
    )
    return dataset_class.from_parameters(
        parameters, frame, predict=True, min_prediction_idx=int(frame[TIME_INDEX].min())
    )


def decoder_rows(
    panel: Panel, future: pd.DataFrame, horizon: int
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return the rows of the next `horizon` steps of every series, and their positions."""
    roles = panel.roles
    last = np.repeat(panel.last_rows, horizon)
    positions = panel.positions[last] + np.tile(np.arange(1, horizon + 1), len(panel.names))
    rows = panel.history.iloc[last].reset_index(drop=True)
    stamps = panel.grid.stamps(positions).astype(rows[roles.time].dtype)
    rows = rows.assign(**{roles.time: stamps})
    if not roles.known:
        return rows, positions
    given = future_positions(panel, future)
    found = given.get_indexer(pd.MultiIndex.from_arrays([panel.codes[last], positions]))
    check_reach(panel, rows, found < 0, horizon)
    known = {name: future[name].iloc[found].to_numpy() for name in roles.known}
    return rows.assign(**known), positions


def future_positions(panel: Panel, future: pd.DataFrame) -> pd.MultiIndex:
    """Return the series code and the position of every future row."""
    times = pd.DatetimeIndex(future[panel.roles.time])
    return pd.MultiIndex.from_arrays([panel.code_of(future), panel.grid.positions(times)])


def check_reach(
    panel: Panel, rows: pd.DataFrame, is_missing: NDArray[np.bool_], horizon: int
) -> None:
    """Raise where known covariates do not reach to the end of the horizon."""
    if not is_missing.any():
        return
    first = int(is_missing.argmax())
    code = first // horizon
    of_first = int(is_missing[code * horizon : (code + 1) * horizon].sum())
    name = None if panel.roles.series is None else panel.names[code]
    lacking = len(np.unique(np.flatnonzero(is_missing) // horizon))
    raise ValueError(
        f"Known covariates {list(panel.roles.known)} must be given for the {horizon} steps after "
        f"the last observation, but {counted(of_first, 'future row')} "
        f"{'is' if of_first == 1 else 'are'} missing for "
        f"{series_place(name, rows[panel.roles.time].iloc[first])} "
        f"({counted(lacking, 'series')} in all); add them as rows with an empty target, or in "
        "`future`."
    )


def check_variables(panel: Panel, parameters: dict[str, Any]) -> None:
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
            f"{[roles.group]}; give the same column as `series`."
        )
    here = variables(panel)
    if roles.series is not None and roles.group not in here["static_categoricals"]:
        here["static_categoricals"].append(roles.group)
    part_here = {name: kind for kind in KINDS for name in here[kind]}
    for kind in KINDS:
        for name in parameters.get(kind) or []:
            found = part_here.get(name)
            if found != kind:
                raise ValueError(
                    f"The variable {name!r} was {readable(kind)} in training, but "
                    f"{'is lacking here' if found is None else 'is ' + readable(found) + ' here'}; "
                    "give the frame the same columns, dtypes and roles (and `calendar` and `freq`)."
                )


def readable(kind: str) -> str:
    """Return the list of a dataset that a variable is in, in words."""
    part, values = kind.rsplit("_", 1)
    role = {"static": "static", "time_varying_known": "known", "time_varying_unknown": "observed"}
    return f"{role[part]} ({'categories' if values == 'categoricals' else 'numbers'})"


def check_lengths(panel: Panel, parameters: dict[str, Any], lag: int) -> None:
    """Raise where a series is too short for the shortest context."""
    least = max(parameters["min_encoder_length"] + lag, 1)
    is_short = panel.sizes < least
    if is_short.any():
        raise ValueError(
            f"The model reads at least {least} time steps before a forecast, but too short "
            f"{'is' if is_short.sum() == 1 else 'are'}: {panel.describe_sizes(is_short)}; give a "
            "longer history, or train with a smaller `min_context_length`."
        )

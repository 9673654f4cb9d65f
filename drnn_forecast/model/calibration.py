"""Conformal calibration: quantiles moved by what they missed on earlier windows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

CELL = ("model", "seed", "fold")
"""The columns whose values tell the forecasts of one trained model from those of another."""


def calibrate(
    forecasts: pd.DataFrame,
    calibration_forecasts: pd.DataFrame,
    quantiles: Sequence[float],
    *,
    by_step: bool = True,
) -> pd.DataFrame:
    """Return the forecasts with intervals that held on earlier windows as often as they promise.

    Each pair of quantiles is moved apart, or together, by the same distance on both sides: the
    split-conformal rule of Romano et al. (2019), Conformalized Quantile Regression, equations 6
    to 8. The distance is the ceil((n + 1)(1 - alpha))-th smallest of the n earlier misses, in
    units of each series' mean absolute error on the earlier windows. With one series, and windows
    that could stand in any order, an interval then holds at least as often as it promises, by less
    than 1 / (n + 1) more often; several series share their misses, so that it holds on average
    over them as far as their errors differ in scale only. A series whose earlier forecasts were
    all exact stays as it is. The median is never moved. Where pairs would cross, the outer one is
    widened.

    Args:
        forecasts: `series`, `step` and a column `q...` for each quantile; `model`, `seed` and
            `fold` where there are several.
        calibration_forecasts: The same columns and `actual`, from windows that trained no model
            and lie before those of `forecasts`. Rows without an actual are left out.
        quantiles: Levels, among them 0.5, in pairs l and 1 - l.
        by_step: Whether each step of the horizon has its own distances, from as many misses as
            there are windows; if not, all steps share theirs, which needs fewer windows but counts
            the steps of one window as if they were independent.

    Raises:
        ValueError: The levels are no pairs around 0.5, a column is missing, a series has no
            earlier windows, or there are fewer misses than `misses_needed` says.

    Example:
        >>> past = pd.DataFrame({"series": "a", "step": 1, "actual": range(9), "q0.5": 4.0})
        >>> past = past.assign(**{"q0.1": 3.0, "q0.9": 5.0})
        >>> future = pd.DataFrame({"series": ["a"], "step": 1, "q0.1": 3.0, "q0.5": 4, "q0.9": 5})
        >>> calibrate(future, past, [0.1, 0.5, 0.9])[["q0.1", "q0.5", "q0.9"]].values.tolist()
        [[0.0, 4.0, 8.0]]
    """
    pairs = _pairs(quantiles)
    columns = ["series", "step", *(f"q{level:g}" for level in sorted(quantiles))]
    for argument, frame, names in (
        ("forecasts", forecasts, columns),
        ("calibration_forecasts", calibration_forecasts, [*columns, "actual"]),
    ):
        missing = [name for name in names if name not in frame]
        if missing:
            raise ValueError(f"`{argument}` must have the columns {names}, {missing} missing.")
    past = calibration_forecasts[calibration_forecasts["actual"].notna()]
    ahead = forecasts
    if not by_step:
        past, ahead = past.assign(step=0), ahead.assign(step=0)
    cell = [name for name in CELL if name in forecasts and name in calibration_forecasts]
    scale = _scales(past, [*cell, "series"])
    past_scale, ahead_scale = _looked_up(past, scale), _looked_up(ahead, scale)
    keys = [past[name] for name in (*cell, "step")]
    _check_enough(past_scale.groupby(keys).count(), quantiles)
    result = forecasts.copy()
    inner_low = inner_high = forecasts["q0.5"]
    for low, high, share in pairs:
        misses = np.maximum(past[low] - past["actual"], past["actual"] - past[high]) / past_scale
        distance = misses.groupby(keys).agg(_finite_sample_quantile, share)
        moved = (_looked_up(ahead, distance) * ahead_scale).fillna(0.0)
        inner_low = result[low] = np.minimum(forecasts[low] - moved, inner_low)
        inner_high = result[high] = np.maximum(forecasts[high] + moved, inner_high)
    return result


def misses_needed(quantiles: Sequence[float]) -> int:
    """Return how many windows, over all series, `calibrate` needs at each step.

    The widest interval decides: (n + 1)(1 - alpha) must not be above n.

    Raises:
        ValueError: The levels are no pairs around 0.5.

    Example:
        >>> misses_needed([0.025, 0.1, 0.5, 0.9, 0.975])
        19
    """
    widest = _pairs(quantiles)[-1][2]
    return math.ceil(round(widest / (1 - widest), 9))


def _pairs(quantiles: Sequence[float]) -> list[tuple[str, str, float]]:
    """Return the columns of each pair and the share that lies between them, innermost first."""
    levels = sorted(quantiles)
    mirrored = [round(1 - level, 9) for level in reversed(levels)]
    is_paired = mirrored == [round(level, 9) for level in levels]
    if not is_paired or 0.5 not in levels or len(levels) < 3 or levels[0] <= 0:
        raise ValueError(
            "`quantiles` must be 0.5 and pairs l and 1 - l between 0 and 1, such as "
            f"(0.1, 0.5, 0.9), got {list(quantiles)}."
        )
    lower = levels[: len(levels) // 2]
    return [(f"q{low:g}", f"q{1 - low:g}", 1 - 2 * low) for low in reversed(lower)]


def _scales(past: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Return the mean absolute error of each series' median; not a number where it is 0."""
    errors = (past["actual"] - past["q0.5"]).abs()
    return errors.groupby([past[name] for name in keys]).mean().replace(0.0, np.nan)


def _check_enough(counts: pd.Series, quantiles: Sequence[float]) -> None:
    """Refuse too few misses for the widest interval; none at all is a series without errors."""
    needed, found = misses_needed(quantiles), counts[counts > 0]
    if len(counts) == 0 or (len(found) and found.min() < needed):
        raise ValueError(
            f"Calibration at the levels {list(quantiles)} needs at least {needed} windows over all "
            f"series, got {found.min() if len(found) else 0}. Add validation windows, or leave out "
            "the outermost quantiles."
        )


def _finite_sample_quantile(misses: pd.Series, share: float) -> float:
    """Return the ceil((n + 1) share)-th smallest of n misses; not a number where n is 0."""
    known = misses.dropna().to_numpy()
    rank = math.ceil(round((len(known) + 1) * share, 9))
    return float(np.partition(known, rank - 1)[rank - 1]) if len(known) else np.nan


def _looked_up(frame: pd.DataFrame, values: pd.Series) -> pd.Series:
    """Return the value at every row's key, whose columns are the names of the values' index."""
    names = list(values.index.names)
    keys = pd.MultiIndex.from_frame(frame[names]) if len(names) > 1 else pd.Index(frame[names[0]])
    places = values.index.get_indexer(keys)
    if (places < 0).any():
        unknown = frame.loc[places < 0, names].drop_duplicates().to_dict("records")
        raise ValueError(
            "`calibration_forecasts` must have windows of everything in `forecasts`, found none "
            f"for {unknown[:3]}."
        )
    return pd.Series(values.to_numpy()[places], index=frame.index)

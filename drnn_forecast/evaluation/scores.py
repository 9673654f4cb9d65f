"""Scores of forecasts by series, from utilsforecast's metrics, and tests between models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon
from utilsforecast import losses

METRICS = (
    "MAE",
    "MASE",
    "RMSSE",
    "sMAPE",
    "WQL",
    "coverage 80 %",
    "width 80 %",
    "coverage 95 %",
    "width 95 %",
)
"""What `scores_by_series` gives, in this order."""

INTERVALS = {80: ("q0.1", "q0.9"), 95: ("q0.025", "q0.975")}
"""The bounds of every interval that is scored, by the percentage that it is meant to cover."""

FEWEST_SERIES = 6
"""With fewer, Wilcoxon's two-sided p-value cannot fall below 0.05 (with five its least is 1/16)."""

_MODEL = "model"
_ROLES = {"id_col": "series", "target_col": "actual"}


def scores_by_series(
    forecasts: pd.DataFrame,
    quantiles: Sequence[float],
    *,
    history: pd.DataFrame,
    scale_season: int,
) -> pd.DataFrame:
    """Return the scores of one model's forecasts: `series`, `metric` and `value`.

    The point forecast is the median. Each score is a mean over all windows and steps of a series:

    - `MAE`: absolute error, in target units.
    - `MASE`, `RMSSE`: mean absolute and root mean squared error, divided by those of the seasonal
      naive method inside `history`. NaN where that divisor is 0 or does not exist: a constant, zero
      or too short history.
    - `sMAPE`: absolute error over the mean of |actual| and |forecast|, in per cent, from 0 to 200.
    - `WQL`: twice the pinball loss, as a mean over the levels, summed over time and divided by the
      sum of |actual|; with the median alone this is the sum of absolute errors over that sum. NaN
      where every actual is 0.
    - `coverage`: the share of actuals inside the interval, bounds included, from 0 to 1.
    - `width`: of the interval, over the mean of |actual|, in per cent. NaN where every actual is 0.

    Args:
        forecasts: `series`, `time`, `actual` and a column `q...` for each quantile, no value empty.
        quantiles: Levels, among them 0.5 and the bounds of the 80 and 95 % intervals.
        history: `series`, `time` and `actual` of the training part, sorted by time.
        scale_season: Of the naive error, time steps.

    Raises:
        ValueError: A level that the scores need is not among `quantiles`.
    """
    columns = [f"q{level:g}" for level in quantiles]
    needed = {"q0.5", *(bound for bounds in INTERVALS.values() for bound in bounds)}
    if not needed <= set(columns):
        raise ValueError(
            f"`quantiles` must include the median and the bounds of the 80 and 95 % intervals; "
            f"{sorted(needed - set(columns))} are missing."
        )
    frame = forecasts.assign(**{_MODEL: forecasts["q0.5"]})
    for percentage, (low, high) in INTERVALS.items():
        frame[f"{_MODEL}-lo-{percentage}"] = forecasts[low]
        frame[f"{_MODEL}-hi-{percentage}"] = forecasts[high]
    scaled = {"seasonality": scale_season, "train_df": history, "time_col": "time", **_ROLES}
    size = forecasts["actual"].abs().groupby(forecasts["series"]).mean()
    pinball = losses.mqloss(frame, {_MODEL: columns}, np.asarray(quantiles), **_ROLES)
    by_metric = {
        "MAE": _of_series(losses.mae(frame, [_MODEL], **_ROLES)),
        "MASE": _of_series(losses.mase(frame, [_MODEL], **scaled)),
        "RMSSE": _of_series(losses.rmsse(frame, [_MODEL], **scaled)),
        "sMAPE": 200 * _of_series(losses.smape(frame, [_MODEL], **_ROLES)),  # there from 0 to 1
        "WQL": 2 * _of_series(pinball) / size,
    }
    for percentage, (low, high) in INTERVALS.items():
        inside = losses.coverage(frame, [_MODEL], percentage, **_ROLES)
        width = (forecasts[high] - forecasts[low]).groupby(forecasts["series"]).mean()
        by_metric[f"coverage {percentage} %"] = _of_series(inside)
        by_metric[f"width {percentage} %"] = 100 * width / size
    table = pd.DataFrame(by_metric, index=size.index)[list(METRICS)]
    table = table.replace([np.inf, -np.inf], np.nan)  # what was divided by 0
    return table.reset_index().melt("series", var_name="metric", value_name="value")


def scores(
    forecasts: pd.DataFrame,
    quantiles: Sequence[float],
    *,
    history: pd.DataFrame,
    scale_season: int,
) -> dict[str, float]:
    """Return the mean over series of every score, undefined ones left out, and the pinball loss.

    The last, a mean over the levels, is in target units. Arguments are those of `scores_by_series`.
    """
    by_series = scores_by_series(forecasts, quantiles, history=history, scale_season=scale_season)
    means = by_series.groupby("metric", sort=False)["value"].mean().to_dict()
    columns = [f"q{level:g}" for level in quantiles]
    pinball = losses.mqloss(forecasts, {_MODEL: columns}, np.asarray(quantiles), **_ROLES)
    return {**means, "pinball": float(pinball[_MODEL].mean())}


def undefined_series(scores: pd.DataFrame) -> int:
    """Return how many series lack a scaled error, and so are left out of its mean."""
    is_undefined = scores["metric"].isin(["MASE", "RMSSE"]) & scores["value"].isna()
    return int(scores.loc[is_undefined, "series"].nunique())


@dataclass(frozen=True)
class PairedTest:
    """Wilcoxon's signed-rank test of two models' scores, lower being better, two-sided.

    `series` have a score of both models; `statistic` is the smaller sum of ranks. Where there is no
    test, that and the p-value are NaN and `note` says why.
    """

    model: str
    baseline: str
    metric: str
    statistic: float
    p_value: float
    series: int
    note: str = ""


def paired_test(scores: pd.DataFrame, model: str, baseline: str, metric: str) -> PairedTest:
    """Return whether two models differ on the series that both have scores of.

    The mean over seeds and folds is one observation of a series: seeds of one series are not
    independent of one another. Series without a defined score are left out.

    Raises:
        ValueError: A model or the metric is not among the scores, or the models are one.
    """
    if model == baseline:
        raise ValueError(f"`model` and `baseline` must differ, got {model!r} twice.")
    for column, value in (("model", model), ("model", baseline), ("metric", metric)):
        known = scores[column].unique().tolist()
        if value not in known:
            raise ValueError(f"`scores` have no {column} {value!r}; there are {known}.")
    chosen = scores[scores["metric"] == metric]
    means = chosen.pivot_table(index="series", columns="model", values="value", observed=True)
    both = means.reindex(columns=[model, baseline]).dropna()
    differences = (both[model] - both[baseline]).to_numpy()
    result = PairedTest(model, baseline, metric, np.nan, np.nan, len(differences))
    if len(differences) < FEWEST_SERIES:
        note = f"no test: {len(differences)} series, at least {FEWEST_SERIES} are needed"
        return replace(result, note=note)
    if not differences.any():
        return replace(result, note="no test: the scores are equal")
    found = wilcoxon(differences)
    return replace(result, statistic=float(found.statistic), p_value=float(found.pvalue))


def calibration(forecasts: pd.DataFrame, quantiles: Sequence[float]) -> pd.Series:
    """Return the share of actuals at or below each quantile, a mean over series, by level.

    Where a model is calibrated the share equals the level.
    """
    columns = {f"{level:g}": f"q{level:g}" for level in quantiles}
    shares = losses.calibration(forecasts, columns, **_ROLES).set_index("series").mean()
    observed = shares[list(columns)].to_numpy()
    return pd.Series(observed, index=pd.Index(quantiles, name="level"), name="observed")


def error_by_step(forecasts: pd.DataFrame) -> pd.Series:
    """Return the mean absolute error of the median at each step, indexed by step, target units."""
    errors = (forecasts["actual"] - forecasts["q0.5"]).abs()
    return errors.groupby(forecasts["step"]).mean()


def _of_series(table: pd.DataFrame) -> pd.Series:
    """Return a library's table of one model as a series, indexed by series."""
    return table.set_index("series")[_MODEL]

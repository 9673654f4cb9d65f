"""Scores of forecasts, from utilsforecast's metrics, and tests between models."""

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

_MODEL, _ROWS = "model", "row_group"
_ROLES = {"id_col": "series", "target_col": "actual"}

CELL = ("series", "fold", "seed")
"""What tells one forecast from another of the same model: two models are compared cell by cell."""


def scores_by_series(
    forecasts: pd.DataFrame,
    quantiles: Sequence[float],
    *,
    history: pd.DataFrame,
    scale_season: int,
) -> pd.DataFrame:
    """Return the scores of one model's forecasts: `series`, `metric` and `value`.

    The point forecast is the median. Each score is a mean over all windows and steps of a series
    that have an actual:

    - `MAE`: absolute error, in target units.
    - `MASE`, `RMSSE`: mean absolute and root mean squared error, divided by those of the seasonal
      naive method, one step ahead of its season, on all values of `history` before the first
      forecast of the series (Hyndman and Koehler, 2006; the M5 competition, with a season of 1).
      NaN where that divisor is 0 or does not exist: a constant, zero or too short history.
    - `sMAPE`: absolute error over the mean of |actual| and |forecast|, in per cent, from 0 to 200;
      0 where both are 0.
    - `WQL`: the `weighted_quantile_loss` of the series' own rows. NaN where every actual is 0.
    - `coverage`: the share of actuals inside the interval, bounds included, from 0 to 1.
    - `width`: of the interval, over the mean of |actual|, in per cent. NaN where every actual is 0.

    Args:
        forecasts: `series`, `time`, `actual` and a column `q...` for each quantile. Rows without
            an actual are left out; a series that has no other has no defined score.
        quantiles: Levels, among them 0.5 and the bounds of the 80 and 95 % intervals.
        history: `series`, `time` and `actual`, sorted by time; later rows are not read.
        scale_season: Of the naive error, time steps.

    Raises:
        ValueError: A level that the scores need is not among `quantiles`.
    """
    needed = {"q0.5", *(bound for bounds in INTERVALS.values() for bound in bounds)}
    missing = sorted(needed - {f"q{level:g}" for level in quantiles})
    if missing:
        raise ValueError(
            f"`quantiles` must include the median and the bounds of the 80 and 95 % intervals; "
            f"{missing} are missing."
        )
    series = forecasts.groupby("series", observed=True).size().index
    scored = forecasts[forecasts["actual"].notna()]
    frame = scored.assign(**{_MODEL: scored["q0.5"]})
    for share, (low, high) in INTERVALS.items():
        frame[f"{_MODEL}-lo-{share}"], frame[f"{_MODEL}-hi-{share}"] = scored[low], scored[high]
    past = before_forecasts(history, scored)
    scaled = {"seasonality": scale_season, "train_df": past, "time_col": "time", **_ROLES}
    by_metric = {
        "MAE": _of_series(losses.mae(frame, [_MODEL], **_ROLES)),
        "MASE": _of_series(losses.mase(frame, [_MODEL], **scaled)),
        "RMSSE": _of_series(losses.rmsse(frame, [_MODEL], **scaled)),
        "sMAPE": 200 * _of_series(losses.smape(frame, [_MODEL], **_ROLES)),  # there from 0 to 1
        "WQL": weighted_quantile_losses(scored, quantiles, by=["series"]),
    }
    size = scored["actual"].abs().groupby(scored["series"], observed=True).mean()
    for share, (low, high) in INTERVALS.items():
        inside = losses.coverage(frame, [_MODEL], share, **_ROLES)
        width = (scored[high] - scored[low]).groupby(scored["series"], observed=True).mean()
        by_metric[f"coverage {share} %"] = _of_series(inside)
        by_metric[f"width {share} %"] = 100 * width / size
    table = pd.DataFrame(by_metric, index=series)[list(METRICS)]
    table = table.replace([np.inf, -np.inf], np.nan)  # what was divided by 0
    return table.reset_index().melt("series", var_name="metric", value_name="value")


def scores(
    forecasts: pd.DataFrame,
    quantiles: Sequence[float],
    *,
    history: pd.DataFrame,
    scale_season: int,
) -> dict[str, float]:
    """Return every score over all series, and the pinball loss.

    A score is a mean over the series that have it, but `WQL`, which is a ratio of sums over all
    rows (`weighted_quantile_loss`). The pinball loss, a mean over rows and levels, is in target
    units. Arguments are those of `scores_by_series`.
    """
    by_series = scores_by_series(forecasts, quantiles, history=history, scale_season=scale_season)
    means = by_series.groupby("metric", sort=False)["value"].mean().to_dict()
    return {
        **means,
        "WQL": weighted_quantile_loss(forecasts, quantiles),
        "pinball": mean_pinball_loss(forecasts, quantiles),
    }


def mean_pinball_loss(forecasts: pd.DataFrame, quantiles: Sequence[float]) -> float:
    """Return the pinball loss as a mean over rows and levels, in target units."""
    rows = forecasts[forecasts["actual"].notna()].assign(**{_ROWS: 0})
    return float(_pinball_losses(rows, quantiles).mean())


def weighted_quantile_loss(forecasts: pd.DataFrame, quantiles: Sequence[float]) -> float:
    """Return the WQL of all rows together: a ratio of sums, as GluonTS and fev report it.

    Arguments are those of `weighted_quantile_losses`.
    """
    whole = weighted_quantile_losses(forecasts.assign(**{_ROWS: 0}), quantiles, by=[_ROWS])
    return float(whole.mean())


def weighted_quantile_losses(
    forecasts: pd.DataFrame, quantiles: Sequence[float], *, by: Sequence[str]
) -> pd.Series:
    """Return the WQL of each group of rows together, indexed by the columns `by`.

    Twice the pinball loss, as a mean over the levels, summed over the rows and divided by the sum
    of |actual|. With the median alone that is the sum of absolute errors over the sum of |actual|.
    NaN where every actual is 0. Rows without an actual are left out.

    Args:
        forecasts: `actual`, the columns `by`, and a column `q...` for each quantile.
        quantiles: Levels between 0 and 1.
        by: What tells groups apart.
    """
    scored = forecasts[forecasts["actual"].notna()]
    groups = scored.groupby(list(by), observed=True, sort=False)
    numbered = scored.assign(**{_ROWS: groups.ngroup()})
    pinball = _pinball_losses(numbered, quantiles)
    size = numbered["actual"].abs().groupby(numbered[_ROWS]).mean().replace(0.0, np.nan)
    ratio = (2 * pinball / size).sort_index()
    ratio.index = groups.size().index
    return ratio


def before_forecasts(history: pd.DataFrame, forecasts: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a history before the first of the forecasts of their series."""
    origins = forecasts.groupby("series", observed=True)["time"].min()
    first = history["series"].map(origins)
    return history[(history["time"] < first).to_numpy(bool)]


def undefined_series(scores: pd.DataFrame) -> int:
    """Return how many series lack a scaled error, and so are left out of its mean."""
    is_undefined = scores["metric"].isin(["MASE", "RMSSE"]) & scores["value"].isna()
    return int(scores.loc[is_undefined, "series"].nunique())


@dataclass(frozen=True)
class PairedTest:
    """Wilcoxon's signed-rank test of two models' scores, lower being better, two-sided.

    `series` have a score of both models; `statistic` is the smaller sum of ranks. `dropped` counts
    the cells (`CELL`) that one of the models has alone. Where there is no test, statistic and
    p-value are NaN and `note` says why.
    """

    model: str
    baseline: str
    metric: str
    statistic: float
    p_value: float
    series: int
    dropped: int = 0
    note: str = ""


def paired_test(scores: pd.DataFrame, model: str, baseline: str, metric: str) -> PairedTest:
    """Return whether two models differ on the cells that both have scores of.

    Scores are joined on series, fold and seed first; what only one of the models has is left out.
    The mean over seeds and folds is then one observation of a series: seeds of one series are not
    independent of one another. Series are taken as independent of one another, which those of one
    market or region seldom are; the p-value is then too small.

    Raises:
        ValueError: A model or the metric is not among the scores, or the models are one.
    """
    if model == baseline:
        raise ValueError(f"`model` and `baseline` must differ, got {model!r} twice.")
    for column, value in (("model", model), ("model", baseline), ("metric", metric)):
        known = scores[column].unique().tolist()
        if value not in known:
            raise ValueError(f"`scores` have no {column} {value!r}; there are {known}.")
    chosen = scores[(scores["metric"] == metric) & scores["value"].notna()]
    cell = [name for name in CELL if name in scores]
    ours, theirs = (
        chosen[chosen["model"] == name].set_index(cell)["value"] for name in (model, baseline)
    )
    common = ours.index.intersection(theirs.index)
    by_series = (ours.loc[common] - theirs.loc[common]).groupby(level="series", observed=True)
    differences = by_series.mean().to_numpy()
    dropped = len(ours) + len(theirs) - 2 * len(common)
    result = PairedTest(model, baseline, metric, np.nan, np.nan, len(differences), dropped)
    if len(differences) < FEWEST_SERIES:
        note = f"no test: {len(differences)} series, at least {FEWEST_SERIES} are needed"
        return replace(result, note=note)
    if not differences.any():
        return replace(result, note="no test: the scores are equal")
    found = wilcoxon(differences)
    return replace(result, statistic=float(found.statistic), p_value=float(found.pvalue))


def least_p_value(series: int) -> float:
    """Return the smallest p-value that the paired test can have with so many series.

    All differences then have one sign, which happens in 2 of the 2^n assignments of signs.

    Example:
        >>> least_p_value(6)
        0.03125
    """
    return min(1.0, 2.0 ** (1 - series))


def calibration(forecasts: pd.DataFrame, quantiles: Sequence[float]) -> pd.Series:
    """Return the share of actuals at or below each quantile, a mean over series, by level.

    Where a model is calibrated the share equals the level.
    """
    scored = forecasts[forecasts["actual"].notna()]
    below = {f"{q:g}": scored["actual"] <= scored[f"q{q:g}"] for q in quantiles}
    shares = pd.DataFrame(below).groupby(scored["series"], observed=True).mean().mean()
    return pd.Series(
        shares.to_numpy(), index=pd.Index(quantiles, name="level"), name="observed", dtype=float
    )


def error_by_step(forecasts: pd.DataFrame) -> pd.Series:
    """Return the mean absolute error of the median at each step, indexed by step, target units."""
    errors = (forecasts["actual"] - forecasts["q0.5"]).abs()
    return errors.groupby(forecasts["step"]).mean()


def _of_series(table: pd.DataFrame) -> pd.Series:
    """Return a library's table of one model as a series, indexed by series."""
    return table.set_index("series")[_MODEL]


def _pinball_losses(rows: pd.DataFrame, quantiles: Sequence[float]) -> pd.Series:
    """Return the mean pinball loss of the rows of each number, indexed by the number."""
    columns = {_MODEL: [f"q{level:g}" for level in quantiles]}
    table = losses.mqloss(rows, columns, np.asarray(quantiles), id_col=_ROWS, target_col="actual")
    loss: pd.Series = table.set_index(_ROWS)[_MODEL]
    return loss

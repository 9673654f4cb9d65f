"""Scores of forecasts, from utilsforecast's metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from utilsforecast import losses

MODEL = "model"


def scores(
    forecasts: pd.DataFrame,
    quantiles: Sequence[float],
    *,
    history: pd.DataFrame,
    season_length: int,
) -> dict[str, float]:
    """Return the mean over series of every score of one model's forecasts.

    MAE and pinball loss (the mean over all levels) are in target units; sMAPE in per cent, as in
    the M4 competition (0 to 200); MASE relative to the in-sample seasonal naive error of
    `history`; coverage is the share of actuals inside the 80 % interval.

    Args:
        forecasts: `series`, `time`, `actual` and a column `q...` for each quantile.
        quantiles: Levels, among them 0.1, 0.5 and 0.9.
        history: `series`, `time` and `actual` of the training part, sorted by time.
        season_length: Of the naive error, time steps.
    """
    columns = [f"q{level:g}" for level in quantiles]
    frame = forecasts.rename(columns={"q0.5": MODEL}).assign(
        **{
            "q0.5": forecasts["q0.5"],
            f"{MODEL}-lo-80": forecasts["q0.1"],
            f"{MODEL}-hi-80": forecasts["q0.9"],
        }
    )
    roles = {"id_col": "series", "target_col": "actual"}
    by_series = {
        "MAE": losses.mae(frame, [MODEL], **roles),
        "sMAPE": losses.smape(frame, [MODEL], **roles),
        "MASE": losses.mase(frame, [MODEL], season_length, history, time_col="time", **roles),
        "pinball": losses.mqloss(frame, {MODEL: columns}, np.asarray(quantiles), **roles),
        "coverage 80 %": losses.coverage(frame, [MODEL], 80, **roles),
    }
    result = {name: float(table[MODEL].mean()) for name, table in by_series.items()}
    result["sMAPE"] *= 200  # the library's runs from 0 to 1
    return result


def calibration(forecasts: pd.DataFrame, quantiles: Sequence[float]) -> pd.Series:
    """Return the share of actuals at or below each quantile, a mean over series, by level.

    Where a model is calibrated the share equals the level.

    Args:
        forecasts: `series`, `actual` and a column `q...` for each quantile.
        quantiles: Levels.
    """
    columns = {f"{level:g}": f"q{level:g}" for level in quantiles}
    shares = losses.calibration(forecasts, columns, id_col="series", target_col="actual")
    observed = shares.set_index("series").mean()[list(columns)].to_numpy()
    return pd.Series(observed, index=pd.Index(quantiles, name="level"), name="observed")


def error_by_step(forecasts: pd.DataFrame) -> pd.Series:
    """Return the mean absolute error of the median at each step, indexed by step, target units."""
    errors = (forecasts["actual"] - forecasts["q0.5"]).abs()
    return errors.groupby(forecasts["step"]).mean()

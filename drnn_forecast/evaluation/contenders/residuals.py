"""Quantiles for point forecasts, from the residuals of earlier windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drnn_forecast.model import QUANTILE_LEVELS


def residual_quantiles(
    points: NDArray[np.float32],
    series: NDArray[Any],
    *,
    past_points: NDArray[np.float32],
    past_actuals: NDArray[np.float32],
    past_series: NDArray[Any],
    quantiles: Sequence[float] = QUANTILE_LEVELS,
) -> NDArray[np.float32]:
    """Return quantiles around point forecasts, `(windows, steps, quantiles)`, in target units.

    The residuals of earlier windows, which no training has seen, are divided by a scale of their
    series and pooled over series; their quantiles at each step, times the series' scale, surround
    its forecast. The scale of a residual is the mean absolute residual of the series' other
    windows, and that of a forecast is of as many: all but the oldest. So a coming residual has the
    distribution of the earlier ones, and the p-quantile of n is the (n + 1) p-th smallest, between
    neighbours: intervals hold on average as often as they promise. The outermost levels need
    1 / level residuals, and are the extreme ones with fewer. With one window of a series its own
    residuals have to scale themselves, which makes intervals too narrow.

    Points and actuals are `(windows, steps)`, series `(windows,)`, the earlier windows of a series
    in order of time. Residuals without an actual, NaN, are left out.

    Raises:
        ValueError: A series has no earlier window.
    """
    residuals = past_actuals - past_points
    past_scale, scales = np.ones(len(residuals)), {}
    for name in np.unique(past_series).tolist():
        places = np.flatnonzero(past_series == name)
        past_scale[places], scales[name] = _scales(np.abs(residuals[places]))
    unseen = sorted(set(np.unique(series).tolist()) - set(scales))
    if unseen:
        raise ValueError(f"Series {unseen} have no earlier window to take residuals from.")
    spread = np.nanquantile(residuals / past_scale[:, None], quantiles, axis=0, method="weibull")
    scale = np.array([scales[name] for name in series])[:, None, None]
    quantiles_around: NDArray[np.float32]
    quantiles_around = (points[..., None] + scale * spread.T[None]).astype(np.float32)
    return quantiles_around


def _scales(sizes: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """Return the scale of every earlier window of a series, `(windows,)`, and of what comes.

    `sizes` are absolute residuals, `(windows, steps)`.
    """
    known = ~np.isnan(sizes)
    totals = np.where(known, sizes, 0.0).sum(axis=1, dtype=np.float64)
    counts = known.sum(axis=1)
    if len(sizes) > 1:
        totals, counts = totals.sum() - totals, counts.sum() - counts
    means = totals / np.maximum(counts, 1)
    means = np.maximum(means, np.finfo("f4").tiny)
    return means, float(means[0])

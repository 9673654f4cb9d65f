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

    The residuals of earlier windows, which no training has seen, are divided by their series' mean
    absolute residual and pooled over series; their quantiles at each step, times the series' scale,
    surround its forecast. Points and actuals are `(windows, steps)`, series `(windows,)`.

    Raises:
        ValueError: A series has no earlier window.
    """
    residuals = past_actuals - past_points
    scales = {
        name: max(float(np.nanmean(np.abs(residuals[past_series == name]))), np.finfo("f4").tiny)
        for name in np.unique(past_series).tolist()
    }
    unseen = sorted(set(np.unique(series).tolist()) - set(scales))
    if unseen:
        raise ValueError(f"Series {unseen} have no earlier window to take residuals from.")
    past_scale = np.array([scales[name] for name in past_series])[:, None]
    spread = np.nanquantile(residuals / past_scale, quantiles, axis=0)  # (quantiles, steps)
    scale = np.array([scales[name] for name in series])[:, None, None]
    quantiles_around: NDArray[np.float32]
    quantiles_around = (points[..., None] + scale * spread.T[None]).astype(np.float32)
    return quantiles_around

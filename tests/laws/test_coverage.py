"""Intervals hold as often as they promise, on average over many series."""

import numpy as np
import pytest

from drnn_forecast.evaluation.contenders.residuals import residual_quantiles
from drnn_forecast.model import QUANTILE_LEVELS

INTERVALS = {80: (QUANTILE_LEVELS.index(0.1), QUANTILE_LEVELS.index(0.9), 2.5), 95: (0, -1, 2.0)}


def coverage(series, windows, steps, draw, rounds=100):
    """Return the share of what came inside each interval, in per cent.

    Every round has series of other sizes, whose earlier windows are as many as `windows`.
    """
    rng = np.random.default_rng(0)
    inside = {share: [] for share in INTERVALS}
    for _ in range(rounds):
        sizes = rng.lognormal(size=series)
        names = np.repeat(np.arange(series), windows)
        past = sizes[names][:, None] * draw(rng, (len(names), steps))
        came = sizes[:, None] * draw(rng, (series, steps))
        quantiles = residual_quantiles(
            np.zeros_like(came),
            np.arange(series),
            past_points=np.zeros_like(past),
            past_actuals=past,
            past_series=names,
        )
        for share, (low, high, _) in INTERVALS.items():
            held = (quantiles[..., low] <= came) & (came <= quantiles[..., high])
            inside[share].append(held.mean())
    return {share: 100 * np.mean(held) for share, held in inside.items()}


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, size: rng.normal(size=size),
        lambda rng, size: rng.standard_t(4, size=size),
        lambda rng, size: rng.exponential(size=size) - 1.0,
    ],
    ids=["normal", "heavy tails", "skewed"],
)
@pytest.mark.parametrize(
    ("series", "windows", "steps"),
    [(8, 7, 12), (8, 14, 24), (40, 2, 1), (40, 2, 6), (20, 4, 1), (1, 40, 6), (200, 3, 2)],
)
def test_quantiles_from_residuals_hold_as_often_as_they_promise(series, windows, steps, draw):
    found = coverage(series, windows, steps, draw, rounds=200 if series < 40 else 60)

    for share, (_, _, tolerance) in INTERVALS.items():
        assert found[share] == pytest.approx(share, abs=tolerance)

"""Calibrated quantiles and sums over the horizon hold as often as they promise."""

from statistics import NormalDist

import numpy as np
import pytest
import torch

from drnn_forecast.model import QUANTILE_LEVELS
from drnn_forecast.model.coverage import USUAL, coverage, interval_factors, moved_quantiles
from drnn_forecast.model.dependence import step_dependence
from drnn_forecast.model.losses.scores import values_at_scores
from drnn_forecast.model.residuals import own_shares

SCORES = np.array([NormalDist().inv_cdf(level) for level in QUANTILE_LEVELS])
SHAPES = {
    "normal": lambda rng, size: rng.normal(size=size),
    "heavy tails": lambda rng, size: rng.standard_t(4, size=size),
    "skewed": lambda rng, size: rng.exponential(size=size) - np.log(2),
}
DATA = [(1, 20, 24), (100, 1, 6), (700, 1, 18), (5, 4, 48)]
"""Series, windows of each, and time steps of the horizon."""


def autoregressive(rng, shape, size, kept):
    """Return errors, `(windows, steps)`, of which a share is kept from step to step."""
    errors = shape(rng, size)
    for step in range(1, size[1]):
        errors[:, step] = kept * errors[:, step - 1] + np.sqrt(1 - kept**2) * errors[:, step]
    return errors


def planted(rng, series, windows, steps, *, shape="normal", kept=0.8, knows_sizes=True, new=500):
    """Return quantiles and errors of past and of new windows of series of unequal sizes.

    The quantiles are too narrow or too wide, by another factor at every step, and have the scale of
    each series or, where sizes are not known, of none.
    """
    sizes, wrong = rng.lognormal(size=series), rng.uniform(0.3, 1.5)
    spread = wrong * (1 + np.arange(steps) / steps)[:, None] * SCORES
    parts = []
    for names in (np.repeat(np.arange(series), windows), rng.integers(series, size=new)):
        scale = sizes[names][:, None]
        errors = scale * autoregressive(rng, SHAPES[shape], (len(names), steps), kept)
        width = scale[..., None] if knows_sizes else 1.0
        parts += [np.broadcast_to(width * spread, (len(names), *spread.shape)), errors]
    return parts


def mean_coverage(data, rounds, **options):
    """Return the share inside each interval before and after calibration, in per cent."""
    rng, found = np.random.default_rng(0), []
    for _ in range(rounds):
        past, errors, new, came = planted(rng, *data, **options)
        factors = interval_factors(past, errors, QUANTILE_LEVELS)
        after = coverage(moved_quantiles(new, factors, QUANTILE_LEVELS), came, QUANTILE_LEVELS)
        before = coverage(new, came, QUANTILE_LEVELS)
        found.append([[shares[0.8], shares[0.95]] for shares in (before, after)])
    return 100 * np.mean(found, axis=0)


@pytest.mark.parametrize(
    ("shape", "kept", "knows_sizes"),
    [
        ("normal", 0.8, True),
        ("normal", 0.0, True),
        ("heavy tails", 0.0, True),
        ("skewed", 0.0, True),
        ("normal", 0.8, False),
    ],
)
@pytest.mark.parametrize("data", DATA, ids=str)
def test_calibrated_intervals_hold_as_often_as_they_promise(data, shape, kept, knows_sizes):
    options = {"shape": shape, "kept": kept, "knows_sizes": knows_sizes}
    (before, _), (of_80, of_95) = mean_coverage(data, 6 if data[0] > 500 else 20, **options)

    assert of_80 == pytest.approx(80, abs=2.5), before
    assert of_95 == pytest.approx(95, abs=2.0)


@pytest.mark.parametrize("kept", [0.0, 0.8])
@pytest.mark.parametrize("data", DATA, ids=str)
def test_intervals_of_the_sum_over_the_horizon_hold_as_often_as_they_promise(data, kept):
    rng, held = np.random.default_rng(0), []
    for _ in range(6 if data[0] > 500 else 20):
        past, errors, new, came = planted(rng, *data, kept=kept, new=50)
        factors = interval_factors(past, errors, QUANTILE_LEVELS)
        moved = moved_quantiles(past, factors, QUANTILE_LEVELS)
        dependence = step_dependence(moved, errors, QUANTILE_LEVELS)
        scores = rng.normal(size=(len(came), 200, data[2])) @ dependence.T
        paths = values_at_scores(
            torch.from_numpy(moved_quantiles(new, factors, QUANTILE_LEVELS)),
            QUANTILE_LEVELS,
            torch.from_numpy(scores).transpose(1, 2),
        )
        low, high = np.quantile(paths.numpy().sum(1), [0.1, 0.9], axis=1)
        sums = came.sum(1)
        held.append((low <= sums) & (sums <= high))

    assert 100 * np.mean(held) == pytest.approx(80, abs=4)


def walks(rng, kept, windows, stride, steps):
    """Return errors of the best forecasts of a series from its own past, and their first steps."""
    origins = 100 + stride * np.arange(windows)
    series = rng.normal(size=origins[-1] + steps)
    for step in range(1, len(series)):
        series[step] += kept * series[step - 1]
    expected = series[origins - 1, None] * kept ** np.arange(1, steps + 1)
    return series[origins[:, None] + np.arange(steps)] - expected, origins


@pytest.mark.parametrize("kept", [0.0, 0.8])
@pytest.mark.parametrize(("windows", "stride"), [(40, 1), (40, 6), (20, 12)])
def test_windows_with_targets_in_common_do_not_make_intervals_too_sure(windows, stride, kept):
    rng, found = np.random.default_rng(0), []
    known = np.sqrt(np.cumsum(kept ** (2.0 * np.arange(12))))[:, None] * SCORES
    for _ in range(120):
        # As far from the truth as trained networks are, whose share of 80 % is 74 % on average.
        spread = known * rng.lognormal(-np.log(USUAL), 0.25)
        errors, origins = walks(rng, kept, windows, stride, 12)
        weight = own_shares(np.stack([0 * origins, origins, origins + 11], axis=1))
        past = np.broadcast_to(spread, (windows, *spread.shape))
        factors = interval_factors(past, errors, QUANTILE_LEVELS, weight)
        came, _ = walks(rng, kept, 60, 20, 12)
        new = np.broadcast_to(spread, (60, *spread.shape))
        moved = moved_quantiles(new, factors, QUANTILE_LEVELS)
        shares = coverage(moved, came, QUANTILE_LEVELS)
        found.append([shares[0.8], shares[0.95]])
    of_80, of_95 = 100 * np.mean(found, axis=0)

    assert of_80 == pytest.approx(80, abs=2.5)
    assert of_95 == pytest.approx(95, abs=2.0)

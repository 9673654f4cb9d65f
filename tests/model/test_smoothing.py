"""Smoothed anchors equal a loop over time; their mix stands on what they would have earned."""

import numpy as np
import pytest
import torch

from drnn_forecast.model.heads.earning import FLOOR, ORIGINS, EarnedAnchors
from drnn_forecast.model.heads.smoothing import (
    DRIFTS,
    LAST_SLOPES,
    RATES,
    smoothed_anchors,
)


def slope_of(values):
    return np.polyfit(np.arange(len(values)), values, 1)[0] if len(values) > 1 else 0.0


def carried_on(values, steps):
    """Return every level with every drift by a loop over time, `(steps, anchors)`."""
    ahead = np.arange(1, steps + 1)
    drifts = [share * slope_of(values) * ahead for share in DRIFTS]
    for span, fade in LAST_SLOPES:
        drifts.append(slope_of(values[-span:]) * np.cumsum(fade**ahead))
    columns = []
    for rate in RATES:
        level = values[0]
        for value in values:
            level = rate * value + (1 - rate) * level
        columns += [level + drift for drift in drifts]
    return np.stack(columns, axis=-1)


def profile_of(values, season):
    """Return the mean deviation of each of the last `season` phases."""
    flat = values - slope_of(values) * (np.arange(len(values)) - len(values) + 1)
    whole = flat[len(flat) % season :].reshape(-1, season)
    return (whole - whole.mean(1, keepdims=True)).mean(0)


def expected_anchors(values, season, steps):
    columns = [carried_on(values, steps)]
    profile = profile_of(values, season)
    past = np.resize(profile[::-1], len(values))[::-1]
    columns.append(carried_on(values - past, steps) + np.resize(profile, steps)[:, None])
    return np.concatenate(columns, axis=-1)


@pytest.fixture
def history():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, 40, generator=generator, dtype=torch.float64)


LENGTHS = torch.tensor([40, 31, 17, 10])


@pytest.mark.parametrize("season", [3, 4, 5])
def test_smoothed_anchors_equal_a_loop_over_time(history, season):
    values, is_valid = smoothed_anchors(history, LENGTHS, (season,), 7)
    assert is_valid.all()
    for row, length in enumerate(LENGTHS):
        expected = expected_anchors(history[row, :length].numpy(), season, 7)
        np.testing.assert_allclose(values[row].numpy(), expected, rtol=0, atol=1e-10)


def test_a_season_needs_two_whole_ones():
    _, is_valid = smoothed_anchors(torch.zeros(2, 8), torch.tensor([8, 7]), (4,), 2)
    without = is_valid.shape[1] // 2
    assert is_valid[0].all()
    assert is_valid[1, :without].all()
    assert not is_valid[1, without:].any()


def mixed(anchors, history, lengths, steps=5):
    logits = torch.zeros(len(history), steps, anchors.num_weights, dtype=history.dtype)
    return anchors(history, lengths, logits)[0]


@pytest.fixture
def anchors():
    return EarnedAnchors((4,), horizon=5).double()


def test_padding_changes_no_mix(anchors, history):
    other = torch.where(torch.arange(40) < LENGTHS.unsqueeze(1), history, 1e6)
    assert mixed(anchors, other, LENGTHS).equal(mixed(anchors, history, LENGTHS))


def test_a_constant_added_moves_the_mix_as_far(anchors, history):
    moved = mixed(anchors, history + 3, LENGTHS)
    torch.testing.assert_close(moved, mixed(anchors, history, LENGTHS) + 3)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 6])
def test_any_length_has_a_finite_mix_and_gradient(anchors, history, length):
    lengths = torch.full((4,), length)
    mix = mixed(anchors, history, lengths)
    mix.sum().backward()
    assert mix.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in anchors.parameters())
    if length == 0:
        assert (mix == 0).all()
    if length == 1:
        torch.testing.assert_close(mix, history[:, :1].expand(-1, 5))


def test_errors_are_those_of_past_horizons(anchors, history):
    errors = anchors.errors(history, LENGTHS)
    costs = []
    for origin in (40 - 5 * k for k in range(1, ORIGINS + 1)):
        values, _ = anchors.values(history[:1], torch.tensor([origin]), 5)
        actual = history[0, origin : origin + 5]
        costs.append((values[0] - actual.unsqueeze(-1)).abs().mean(0))
    torch.testing.assert_close(errors[0], torch.stack(costs).mean(0) + FLOOR)


def test_a_series_that_repeats_its_season_is_continued_by_it(anchors):
    pattern = torch.tensor([0.0, 3.0, -1.0, 2.0], dtype=torch.float64)
    history = pattern.repeat(10).unsqueeze(0)
    mix = mixed(anchors, history, torch.tensor([40]))
    torch.testing.assert_close(mix[0], pattern.repeat(2)[:5], atol=1e-3, rtol=0)


def test_the_start_is_the_same_in_any_order(history):
    first, second = (EarnedAnchors((4,), horizon=5).double() for _ in range(2))
    first.start(history, LENGTHS)
    second.start(history.flip(0), LENGTHS.flip(0))
    torch.testing.assert_close(first.bias, second.bias)

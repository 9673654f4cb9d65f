"""What shows in the values of a history, whatever it is called and however it is measured."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from drnn_forecast.data import Facts, ForecastData
from drnn_forecast.data.frames.periods import shown_seasons
from laws.drawing import law

GENERATOR = np.random.default_rng(5)


def waves(length, *seasons, count=1, noise=0.3):
    step = np.arange(length)
    generator = np.random.default_rng(length)
    profiles = [generator.normal(size=season) for season in seasons]
    shares = (1.0, 0.7)
    pairs = zip(shares, profiles, strict=False)
    signal = sum(share * profile[step % len(profile)] for share, profile in pairs)
    return [signal + noise * generator.normal(size=length) for _ in range(count)]


@pytest.mark.parametrize(
    ("length", "seasons", "count"),
    [
        (60, (12,), 40),
        (24, (4,), 100),
        (400, (7,), 1),
        (2000, (24, 168), 3),
        (1500, (24, 168), 1),
        (4000, (48, 336), 1),
        (1200, (96,), 5),
        (300, (52,), 8),
    ],
)
def test_the_seasons_that_made_the_values_are_found(length, seasons, count):
    assert shown_seasons(waves(length, *seasons, count=count)) == seasons


@pytest.mark.parametrize("season", [96, 288, 365])
def test_a_smooth_season_shows_too(season):
    step = np.arange(6 * season)
    values = np.sin(2 * np.pi * step / season) + 0.05 * np.random.default_rng(0).normal(
        size=len(step)
    )
    (found,) = shown_seasons([values])
    assert abs(found - season) <= 1 + season // 50


@pytest.mark.parametrize("length", [10, 30, 100, 1000])
@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("kind", ["noise", "walk", "line", "constant", "jump"])
def test_values_without_a_season_show_none(length, count, kind):
    generator = np.random.default_rng(length + count)
    noise = generator.normal(size=(count, length))
    series = {
        "noise": noise,
        "walk": noise.cumsum(1),
        "line": np.tile(np.arange(length), (count, 1)) + 0.01 * noise,
        "constant": np.full((count, length), 3.0),
        "jump": (np.arange(length) > length // 2) + 0.1 * noise,
    }[kind]
    assert shown_seasons(list(series)) == ()


@law
@given(
    order=st.permutations(range(6)),
    scale=st.sampled_from([1e-9, 0.3, 1e9]),
    shift=st.sampled_from([0.0, -50.0, 1e4]),
)
def test_facts_do_not_depend_on_order_unit_or_level(order, scale, shift):
    series = [own for season in (7, 12) for own in waves(120 + season, season, count=3)]
    moved = [scale * (series[number] + shift) for number in order]

    def facts(parts):
        return Facts.of(np.concatenate(parts), np.array([len(own) for own in parts]), 6)

    assert replace(facts(moved), is_signed=True) == replace(facts(series), is_signed=True)
    assert facts(moved).is_signed == (shift < 1e4)


@pytest.mark.parametrize("freq", ["h", "7min", "D", "MS", "YS", "B"])
def test_facts_do_not_depend_on_the_calendar(freq):
    stamps = pd.date_range("2001-01-01", periods=200, freq=freq)
    frame = pd.concat(
        pd.DataFrame({"name": name, "at": stamps, "y": values})
        for name, values in zip("ab", waves(200, 9, count=2), strict=True)
    )
    data = ForecastData.from_frame(frame, series="name", time="at", target="y")

    assert data.facts(5).seasons == (9,)
    assert data.facts(5) == Facts(
        horizon=5, num_series=2, num_steps=400, longest=200, typical=200, seasons=(9,)
    )

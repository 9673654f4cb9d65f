import sys

import numpy as np
import pandas as pd
import pytest

from drnn_forecast import ForecastData
from drnn_forecast.evaluation.contenders.classical import auto_ets, auto_theta, mstl, seasonal_naive
from drnn_forecast.evaluation.contenders.registry import named_models
from drnn_forecast.model.losses.quantiles import QUANTILE_LEVELS

MAKERS = [seasonal_naive, auto_ets, auto_theta, lambda season: mstl([season])]
IDS = ["naive", "ets", "theta", "mstl"]
every_model = pytest.mark.parametrize("make", MAKERS, ids=IDS)


def frame(length=12 * 16, noise=1.0, level=50.0):
    time = pd.date_range("2024-01-01", periods=length, freq="h")
    rng = np.random.default_rng(0)
    season = 10 * np.sin(np.arange(length) * 2 * np.pi / 12)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "id": name,
                    "ds": time,
                    "y": size * (level + season + noise * rng.normal(size=length)),
                }
            )
            for name, size in (("a", 1.0), ("b", 100.0))
        ],
        ignore_index=True,
    )


def data_of(table):
    return ForecastData.from_frame(table, series="id", time="ds", target="y")


def windows(data, **options):
    return data.split(
        **{
            "horizon": 12,
            "context_length": 24,
            "validation_windows": 1,
            "test_windows": 2,
            **options,
        }
    ).test


def forecasts(make, table, fitted=None):
    data = data_of(table)
    fitted = fitted or make(12).fit(data, windows(data))
    return fitted.forecast(data, windows(data))


@every_model
def test_a_repeated_season_goes_on_in_the_units_of_every_series(make):
    table = frame(noise=0.01)
    values = forecasts(make, table)

    assert values.shape == (4, 12, len(QUANTILE_LEVELS))
    actual = np.concatenate([part["y"].to_numpy()[-24:] for _, part in table.groupby("id")])
    np.testing.assert_allclose(values[..., 3].reshape(-1), actual, rtol=0.01)


@every_model
def test_quantiles_ascend_around_the_point_forecast(make):
    assert (np.diff(forecasts(make, frame()), axis=-1) > 0).all()


def test_the_intervals_are_those_that_the_library_calls_by_their_percentage():
    from statsforecast.models import SeasonalNaive

    table = frame()
    values = forecasts(seasonal_naive, table)
    read = seasonal_naive(12).history_length + 12  # before the first window, and that window
    before = table.loc[table["id"] == "b", "y"].to_numpy()[:-12][-read:]
    expected = SeasonalNaive(12).forecast(y=before, h=12, level=[50, 80, 95])
    names = ["lo-95", "lo-80", "lo-50", "mean", "hi-50", "hi-80", "hi-95"]
    np.testing.assert_allclose(values[3], np.stack([expected[n] for n in names], 1), rtol=1e-6)


@every_model
def test_a_forecast_never_rests_on_its_window_or_anything_later(make):
    changed = frame()
    changed.loc[changed.groupby("id").cumcount() >= 12 * 16 - 12, "y"] *= -7
    one, other = forecasts(make, frame()), forecasts(make, changed)

    np.testing.assert_array_equal(one, other)


@every_model
def test_a_forecast_rests_on_everything_before_its_window(make):
    changed = frame()
    at_end = changed.groupby("id").cumcount() == 12 * 16 - 13
    changed.loc[at_end, "y"] *= 2
    one, other = forecasts(make, frame()), forecasts(make, changed)

    np.testing.assert_array_equal(one[[0, 2]], other[[0, 2]])
    assert (one[[1, 3]] != other[[1, 3]]).any(axis=(1, 2)).all()


@every_model
def test_parameters_never_rest_on_the_first_window_or_anything_later(make):
    changed = frame()
    changed.loc[changed.groupby("id").cumcount() >= 12 * 16 - 24, "y"] *= -7
    one, other = forecasts(make, frame()), forecasts(make, changed)

    np.testing.assert_array_equal(one[[0, 2]], other[[0, 2]])


@every_model
def test_a_model_fitted_to_an_earlier_window_goes_on_with_later_ones(make):
    table = frame(noise=0.01)
    early = data_of(table).before(24)
    fitted = make(12).fit(early, windows(early, test_windows=1))
    values = forecasts(make, table, fitted)

    np.testing.assert_allclose(values[0, :, 3], table["y"].to_numpy()[: 12 * 15][-12:], rtol=0.01)


@every_model
@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_constant_series_stays_constant(make, value):
    values = forecasts(make, frame().assign(y=value))

    np.testing.assert_allclose(values[..., 3], value, atol=1e-6)


@every_model
def test_a_single_series_without_a_name_is_forecast(make):
    table = frame()
    data = ForecastData.from_frame(
        table[table["id"] == "a"].drop(columns="id"), time="ds", target="y"
    )
    values = make(12).fit(data, windows(data)).forecast(data, windows(data))

    np.testing.assert_array_equal(values, forecasts(make, table)[:2])


@every_model
def test_forecasting_leaves_the_random_state_of_the_caller_alone(make):
    np.random.seed(7)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    forecasts(make, frame())

    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_several_seasons_are_taken_apart():
    length = 24 * 7 * 5
    hours = np.arange(length)
    y = 50 + 10 * np.sin(hours * 2 * np.pi / 24) + 5 * (hours // 24 % 7 >= 5)
    table = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=length, freq="h"), "y": y})
    data = ForecastData.from_frame(table, time="ds", target="y")
    test = windows(data, horizon=168, context_length=168, test_windows=1)
    values = mstl([168, 24]).fit(data, test).forecast(data, test)

    np.testing.assert_allclose(values[0, :, 3], y[-168:], rtol=0.02)


def test_exponential_smoothing_takes_the_kind_of_season_that_the_series_has():
    growth = np.linspace(1, 4, 12 * 16)
    table = frame(noise=0.5)
    table["y"] *= np.tile(growth, 2)
    data = data_of(table)
    fitted = auto_ets(12).fit(data, windows(data))

    assert {model.model_["components"][2] for model in fitted.by_series.values()} == {"M"}


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (seasonal_naive(7), "Seasonal naive (7)"),
        (auto_ets(24), "AutoETS (24)"),
        (auto_theta(24), "AutoTheta (24)"),
        (mstl([168, 24]), "MSTL (24, 168)"),
        (mstl([24], name="STL"), "STL"),
    ],
)
def test_models_are_named_after_their_seasons(model, name):
    assert model.name == name


def test_less_than_two_seasons_before_the_first_window_are_refused_by_series():
    data = data_of(frame(length=24 * 3))
    with pytest.raises(ValueError, match="needs 96 time steps before the first window, got 48"):
        mstl([48]).fit(data, windows(data))


def test_a_series_that_was_not_fitted_is_refused():
    table = frame()
    data = data_of(table[table["id"] == "a"])
    fitted = auto_theta(12).fit(data, windows(data))
    with pytest.raises(ValueError, match="was not fitted to series 'b'"):
        fitted.forecast(data_of(table), windows(data_of(table)))


@pytest.mark.parametrize("seasons", [[], [1]])
def test_a_decomposition_without_season_is_refused(seasons):
    with pytest.raises(ValueError, match="`season_lengths` of MSTL must be at least 2"):
        mstl(seasons)


@pytest.mark.parametrize(
    "ask",
    [
        lambda data: named_models(["lstm", "auto_ets"], data, context_length=24),
        lambda data: auto_ets(24).fit(data, windows(data)),
    ],
    ids=["by name", "to fit"],
)
def test_without_the_library_the_command_that_installs_it_is_named(monkeypatch, ask):
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    data = data_of(frame())
    with pytest.raises(ImportError, match=r"pip install 'drnn-forecast\[classical\]'"):
        ask(data)

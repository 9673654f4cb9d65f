"""Classical contenders equal statsforecast's own forecasts, intervals included."""

import numpy as np
import pandas as pd
import pytest

from drnn_forecast import ForecastData, backtest, compare, load_sample
from drnn_forecast.evaluation.contenders.classical import auto_ets, auto_theta, mstl, seasonal_naive
from drnn_forecast.evaluation.contenders.registry import named_models
from published import m3

models = pytest.importorskip("statsforecast.models")

CONTENDERS = {
    "AutoETS": (auto_ets, lambda season: models.AutoETS(season_length=season)),
    "AutoTheta": (auto_theta, lambda season: models.AutoTheta(season_length=season)),
    "MSTL": (lambda s: mstl([s]), lambda season: models.MSTL(season_length=[season])),
    "naive": (seasonal_naive, lambda season: models.SeasonalNaive(season_length=season)),
}
LEVELS = {"q0.025": "lo-95", "q0.1": "lo-80", "q0.5": "mean", "q0.9": "hi-80", "q0.975": "hi-95"}

every_contender = pytest.mark.parametrize("kind", CONTENDERS)


def simulated_months(count=20):
    """Return monthly series of several lengths, some without a season, some that grow."""
    rng = np.random.default_rng(0)
    parts = []
    for number in range(count):
        length = 60 + 7 * (number % 9)
        month = np.arange(length)
        level = 100 + (number % 3) * month + rng.normal(size=length).cumsum()
        season = (number % 4 > 0) * 0.2 * np.sin(2 * np.pi * month / 12)
        parts.append(tidy(f"s{number:02}", "MS", level * (1 + season)))
    return pd.concat(parts, ignore_index=True)


def published_months(count=20):
    """Return every 70th monthly series of the M3 competition, its test values behind the others."""
    past, ahead = (m3("Monthly", part) for part in ("train", "test"))
    names = list(past)[:: len(past) // count][:count]
    return pd.concat(
        [tidy(name, "MS", np.concatenate([past[name], ahead[name]])) for name in names],
        ignore_index=True,
    )


def hours(count=5, length=14 * 24):
    """Return the last two weeks of some countries of the sample."""
    sample = load_sample().groupby("series").tail(length)
    sample = sample[sample["series"].isin(sample["series"].unique()[:count])]
    return sample.rename(columns={"series": "id", "time": "ds", "load": "y"})[["id", "ds", "y"]]


def tidy(name, freq, values):
    time = pd.date_range("2000-01-01", periods=len(values), freq=freq)
    return pd.DataFrame({"id": name, "ds": time, "y": np.asarray(values, float)})


TABLES = {
    "20 simulated months": (simulated_months, 12, 18),
    "20 months of M3": (published_months, 12, 18),
    "5 series of hours": (hours, 24, 24),
}


def data_of(table):
    return ForecastData.from_frame(table, series="id", time="ds", target="y")


def forecasts_of(kind, table, season, horizon, windows):
    """Return our forecasts by series and time, and the library's model anew for each call."""
    make, library = CONTENDERS[kind]
    result = compare(
        data_of(table),
        horizon,
        context_length=2,
        validation_windows=1,
        test_windows=windows,
        models=[make(season)],
        scale_season=season,
        drop_short=True,
    )
    return result, library


@pytest.mark.slow
@every_contender
@pytest.mark.parametrize("source", TABLES)
def test_one_window_is_the_library_fitted_to_all_values_before_it(kind, source):
    make_table, season, horizon = TABLES[source]
    table = make_table()
    result, library = forecasts_of(kind, table, season, horizon, windows=1)

    assert result.forecasts["series"].nunique() == table["id"].nunique()
    for name, rows in result.forecasts.groupby("series"):
        values = table.loc[table["id"] == name, "y"].to_numpy(float)[:-horizon]
        expected = library(season).forecast(y=values, h=horizon, level=[80, 95])
        for column, key in LEVELS.items():
            np.testing.assert_allclose(rows[column], expected[key], rtol=1e-6, atol=1e-6)


@every_contender
def test_some_series_in_one_window_are_the_library_fitted_to_all_values_before_it(kind):
    table = simulated_months(3)
    result, library = forecasts_of(kind, table, 12, 6, windows=1)

    for name, rows in result.forecasts.groupby("series"):
        values = table.loc[table["id"] == name, "y"].to_numpy()[:-6]
        expected = library(12).forecast(y=values, h=6, level=[80, 95])
        for column, key in LEVELS.items():
            np.testing.assert_allclose(rows[column], expected[key], rtol=1e-6, atol=1e-6)


@every_contender
def test_several_windows_are_the_library_s_cross_validation_with_one_fit(kind):
    from statsforecast import StatsForecast

    table = simulated_months(3)
    result, library = forecasts_of(kind, table, 12, 6, windows=3)
    model = library(12)
    expected = StatsForecast(models=[model], freq="MS").cross_validation(
        h=6,
        df=table.rename(columns={"id": "unique_id"}),
        n_windows=3,
        step_size=6,
        level=[80],
        refit=not hasattr(model, "forward"),  # a seasonal naive model has nothing to move on
    )
    both = result.forecasts.merge(
        expected, left_on=["series", "time"], right_on=["unique_id", "ds"], validate="1:1"
    )

    assert len(both) == 3 * 3 * 6
    for column, key in (("q0.5", ""), ("q0.1", "-lo-80"), ("q0.9", "-hi-80")):
        np.testing.assert_allclose(both[column], both[f"{model}{key}"], rtol=1e-6, atol=1e-6)


def test_every_fold_that_is_fitted_anew_is_the_library_on_all_values_before_it():
    table = simulated_months(2)
    result = backtest(
        data_of(table),
        6,
        context_length=12,
        validation_windows=1,
        folds=2,
        models=[auto_ets(12)],
    )
    for (fold, name), rows in result.forecasts.groupby(["fold", "series"]):
        values = table.loc[table["id"] == name, "y"].to_numpy()[: -6 * (2 - fold)]
        expected = models.AutoETS(season_length=12).forecast(y=values, h=6)
        np.testing.assert_allclose(rows["q0.5"], expected["mean"], rtol=1e-6)


def test_calibrating_changes_no_point_forecast_of_a_classical_model():
    table = simulated_months(20)
    options = {"context_length": 2, "test_windows": 1, "models": [auto_theta(12)]}
    plain, calibrated = (
        compare(data_of(table), 6, validation_windows=4, calibrated=asked, **options)
        for asked in (False, True)
    )

    assert plain.forecasts["q0.5"].equals(calibrated.forecasts["q0.5"])
    assert plain.validation_forecasts.empty
    assert len(calibrated.validation_forecasts) == 20 * 4 * 6


def test_what_a_model_does_not_read_is_said_in_the_table():
    table = hours(1, 24 * 92)
    data = data_of(table)
    chosen = named_models(["seasonal_naive", "auto_ets"], data, context_length=168)
    result = compare(
        data,
        24,
        context_length=168,
        validation_windows=1,
        test_windows=1,
        models=chosen,
        announce=None,
    )

    cut = "reads the last 2,000 time steps of longer series"
    assert result.table["note"].to_dict() == {
        "Seasonal naive (168)": cut,
        "AutoETS (24)": f"{cut}; without the season of 168 time steps, too long for it",
    }
    values = table["y"].to_numpy(float)[-24 - 2000 : -24]
    expected = models.AutoETS(season_length=24).forecast(y=values, h=24)["mean"]
    rows = result.forecasts.query("model == 'AutoETS (24)'")
    np.testing.assert_allclose(rows["q0.5"], expected, rtol=1e-6)

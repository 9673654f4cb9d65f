"""The forecaster of sktime: its checks, and what our forecasts say there."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime", reason="sktime is not installed; `make test-sktime` installs it")

from pytorch_forecasting.metrics import MAE, QuantileLoss
from sktime.base import load
from sktime.forecasting.base import ForecastingHorizon
from sktime.utils.estimator_checks import check_estimator

import drnn_forecast as drnn
from drnn_forecast.adapters.sktime import DilatedRNNSktimeForecaster

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:sktime")
SMALL = {"max_steps": 1, "overrides": {"hidden_size": 4, "season_length": 7}}
VALUES = np.sin(np.arange(50) * 2 * np.pi / 7) + np.random.default_rng(0).normal(size=50) / 5
DAYS = pd.date_range("2024-01-01", periods=50, freq="D")
Y = pd.Series(VALUES, index=DAYS, name="sold")
X = pd.DataFrame(
    {"a.b": np.arange(55.0), "time": list("xyzxy") * 11},
    index=pd.date_range("2024-01-01", periods=55),
)


def fitted(y, **options):
    return DilatedRNNSktimeForecaster(**{**SMALL, **options}).fit(y, fh=[1, 3])


def panel(*sizes):
    parts = {f"s{place}": Y.iloc[:size].to_frame() + place for place, size in enumerate(sizes)}
    return pd.concat(parts, names=["shop", "day"])


@pytest.mark.slow
def test_every_check_of_sktime_passes():
    results = check_estimator(DilatedRNNSktimeForecaster, verbose=False)

    assert len(results) > 451
    assert {name: found for name, found in results.items() if found != "PASSED"} == {}


def test_the_forecast_is_that_of_the_trained_model():
    frame = pd.DataFrame({"time": DAYS, "y": VALUES})
    model = drnn.train(
        frame,
        3,
        time="time",
        target="y",
        progress=False,
        max_steps=1,
        hidden_size=4,
        season_length=7,
    )
    expected = model.forecast(frame)

    forecaster = fitted(Y)

    found = forecaster.predict()
    np.testing.assert_array_equal(found, expected["q0.5"].iloc[[0, 2]])
    assert found.index.equals(pd.DatetimeIndex(["2024-02-20", "2024-02-22"]))
    assert found.name == "sold"
    interval = forecaster.predict_interval(coverage=0.8)
    np.testing.assert_allclose(interval, expected[["q0.1", "q0.9"]].iloc[[0, 2]], rtol=1e-6)


@pytest.mark.parametrize(
    "index",
    [
        pd.DatetimeIndex(DAYS.to_numpy(), freq=None),
        pd.period_range("2024-01-01", periods=50, freq="D"),
    ],
    ids=["without frequency", "periods"],
)
def test_an_index_says_the_same_in_every_form(index):
    found = fitted(pd.Series(VALUES, index=index)).predict()

    np.testing.assert_allclose(found, fitted(Y).predict(), rtol=1e-5)
    assert isinstance(found.index, type(index))


@pytest.mark.parametrize("freq", ["15min", "h", "B", "W-WED", "2W", "3M", "Q-JAN", "Y", "4h"])
def test_periods_of_every_frequency_go_on(freq):
    if freq == "B":
        index = pd.date_range("2024-01-01", periods=50, freq="B")
        ahead = pd.date_range(index[-1], periods=4, freq="B")[[1, 3]]
    else:
        index = pd.period_range("2024-01-01", periods=50, freq=freq)
        ahead = pd.PeriodIndex([index[-1] + 1, index[-1] + 3])

    assert fitted(pd.Series(VALUES, index=index)).predict().index.equals(ahead)


@pytest.mark.parametrize("start", [0, -20, 7])
def test_whole_numbers_are_counted_one_by_one(start):
    index = pd.RangeIndex(start, start + 100, 2)
    horizon = ForecastingHorizon([start + 100, start + 102], is_relative=False)

    found = DilatedRNNSktimeForecaster(**SMALL).fit(pd.Series(VALUES, index=index), fh=horizon)

    assert list(found.predict().index) == [start + 100, start + 102]


def test_values_missing_at_the_end_do_not_move_the_forecast():
    y = Y.copy()
    y.iloc[-3:] = np.nan

    found = DilatedRNNSktimeForecaster(**SMALL).fit(y, X=X.iloc[:50], fh=[1, 3])

    assert list(found.predict(X=X.iloc[50:53]).index) == list(fitted(Y).predict().index)


def test_a_series_that_ends_early_is_forecast_from_the_cutoff():
    found = fitted(panel(50, 44, 50)).predict_quantiles(alpha=[0.1, 0.9])

    assert list(found.index) == [
        (shop, day)
        for shop in ("s0", "s1", "s2")
        for day in pd.DatetimeIndex(["2024-02-20", "2024-02-22"])
    ]
    assert found.notna().all(axis=None)


def test_rows_of_covariates_beyond_the_cutoff_are_remembered():
    forecaster = DilatedRNNSktimeForecaster(**SMALL)
    given = forecaster.fit(Y, X=X.iloc[:50], fh=[1, 3]).predict(X=X.iloc[50:53])

    pd.testing.assert_series_equal(forecaster.fit(Y, X=X, fh=[1, 3]).predict(), given)


def test_quantiles_lie_between_those_of_the_model():
    levels = [0.025, 0.05, 0.1, 0.4, 0.5, 0.9, 0.975]

    found = fitted(Y).predict_quantiles(alpha=levels)

    assert (np.diff(found, axis=1) > 0).all()


def test_a_variance_is_that_of_the_intervals():
    forecaster = fitted(Y)
    quarters = forecaster.predict_quantiles(alpha=[0.25, 0.75]).to_numpy()

    deviation = np.sqrt(forecaster.predict_var().to_numpy())[:, 0]

    # The head's distribution is near a normal one, whose quarters are 1.349 deviations apart.
    np.testing.assert_allclose(deviation, (quarters[:, 1] - quarters[:, 0]) / 1.349, rtol=0.5)


def test_an_update_reads_on_and_may_train():
    forecaster = fitted(Y.iloc[:40])
    before = forecaster.model_.state_dict()

    read = forecaster.clone().fit(Y.iloc[:40], fh=[1, 3]).update(Y.iloc[40:], update_params=False)
    forecaster.update(Y.iloc[40:])

    assert list(read.predict().index) == list(fitted(Y).predict().index)
    assert len(forecaster.model_.hparams["record"]["updates"]) == 1
    assert before.keys() == forecaster.model_.state_dict().keys()


def test_a_horizon_lets_fh_come_late():
    forecaster = DilatedRNNSktimeForecaster(horizon=4, **SMALL).fit(Y)

    assert len(forecaster.predict(fh=[2, 4])) == 2
    with pytest.raises(ValueError, match="`fh` must be within the 4 time steps"):
        forecaster.predict(fh=[5])
    with pytest.raises(NotImplementedError, match="in-sample"):
        forecaster.predict(fh=[0, 1])


def test_a_pretrained_model_forecasts_other_series_of_its_frequency():
    pretrained = DilatedRNNSktimeForecaster(**SMALL).pretrain(panel(50, 50), fh=[1, 2, 3])

    assert len(pretrained.clone().fit(Y + 9, fh=[1, 3]).predict()) == 2
    weeks = pd.Series(VALUES, index=pd.date_range("2024-01-07", periods=50, freq="W"))
    with pytest.raises(ValueError, match=r"must have the frequency 'D'.*got 'W-SUN'"):
        pretrained.fit(weeks, fh=[1, 3])


def test_a_saved_forecaster_forecasts_alike(tmp_path):
    forecaster = fitted(Y)
    forecaster.save(tmp_path / "saved")

    pd.testing.assert_series_equal(load(tmp_path / "saved.zip").predict(), forecaster.predict())


@pytest.mark.parametrize(
    ("options", "call", "match"),
    [
        ({"overrides": {"hiden_size": 3}}, {"fh": [1]}, "did you mean 'hidden_size'"),
        ({"overrides": {"series": "id"}}, {"fh": [1]}, "`overrides` must not have"),
        ({"preset": "slow"}, {"fh": [1]}, "`preset` must be one of"),
        ({"seed": -1}, {"fh": [1]}, "`seed`"),
        ({"horizon": 3}, {"y": Y.iloc[:2]}, "Lower `fh`"),
        ({}, {"y": Y.replace(VALUES[3], np.inf), "fh": [1]}, "finite"),
    ],
)  # fmt: skip
def test_a_refusal_of_ours_comes_as_an_error_of_sktime(options, call, match):
    with pytest.raises(ValueError, match=match):
        DilatedRNNSktimeForecaster(**{**SMALL, **options}).fit(**{"y": Y, **call})


@pytest.mark.parametrize(
    ("ahead", "match"),
    [
        (None, "3 future rows are missing .* or in `X`"),
        (X.iloc[[50, 52]], "1 future row is missing"),
        (X.iloc[50:53].assign(more=1), r"`X` must have 2 columns as in training"),
    ],
    ids=["none", "gap", "more"],
)
def test_covariates_ahead_must_be_complete(ahead, match):
    forecaster = DilatedRNNSktimeForecaster(**SMALL).fit(Y, X=X.iloc[:50], fh=[1, 3])

    with pytest.raises(ValueError, match=match):
        forecaster.predict(X=ahead)


def test_levels_beyond_the_outermost_are_refused_with_a_remedy_that_works():
    with pytest.raises(ValueError, match=r"between 0.025 and 0.975.*`loss`"):
        fitted(Y).predict_interval(coverage=0.99)

    wide = {**SMALL["overrides"], "loss": QuantileLoss([0.005, 0.5, 0.995])}
    assert fitted(Y, overrides=wide).predict_interval(coverage=0.99).shape == (2, 2)
    points = fitted(Y, overrides={**SMALL["overrides"], "loss": MAE()})
    assert len(points.predict()) == 2
    with pytest.raises(ValueError, match="Quantiles need a quantile or distribution loss"):
        points.predict_quantiles()

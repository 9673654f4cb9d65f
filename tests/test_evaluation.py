import numpy as np
import pandas as pd
import pytest

from drnn_forecast.evaluation import error_by_step, scores

QUANTILES = [0.1, 0.5, 0.9]


@pytest.fixture
def forecasts():
    """Return two series of two steps, with numbers that a person can score by hand."""
    return pd.DataFrame(
        {
            "series": ["a", "a", "b", "b"],
            "time": pd.to_datetime(["2024-01-05", "2024-01-06"] * 2),
            "step": [1, 2, 1, 2],
            "actual": [10.0, 20.0, 100.0, 100.0],
            "q0.1": [8.0, 21.0, 90.0, 90.0],
            "q0.5": [10.0, 24.0, 110.0, 100.0],
            "q0.9": [12.0, 30.0, 120.0, 120.0],
        }
    )


@pytest.fixture
def history():
    return pd.DataFrame(
        {
            "series": ["a"] * 4 + ["b"] * 4,
            "time": list(pd.date_range("2024-01-01", periods=4)) * 2,
            "actual": [1.0, 2.0, 3.0, 6.0, 10.0, 20.0, 30.0, 20.0],
        }
    )


def pinball(level, actual, forecast):
    error = actual - forecast
    return max(level * error, (level - 1) * error)


def test_scores_are_those_counted_by_hand(forecasts, history):
    result = scores(forecasts, QUANTILES, history=history, season_length=2)

    assert result["MAE"] == pytest.approx(((0 + 4) / 2 + (10 + 0) / 2) / 2)
    smape = [0, 200 * 4 / 44, 200 * 10 / 210, 0]
    assert result["sMAPE"] == pytest.approx(np.mean(smape))
    naive_a, naive_b = (2 + 4) / 2, (20 + 0) / 2
    assert result["MASE"] == pytest.approx((2 / naive_a + 5 / naive_b) / 2)
    assert result["coverage 80 %"] == pytest.approx(3 / 4)
    losses = [
        pinball(level, row.actual, row[f"q{level}"])
        for _, row in forecasts.iterrows()
        for level in QUANTILES
    ]
    assert result["pinball"] == pytest.approx(np.mean(losses))


def test_a_perfect_forecast_has_no_error_and_covers_everything(forecasts, history):
    perfect = forecasts.assign(**{f"q{level}": forecasts["actual"] for level in QUANTILES})
    result = scores(perfect, QUANTILES, history=history, season_length=2)

    assert result == {"MAE": 0, "sMAPE": 0, "MASE": 0, "pinball": 0, "coverage 80 %": 1}


def test_scoring_leaves_the_forecasts_as_they_were(forecasts, history):
    before = forecasts.copy()
    scores(forecasts, QUANTILES, history=history, season_length=2)

    pd.testing.assert_frame_equal(forecasts, before)


def test_the_error_of_a_step_is_the_mean_over_windows(forecasts):
    assert error_by_step(forecasts).to_dict() == {1: 5.0, 2: 2.0}

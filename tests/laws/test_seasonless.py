"""Laws of frequencies that have no season: nothing fails for it, and it is said once."""

import numpy as np
import pandas as pd
import pytest

from contest import QUICK, small
from drnn_forecast import ForecastData, compare, train
from drnn_forecast.evaluation.contenders.registry import MODEL_NAMES, default_names

WINDOWS = {"horizon": 2, "context_length": 8, "validation_windows": 2, "test_windows": 1}


@pytest.fixture(scope="module", params=["YE", "2D"])
def seasonless(request):
    times = pd.date_range("1950-01-01", periods=60, freq=request.param)
    table = pd.DataFrame({"t": times, "y": np.random.default_rng(0).normal(size=60)})
    return ForecastData.from_frame(table, time="t", target="y", freq=request.param)


def said(caplog):
    return [record.message for record in caplog.records if "no season" in record.message.lower()]


def test_training_says_that_nothing_is_anchored_on_a_season(seasonless, caplog):
    budget = {"max_steps": 2, "progress": False}
    model = train(seasonless, 2, hidden_size=4, **budget)
    assert model.hparams.season_length is None
    (message,) = said(caplog)
    assert message == (
        "No season shows in the values: forecasts are anchored on none; `season_length` gives one."
    )


def test_a_given_season_is_taken_without_a_word(seasonless, caplog):
    budget = {"max_steps": 2, "progress": False}
    model = train(seasonless, 4, hidden_size=4, season_length=7, **budget)
    assert model.hparams.season_length == 7
    assert said(caplog) == []


def test_a_comparison_is_scaled_by_single_steps_and_says_so(seasonless, caplog):
    found = compare(seasonless, **WINDOWS, **QUICK, models=[small(), "seasonal_naive"], seeds=[0])
    assert found.settings["scale_season"] == 1
    assert found.runs["failure"].isna().all()
    (message,) = said(caplog)
    assert "scaled by changes from step to step" in message


def test_models_that_need_a_season_are_left_out_by_default(seasonless):
    assert set(MODEL_NAMES) - set(default_names(seasonless, 8)) == {"mstl"}

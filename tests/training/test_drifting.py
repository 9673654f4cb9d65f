"""What is said of the newest windows, beside those of the training."""

import copy
import math

import numpy as np
import pandas as pd
import pytest
from pytorch_forecasting.metrics import MAE

from drnn_forecast import Ensemble, train
from drnn_forecast.training.drifting import Drift

ROLES = {"series": "id", "time": "at", "target": "y"}
SMALL = {"hidden_size": 4, "max_steps": 3, "progress": False}


def table(days=200, noise=0.2, num_series=4):
    rng = np.random.default_rng(0)
    parts = []
    for number in range(num_series):
        wave = np.sin(np.arange(days) * 2 * np.pi / 7)
        y = 20 + number + wave + rng.normal(0, 0.2, days)
        y[-40:] += rng.normal(0, noise, 40)
        at = pd.date_range("2024-01-01", periods=days)
        parts.append(pd.DataFrame({"id": f"s{number}", "at": at, "y": y}))
    return pd.concat(parts, ignore_index=True)


def first_days(frame):
    return frame[frame["at"] < "2024-06-09"]


@pytest.fixture(scope="module")
def model():
    return train(first_days(table()), 5, **ROLES, **SMALL)


def test_where_nothing_has_changed_nothing_is_said(model, caplog):
    found = model.drift(table(noise=0.0), windows=8)
    model.evaluate(table(noise=0.0), windows=8)

    assert found.windows == 32
    assert not found.is_worse
    assert not found.missed
    assert str(found) == "On the 32 newest windows the model errs as it did in training."
    assert caplog.text == ""


def test_where_a_model_errs_more_it_is_said_and_the_remedy_works(model, caplog):
    changed, learner = table(noise=4.0), copy.deepcopy(model)
    found = learner.drift(changed, windows=8)
    learner.evaluate(changed, windows=8)

    assert found.is_worse
    assert 0.95 in found.missed
    assert found.loss_then == model.hparams.record["validation_loss"]
    assert "the 95% interval holds" in str(found)
    assert "Update it (`model.update(data)`)" in caplog.text
    learner.update(changed, max_steps=3, progress=False)
    assert not learner.drift(changed, windows=4).missed


def test_drift_is_measured_on_what_an_evaluation_scores(model):
    frame = table(noise=1.0)
    found = model.drift(frame, windows=3)
    scores = model.evaluate(frame, windows=3)

    assert found.windows == 3 * len(scores)
    assert found.coverage_now[0.8] == pytest.approx(scores["coverage 80 %"].mean(), abs=1e-9)
    assert found.coverage_now[0.95] == pytest.approx(scores["coverage 95 %"].mean(), abs=1e-9)


@pytest.mark.slow
def test_of_an_ensemble_it_is_the_mean_over_its_members(model):
    other = train(first_days(table()), 5, seed=1, **ROLES, **SMALL)
    found = Ensemble([model, other]).drift(table(), windows=2)
    parts = [each.drift(table(), windows=2) for each in (model, other)]

    assert found.loss_now == pytest.approx(np.mean([each.loss_now for each in parts]))
    assert found.windows == parts[0].windows


def test_a_loss_without_intervals_has_a_drift_of_its_loss_alone():
    model = train(first_days(table()), 5, loss=MAE(), **ROLES, **SMALL)
    found = model.drift(table(noise=9.0), windows=8)

    assert found.coverage_now == {}
    assert found.is_worse


@pytest.mark.parametrize(("windows", "is_worse"), [(4, False), (400, True)])
def test_few_windows_show_less(windows, is_worse):
    found = Drift(windows, float(windows), 1.0, 1.5, {0.8: 0.8}, {0.8: 0.7})

    assert found.is_worse == is_worse
    assert found.missed == ([0.8] if is_worse else [])


def test_what_a_model_does_not_know_of_its_training_is_no_drift():
    found = Drift(9, 9.0, math.nan, 1.0, {}, {0.8: 0.1})

    assert not found.is_worse
    assert found.missed == []
    assert found.is_off


def test_a_series_that_is_too_short_is_left_out(model):
    short = table().groupby("id").tail(4).iloc[:4].assign(id="new")
    found = model.drift(pd.concat([table(), short]), windows=2)

    assert found.windows == 8

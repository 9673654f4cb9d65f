"""A forecaster on smoothed anchors forecasts before its first step, and is kept like any other."""

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting.metrics import MAE, NormalDistributionLoss, PoissonLoss

from drnn_forecast import DilatedRNNForecaster, ForecastData, load

HORIZON = 6


def seasonal_frame(unit=1.0, constant=0.0):
    generator = np.random.default_rng(0)
    parts = []
    for number in range(4):
        step = np.arange(60)
        values = np.sin(step * 2 * np.pi / 6) + 0.05 * number * step
        values = values + 0.1 * generator.normal(size=60)
        days = pd.date_range("2024-01-01", periods=60)
        parts.append(pd.DataFrame({"id": f"s{number}", "ds": days, "y": unit * values + constant}))
    return pd.concat(parts, ignore_index=True)


def split(frame):
    data = ForecastData.from_frame(frame, series="id", time="ds", target="y")
    return data.split(horizon=HORIZON, context_length=36, validation_windows=1)


def anchored(training, **options):
    options = {"season_length": (6,), "linear_length": 0, "hidden_size": 4, **options}
    torch.manual_seed(0)
    return DilatedRNNForecaster.from_dataset(training, smoothed_anchors=True, **options).eval()


def quantiles(model, frame):
    return model.forecast(frame).filter(like="q0").to_numpy(np.float64)


@pytest.fixture(scope="module")
def frame():
    return seasonal_frame()


@pytest.fixture(scope="module")
def training(frame):
    return split(frame).training


def test_an_untrained_model_beats_the_seasonal_naive_method_and_has_intervals(frame, training):
    past = ForecastData.from_frame(frame, series="id", time="ds", target="y").before(HORIZON)
    forecast = anchored(training).forecast(past).merge(frame, on=["id", "ds"])
    error = (forecast["q0.5"] - forecast["y"]).abs().mean()
    ago = frame.groupby("id")["y"].shift(HORIZON)
    naive = (frame["y"] - ago)[frame["ds"] > past.history["ds"].max()].abs().mean()
    is_inside = forecast["y"].between(forecast["q0.025"], forecast["q0.975"])
    assert error < 0.8 * naive
    assert 0.8 < is_inside.mean() <= 1


def test_before_training_the_state_of_the_encoder_changes_nothing(frame, training):
    one, other = anchored(training), anchored(training, hidden_size=7)
    np.testing.assert_array_equal(quantiles(one, frame), quantiles(other, frame))


@pytest.mark.parametrize(("unit", "constant"), [(2.0**-20, 0.0), (2.0**20, 0.0), (1.0, 64.0)])
def test_before_training_a_forecast_scales_and_shifts_with_its_target(
    frame, training, unit, constant
):
    other = seasonal_frame(unit, constant)
    moved = quantiles(anchored(split(other).training), other)
    np.testing.assert_allclose(
        (moved - constant) / unit, quantiles(anchored(training), frame), atol=1e-3
    )


@pytest.mark.parametrize("loss", [None, MAE(), NormalDistributionLoss()])
def test_it_is_saved_and_loaded(frame, training, tmp_path, loss):
    model = anchored(training, loss=loss)
    kept = load(model.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(kept.forecast(frame), model.forecast(frame))


def test_a_loss_without_location_is_refused(frame):
    training = split(seasonal_frame(constant=9.0)).training
    with pytest.raises(ValueError, match=r"`smoothed_anchors` .*need a loss with a location"):
        anchored(training, loss=PoissonLoss(), season_length=())

"""Forecasts of targets that cannot have every value."""

import copy
import math

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting.metrics import MAE, MultiLoss, NormalDistributionLoss, QuantileLoss

from drnn_forecast import DilatedRNNForecaster, ForecastData, load, train
from series import make_dataset, planted_frame

QUICK = {"hidden_size": 4, "max_steps": 3, "progress": False}


def counts(rate=0.4, lowest=0, length=120):
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "shop": np.repeat(["a", "b"], length),
            "day": np.tile(pd.date_range("2024-01-01", periods=length), 2),
            "sold": generator.poisson(rate, 2 * length).astype(float) + lowest,
        }
    )


def roles(table):
    return ForecastData.from_frame(table, series="shop", time="day", target="sold")


@pytest.fixture(scope="module")
def model():
    return train(roles(counts()), 7, **QUICK)


def test_what_was_never_below_zero_is_not_forecast_below_it(model):
    forecast = model.forecast(roles(counts()))
    quantiles = forecast.filter(like="q0").to_numpy()

    assert model.hparams.lower == 0.0
    assert "lower = 0.0: no value is below zero" in model.card()
    assert quantiles.min() == 0.0
    assert quantiles.max() > 0.0
    assert (model.paths(roles(counts()))["sold"] >= 0).all()


@pytest.mark.parametrize("lowest", [-1, -0.001])
def test_where_a_value_is_below_zero_nothing_is_cut(lowest):
    table = counts()
    table.loc[5, "sold"] = lowest
    model = train(roles(table), 7, **QUICK)

    assert model.hparams.lower == -math.inf
    assert model.forecast(roles(table)).filter(like="q0").to_numpy().min() < 0


def test_bounds_can_be_given_and_are_kept(tmp_path):
    data = roles(counts())
    model = train(data, 7, lower=-math.inf, upper=0.5, folder=tmp_path / "model", **QUICK)
    said = "`upper` is 0.5, which no forecast passes"
    with pytest.warns(UserWarning, match=said):
        forecast = model.forecast(data)
    with pytest.warns(UserWarning, match=said):
        again = load(tmp_path / "model").forecast(data)

    assert forecast.filter(like="q0").to_numpy().min() < 0
    assert forecast.filter(like="q0").to_numpy().max() == 0.5
    pd.testing.assert_frame_equal(again, forecast)


@pytest.mark.parametrize(
    ("bounds", "error", "message"),
    [
        ({"lower": 3, "upper": 3}, ValueError, "`lower` must be below `upper`, got 3 and 3"),
        ({"lower": "0"}, TypeError, "`lower` must be a number, got '0'"),
        ({"upper": math.nan}, ValueError, "`lower` must be below `upper`"),
    ],
)
def test_bounds_that_are_none_are_refused(bounds, error, message):
    with pytest.raises(error, match=message):
        train(roles(counts()), 7, **bounds, **QUICK)


def test_newer_data_beyond_a_bound_are_told_and_the_remedy_works(model):
    table = counts()
    table.loc[table["day"] > "2024-04-01", "sold"] -= 5
    asked = copy.deepcopy(model)
    with pytest.warns(UserWarning, match=r"values such as -5.*`model.hparams.lower = -math.inf`"):
        bounded = asked.forecast(roles(table))
    asked.hparams.lower = -math.inf
    free = asked.forecast(roles(table))

    assert bounded["q0.5"].min() == 0.0
    assert free["q0.5"].min() < 0.0


def test_an_update_with_data_beyond_a_bound_says_so(model):
    table = counts()
    table.loc[7, "sold"] = -5
    with pytest.warns(UserWarning, match="no forecast passes"):
        copy.deepcopy(model).update(table, max_seconds=1, progress=False)


def test_outputs_that_are_no_values_stay_as_they_are():
    dataset = make_dataset(
        planted_frame(length=90).assign(target=lambda table: table["target"] % 1),
        target=["target", "other"],
        time_varying_unknown_reals=["target", "other"],
        target_normalizer="auto",
    )
    loss = MultiLoss([QuantileLoss([0.1, 0.5, 0.9]), NormalDistributionLoss()])
    model = DilatedRNNForecaster.from_dataset(dataset, loss=loss, lower=0.5, hidden_size=4)
    x, _ = next(iter(dataset.to_dataloader(False, 8)))
    free = model.train()(x)["prediction"]
    values, parameters = model.eval()(x)["prediction"]

    assert values.min() == 0.5
    assert free[0].min() < 0.5
    assert parameters.min() < 0.5


def test_a_loss_pulls_at_outputs_that_are_out_of_bounds():
    splits = roles(counts()).split(horizon=7, context_length=30, validation_windows=1)
    model = DilatedRNNForecaster.from_dataset(splits.training, loss=MAE(), hidden_size=4)
    x, y = next(iter(splits.training.to_dataloader(True, 64)))
    model.train()
    with torch.no_grad():
        model.head.output[-1].bias.fill_(-100.0)
    model.loss(model(x)["prediction"], y).backward()

    assert model.head.output[-1].bias.grad.abs().sum() > 0

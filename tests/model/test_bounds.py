"""Forecasts of targets that cannot have every value."""

import copy
import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st
from pytorch_forecasting.metrics import MAE, MultiLoss, NormalDistributionLoss, QuantileLoss

from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData, load, train
from drnn_forecast.model.resting import rests
from laws.drawing import law
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


def hours(days=20, peak=100.0):
    """Return the power of a plant, which is zero at night."""
    hour = np.arange(24 * days) % 24
    sun = np.sin((hour - 5) / 14 * np.pi).clip(0) * ((hour > 5) & (hour < 19))
    cloud = np.random.default_rng(0).uniform(0.3, 1, len(hour))
    at = pd.date_range("2024-05-01", periods=len(hour), freq="h")
    return pd.DataFrame({"at": at, "power": (peak * sun * cloud).round(3)})


LOSSES = {
    "quantiles": QuantileLoss([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]),
    "points": MAE(),
    "a distribution": NormalDistributionLoss(),
}


@pytest.fixture(scope="module", params=LOSSES)
def bounded_model(request):
    return train(roles(counts()), 7, upper=2.0, loss=LOSSES[request.param], **QUICK)


@pytest.mark.filterwarnings("ignore:The target 'sold' has values")
def test_no_way_of_asking_gives_a_value_out_of_bounds(bounded_model):
    data = roles(counts())
    dataset = data.split(like=bounded_model, validation_windows=3).validation
    found = [
        bounded_model.predict(dataset, "prediction"),
        bounded_model.predict(dataset, "quantiles"),
    ]
    if not isinstance(bounded_model.loss, MAE):
        found.append(bounded_model.predict(dataset, "samples", n_samples=50))
        found.append(torch.tensor(bounded_model.paths(data)["sold"].to_numpy()))
    table = bounded_model.forecast(data).drop(columns=["shop", "day"])
    found.append(torch.tensor(table.to_numpy()))

    assert all(bool(((part >= 0) & (part <= 2)).all()) for part in found)
    assert all(bool((part > 0).any()) for part in found)


@pytest.mark.filterwarnings("ignore:The target 'sold' has values")
def test_an_ensemble_keeps_to_the_bounds_of_its_members(bounded_model):
    both = Ensemble([bounded_model, copy.deepcopy(bounded_model)])
    data = roles(counts())
    table = both.forecast(data).drop(columns=["shop", "day"])

    assert ((table >= 0) & (table <= 2)).all().all()


def test_shares_stay_between_zero_and_one():
    table = counts(length=150)
    table["sold"] = np.random.default_rng(1).beta(0.2, 0.2, len(table))
    model = train(roles(table), 7, upper=1.0, **QUICK)
    forecast = model.forecast(roles(table)).filter(like="q0")

    assert ((forecast >= 0) & (forecast <= 1)).all().all()
    assert model.paths(roles(table))["sold"].between(0, 1).all()


def test_zeros_at_night_stay_zero_and_days_keep_their_intervals():
    model = train(hours(), 24, time="at", target="power", **QUICK)
    forecast = model.forecast(hours())
    hour = forecast["at"].dt.hour
    is_night, is_day = (hour < 5) | (hour > 19), hour.between(8, 16)

    assert (forecast[is_night].filter(like="q0") == 0).all().all()
    assert (forecast[is_day]["q0.975"] > forecast[is_day]["q0.025"]).all()
    paths = model.paths(hours())
    pd.testing.assert_frame_equal(paths, model.paths(hours()))
    at_night = paths.loc[paths["at"].dt.hour < 5, "power"]
    assert at_night[at_night != 0].tolist() == []
    dataset = ForecastData.from_frame(hours(), time="at", target="power").split(
        like=model, validation_windows=2
    )
    raw = model.predict(dataset.validation, "raw")["prediction"]
    assert (raw[:, (hour < 5).to_numpy()] == 0).all()


def test_a_day_on_which_a_shop_is_closed_stays_zero():
    table = counts(rate=20)
    table.loc[table["day"].dt.weekday == 6, "sold"] = 0
    model = train(roles(table), 14, **QUICK)
    forecast = model.forecast(roles(table))
    is_closed = forecast["day"].dt.weekday == 6

    assert (forecast[is_closed].filter(like="q0") == 0).all().all()
    assert (forecast[~is_closed]["q0.9"] > 0).all()


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_demand_that_is_rare_at_all_times_has_an_interval(rate):
    table = counts(rate=rate, length=250)
    model = train(roles(table), 7, season_length=7, **QUICK)

    assert (model.forecast(roles(table))["q0.975"] > 0).all()


def resting_by_hand(history, lengths, bound, known, season, steps):
    """Return what `rests` does, place by place."""
    found = np.zeros((len(history), steps), dtype=bool)
    for row, (values, length) in enumerate(zip(history.numpy(), lengths.tolist(), strict=True)):
        first = max(0, length - values.shape[0] // season * season)
        valid, is_known = values[first:length], known[row, first:length].numpy()
        is_off = is_known & (np.abs(valid - bound[row].item()) > 1e-4)
        back = (len(valid) - 1 - np.arange(len(valid))) % season
        off, seen = (np.bincount(back, part, minlength=season) for part in (is_off, is_known))
        share = off.sum() / max(seen[off > 0].sum(), 1)
        rest = (off == 0) & (seen >= 3) & ((1 - share) ** seen < 1e-3)
        if season >= 12:
            rest = rest & np.roll(rest, 1) & np.roll(rest, -1)
        found[row] = [rest[season - 1 - step % season] for step in range(steps)]
    return found


@law
@given(
    st.integers(2, 15), st.integers(1, 60), st.integers(1, 20), st.floats(0, 1), st.integers(0, 99)
)
def test_places_at_rest_are_those_found_one_by_one(season, time, steps, share, seed):
    rng = np.random.default_rng(seed)
    place = np.arange(time) % season
    history = np.where(place < share * season, 0.0, rng.random((3, time)) + 0.5) - 0.25
    lengths = torch.from_numpy(rng.integers(0, time + 1, 3))
    known = torch.from_numpy(rng.random((3, time)) < rng.choice([0.7, 1.0]))
    arguments = torch.from_numpy(history).float(), lengths, torch.full((3,), -0.25)
    found = rests(*arguments, known=known, season=season, steps=steps)

    expected = resting_by_hand(*arguments, known, season, steps)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_what_is_missing_at_night_wakes_nothing(missing):
    table = hours()
    table.loc[np.random.default_rng(3).random(len(table)) < missing, "power"] = np.nan
    table.loc[len(table) - 1, "power"] = 0.0
    model = train(table, 24, time="at", target="power", **QUICK)
    forecast = model.forecast(table)
    hour = forecast["at"].dt.hour

    assert (forecast[(hour < 4) | (hour > 20)].filter(like="q0") == 0).all().all()
    assert (forecast[hour.between(9, 15)]["q0.975"] > 0).all()

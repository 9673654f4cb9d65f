"""Training that goes on with newer data changes a model as it says, or not at all."""

import copy
import logging
import math

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting.metrics import MAE

import drnn_forecast as drnn
from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData, train
from drnn_forecast.training import updating
from drnn_forecast.training.course import Course

ROLES = {
    "series": "shop",
    "time": "day",
    "target": "sold",
    "known": ["price", "sky"],
    "static": ["kind"],
}
SMALL = {"hidden_size": 4, "max_steps": 3, "progress": False, "identity": True}
NEXT = {"max_steps": 3, "progress": False}
OLD, NEW, HORIZON = 90, 30, 5


def shop(name, days=OLD + NEW, kind="A", level=10.0, seed=0):
    rng = np.random.default_rng(seed)
    wave = np.sin(np.arange(days) * 2 * np.pi / 7)
    return pd.DataFrame(
        {
            "shop": name,
            "day": pd.date_range("2024-01-01", periods=days),
            "sold": level + wave + rng.normal(0, 0.1, days),
            "price": rng.normal(size=days),
            "sky": np.where(rng.random(days) < 0.5, "rain", "sun"),
            "kind": kind,
        }
    )


def shops(*more):
    parts = [shop("north"), shop("south", kind="B", level=30.0, seed=1), *more]
    return pd.concat(parts, ignore_index=True)


def first_days(table):
    return table[table["day"] < "2024-03-31"]


def roles(table):
    return ForecastData.from_frame(table, **ROLES)


@pytest.fixture(scope="module")
def network():
    return train(roles(first_days(shops())), HORIZON, **SMALL)


@pytest.fixture(scope="module")
def ensemble(network):
    other = train(roles(first_days(shops())), HORIZON, seed=1, **SMALL)
    return Ensemble([network, other])


def state(model):
    """Return everything that a model is, as text and bytes."""
    members = model.members if isinstance(model, Ensemble) else [model]
    return [
        (
            {name: value.numpy().tobytes() for name, value in each.state_dict().items()},
            repr(dict(each.hparams)),
            repr(each.dataset_parameters["categorical_encoders"]),
            each.training,
        )
        for each in members
    ]


@pytest.mark.parametrize("kind", ["network", "ensemble"])
def test_an_update_is_in_place_and_reports_losses_on_old_and_new_windows(kind, request):
    model = copy.deepcopy(request.getfixturevalue(kind))
    before = state(model)
    report = model.update(shops(), **NEXT)

    losses = [report.before, report.after, report.old_before, report.old_after]
    assert all(map(math.isfinite, losses))
    assert report.after <= report.before
    assert report.is_kept == any(
        old[0] != new[0] for old, new in zip(before, state(model), strict=True)
    )
    assert all(not is_training for *_, is_training in state(model))
    with pytest.raises(AttributeError):
        report.after = 0.0


@pytest.mark.parametrize(
    ("kind", "error"), [("network", RuntimeError), ("ensemble", KeyboardInterrupt)]
)
def test_an_update_that_fails_or_is_interrupted_leaves_the_model_bit_for_bit(
    kind, error, request, monkeypatch
):
    model = request.getfixturevalue(kind)
    before, calls = state(model), []
    run = Course.run

    def failing(*args, **kwargs):
        calls.append(run(*args, **kwargs))
        if len(calls) == len(before):
            raise error("stop")
        return calls[-1]

    monkeypatch.setattr(Course, "run", failing)
    with pytest.raises(error):
        model.update(shops(shop("east")), **NEXT)
    assert state(model) == before
    assert len(calls) == len(before)


def test_an_interrupt_within_a_step_leaves_the_model_bit_for_bit(network, monkeypatch):
    before = state(network)
    step = DilatedRNNForecaster.training_step

    def stopped(self, batch, number):
        step(self, batch, number)
        raise KeyboardInterrupt

    monkeypatch.setattr(DilatedRNNForecaster, "training_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        network.update(shops(), **NEXT)
    assert state(network) == before


def test_new_series_and_categories_get_codes_behind_those_that_there_are(network, tmp_path):
    model = copy.deepcopy(network)
    new = shop("east", kind="C", seed=2).assign(sky="fog")
    with pytest.warns(UserWarning, match="does not know"):
        model.forecast(roles(shops(new)).before(HORIZON))
    report = model.update(shops(new), **NEXT)

    assert report.new_labels == {"shop": ["east"], "sky": ["fog"], "kind": ["C"]}
    codes = model.dataset_parameters["categorical_encoders"]
    assert codes["shop"].classes_ == {"nan": 0, "north": 1, "south": 2, "east": 3}
    forecast = model.forecast(roles(shops(new)).before(HORIZON))  # without a warning
    again = drnn.load(model.save(tmp_path / "model")).forecast(roles(shops(new)).before(HORIZON))
    pd.testing.assert_frame_equal(forecast, again)
    assert set(forecast["shop"]) == {"north", "south", "east"}


def test_growing_alone_changes_no_forecast(network, monkeypatch):
    model, past = copy.deepcopy(network), roles(shops()).before(HORIZON)
    expected = model.forecast(past)
    monkeypatch.setattr(updating, "SLOWER", 1e-30)
    report = model.update(shops(shop("east", kind="C")), **NEXT)

    assert report.new_labels["kind"] == ["C"]
    found = model.forecast(past)
    columns = ["shop", "day", "q0.5"]  # intervals may be calibrated anew
    pd.testing.assert_frame_equal(found[columns], expected[columns], rtol=1e-6)


@pytest.mark.slow
def test_what_is_new_is_learned(network, monkeypatch):
    model, new = copy.deepcopy(network), shop("east", kind="C", seed=2)
    new["sold"] += 2 * new["price"]
    monkeypatch.setattr(updating, "SLOWER", 10.0)
    report = model.update(shops(new), max_steps=40, progress=False)

    assert report.is_kept
    assert model.embeddings.embeddings["shop"].weight[3].abs().sum() > 0
    assert not model.embeddings.embeddings["shop"].weight[0].any()


@pytest.mark.slow
def test_an_update_of_an_updated_model_goes_on_at_the_same_rate(network):
    model = copy.deepcopy(network)
    model.update(shops()[lambda table: table["day"] < "2024-04-15"], **NEXT)
    model.update(shops(shop("east")), **NEXT)
    ends = [each["end"] for each in model.hparams.record["updates"]]

    assert ends == ["2024-04-14 00:00:00", "2024-04-29 00:00:00"]
    assert model.hparams.learning_rate == network.hparams.learning_rate
    assert model.hparams.record["data"]["end"] == ends[-1]
    assert model.hparams.record["data"]["series"] == 3
    assert model.hparams.record["data"]["rows"] == 3 * (OLD + NEW)


@pytest.mark.slow
def test_the_steps_that_are_told_give_the_same_model_again(network):
    first, again = copy.deepcopy(network), copy.deepcopy(network)
    report = first.update(shops(), max_seconds=4, progress=False)
    again.update(shops(), max_steps=report.steps, progress=False)

    assert state(first)[0][0] == state(again)[0][0]


def test_older_rows_than_are_read_and_learned_from_again_change_nothing(network):
    whole, recent = copy.deepcopy(network), copy.deepcopy(network)
    data = roles(shops())
    read = network.dataset_parameters["max_encoder_length"]
    enough = read + (1 + updating.OLDER) * 5
    table = data.only(data.panel.steps_to_end < enough).history
    end = {"end": "2024-04-24 00:00:00"}
    for model in (whole, recent):
        model.hparams.record = {**model.hparams.record, "data": end}
    whole.update(shops(), **NEXT)
    recent.update(table, **NEXT)

    assert state(whole)[0][0] == state(recent)[0][0]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (lambda table: table["day"] >= "2024-03-31", "All rows are later than 2024-03-30"),
        (lambda table: table["day"] < "2024-03-31", "No row is later than 2024-03-30"),
    ],
    ids=["none older", "none newer"],
)
def test_rows_that_are_all_new_or_all_old_are_told(network, caplog, rows, says):
    model = copy.deepcopy(network)
    with caplog.at_level(logging.WARNING, "drnn_forecast.training"):
        report = model.update(shops()[rows], **NEXT)

    assert says in caplog.text
    assert math.isnan(report.old_before) == ("All" in says)


def test_a_model_made_by_hand_is_updated_too():
    splits = roles(first_days(shops())).split(
        horizon=HORIZON, context_length=30, validation_windows=1
    )
    model = DilatedRNNForecaster.from_dataset(splits.training, hidden_size=4, loss=MAE())
    report = model.update(shops(), **NEXT)

    assert model.hparams.record["updates"][0]["end"] == "2024-04-29 00:00:00"
    assert report.drift.coverage_now == {}
    assert not report.is_calibrated


def test_intervals_are_calibrated_anew_where_they_no_longer_hold(network):
    noisy = shops()
    is_late = noisy["day"] >= "2024-04-15"
    noisy.loc[is_late, "sold"] += 40 * np.random.default_rng(5).random(int(is_late.sum()))
    calm, wild = copy.deepcopy(network), copy.deepcopy(network)
    calm.update(shops(), **NEXT)
    report = wild.update(noisy, **NEXT)

    factors = [m.target_heads[0].intervals.factors for m in (network, calm, wild)]
    assert torch.equal(factors[0], factors[1])
    assert report.is_calibrated
    assert report.drift.is_off
    assert (factors[2][:, -1] > factors[0][:, -1]).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_seconds": 0}, ValueError, "`max_seconds` must be above 0, got 0"),
        ({"max_seconds": math.nan}, ValueError, "`max_seconds` must be above 0, got nan"),
        ({"max_seconds": "60"}, TypeError, "`max_seconds` must be a number, got '60'"),
        ({"max_steps": 0}, ValueError, "`max_steps` must be at least 1, got 0"),
        ({"seed": -1}, ValueError, "`seed`"),
    ],
)
def test_a_budget_that_is_none_is_refused_before_the_data_are_read(
    network, options, error, message
):
    with pytest.raises(error, match=message):
        network.update("no data", **options)


def test_too_few_rows_are_refused_and_the_remedy_works(network):
    model = copy.deepcopy(network)
    table = shops()
    with pytest.raises(ValueError, match=r"`data` must hold.*has 9\. Give the rows before them"):
        model.update(table[table["day"] > "2024-04-20"], **NEXT)
    assert model.update(table, **NEXT).steps == 3


def test_other_names_for_all_series_are_refused_and_the_remedy_works(network):
    model = copy.deepcopy(network)
    shouted = shops().assign(shop=lambda table: table["shop"].str.upper())
    with pytest.raises(ValueError, match=r"must know at least one series.*\.str\.lower\(\)`"):
        model.update(shouted, **NEXT)
    frame = shouted
    frame["shop"] = frame["shop"].astype(str).str.lower()
    assert model.update(frame, **NEXT).new_labels == {}


def test_a_model_without_roles_is_refused_and_the_remedy_works(network):
    model = copy.deepcopy(network)
    model.hparams.roles = None
    with pytest.raises(ValueError, match=r"`model` must know the roles.*`ForecastData.split`"):
        model.update(shops(), **NEXT)


@pytest.mark.parametrize(
    ("times", "end"),
    [
        (np.arange(120), "89"),
        (np.arange(1900, 2020), "1989"),
        (pd.period_range("2014-01", periods=120, freq="M"), "2021-06-01 00:00:00"),
        (pd.bdate_range("2024-01-01", periods=120), "2024-05-03 00:00:00"),
    ],
    ids=["counts", "years", "periods", "working days"],
)
def test_times_of_every_kind_go_on_and_are_told_as_they_are(times, end, caplog):
    table = shops().assign(day=np.tile(times, 2))
    old = table[table.groupby("shop").cumcount() < OLD]
    model = train(old, HORIZON, series="shop", time="day", target="sold", **SMALL)
    caplog.clear()
    model.update(old, **NEXT)

    assert f"No row is later than {end}, up to which" in caplog.text
    assert f"- up to {end}, 3 steps" in model.card()
    report = model.update(table, **NEXT)
    assert report.drift.windows > 0
    assert model.hparams.record["updates"][-1]["end"] > model.hparams.record["updates"][0]["end"]

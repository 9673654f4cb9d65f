import copy
import time

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from pytorch_forecasting.data import GroupNormalizer
from pytorch_forecasting.metrics import MAE, PoissonLoss

import drnn_forecast as drnn
from drnn_forecast import (
    DilatedRNNForecaster,
    Ensemble,
    ForecastData,
    Recipe,
    fit,
    load_sample,
    train,
)
from drnn_forecast.training import course
from drnn_forecast.training.course import keep, two_folds

SMALL = {"hidden_size": 4, "max_steps": 3, "progress": False}
ROLES = {"series": "shop", "time": "day", "target": "sold", "known": ["price"]}


def frame(days=90):
    day = pd.date_range("2024-01-01", periods=days, freq="D")
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(days) * 2 * np.pi / 7)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "shop": name,
                    "day": day,
                    "sold": level + wave + rng.normal(0, 0.1, days),
                    "price": rng.normal(size=days),
                }
            )
            for name, level in (("north", 10), ("south", 30))
        ],
        ignore_index=True,
    )


@pytest.fixture(scope="module")
def data():
    return ForecastData.from_frame(frame(), **ROLES)


def test_a_frame_with_roles_gives_the_model_that_its_data_give(data):
    one = train(data, 5, **SMALL)
    other = train(frame(), 5, **ROLES, **SMALL)

    past = data.before(5)
    pd.testing.assert_frame_equal(one.forecast(past), other.forecast(past))


def test_the_same_seed_gives_the_same_model_and_another_one_another(data):
    past = data.before(5)
    first, same, other = (train(data, 5, seed=seed, **SMALL).forecast(past) for seed in (0, 0, 1))

    pd.testing.assert_frame_equal(first, same)
    assert not np.allclose(first["q0.5"], other["q0.5"])


def test_the_best_preset_gives_an_ensemble_within_the_same_budget(data):
    model = train(data, 5, preset="best", **SMALL)

    assert isinstance(model, Ensemble)
    assert len(model.forecast(data.before(5))) == 2 * 5


def test_the_recorded_steps_give_the_same_model(data):
    first = train(data, 5, hidden_size=4, max_seconds=2, progress=False)
    steps = first.hparams.record["max_steps"]
    again = train(data, 5, hidden_size=4, max_steps=steps, progress=False)

    past = data.before(5)
    pd.testing.assert_frame_equal(first.forecast(past), again.forecast(past))
    assert again.hparams.record == first.hparams.record


def test_a_model_keeps_its_recipe_and_its_record(data, tmp_path):
    model = train(data, 5, folder=tmp_path / "model", **SMALL)
    loaded = drnn.load(tmp_path / "model")

    assert loaded.hparams["record"] == model.hparams["record"]
    assert "season_length = (7,)" in loaded.card()
    assert "hidden_size = 4: set by hand" in loaded.card()
    assert model.hparams["record"]["calibration_windows"] == [4]


def test_what_is_held_out_is_calibrated_by_weights_that_it_did_not_choose(data):
    splits = data.split(horizon=5, context_length=20, validation_windows=3, min_context_length=2)
    folds = two_folds(splits.validation)
    keys = [set(map(tuple, fold.index[["sequence_id", "time"]].to_numpy())) for fold in folds]

    assert keys[0].isdisjoint(keys[1])
    assert len(keys[0] | keys[1]) == len(splits.validation) == 6
    assert all(len(fold.index["sequence_id"].unique()) == 2 for fold in folds)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_what_was_learned_is_kept(data, share):
    splits = data.split(horizon=5, context_length=20, validation_windows=1)
    start = DilatedRNNForecaster.from_dataset(splits.training)
    model = copy.deepcopy(start)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    keep(model, start.state_dict(), share)

    weights = model.state_dict()
    changed = {n: (weights[n] - v).mean().item() for n, v in start.named_parameters()}
    assert changed["head.output.5.weight"] == pytest.approx(share)
    assert changed["target_heads.0.anchor.power"] == pytest.approx(share)
    assert changed["head.from_state.weight"] == pytest.approx(1.0)


def test_overrides_reach_dataset_model_and_training(data):
    model = train(data, 5, context_length=20, dilations=[1, 3], residual=True, **SMALL)

    assert model.hparams.dilations == (1, 3)
    assert model.hparams.residual
    assert model.dataset_parameters["max_encoder_length"] == 20


def test_options_of_the_hosts_dataset_and_model_are_overrides_too(data):
    model = train(data, 5, lags={"sold": [7]}, optimizer="sgd", weight_decay=0.1, **SMALL)

    assert model.dataset_parameters["lags"] == {"sold": [7]}
    assert (model.optimizer or model.hparams.optimizer) == "sgd"
    assert model.hparams.weight_decay == 0.1


def test_the_model_is_saved_where_asked_and_loaded_from_there(data, tmp_path):
    model = train(data, 5, folder=tmp_path / "model", **SMALL)
    loaded = drnn.load(tmp_path / "model")

    past = data.before(5)
    pd.testing.assert_frame_equal(loaded.forecast(past), model.forecast(past))


def test_rows_with_a_weight_count_by_it(data):
    weighted = frame().assign(w=1.0)
    weighted.loc[weighted["shop"] == "south", "w"] = 0.0
    model = train(ForecastData.from_frame(weighted, **ROLES), 5, weight="w", **SMALL)

    assert model.dataset_parameters["weight"] == "w"


@pytest.mark.parametrize(
    ("weights", "error", "said"),
    [
        (-1.0, ValueError, "from 0 on in every row with a target, but 1 value is not, first -1.0"),
        (np.nan, ValueError, "first nan"),
        (np.inf, ValueError, r"first inf \(series 'north' at .*0 leaves a row out"),
        ("much", TypeError, "must hold numbers, got dtype .*`frame\\['w'\\] = pd.to_numeric"),
    ],
)
def test_weights_that_no_loss_can_take_are_refused(weights, error, said):
    weighted = frame().assign(w=1.0).astype({"w": object})
    weighted.loc[weighted.index[3], "w"] = weights
    with pytest.raises(error, match=said):
        train(ForecastData.from_frame(weighted, **ROLES), 5, weight="w", **SMALL)


@pytest.mark.parametrize("missing", ["mask", "linear"])
def test_rows_that_are_not_there_need_no_weight(missing):
    weighted = frame().assign(w=1.0)
    weighted = weighted.drop(weighted.index[[20, 21]])
    data = ForecastData.from_frame(weighted, **ROLES, missing=missing)
    model = train(data, 5, weight="w", **SMALL)

    assert np.isfinite(model.forecast(data.before(5)).filter(like="q").to_numpy()).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"horizon": 0}, ValueError, "`horizon` must be at least 1, got 0"),
        ({"preset": "huge"}, ValueError, "`preset` must be one of fast, medium, best, got 'huge'"),
        ({"max_seconds": 0}, ValueError, "`max_seconds` must be at least 1, got 0"),
        ({"max_seconds": 0.9}, ValueError, "`max_seconds` must be at least 1, got 0.9"),
        ({"max_steps": 0}, ValueError, "`max_steps` must be at least 1, got 0"),
        ({"max_epochs": 3}, ValueError, "no setting `max_epochs`.*`max_steps`"),
        ({"hiden_size": 3}, ValueError, "no setting `hiden_size`.*'hidden_size'"),
        ({"kwargs": {}}, ValueError, "no setting `kwargs`"),
        ({"dataset_options": {}}, ValueError, "no setting `dataset_options`"),
        ({"group_ids": ["shop"]}, TypeError, "`group_ids` is derived from `series`"),
        ({"time": "day"}, ValueError, "`time` is for frames"),
        ({"dropout": 2}, ValueError, "`dropout` must be at least 0 and below 1"),
    ],
)
def test_a_mistake_is_refused_before_any_training(data, monkeypatch, arguments, error, message):
    monkeypatch.setattr(DilatedRNNForecaster, "on_train_start", None)
    with pytest.raises(error, match=message):
        train(data, **{"horizon": 5, **arguments})


def test_a_frame_without_its_roles_is_refused():
    with pytest.raises(TypeError, match="`time` must name the column of times, got None"):
        train(frame(), 5, target="sold")


def test_a_folder_that_is_there_is_left_alone(data, tmp_path):
    with pytest.raises(FileExistsError, match=r"`folder` .* exists"):
        train(data, 5, folder=tmp_path)
    with pytest.raises(FileNotFoundError, match="parent of `folder`"):
        train(data, 5, folder=tmp_path / "a" / "b")


@pytest.mark.parametrize(
    "overrides",
    [
        {"context_length": 100},
        {"context_length": 30},
        {"read_length": 31},
        {"season_length": 300},
        {"season_length": (), "loss": MAE()},
        {"season_length": None, "context_length": None, "batch_size": None},
        {"segment_length": 8, "read_length": 80},
        {"dilation_base": 3},
        {"smoothed_anchors": False},
        {"calibrated": False, "finishing": 0.0},
    ],
    ids=str,
)
def test_settings_that_go_together_follow_the_one_that_is_given(hours, overrides):
    model = train(hours, 12, **overrides, **SMALL)

    assert model.hparams.learning_rate == Recipe.of(hours.facts(12)).learning_rate
    assert np.isfinite(
        model.forecast(hours)["q0.5" if "loss" not in overrides else "prediction"]
    ).all()


def test_a_loss_that_has_no_anchors_trains_too(data):
    counts = GroupNormalizer(center=False)
    model = train(data, 5, loss=PoissonLoss(), target_normalizer=counts, **SMALL)

    assert not model.hparams.smoothed_anchors
    assert np.isfinite(model.forecast(data.before(5))["prediction"]).all()


@pytest.fixture(scope="module")
def hours():
    table = load_sample().groupby("series").tail(1200)
    table = table[table["series"].isin(table["series"].unique()[:2])]
    return ForecastData.from_frame(table, series="series", time="time", target="load")


def test_callbacks_wait_for_the_validations_of_the_run_that_has_some(data):
    stop = EarlyStopping("val_loss", patience=100)
    model = train(data, 5, callbacks=[stop], hidden_size=4, max_steps=30, progress=False)

    assert stop.best_score < torch.inf
    assert model.hparams.record["max_steps"] == 30


def test_a_last_run_that_diverges_leaves_the_model_that_was_chosen(data, monkeypatch, caplog):
    def diverged(*_, **options):
        if options.get("checks"):
            return fit(*_, **options)
        raise RuntimeError("The training loss was no longer finite.")

    monkeypatch.setattr(course, "fit", diverged)
    model = train(data, 5, hidden_size=4, max_steps=30, learning_rate=0.01, progress=False)
    assert np.isfinite(model.forecast(data.before(5))["q0.5"]).all()
    assert model.hparams.record["best_step"] > 0
    assert "The newest windows are not learned from" in caplog.text


@pytest.mark.parametrize("options", [{}, {"smoothed_anchors": False}])
def test_where_nothing_can_be_held_out_the_seed_decides_and_the_caller_keeps_its_state(options):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first, again = (train(frame(9), 5, **ROLES, **options, **SMALL) for _ in range(2))

    assert torch.equal(torch.rand(2), expected)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])


@pytest.mark.parametrize(("name", "value"), [("trust", 1.5), ("trust", -0.1), ("finishing", 2)])
def test_a_share_is_between_0_and_1(data, name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be between 0 and 1, got {value}"):
        train(data, 5, **{name: value}, **SMALL)


@pytest.mark.parametrize(
    ("lengths", "horizon"),
    [
        ([60], 12),
        ([14], 12),
        ([14, 200, 31], 12),
        ([30] * 40, 6),
        ([8, 9, 500], 6),
    ],
    ids=str,
)
def test_series_of_any_length_are_trained_on_and_forecast(lengths, horizon):
    generator = np.random.default_rng(0)
    table = pd.concat(
        pd.DataFrame(
            {
                "id": f"s{number}",
                "at": pd.date_range("2020-01-01", periods=length, freq="MS"),
                "y": 10 + generator.normal(size=length).cumsum(),
            }
        )
        for number, length in enumerate(lengths)
    )
    model = train(table, horizon, series="id", time="at", target="y", **SMALL)
    forecast = model.forecast(table)

    assert len(forecast) == len(lengths) * horizon
    assert np.isfinite(forecast.filter(like="q0").to_numpy()).all()


def test_no_series_with_two_values_more_than_the_horizon_is_refused():
    with pytest.raises(ValueError, match=r"At least one series needs 14 rows.*Lower `horizon`"):
        train(frame(13), 12, **ROLES)


def test_an_update_lowers_the_loss_on_the_newest_windows_or_changes_nothing(data):
    model = train(data.before(20), 5, **SMALL)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    report = model.update(data, max_seconds=3, progress=False)
    changed = any(bool((before[n] != v).any()) for n, v in model.state_dict().items())
    assert report.is_kept == (report.after < report.before) == changed
    assert report.steps > 0
    assert not model.training


def test_an_update_with_data_that_are_refused_leaves_the_model_as_it_was(data):
    model = train(data, 5, **SMALL)
    past = data.before(5)
    before = model.forecast(past)

    with pytest.raises(ValueError, match="price"):
        model.update(frame().drop(columns="price"), progress=False)
    pd.testing.assert_frame_equal(model.forecast(past), before)


def test_the_budget_counts_from_the_call(data):
    started = time.perf_counter()
    report = drnn.fit(
        lambda: time.sleep(1) or DilatedRNNForecaster.from_dataset(_splits(data).training),
        _splits(data).training,
        _splits(data).validation,
        max_seconds=1.5,
        patience=10_000,
        max_epochs=10_000,
        progress=False,
    )

    assert report.stopped_by == "max_seconds"
    assert report.seconds < time.perf_counter() - started - 1


def _splits(data):
    return data.split(horizon=5, context_length=14, validation_windows=2)

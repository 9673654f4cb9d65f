import time

import numpy as np
import pandas as pd
import pytest

import drnn_forecast as drnn
from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData, train

SMALL = {"hidden_size": 4, "max_epochs": 1, "steps_per_epoch": 3, "progress": False}
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
    model = train(data, 5, preset="best", max_seconds=30, **SMALL)

    assert isinstance(model, Ensemble)
    assert len(model.forecast(data.before(5))) == 2 * 5


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
    ("arguments", "error", "message"),
    [
        ({"horizon": 0}, ValueError, "`horizon` must be at least 1, got 0"),
        ({"preset": "huge"}, ValueError, "`preset` must be one of fast, medium, best, got 'huge'"),
        ({"max_seconds": 0}, ValueError, "`max_seconds` must be above 0, got 0"),
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
    with pytest.raises(ValueError, match="`time` must name a column of the frame"):
        train(frame(), 5, target="sold")


def test_a_folder_that_is_there_is_left_alone(data, tmp_path):
    with pytest.raises(FileExistsError, match=r"`folder` .* exists"):
        train(data, 5, folder=tmp_path)
    with pytest.raises(FileNotFoundError, match="parent of `folder`"):
        train(data, 5, folder=tmp_path / "a" / "b")


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

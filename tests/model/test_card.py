"""The page of a model says what it has seen, and goes where the model goes."""

import copy
import platform
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st

import drnn_forecast as drnn
from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData
from drnn_forecast.model.card import ENDING, _shown
from laws.drawing import law
from series import make_dataset, planted_frame

SMALL = {"hidden_size": 4, "max_steps": 3, "progress": False}


def frame(days=80, zone="Europe/Rome"):
    rng = np.random.default_rng(0)
    parts = []
    for name in ("north", "south"):
        day = pd.date_range("2024-01-01", periods=days, tz=zone)
        week = np.arange(days) % 7
        parts.append(
            pd.DataFrame(
                {"shop": name, "day": day, "sold": week + rng.random(days), "price": week % 2.0}
            )
        )
    return pd.concat(parts, ignore_index=True)


def data(days=80):
    return ForecastData.from_frame(
        frame(days), series="shop", time="day", target="sold", known=["price"]
    )


@pytest.fixture(scope="module")
def model():
    return drnn.train(data(), 5, **SMALL)


def test_a_card_says_what_the_model_has_seen(model):
    card = model.card()

    for row in [
        "| target | sold |",
        "| known | price |",
        "| freq | D |",
        "| zone | Europe/Rome |",
        "| number of series | 2 |",
        "| names of series | north, south |",
        "| rows | 160 |",
        "| first time | 2024-01-01 00:00:00+01:00 |",
        "| last time | 2024-03-20 00:00:00+01:00 |",
        "| horizon (time steps) | 5 |",
        "| hidden_size | 4 |",
        "| lower | 0 |",
        "| steps | 3 |",
        f"| validation loss | {model.hparams.record['validation_loss']:.6g} |",
        "| 80% | ",
        f"| python | {platform.python_version()} |",
        f"| torch | {torch.__version__} |",
    ]:
        assert row in card
    assert "- hidden_size = 4: set by hand" in card


def test_versions_are_those_of_the_training_and_not_of_the_reader(model, tmp_path):
    other = copy.deepcopy(model)
    other.hparams.record = {**model.hparams.record, "versions": {"torch": "0.0.1"}}
    loaded = drnn.load(other.save(tmp_path / "model"))

    assert "| torch | 0.0.1 |" in loaded.card()


@pytest.mark.parametrize("kind", ["network", "ensemble"])
def test_the_folder_of_a_model_has_its_card(kind, model, tmp_path):
    saved = model if kind == "network" else Ensemble([model, model])
    folder = saved.save(tmp_path / "model")
    page = (folder / "README.md").read_text()

    assert page == saved.card() == drnn.load(folder).card()
    assert [path.name for path in tmp_path.rglob("README.md")] == ["README.md"]


def test_the_card_of_an_update_takes_the_place_of_the_first_one(model, tmp_path):
    folder = model.save(tmp_path / "model")
    loaded = drnn.load(folder)
    loaded.update(frame(100), max_steps=3, progress=False)
    loaded.save(folder)
    page = (folder / "README.md").read_text()

    assert "## Updates" in page
    assert "- up to 2024-04-09 00:00:00+02:00, 3 steps: the loss on the newest windows" in page
    assert "| last time | 2024-04-09 00:00:00+02:00 |" in page
    assert "| first time | 2024-01-01 00:00:00+01:00 |" in page
    assert "| rows | 200 |" in page
    assert page == drnn.load(folder).card()


@pytest.mark.parametrize("kind", ["a file", "an empty file", "a folder", "a link to nothing"])
def test_a_page_of_the_users_is_left_alone(kind, model, tmp_path):
    folder = model.save(tmp_path / "model")
    page = folder / "README.md"
    page.unlink()
    if kind == "a folder":
        page.mkdir()
        (page / "note").write_text("mine")
    elif kind == "a link to nothing":
        page.symlink_to("elsewhere")
    else:
        page.write_text("mine" if kind == "a file" else "")
    model.save(folder)

    assert ENDING not in (page.read_text() if page.is_file() else "")
    assert page.is_symlink() == (kind == "a link to nothing")
    assert (page / "note").read_text() == "mine" if page.is_dir() else True
    assert drnn.load(folder).card() == model.card()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_card_names_no_place_and_nobody(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER", "someone-of-ours")
    table = tmp_path / "sales.csv"
    frame().to_csv(table, index=False)
    read = pd.read_csv(table)
    model = drnn.train(
        read, 5, series="shop", time="day", target="sold", folder=tmp_path / "model", **SMALL
    )
    card = model.card()

    for secret in (str(tmp_path), str(Path.home()), str(Path(drnn.__file__).parent), "sales.csv"):
        assert secret not in card
    assert "someone-of-ours" not in card


def test_a_model_made_by_hand_has_a_card_too():
    splits = data().split(horizon=5, context_length=20, validation_windows=1)
    card = DilatedRNNForecaster.from_dataset(splits.training, hidden_size=4).card()

    assert "| last time | 2024-03-20 00:00:00+01:00 |" in card
    assert "## Training" not in card


def test_a_plain_dataset_says_how_much_it_holds():
    dataset = make_dataset(planted_frame())
    card = DilatedRNNForecaster.from_dataset(dataset, hidden_size=4).card()

    assert f"| rows | {len(dataset.data['time'])} |" in card
    assert "| first time |" not in card


@law
@given(st.text(alphabet="a|\\ \n\r\t`#-é", max_size=12))
def test_no_name_breaks_a_table(name):
    shown = _shown(name)

    assert "\n" not in shown
    assert shown.replace("\\\\", "").replace("\\|", "").count("|") == 0


def test_the_members_of_an_ensemble_are_listed(model):
    other = drnn.train(data(), 5, seed=1, **{**SMALL, "cell_type": "GRU"})
    card = Ensemble([model, other], average="median").card()

    assert card.startswith("# Ensemble\n\nThe median of the forecasts of 2 models")
    assert "| 2 | GRU | 4 | " in card
    assert "\n## DilatedRNNForecaster\n\n### Data\n" in card

"""A study's folder is its world, its record tells changes, and nobody sees its password."""

import json
import logging
import random
import shutil
import sqlite3
import traceback
from pathlib import Path

import pandas as pd
import pytest
from optuna.storages import InMemoryStorage

from drnn_forecast import DilatedRNNForecaster, tune
from drnn_forecast.training.tuning.space import Range, SearchSpace
from series import make_dataset, planted_frame

SPACE = SearchSpace(
    hidden_size=Range(3, 6), cell_type="GRU", batch_size=16, dilation_base=2, dropout=0.0
)
SMALL = {"max_epochs": 1, "steps_per_epoch": 1, "progress": False, "search_space": SPACE}


@pytest.fixture(scope="module")
def datasets():
    frame = planted_frame(num_series=2, noise=0.1)
    training = make_dataset(frame[frame.time_idx < 160], max_encoder_length=24)
    return training, type(training).from_dataset(training, frame, min_prediction_idx=176)


@pytest.fixture(scope="module")
def kept(datasets, tmp_path_factory):
    """Return the folder of a study of two trials."""
    folder = tmp_path_factory.mktemp("study") / "first"
    tune(datasets, n_trials=2, folder=folder, **SMALL)
    return folder


@pytest.fixture
def folder(kept, tmp_path):
    return shutil.copytree(kept, tmp_path / "study")


def models(folder):
    return folder / "checkpoints" / "drnn_forecast"


def change(folder, statement, *values):
    """Change the database of a study as somebody else would."""
    with sqlite3.connect(folder / "study.db") as database:
        database.execute(statement, values)
    database.close()


def test_models_are_kept_without_pickle(kept):
    files = [path.name for path in models(kept).rglob("*") if path.is_file()]
    assert set(files) == {"README.md", "config.json", "model.safetensors"}


def test_a_study_may_be_moved_and_goes_on(datasets, folder, tmp_path):
    before = tune(datasets, n_trials=2, folder=folder, **SMALL)
    moved = folder.rename(tmp_path / "elsewhere")
    after = tune(datasets, n_trials=3, folder=moved, **SMALL)

    again = after.table["validation_loss"][: len(before.table)]
    assert again.tolist() == before.table["validation_loss"].tolist()
    assert after.best_checkpoint.is_relative_to(moved)
    assert not folder.exists()
    assert isinstance(after.best_model(), DilatedRNNForecaster)


@pytest.mark.parametrize("name", ["..", ".", "../../x", "/tmp/x", "a/b", "..%2F"])
def test_the_name_of_a_study_leads_nowhere_else(datasets, tmp_path, name):
    (tmp_path / "mine.txt").write_text("mine")
    folder = tmp_path / "inside" / "study"
    folder.mkdir(parents=True)
    found = tune(datasets, n_trials=1, folder=folder, study_name=name, **SMALL)

    assert found.best_checkpoint.parent.parent == folder / "checkpoints"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "mine.txt"]
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints", "study.db"]


@pytest.mark.parametrize(
    "link",
    ["study.db", "study.db-journal", "checkpoints", "checkpoints/drnn_forecast", "checkpoints/drnn_forecast/trial-0002"],
)  # fmt: skip
def test_a_link_out_of_the_folder_is_not_followed(datasets, folder, tmp_path, link):
    outside = tmp_path / "outside"
    place = folder / link
    if place.exists():
        place.rename(outside)
    else:
        outside.mkdir()
        (outside / "config.json").write_text("precious")
    place.symlink_to(outside)
    before = contents(outside)
    with pytest.raises((ValueError, RuntimeError), match=r"is a link, and a study reads and"):
        tune(datasets, n_trials=3, folder=folder, **SMALL)
    assert contents(outside) == before


def contents(path):
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return {file: file.read_bytes() for file in files if file.is_file()}


def test_the_models_of_another_study_are_not_overwritten(datasets, folder):
    before = contents(models(folder))
    with pytest.raises(ValueError, match=r"holds models of another study.*Choose another"):
        tune(datasets, n_trials=1, folder=folder, storage=InMemoryStorage(), **SMALL)
    assert contents(models(folder)) == before


@pytest.mark.parametrize("name", ["checkpoint", "path", "folder", "not_kept"])
def test_a_path_that_the_database_names_is_neither_read_nor_deleted(
    datasets, folder, tmp_path, name
):
    precious = tmp_path / "precious.ckpt"
    precious.write_text("precious")
    value = json.dumps(str(precious))
    statement = "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (?, ?, ?)"
    for trial in (1, 2):
        change(folder, statement, trial, name, value)
    found = tune(datasets, n_trials=1, folder=folder, keep_checkpoints=1, **SMALL)

    assert precious.read_text() == "precious"
    assert found.best_checkpoint.is_relative_to(folder)


CHANGES = {
    "a value": "UPDATE trial_values SET value = 0.0 WHERE trial_id = 1",
    "a missing value": "DELETE FROM trial_values WHERE trial_id = 1",
    "a parameter": "UPDATE trial_params SET param_value = 0.004321 WHERE trial_id = 1 AND param_name = 'learning_rate'",
    "the configuration": "UPDATE trial_user_attributes SET value_json = '{\"hidden_size\": 9}' WHERE trial_id = 1 AND key = 'configuration'",
    "no configuration": "UPDATE trial_user_attributes SET value_json = '3' WHERE trial_id = 1 AND key = 'configuration'",
    "the run": "UPDATE trial_user_attributes SET value_json = '{}' WHERE trial_id = 1 AND key = 'run'",
    "the digest": "UPDATE trial_user_attributes SET value_json = '3' WHERE trial_id = 1 AND key = 'digest'",
    "no digest": "DELETE FROM trial_user_attributes WHERE trial_id = 1 AND key = 'digest'",
    "its state": "UPDATE trials SET state = 'PRUNED' WHERE trial_id = 1",
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_trial_that_was_changed_counts_as_failed_and_is_named(datasets, folder, caplog, what):
    change(folder, CHANGES[what])
    with caplog.at_level(logging.WARNING, "drnn_forecast.training"):
        found = tune(datasets, n_trials=2, folder=folder, **SMALL)

    assert "Trial 0 counts as failed: its record was changed" in caplog.text
    assert found.table["state"].tolist() == ["failed", "complete", "complete"]
    assert "was changed" in found.table["reason"][0]
    assert found.best_trial.number > 0
    assert found.table["checkpoint"].isna().tolist() == [True, False, False]


def check_flips(datasets, folder, count, seed):
    """Check that bits flipped in a study are told in one line, or that its trials stay true."""
    path, draw = folder / "study.db", random.Random(seed)
    whole = path.read_bytes()
    true = tune(datasets, n_trials=2, folder=folder, **SMALL).table["validation_loss"].tolist()
    for _ in range(count):
        content = bytearray(whole)
        number = draw.randrange(8 * len(whole))
        content[number // 8] ^= 1 << number % 8
        path.write_bytes(bytes(content))
        try:
            table = tune(datasets, n_trials=1, folder=folder, **SMALL).table
        except (ValueError, OSError, RuntimeError) as error:
            table = pd.DataFrame({"state": [], "validation_loss": []})
            lines = str(error).count("\n")
            assert lines == 0
        complete = table.loc[table["state"] == "complete", "validation_loss"]
        assert set(complete[complete.index < 2]) <= set(true)
    path.write_bytes(whole)


def test_a_flipped_bit_of_a_study_changes_no_finished_trial(datasets, folder):
    check_flips(datasets, folder, 15, seed=0)


@pytest.mark.slow
def test_many_flipped_bits_of_a_study_change_no_finished_trial(datasets, folder):
    check_flips(datasets, folder, 300, seed=1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:100],
        lambda content: b"no database at all" * 100,
        lambda content: content[:4096] + b"\x00" * 4096 + content[8192:],
        lambda content: content[:30000] + b"\xff" * (len(content) - 30000),
    ],
    ids=["half", "a header", "text", "a page of zeros", "ones"],
)
def test_a_damaged_study_is_told_in_one_line(datasets, folder, damage):
    path = folder / "study.db"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"`storage`, a sqlite database, is damaged: .*Restore"):
        tune(datasets, n_trials=3, folder=folder, **SMALL)


SECRET = "s3cr3t"
URLS = [
    "postgresql://u:{}@127.0.0.1:1/d",
    "postgres://u:{}@127.0.0.1:1/d",
    "postgresql+psycopg://u:{}@127.0.0.1:1/d",
    "POSTGRESQL://u:{}@127.0.0.1:1/d",
    "postgresql://u:%73{}@127.0.0.1:1/d",
    "postgresql://u:p@ss{}@127.0.0.1:1/d",
    "postgresql://u:p/{}@127.0.0.1:1/d",
    "postgresql://u:p?{}@127.0.0.1:1/d",
    "postgresql://u:p#{}@127.0.0.1:1/d",
    "postgresql://u:p {}@127.0.0.1:1/d",
    "postgresql://{}@127.0.0.1:1/d",
    "postgresql://127.0.0.1:1/d?user=u&password={}",
    "postgresql://127.0.0.1:1/d?sslpassword={}",
    "postgresql://127.0.0.1:1/d?passfile=/none/{}",
    "postgresql://127.0.0.1:1/d?pasword={}",
    "postgresql:///d?host=/none/{0}&password={0}",
    "postgresql://u:{}@127.0.0.1:1,127.0.0.1:2/d",
    "postgresql:///d?host=127.0.0.1:1&host=127.0.0.1:2&password={}",
    "postgresql://u:{}@127.0.0.1:99999/d",
    "postgresql://u:{}@127.0.0.1:port/d",
    "postgresql://u:p@127.0.0.1:{}/d",
    "postgresql://u:{}",
    "postgresql://u:{}@[::1]:1/d",
    "postgresql://u:{}@[::1/d",
    "postgresql:/u:{}@127.0.0.1/d",
    "postgresql//u:{}@127.0.0.1/d",
    "u:{}@127.0.0.1/d",
    "{}",
    " postgresql://u:{}@127.0.0.1:1/d",
    "postgre sql://u:{}@127.0.0.1/d",
    "mysql://u:{}@127.0.0.1:1/d",
    "mysql+{}://u@127.0.0.1/d",
    "{}://u@127.0.0.1/d",
    "redis://:{}@127.0.0.1:1/0",
    "sqlite://u:{}@/none/d",
    "sqlite:////none/{}/study.db",
    "sqlite:///file:/none/d?password={}&uri=true",
    "@none/{}://x",
]


@pytest.mark.parametrize("url", URLS)
def test_no_form_of_url_shows_its_password(datasets, tmp_path, capfd, caplog, url):
    with pytest.raises((ValueError, OSError, ImportError)) as caught:
        tune(datasets, n_trials=1, folder=tmp_path, storage=url.format(SECRET), **SMALL)
    told = (
        "".join(traceback.format_exception(caught.value))
        + caplog.text
        + "".join(capfd.readouterr())
    )
    lines = [line for line in told.splitlines() if "url.format" not in line]

    assert SECRET not in "\n".join(lines)
    assert "\n" not in str(caught.value)
    assert [path for path in Path(tmp_path).rglob("*") if SECRET in path.name] == []


def test_the_url_comes_from_a_file_or_the_environment(datasets, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    (tmp_path / "url.txt").write_text(f"{url}\nanother line\n")
    options = {"folder": tmp_path / "models", **SMALL}
    tune(datasets, n_trials=1, storage=f"@{tmp_path / 'url.txt'}", **options)
    assert (tmp_path / "shared.db").is_file()
    monkeypatch.setenv("DRNN_FORECAST_STORAGE", url)
    again = tune(datasets, n_trials=2, **options)

    assert len(again.table) == 2
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["checkpoints"]


def test_a_file_that_is_not_there_and_what_is_no_storage_are_refused(datasets, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"names a file by its '@'.*none' does not exist"):
        tune(datasets, n_trials=1, folder=tmp_path, storage="@none", **SMALL)
    with pytest.raises(TypeError, match=r"`storage` must be a URL, .* got a int"):
        tune(datasets, n_trials=1, folder=tmp_path, storage=3, **SMALL)


def test_a_model_that_needs_a_pickle_is_not_kept_and_its_study_goes_on(datasets, tmp_path, caplog):
    from torchmetrics import MeanSquaredError

    options = {**SMALL, "fixed": {"loss": MeanSquaredError()}}
    with caplog.at_level(logging.WARNING, "drnn_forecast.training"):
        found = tune(datasets, n_trials=1, folder=tmp_path, storage=InMemoryStorage(), **options)

    assert "The model of trial 0 is not kept: The loss or metric" in caplog.text
    with pytest.raises(FileNotFoundError, match=r"was not kept: .* Train it again with `best_par"):
        found.best_model()

"""The command `update`: the folder holds the old model or the new one, whatever happens."""

import os
import shutil
import signal

import numpy as np
import pandas as pd
import pytest
import torch

import drnn_forecast as drnn
from command_line import FIT, SMALL, run, table, write
from drnn_forecast.data import held

NEXT = ["--max_steps", "3", "--progress", "false"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Return a folder with a model of the first rows of a table, and the whole table."""
    folder = tmp_path_factory.mktemp("fitted")
    before = os.getcwd()
    os.chdir(folder)
    try:
        whole = table(length=260)
        write(whole.groupby("unique_id").head(200), folder / "first.csv")
        write(whole, folder / "data.csv")
        assert run("fit", "first.csv", *FIT, *SMALL) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def place(fitted, here):
    shutil.copytree(fitted, here, dirs_exist_ok=True)
    return here


def content(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_user_updates_a_model_with_one_command(place, capsys):
    (place / "model" / "notes.txt").write_text("mine")
    assert run("update", "model", "data.csv", *NEXT) == 0
    said = capsys.readouterr().out

    assert "The loss on the newest windows went from " in said
    assert "newest windows the model errs" in said
    assert said.endswith("Written: model\n")
    record = drnn.load(place / "model").hparams.record
    assert record["data"]["end"] == str(table(length=260)["ds"].max())
    assert len(record["updates"]) == 1
    assert (place / "model" / "notes.txt").read_text() == "mine"
    assert "## Updates" in (place / "model" / "README.md").read_text()
    assert {path.name for path in place.iterdir()} == {"first.csv", "data.csv", "model"}


def test_the_command_does_what_the_method_does(place):
    model = drnn.load(place / "model")
    model.update(pd.read_csv("data.csv"), max_steps=3, progress=False)
    assert run("update", "model", "data.csv", *NEXT) == 0

    ours, theirs = model.state_dict(), drnn.load(place / "model").state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
def test_another_folder_may_be_written_and_the_model_stays(place, capsys):
    before = content(place / "model")
    assert run("update", "model", "data.csv", *NEXT, "--out", "newer") == 0
    assert content(place / "model") == before
    assert content(place / "newer") != before

    assert run("update", "model", "data.csv", *NEXT, "--out", "newer") == 2
    assert "`out` 'newer' exists; choose another name, or pass `--overwrite true`" in (
        capsys.readouterr().err
    )
    assert run("update", "model", "data.csv", *NEXT, "--out", "newer", "--overwrite", "true") == 0


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["none", "data.csv"], "The model 'none' does not exist"),
        (["model", "none.csv"], "none.csv"),
        (["model", "data.csv", "--max_seconds", "0"], "`max_seconds` must be above 0"),
        (["model", "data.csv", "--max_steps", "0"], "`max_steps` must be at least 1"),
        (["model", "data.csv", "--seed", "-1"], "`seed`"),
        (["model", "bad.csv"], "Column 'y' is not in `frame`"),
        (["model", "inside.csv"], "`model` must be a folder of its own"),
        (["data.csv", "data.csv"], "`model` 'data.csv' is a file"),
        (["model", "data.csv", "--out", "no/such/model"], "does not exist; make it first"),
        (["model", "data.csv", "--steps", "3"], "steps"),
    ],
)
def test_a_mistake_is_said_in_one_line_and_the_model_stays(place, capsys, args, says):
    write(table().drop(columns="y"), place / "bad.csv")
    shutil.copy(place / "data.csv", place / "model" / "inside.csv")
    args = [{"inside.csv": "model/inside.csv"}.get(arg, arg) for arg in args]
    before = content(place)

    assert run("update", *args, *NEXT[2:]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert says in said
    assert content(place) == before


def test_a_checkpoint_is_refused_and_the_remedy_works(place, capsys):
    splits = drnn.ForecastData.from_frame(
        pd.read_csv("first.csv"), time="ds", target="y", series="unique_id"
    ).split(horizon=12, context_length=24, validation_windows=1)
    drnn.fit(
        lambda: drnn.DilatedRNNForecaster.from_dataset(splits.training, hidden_size=4),
        splits.training,
        splits.validation,
        max_epochs=1,
        steps_per_epoch=1,
        checkpoint="one.ckpt",
        progress=False,
    )
    assert run("update", "one.ckpt", "data.csv", *NEXT) == 2
    assert "`drnn_forecast.load(path).save(folder)`" in capsys.readouterr().err
    drnn.load("one.ckpt").save("one")
    assert run("update", "one", "data.csv", *NEXT) == 0


def test_a_second_run_on_one_model_is_refused(place, capsys):
    with held("model", place / "model"):
        assert run("update", "model", "data.csv", *NEXT) == 2
    assert "Another run writes `model`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_leaves_the_old_model(parent, place, number):
    before = content(place / "model")
    args = ["update", "model", "data.csv", "--max_seconds", "50", "--progress", "true"]
    found = parent.run(args, place, 100, signals=[("Epoch ", int(number))])

    assert found["status"] == 128 + number, found["err"][-2000:]
    assert found["err"].splitlines()[-1].endswith("nothing more was written")
    assert content(place / "model") == before
    assert {path.name for path in place.iterdir()} == {"first.csv", "data.csv", "model"}


def test_what_cannot_be_written_leaves_the_old_model(place, capsys, monkeypatch):
    before = content(place / "model")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert run("update", "model", "data.csv", *NEXT) == 1
    assert content(place / "model") == before


def test_new_series_in_the_file_keep_their_names(place):
    more = table(length=260).query("unique_id == 's0'").assign(unique_id="007")
    write(pd.concat([table(length=260), more]), place / "data.csv")
    assert run("update", "model", "data.csv", *NEXT) == 0
    assert run("predict", "model", "data.csv", "--out", "out.csv") == 0

    forecast = pd.read_csv("out.csv", dtype={"unique_id": str})
    assert set(forecast["unique_id"]) == {"s0", "s1", "007"}
    assert np.isfinite(forecast["q0.5"]).all()

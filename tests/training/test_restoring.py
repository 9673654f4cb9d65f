"""Training that is killed, and goes on as if nothing had been."""

import multiprocessing
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from drnn_forecast import ForecastData, load, train
from drnn_forecast.data import held
from drnn_forecast.training import restoring
from drnn_forecast.training.stream import Shuffled

SETTINGS = {
    "hidden_size": 4,
    "dropout": 0.2,
    "max_steps": 60,
    "batch_size": 16,
    "finishing": 0.4,
    "progress": False,
}


def days():
    """Return two series that follow a price, so that training helps."""
    rng = np.random.default_rng(0)
    price = rng.choice([-1.0, 1.0], size=(2, 120))
    table = pd.DataFrame(
        {
            "shop": np.repeat(["north", "south"], 120),
            "day": np.tile(pd.date_range("2024-01-01", periods=120, freq="D"), 2),
            "price": price.ravel(),
            "worth": 2.0 + price.ravel(),
            "sold": (price + [[10.0], [30.0]] + 0.1 * rng.normal(size=(2, 120))).ravel(),
        }
    )
    roles = {"series": "shop", "time": "day", "target": "sold", "known": ["price"]}
    return ForecastData.from_frame(table, **roles)


@pytest.fixture(scope="module")
def data():
    return days()


@pytest.fixture(scope="module")
def whole(data):
    return train(data, 5, **SETTINGS)


class KilledError(Exception):
    """The process is gone."""


def killed_at(monkeypatch, number):
    """Let training end without a word after so many restore points."""
    write, written = restoring.write, []

    def write_and_die(*args):
        write(*args)
        written.append(args)
        if len(written) == number:
            raise KilledError

    monkeypatch.setattr(restoring, "EVERY", 0.0)
    monkeypatch.setattr(restoring, "SPENT", 0)
    monkeypatch.setattr(restoring, "write", write_and_die)
    return write


def assert_same(model, other):
    torch.testing.assert_close(model.state_dict(), other.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("number", [1, 2, 37, 60, 61, 62, 70])
def test_a_killed_training_ends_as_one_that_was_not(monkeypatch, tmp_path, data, whole, number):
    write = killed_at(monkeypatch, number)
    with pytest.raises(KilledError):
        train(data, 5, folder=tmp_path / "model", **SETTINGS)
    monkeypatch.setattr(restoring, "write", write)
    model = train(data, 5, folder=tmp_path / "model", **SETTINGS)

    assert_same(model, whole)
    assert_same(load(tmp_path / "model"), whole)
    assert model.hparams["record"] == whole.hparams["record"]
    assert model.hparams["record"]["best_step"] > 30
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.fixture
def left(monkeypatch, tmp_path, data):
    """Return the folder of a training that was killed in the middle."""
    write = killed_at(monkeypatch, 30)
    with pytest.raises(KilledError):
        train(data, 5, folder=tmp_path / "model", **SETTINGS)
    monkeypatch.setattr(restoring, "write", write)
    return tmp_path / "model.unfinished"


@pytest.mark.parametrize("kept", [0, 1])
def test_damaged_restore_points_are_passed_over(left, data, whole, caplog, kept):
    points = restoring.points(left / "0-chosen")
    for point in points[: 2 - kept]:
        content = bytearray(point.read_bytes())
        content[len(content) // 2] ^= 1
        point.write_bytes(content)
    model = train(data, 5, folder=left.with_name("model"), **SETTINGS)

    assert len(points) == 2
    assert caplog.text.count("is damaged") == 2 - kept
    assert_same(model, whole)


@pytest.mark.parametrize("other", [{"seed": 1}, {"hidden_size": 5}, {"weight": "worth"}])
def test_another_training_does_not_go_on_in_its_place(left, data, other):
    before = sorted(left.rglob("*"))
    with pytest.raises(FileExistsError, match="unfinished training with other data or settings"):
        train(data, 5, folder=left.with_name("model"), **{**SETTINGS, **other})

    assert sorted(left.rglob("*")) == before


def test_a_folder_that_a_kill_left_empty_is_no_other_training(tmp_path, data, whole):
    (tmp_path / "model.unfinished").mkdir()

    assert_same(train(data, 5, folder=tmp_path / "model", **SETTINGS), whole)


def test_nothing_is_left_by_a_training_that_is_refused(tmp_path, data):
    with pytest.raises(ValueError, match="dilation"):
        train(data, 5, folder=tmp_path / "model", **SETTINGS, dilations=[0])

    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_the_steps_that_were_counted_are_those_of_the_run_that_goes_on(monkeypatch, tmp_path, data):
    write = killed_at(monkeypatch, 3)
    timed = {**SETTINGS, "max_steps": None, "max_seconds": 3}
    with pytest.raises(KilledError):
        train(data, 5, folder=tmp_path / "model", **timed)
    monkeypatch.setattr(restoring, "write", write)
    model = train(data, 5, folder=tmp_path / "model", **timed)
    steps = model.hparams["record"]["max_steps"]

    assert_same(model, train(data, 5, **{**SETTINGS, "max_steps": steps}))


def killed_process(folder):
    train(days(), 5, folder=folder, **SETTINGS)


@pytest.mark.parametrize(
    "seconds", [3.0, *(pytest.param(s, marks=pytest.mark.slow) for s in np.linspace(0.5, 9, 20))]
)
def test_a_process_that_is_killed_loses_nothing(tmp_path, data, whole, seconds):
    process = multiprocessing.get_context("fork").Process(
        target=killed_process, args=(tmp_path / "model",)
    )
    process.start()
    time.sleep(seconds)
    process.kill()
    process.join()
    is_whole = (tmp_path / "model").exists()
    again = {"overwrite": True} if is_whole else {}
    model = train(data, 5, folder=tmp_path / "model", **SETTINGS, **again)

    assert_same(model, whole)
    assert_same(load(tmp_path / "model"), whole)


def test_a_kill_while_the_restore_points_are_removed_stops_no_other_training(
    tmp_path, data, monkeypatch
):
    remove = shutil.rmtree

    def begin_to_remove(path, **options):
        if not any(Path(path).rglob("*.points")):
            return remove(path, **options)
        (Path(path) / "call.json").unlink()
        raise KilledError

    monkeypatch.setattr(shutil, "rmtree", begin_to_remove)
    with pytest.raises(KilledError):
        train(data, 5, folder=tmp_path / "model", **SETTINGS)
    monkeypatch.setattr(shutil, "rmtree", remove)
    assert len(list(tmp_path.iterdir())) == 2
    train(data, 5, folder=tmp_path / "model", **SETTINGS | {"max_steps": 5}, overwrite=True)

    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_second_training_into_one_folder_is_refused(tmp_path, data):
    place = tmp_path / "model"
    refused = pytest.raises(OSError, match="Another run writes `folder`")
    with held("folder", place.with_name("model.unfinished")), refused:
        train(data, 5, folder=place, **SETTINGS)
    assert not any(tmp_path.iterdir())


def test_a_folder_that_was_filled_meanwhile_is_not_replaced(tmp_path, data, monkeypatch):
    split = ForecastData.split

    def split_slowly(*args, **options):
        (tmp_path / "model").mkdir()
        return split(*args, **options)

    monkeypatch.setattr(ForecastData, "split", split_slowly)
    with pytest.raises(FileExistsError, match=r"`folder` .* exists"):
        train(data, 5, folder=tmp_path / "model", **SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(("windows", "size"), [(10, 3), (4, 4), (3, 8)])
def test_an_order_can_be_entered_anywhere(windows, size):
    whole, later = Shuffled(windows, size, seed=1), Shuffled(windows, size, seed=1)
    later.first = 5
    batches = [batch for batch, _ in zip(whole, range(12), strict=False)]
    entered = [batch for batch, _ in zip(later, range(7), strict=False)]

    each = windows // min(size, windows)
    assert entered == batches[5:]
    assert len({place for batch in batches[:each] for place in batch}) == each * min(size, windows)
    assert len(set(map(tuple, batches))) > each

import io
import json
import random
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch

from contest import FOLDS, QUICK, WINDOWS, data, frame, small
from drnn_forecast import DilatedRNNForecaster, SeasonalNaive, backtest, compare
from drnn_forecast.data import described, fingerprint
from drnn_forecast.evaluation import lstm
from drnn_forecast.evaluation.comparison.store import Store
from drnn_forecast.model.losses.quantiles import quantile_loss

MODELS = [small(), SeasonalNaive(24)]


def run(folder, models=MODELS, table=None, **change):
    """Return a comparison and which runs were trained or forecast for it."""
    lines = []
    options = {"seeds": [0], **WINDOWS, **QUICK, **change}
    result = compare(data(table), models=models, folder=folder, announce=lines.append, **options)
    return result, [line.rsplit(" (", 1)[0] for line in lines if "finished before" not in line]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    return folder, run(folder)[0]


def test_finished_work_is_not_run_again_and_gives_the_same_results(finished):
    folder, first = finished
    again, work = run(folder)

    assert work == []
    for name in ("scores", "forecasts", "validation_forecasts", "runs", "significance"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(first, name))
    pd.testing.assert_frame_equal(again.table, first.table)


def test_a_file_of_finished_work_says_what_determined_it_and_opens_without_this_package(finished):
    folder, _ = finished
    ours, naive = sorted(folder.iterdir())

    assert ours.name.startswith("DilatedRNN-seed-0-fold-0-to-0-")
    assert naive.name.startswith("Seasonal-naive-24-seed-0-fold-0-to-0-")
    with zipfile.ZipFile(ours) as archive:
        kept = json.loads(archive.read("work.json"))
        forecasts = pd.read_parquet(io.BytesIO(archive.read("forecasts.parquet")))
    assert kept["identity"]["seed"] == 0
    assert kept["facts"]["epochs"] == 1
    assert len(forecasts) == (5 * 2 * 12)


def changed_value():
    table = frame()
    table.loc[5, "y"] += 1e-9
    return table


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": [1]},
        {"models": [small(hidden_size=5)]},
        {"models": [small(loss=quantile_loss(), dropout=0.1)]},
        {"table": changed_value()},
        {"horizon": 11},
        {"test_windows": 1},
        {"batch_size": 16},
    ],
    ids=["seed", "size", "option", "value", "horizon", "windows", "batch"],
)
def test_work_under_another_setting_is_not_taken_for_finished(finished, change, tmp_path):
    folder, _ = finished
    models = [model for model in change.pop("models", MODELS) if model.name == "DilatedRNN"]
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    _, work = run(tmp_path, models=models, **change)

    assert len(work) == 1


def test_what_changes_no_forecast_needs_no_new_run(finished):
    folder, _ = finished
    _, work = run(folder, scale_season=12, learning_rates=(0.1, 0.2), progress=True)

    assert work == []


def test_a_fold_under_another_number_is_not_taken_for_finished(tmp_path):
    # The last fold reads the same rows whatever its number; a long name hides it in the file's.
    long_name = small("A model whose name alone is longer than what a file's name shows of it")
    options = {"models": [long_name], "seeds": [0], **FOLDS, **QUICK}
    backtest(data(), folder=tmp_path, **{**options, "folds": 2})
    resumed = backtest(data(), folder=tmp_path, **{**options, "folds": 3})
    fresh = backtest(data(), **{**options, "folds": 3})

    assert resumed.runs["fold"].tolist() == [0, 1, 2]
    pd.testing.assert_frame_equal(resumed.forecasts, fresh.forecasts, check_exact=True)
    pd.testing.assert_frame_equal(resumed.scores, fresh.scores, check_exact=True)


def copied(folder, target):
    """Return the file of the seasonal naive model in a copy of the folder."""
    shutil.copytree(folder, target, dirs_exist_ok=True)
    (path,) = target.glob("Seasonal*")
    return path


def test_work_that_was_removed_is_done_again(finished, tmp_path):
    folder, first = finished
    copied(folder, tmp_path).unlink()
    again, work = run(tmp_path)

    assert work == ["Seasonal naive (24), seed 0"]
    pd.testing.assert_frame_equal(again.forecasts, first.forecasts)
    assert run(tmp_path)[1] == []


@pytest.mark.parametrize("length", [0, 1, 100, -1], ids="{} bytes".format)
def test_work_that_was_cut_is_done_again(finished, tmp_path, length):
    folder, _ = finished
    path = copied(folder, tmp_path)
    path.write_bytes(path.read_bytes()[:length])

    assert run(tmp_path)[1] == ["Seasonal naive (24), seed 0"]


@pytest.mark.parametrize("place", np.linspace(0, 0.999, 30).round(3))
def test_a_flipped_bit_gives_no_other_work(finished, tmp_path, place):
    folder, _ = finished
    path = copied(folder, tmp_path)
    content = bytearray(path.read_bytes())
    store, name = Store(tmp_path), path.name.rsplit("-", 1)[0]
    with zipfile.ZipFile(path) as archive:
        identity = json.loads(archive.read("work.json"))["identity"]
    whole = store.load(name, identity)
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)
    found = store.load(name, identity)

    if found is not None:  # what was hit is read by nobody, such as the time of the file
        assert found.facts == whole.facts
        pd.testing.assert_frame_equal(found.forecasts, whole.forecasts, check_exact=True)


def test_a_search_is_kept_too(tmp_path):
    options = {"models": [lstm(hidden_size=4)], "learning_rates": (0.001, 0.01)}
    first, work = run(tmp_path, **options)
    again, rest = run(tmp_path, **options)

    assert len(work) == len(first.settings["search"]["LSTM"]["losses"]) + 1 > 3
    assert rest == []
    assert again.settings["search"] == first.settings["search"]


def test_a_failure_is_tried_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(DilatedRNNForecaster, "on_train_start", lambda model: 1 / 0)
        result, _ = run(tmp_path, models=MODELS)
    assert result.table.loc["DilatedRNN", "failed"] == 1
    assert "ZeroDivisionError: division by zero" in result.runs["failure"].iloc[0]

    result, work = run(tmp_path, models=MODELS)
    assert result.table.loc["DilatedRNN", "failed"] == 0
    assert work == ["DilatedRNN, seed 0"]


@pytest.mark.slow
def test_an_interrupted_backtest_goes_on_where_it_stopped(tmp_path, monkeypatch, control_c):
    options = {"models": [small()], "seeds": (0, 1), **FOLDS, **QUICK}
    whole = backtest(data(), **options)
    started = []

    def stop_at_the_fourth(model):
        started.append(model)
        if len(started) == 4:
            control_c()

    with monkeypatch.context() as patch:
        patch.setattr(DilatedRNNForecaster, "on_train_start", stop_at_the_fourth)
        with pytest.raises(KeyboardInterrupt, match="3 of 6 runs are finished and kept in"):
            backtest(data(), folder=tmp_path, **options)
    lines = []
    result = backtest(data(), folder=tmp_path, announce=lines.append, **options)

    assert [line.endswith("finished before") for line in lines] == [True] * 3 + [False] * 3
    pd.testing.assert_frame_equal(result.forecasts, whole.forecasts, check_exact=True)
    pd.testing.assert_frame_equal(result.scores, whole.scores, check_exact=True)


def test_an_interrupt_without_a_folder_says_that_nothing_is_kept(monkeypatch, control_c):
    monkeypatch.setattr(DilatedRNNForecaster, "on_train_start", lambda model: control_c())
    with pytest.raises(KeyboardInterrupt, match="1 of 2 runs are finished, and nothing is kept"):
        compare(data(), models=[SeasonalNaive(24), small()], seeds=[0], **WINDOWS, **QUICK)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "cells").write_text("precious")
    with pytest.raises(NotADirectoryError, match="is a file; name a folder"):
        run(tmp_path / "cells")
    assert (tmp_path / "cells").read_text() == "precious"


def test_a_fingerprint_tells_rows_columns_and_roles_apart():
    table = frame()
    prints = {
        fingerprint(data(table)),
        fingerprint(data(table, known=["price"])),
        fingerprint(data(table.assign(y=table["y"] + 1e-9))),
        fingerprint(data(table.assign(price=table["price"].astype("float32")))),
        fingerprint(data(table.assign(ds=table["ds"] + pd.Timedelta(hours=1)))),
    }
    assert len(prints) == 5
    assert fingerprint(data(frame())) in prints


class Plain:
    def __init__(self, value):
        self.value = value


def scaled(factor):
    return lambda values: values * factor


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.5),
        (1, "1"),
        (None, False),
        ({"a": 1}, {"a": 2}),
        ([1, 2], [2, 1]),
        (torch.zeros(2), torch.zeros(3)),
        (torch.zeros(2), torch.ones(2)),
        (torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)),
        (torch.nn.Dropout(0.1), torch.nn.Dropout(0.2)),
        (quantile_loss(), type(quantile_loss())([0.5])),
        (Plain(1), Plain(2)),
        (scaled(2), scaled(3)),
        (pd.Timestamp("2024"), pd.Timestamp("2025")),
        (torch.relu, torch.tanh),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_differ_are_described_differently(one, other):
    assert described(one) != described(other)
    assert described(one) == described(one)


def test_equal_losses_are_described_alike_without_an_address():
    assert described(quantile_loss()) == described(quantile_loss())
    assert "0x" not in described({"a": [quantile_loss(), Plain(3)], "f": scaled(2)})


def stored(folder):
    """Return a store, and the arguments by which a piece of work in it is found."""
    forecasts = pd.DataFrame({"series": ["a", "b"] * 5, "actual": np.arange(10.0)})
    place = "model-seed-0", {"model": "m", "seed": 0}
    store = Store(folder)
    store.save(*place, {"epochs": 3, "losses": {0.001: 1.5, 1e-05: 2.0}}, forecasts)
    return store, place


def check_flips(folder, count, seed):
    store, place = stored(folder)
    (path,) = folder.iterdir()
    whole, draw = path.read_bytes(), random.Random(seed)
    true = store.load(*place)
    assert true is not None
    for _ in range(count):
        content = bytearray(whole)
        number = draw.randrange(8 * len(whole))
        content[number // 8] ^= 1 << number % 8
        path.write_bytes(bytes(content))
        found = store.load(*place)
        if found is not None:
            assert found.facts == true.facts
            pd.testing.assert_frame_equal(found.forecasts, true.forecasts, check_exact=True)


def test_a_flipped_bit_of_finished_work_is_noticed_or_makes_no_difference(tmp_path):
    check_flips(tmp_path / "cells", 200, seed=0)


@pytest.mark.slow
def test_ten_thousand_flipped_bits_of_finished_work_are_noticed(tmp_path):
    check_flips(tmp_path / "cells", 10_000, seed=1)


@pytest.mark.parametrize("part", ["facts", "forecasts.parquet", "no forecasts", "another file"])
def test_work_that_was_changed_within_its_file_counts_as_unfinished(tmp_path, part):
    store, place = stored(tmp_path / "cells")
    (path,) = (tmp_path / "cells").iterdir()
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if part == "facts":
        parts["work.json"] = parts["work.json"].replace(b'"epochs": 3', b'"epochs": 4')
    elif part == "forecasts.parquet":
        parts[part] = pd.DataFrame({"series": ["a"], "actual": [0.0]}).to_parquet()
    elif part == "no forecasts":
        del parts["forecasts.parquet"]
    else:
        parts["forecasts.parquft"] = parts.pop("forecasts.parquet")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert store.load(*place) is None

import json

import pandas as pd
import pytest
import torch

from contest import FOLDS, QUICK, WINDOWS, data, frame, small
from drnn_forecast import DilatedRNNForecaster, SeasonalNaive, backtest, compare
from drnn_forecast.evaluation import lstm
from drnn_forecast.evaluation.comparison.identity import described, fingerprint
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


def test_a_folder_holds_a_json_and_a_parquet_file_for_every_run(finished):
    folder, _ = finished
    files = sorted(path.name for path in folder.iterdir())

    assert [name.rsplit("-", 1)[0] for name in files] == [
        "DilatedRNN-seed-0-fold-0-to-0",
        "DilatedRNN-seed-0-fold-0-to-0",
        "Seasonal-naive-24-seed-0-fold-0-to-0",
        "Seasonal-naive-24-seed-0-fold-0-to-0",
    ]
    kept = json.loads((folder / files[0]).read_text())
    assert kept["identity"]["seed"] == 0
    assert kept["facts"]["epochs"] == 1


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
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    _, work = run(tmp_path, models=models, **change)

    assert len(work) == 1


def test_what_changes_no_forecast_needs_no_new_run(finished):
    folder, _ = finished
    _, work = run(folder, season_length=12, learning_rates=(0.1, 0.2), progress=True)

    assert work == []


@pytest.mark.parametrize("suffix", [".json", ".parquet"])
@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_work_that_is_not_there_as_a_whole_is_done_again(finished, tmp_path, suffix, damage):
    folder, first = finished
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (path,) = tmp_path.glob(f"Seasonal*{suffix}")
    path.unlink() if damage == "removed" else path.write_bytes(path.read_bytes()[:100])
    again, work = run(tmp_path)

    assert work == ["Seasonal naive (24), seed 0"]
    pd.testing.assert_frame_equal(again.forecasts, first.forecasts)
    assert run(tmp_path)[1] == []


def test_a_search_is_kept_too(tmp_path):
    options = {"models": [lstm(hidden_size=4)], "learning_rates": (0.001, 0.01)}
    first, work = run(tmp_path, **options)
    again, rest = run(tmp_path, **options)

    assert len(work) == 3
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

import re

import pandas as pd
import pytest

from drnn_forecast.cli import main
from drnn_forecast.cli.demo import demonstrate, sample_data, score_text

QUICK = {"max_seconds": 2, "num_series": 2, "validation_windows": 2, "test_windows": 2}
NAMES = ["DilatedRNN", "LSTM", "DeepAR", "Seasonal naive (24)", "Seasonal naive (168)"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "results"
    return demonstrate(folder, progress=False, **QUICK)


def test_the_demonstration_writes_its_tables_and_pictures(shown):
    assert sorted(path.name for path in shown.folder.iterdir()) == [
        "error_by_horizon.png",
        "forecast.csv",
        "forecast.png",
        "scores.csv",
    ]
    assert all(path.stat().st_size > 500 for path in shown.folder.iterdir())


def test_without_matplotlib_the_demonstration_is_refused_before_any_work(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("drnn_forecast.cli.demo.find_spec", lambda name: None)

    assert main(["demo", "--out", str(tmp_path / "demo")]) == 2
    assert "pip install 'drnn-forecast[report]'" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_the_final_forecast_covers_the_last_two_days_of_every_country(shown):
    forecast = pd.read_csv(shown.folder / "forecast.csv", parse_dates=["time"])
    last = sample_data(2).history.groupby("series").tail(48)

    assert list(zip(forecast["series"], forecast["time"], strict=True)) == list(
        zip(last["series"], last["time"], strict=True)
    )
    assert list(forecast.columns[2:]) == [
        "q0.025",
        "q0.1",
        "q0.25",
        "q0.5",
        "q0.75",
        "q0.9",
        "q0.975",
    ]
    assert (forecast.iloc[:, 2:].diff(axis=1).iloc[:, 1:] >= 0).all().all()


def test_the_table_scores_every_model_and_marks_what_is_not_its_own(shown):
    table = pd.read_csv(shown.folder / "scores.csv", index_col="model")
    text = score_text(shown.table)

    assert list(table.index) == NAMES
    for name in NAMES:
        (line,) = re.findall(rf"^{re.escape(name)} .*$", text, re.MULTILINE)
        assert ("*" in line) == (table.loc[name, "quantiles from"] == "residuals")
        assert f"{table.loc[name, 'MASE']:.3f}" in line
    assert table.loc[NAMES[:3], "learning rate"].notna().all()
    assert "oracle" in text


def test_every_neural_model_had_the_same_time(shown):
    table = shown.table.iloc[:3]

    assert (table["stopped by"] == "max_seconds").all()


@pytest.mark.slow
def test_the_command_writes_into_a_folder_that_it_names_and_never_twice(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("drnn_forecast.cli.demo.models", lambda: _naive_and_small())
    flags = [f"--{name}={value}" for name, value in QUICK.items()]

    assert main(["demo", "--progress=false", *flags]) == 0
    assert main(["demo", "--progress=false", *flags]) == 0
    said = capsys.readouterr().out
    assert "drnn-demo/forecast.png" in said
    assert "drnn-demo-2/forecast.png" in said
    assert len(list((tmp_path / "drnn-demo").iterdir())) == 4


def _naive_and_small():
    from drnn_forecast.evaluation.contenders.naive import SeasonalNaive
    from drnn_forecast.evaluation.contenders.neural import dilated_rnn

    small = dilated_rnn(hidden_size=4, num_layers=1)
    return [small, SeasonalNaive(24)]


def test_an_existing_folder_is_left_alone(tmp_path):
    (tmp_path / "kept.txt").write_text("precious")
    with pytest.raises(FileExistsError):
        demonstrate(tmp_path, progress=False, **QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_more_countries_than_there_are_or_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`num_series` must be between 1 and 8, got 9"):
        demonstrate(tmp_path / "new", num_series=9)
    assert not (tmp_path / "new").exists()

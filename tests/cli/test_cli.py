import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

import drnn_forecast as drnn
from command_line import FIT, QUICK, SMALL, future_of, run, table, write
from drnn_forecast import DilatedRNNForecaster


def test_a_user_fits_and_predicts_with_two_commands(tmp_path):
    frame = table()
    write(frame, tmp_path / "data.csv")
    write(future_of(frame), tmp_path / "future.csv")
    command = [sys.executable, "-m", "drnn_forecast"]
    covariates = ["--known", "price", "--observed", "[visits]", "--static", "region"]

    fitted = subprocess.run(
        [*command, "fit", "data.csv", *FIT, *covariates, *SMALL],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert fitted.returncode == 0, fitted.stderr
    assert "Written: model\n" in fitted.stdout
    assert "Best after" in fitted.stderr
    predicted = subprocess.run(
        [*command, "predict", "model", "data.csv", "--future", "future.csv", "--out", "f.csv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert predicted.returncode == 0, predicted.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        "data.csv",
        "future.csv",
        "model",
        "f.csv",
    }
    result = pd.read_csv(tmp_path / "f.csv", parse_dates=["ds"])
    expected = future_of(frame)[["unique_id", "ds"]]
    pd.testing.assert_frame_equal(result[["unique_id", "ds"]], expected, check_dtype=False)
    quantiles = result.filter(like="q").drop(columns="unique_id")
    assert list(quantiles) == ["q0.025", "q0.1", "q0.25", "q0.5", "q0.75", "q0.9", "q0.975"]
    assert (quantiles.diff(axis=1).iloc[:, 1:] >= 0).all().all()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_come_and_go_as_csv_or_parquet(here, suffix):
    data = write(table(), here / f"data{suffix}")

    assert run("fit", data, *FIT, *SMALL) == 0
    assert run("predict", "model", data, "--out", f"out{suffix}") == 0
    read = pd.read_csv if suffix == ".csv" else pd.read_parquet
    assert len(read(here / f"out{suffix}")) == 24


def test_without_a_file_the_forecast_goes_to_the_screen(here, capsys):
    data = write(table(), here / "data.csv")
    run("fit", data, *FIT, *SMALL)
    capsys.readouterr()

    assert run("predict", "model", data) == 0
    assert capsys.readouterr().out.startswith("unique_id,ds,q0.025,")


def test_a_yaml_file_stands_for_flags(here):
    data = write(table(), here / "data.csv")
    (here / "run.yaml").write_text(
        "time: ds\ntarget: y\nseries: unique_id\nhorizon: 12\ndilations: [1, 6]\nhidden_size: 4\n"
        "context_length: 24\nmax_steps: 2\nprogress: false\n"
    )

    assert run("fit", "--config", "run.yaml", data) == 0
    assert drnn.load(here / "model").hparams.dilations == (1, 6)


def test_seasons_follow_from_the_frequency_and_can_be_chosen(here):
    data = write(table(), here / "data.csv")
    choices = {"a": [], "b": ["--season_length", "[6,12]"], "c": ["--season_length", "[]"]}
    for name, flags in choices.items():
        assert run("fit", data, *FIT, *SMALL, *flags, "--out", name) == 0
    seasons = [drnn.load(here / name).hparams.season_length for name in choices]
    assert seasons == [(24,), [6, 12], None]


def test_the_levels_of_the_quantiles_can_be_chosen(here):
    data = write(table(), here / "data.csv")

    assert run("fit", data, *FIT, *SMALL, "--quantiles", "[0.9,0.5,0.25]") == 0
    assert run("predict", "model", data, "--out", "out.csv") == 0
    assert list(pd.read_csv(here / "out.csv").columns[2:]) == ["q0.25", "q0.5", "q0.9"]


def without(column):
    return lambda frame: frame.drop(columns=column)


def with_values(column, rows, value):
    def change(frame):
        frame = frame.astype({column: object}) if isinstance(value, str) else frame
        frame.loc[rows, column] = value
        return frame

    return change


BAD_TABLES = [
    (without("y"), [], r"Column 'y' is not in `frame`"),
    (lambda frame: frame.rename(columns={"y": "Y"}), [], "did you mean 'Y'"),
    (lambda frame: pd.concat([frame, frame.iloc[:3]]), [], "3 duplicates, first"),
    (
        lambda frame: frame.drop(index=[50, 51]),
        ["--missing", "error"],
        "2 steps are missing in 1 gap",
    ),
    (with_values("y", [7], np.inf), [], "Target column 'y' must"),
    (with_values("price", [7], np.inf), ["--known", "price"], "Covariate column 'price' must have"),
    (with_values("y", [7], "many"), [], "Target column 'y' must hold numbers"),
    (lambda frame: frame.iloc[:13], [], "At least one series needs 14 rows"),
    (lambda frame: frame.iloc[:0], [], "is empty: it has a header, but no rows"),
    (
        lambda frame: frame[(frame.unique_id == "s0") | (frame.ds.dt.hour == 0)],
        [],
        "All series must share one frequency",
    ),
    (lambda frame: frame, ["--known", "nice"], "Column 'nice' is not in `frame`"),
    (lambda frame: frame, ["--known", "y"], "'y' is given as `target` and as `known`"),
    (lambda frame: frame, ["--static", "price"], "Static covariate 'price' must be constant"),
    (lambda frame: frame, ["--freq", "blue"], "blue"),
    (lambda frame: frame, ["--hidden_size", "0"], "`hidden_size` must be at least 1, got 0"),
    (lambda frame: frame, ["--num_layers", "0"], "`num_layers` must be at least 1, got 0"),
    (lambda frame: frame, ["--dilation_base", "0"], "`dilation_base` must be at least 1, got 0"),
    (lambda frame: frame, ["--start_exponent", "-1"], "`start_exponent` must be at least 0"),
    (lambda frame: frame, ["--dilations", "[1,2]"], "`dilations` and `num_layers` exclude each"),
    (lambda frame: frame, ["--cell_type", "CNN"], "`cell_type` must be one of RNN, GRU, LSTM"),
    (lambda frame: frame, ["--dropout", "1"], "`dropout` must be at least 0 and below 1"),
    (lambda frame: frame, ["--season_length", "0"], "`season_length` must be at least 1, got 0"),
    (lambda frame: frame, ["--horizon", "0"], "`horizon` must be at least 1, got 0"),
    (lambda frame: frame, ["--context_length", "0"], "`context_length` must be at least"),
    (lambda frame: frame, ["--quantiles", "[0.1,0.9]"], "`quantiles` must include 0.5"),
    (lambda frame: frame, ["--quantiles", "[0.5,1.5]"], "`quantiles` must be different numbers"),
    (lambda frame: frame, ["--max_steps", "0"], "`max_steps` must be at least 1, got 0"),
]


@pytest.mark.parametrize(("change", "flags", "message"), BAD_TABLES)
def test_a_table_that_cannot_be_learned_from_gets_one_error_and_no_file(
    here, capsys, change, flags, message
):
    data = write(change(table()), here / "data.csv")

    assert run("fit", data, *FIT, *SMALL, *flags) == 2
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("drnn-forecast: error: ")
    assert error.count("error") == 1
    assert message in error
    assert [path.name for path in here.iterdir()] == ["data.csv"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "The table 'none.csv' does not exist"),
        ("empty.csv", b"", "The table 'empty.csv' is empty"),
        ("data.xlsx", b"a,b\n1,2\n", "A table must be named .csv or .parquet"),
        ("data.csv", b"\x00\x01\x02", "'data.csv' must be text in"),
        ("data.parquet", b"not parquet", "'data.parquet' is not a"),
    ],
)
def test_a_file_that_is_no_table_is_refused(here, capsys, name, content, message):
    if content is not None:
        (here / name).write_bytes(content)

    assert run("fit", name, *FIT, *SMALL) == 2
    assert message in capsys.readouterr().err
    assert not (here / "model").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["fit", "data.csv", "--time", "ds"], "required"),
        (["fit", "data.csv", *FIT, "--wideness", "4"], "wideness"),
        (["fit", "data.csv", *FIT, "--hidden_size", "four"], "hidden_size"),
        (["forecast"], "forecast"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(here, capsys, args, message):
    assert run(*args) == 2
    assert message in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_unsorted_rows_are_sorted_and_said_once(here, caplog):
    shuffled = table().sample(frac=1, random_state=0)
    assert run("fit", write(shuffled, here / "data.csv"), *FIT, *SMALL) == 0

    said = [record.message for record in caplog.records if "sort" in record.message.lower()]
    assert len(said) == 1
    run("fit", write(table(), here / "sorted.csv"), *FIT, *SMALL, "--out", "sorted")
    one, other = (drnn.load(here / name).state_dict() for name in ("model", "sorted"))
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_gaps_are_taken_and_short_series_dropped_when_asked(here, caplog):
    frame = table(num_series=3)
    frame = frame.drop(index=[50, 51]).drop(index=frame[frame.unique_id == "s2"].index[30:])
    data = write(frame, here / "data.csv")

    assert run("fit", data, *FIT, *SMALL, "--missing", "previous", "--drop_short", "true") == 0
    assert any("Left out 1 series" in record.message for record in caplog.records)


def test_a_model_is_never_overwritten_unasked(here, capsys):
    data = write(table(), here / "data.csv")
    (here / "model").mkdir()
    (here / "model" / "kept.txt").write_text("precious")

    assert run("fit", data, *FIT, *SMALL) == 2
    assert "`out` 'model' exists" in capsys.readouterr().err
    assert [path.name for path in (here / "model").iterdir()] == ["kept.txt"]
    assert run("fit", data, *FIT, *SMALL, "--overwrite", "true") == 0


@pytest.fixture
def fitted(here):
    data = write(table(), here / "data.csv")
    assert run("fit", data, *FIT, *SMALL, "--known", "price", "--static", "region") == 0
    return data


def test_predicting_without_the_known_covariates_names_what_is_missing(fitted, capsys):
    assert run("predict", "model", fitted, "--out", "out.csv") == 2
    error = capsys.readouterr().err
    assert "price" in error or "future rows are missing" in error
    assert not (fitted.parent / "out.csv").exists()


def test_a_new_series_and_a_new_category_are_forecast(here, fitted):
    frame = table(num_series=3)
    frame.loc[frame.unique_id == "s2", "region"] = "east"
    data = write(frame, here / "more.csv")
    future = write(future_of(frame), here / "future.csv")

    with pytest.warns(UserWarning, match="does not know 1 of 3 labels in 'region': 'east'"):
        assert run("predict", "model", data, "--future", future, "--out", "out.csv") == 0
    assert set(pd.read_csv(here / "out.csv")["unique_id"]) == {"s0", "s1", "s2"}


@pytest.mark.parametrize("content", [None, b"", b"something else"])
def test_a_bad_checkpoint_is_refused(here, capsys, content):
    data = write(table(), here / "data.csv")
    if content is not None:
        (here / "bad.ckpt").write_bytes(content)

    assert run("predict", "bad.ckpt", data) == 2
    expected = "does not exist" if content is None else "is not a whole Lightning checkpoint"
    assert expected in capsys.readouterr().err


def test_the_preset_best_saves_an_ensemble_that_predicts_like_any_model(here):
    data = write(table(), here / "data.csv")

    assert run("fit", data, *FIT, *SMALL, "--preset", "best", "--max_seconds", "30") == 0
    assert isinstance(drnn.load(here / "model"), drnn.Ensemble)
    assert run("predict", "model", data, "--horizon", "3", "--out", "out.csv") == 0
    assert len(pd.read_csv(here / "out.csv")) == 2 * 3


def test_a_forecast_from_an_origin_ends_where_the_horizon_does(here):
    data = write(table(), here / "data.csv")
    run("fit", data, *FIT, *SMALL)
    start = "2024-01-05 00:00"

    assert run("predict", "model", data, "--origin", start, "--horizon", "2", "--out", "o.csv") == 0
    times = pd.read_csv(here / "o.csv", parse_dates=["ds"])["ds"]
    assert times.tolist() == 2 * [pd.Timestamp(start), pd.Timestamp("2024-01-05 01:00")]


def test_the_version_is_shown(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"drnn-forecast {drnn.__version__}\n"


@pytest.mark.parametrize(
    "args", [["fit", "data.csv", *FIT, "--horizon", "x"], ["forecast"], ["fit"]]
)
def test_a_mistake_is_said_in_one_line(capsys, args):
    assert run(*args) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_interrupt_in_training_is_said_and_leaves_no_file(here, capsys, monkeypatch, control_c):
    monkeypatch.setattr(DilatedRNNForecaster, "on_train_start", lambda model: control_c())
    data = write(table(), here / "data.csv")

    assert run("fit", data, *FIT, *SMALL) == 130
    assert "interrupted" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["data.csv"]


def uneven_table():
    """Return one long and one short series of months, as in M3."""
    frame = table(num_series=2, length=90)
    time = pd.date_range("2010-01-01", periods=90, freq="MS").astype(str)
    frame["ds"] = np.tile(time, 2)
    return frame.drop(index=range(90, 134))


def test_short_series_take_part_with_what_they_have(here, capsys):
    data = write(uneven_table(), here / "data.csv")

    assert run("fit", data, *FIT, *QUICK, "--hidden_size", "4") == 0
    assert run("predict", "model", data) == 0
    assert capsys.readouterr().out.count("\ns1,") == 12


def test_a_table_in_one_utc_offset_is_forecast_as_in_both(here, capsys):
    frame = table(length=400).assign(
        ds=np.tile(pd.date_range("2024-03-20", periods=400, freq="h", tz="Europe/Berlin"), 2)
    )
    whole = write(frame, here / "data.csv")
    late = write(frame[frame["ds"] > "2024-04-01"], here / "late.csv")
    assert run("fit", whole, *FIT, *SMALL) == 0
    assert run("fit", whole, *FIT, *SMALL, "--zone", "Europe/Berlin", "--out", "local") == 0
    for model, offset in (("model", "+00:00"), ("local", "+02:00")):
        capsys.readouterr()
        assert run("predict", model, whole) == 0
        expected = capsys.readouterr().out
        assert expected.count(offset) == 24
        assert run("predict", model, late) == 0
        assert capsys.readouterr().out == expected


def test_holidays_are_those_of_a_country_or_of_a_column_of_countries(here, capsys):
    data = write(table().assign(land="DE"), here / "data.csv")
    assert run("fit", data, *FIT, *SMALL, "--holidays", "DE") == 0
    assert run("fit", data, *FIT, *SMALL, "--holidays", "land", "--out", "by_column") == 0
    said = []
    for model in ("model", "by_column"):
        capsys.readouterr()
        assert run("predict", model, data) == 0
        said.append(capsys.readouterr().out)

    assert said[0] == said[1] != ""


@pytest.mark.parametrize("command", ["fit", "tune", "compare", "backtest"])
def test_every_command_on_a_table_refuses_a_country_without_a_calendar(here, capsys, command):
    data = write(table(), here / "data.csv")

    assert run(command, data, *FIT, "--holidays", "XX") == 2
    assert "of which there is a calendar, got 'XX'" in capsys.readouterr().err

import pandas as pd
import pytest

from contest import frame
from drnn_forecast import DilatedRNNForecaster
from drnn_forecast.cli import main
from drnn_forecast.cli.comparison import Contest
from drnn_forecast.evaluation.contenders.registry import MODEL_NAMES

TABLE = ["--time", "ds", "--target", "y", "--series", "id", "--horizon", "12"]
SMALL = ["--context_length", "48", "--max_epochs", "1", "--steps_per_epoch", "2"]
MODELS = ["--models", "[dilated_gru,seasonal_naive]", "--learning_rates", "[0.01]"]
FLAGS = [*TABLE, *SMALL, *MODELS, "--seeds", "[0,1]"]
FILES = ["forecasts.csv", "runs.csv", "scores.csv", "significance.csv", "table.csv"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame().to_parquet(tmp_path / "data.parquet")
    return tmp_path


def run(*args):
    """Run a command line in this process; return its exit status."""
    try:
        return main([str(arg) for arg in args])
    except SystemExit as stop:
        return stop.code


def test_a_comparison_is_shown_written_and_never_overwritten(here, capsys):
    command = ["compare", "data.parquet", *FLAGS, "--out", "out"]

    assert run(*command) == 0
    said, progress = capsys.readouterr()
    assert "DilatedRNN (GRU), seed 0 (1 of 3)" in progress
    assert "horizon: 12" in said
    assert "± " in said
    assert "overhead" in said
    assert run(*command, "--report", "false") == 0
    assert "seed 1 (2 of 3): finished before" in capsys.readouterr().err
    first, again = (here / "out" / name for name in ("results", "results-2"))
    assert (first / "report.html").stat().st_size > 10_000
    assert sorted(path.name for path in again.iterdir()) == FILES
    for name in ("forecasts.csv", "scores.csv"):
        assert (first / name).read_bytes() == (again / name).read_bytes()


def test_a_backtest_writes_the_forecasts_of_every_fold(here, capsys):
    windows = ["--folds", "2", "--refit_every", "null", "--step", "6", "--window_length", "200"]
    quiet = ["--out", "out", "--report", "false"]

    assert run("backtest", "data.parquet", *FLAGS, *windows, *quiet) == 0
    forecasts = pd.read_csv(here / "out" / "results" / "forecasts.csv")
    assert forecasts["fold"].unique().tolist() == [0, 1]
    assert "sliding, 200 time steps" in capsys.readouterr().out


def test_an_interrupted_comparison_says_how_to_go_on(here, capsys, monkeypatch, control_c):
    command = ["compare", "data.parquet", *FLAGS, "--out", "out", "--report", "false"]
    with monkeypatch.context() as patch:
        patch.setattr(DilatedRNNForecaster, "on_train_start", lambda model: control_c())
        assert run(*command) == 130
    said = capsys.readouterr().err
    assert "interrupted, 0 of 3 runs are finished and kept in out/cells" in said

    assert run(*command) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--models", "[lstm,oracle]"], "`models` must be different names among dilated_lstm"),
        (["--test_windows", "100"], "`test_windows` must be at most 23"),
        (["--scale_season", "350"], "`scale_season` must be shorter"),
        (["--seeds", "[]"], "`seeds` must hold at least one seed, each once"),
        (["--max_seconds", "0"], "`max_seconds` must be above 0"),
        (["--known", "nothing"], "Column 'nothing' is not in `frame`"),
    ],
)
def test_a_mistake_gets_one_error_and_writes_nothing(here, capsys, flags, message):
    assert run("compare", "data.parquet", *FLAGS, "--out", "out", *flags) == 2
    error = capsys.readouterr().err
    assert error.startswith("drnn-forecast: error: ")
    assert message in error
    assert [path.name for path in here.iterdir()] == ["data.parquet"]


def test_a_report_without_its_extra_is_refused_before_any_work(here, capsys, monkeypatch):
    monkeypatch.setattr("drnn_forecast.cli.comparison.find_spec", lambda name: None)

    assert run("compare", "data.parquet", *FLAGS, "--out", "out") == 2
    assert "pip install 'drnn-forecast[report]'" in capsys.readouterr().err
    assert not (here / "out").exists()


def test_a_comparison_in_which_every_model_fails_ends_with_an_error(here, capsys, monkeypatch):
    def fail(*args, **options):
        raise ArithmeticError("no luck")

    monkeypatch.setattr("drnn_forecast.evaluation.comparison.engine.run", fail)
    assert run("compare", "data.parquet", *FLAGS, "--out", "out") == 1
    assert "Every model failed" in capsys.readouterr().err
    assert not (here / "out" / "results").exists()


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_help_names_every_model(name):
    assert name in Contest.__doc__


@pytest.mark.parametrize(
    "command", [("compare", "--test_windows", "1"), ("backtest", "--folds", "1")]
)
def test_short_series_are_compared_with_a_shorter_context(here, capsys, command):
    whole = frame()
    (first, *_) = whole["id"].unique()
    late = whole[whole["id"] == first].index[:-80]
    whole.drop(index=late).to_parquet(here / "uneven.parquet")
    name, *windows = command
    flags = [*FLAGS, *windows, "--validation_windows", "1", "--seeds", "[0]"]

    assert run(name, "uneven.parquet", *flags) == 2
    assert "Lower `min_context_length` (by default `context_length`)" in capsys.readouterr().err
    assert run(name, "uneven.parquet", *flags, "--min_context_length", "12") == 0
    printed = capsys.readouterr().out
    assert "DilatedRNN (GRU)" in printed
    assert "nan" not in printed.lower()

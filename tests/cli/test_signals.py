"""Every command ends soon and plainly when it is told to, and keeps what is finished."""

import os
import signal
import subprocess
import sys
import time

import pytest

from command_line import FIT, table, write

INT, TERM = int(signal.SIGINT), int(signal.SIGTERM)
WORDS = {INT: "interrupted", TERM: "terminated"}
WINDOWS = ["--context_length", "24", "--validation_windows", "2"]
LONG = [*WINDOWS, "--batch_size", "16"]
TRAIN = ["fit", "data.csv", *FIT, *LONG, "--hidden_size", "4", "--max_seconds", "50"]
NEURAL = [*FIT, *LONG, "--max_seconds", "50", "--max_epochs", "100000", "--patience", "100000"]
CONTEST = ["--seeds", "[0]", "--learning_rates", "[0.003]", "--models", "[seasonal_naive,lstm]"]
SEARCH = ["tune", "data.csv", *FIT, *WINDOWS, "--max_epochs", "1", "--steps_per_epoch", "1"]
SEARCH += ["--search_space.hidden_size", "4", "--search_space.dilations", "[[1,4]]"]

MOMENTS = {
    "a training": ([*TRAIN, "--progress", "true"], "Epoch "),
    "a comparison": (["compare", "data.csv", *NEURAL, *CONTEST, "--out", "out"], "LSTM, seed 0"),
    "a backtest": (
        ["backtest", "data.csv", *NEURAL, *CONTEST, "--folds", "2", "--out", "out"],
        "LSTM, seed 0",
    ),
    "a search": ([*SEARCH, "--n_trials", "5000"], "best "),
    "a search before its first trial": (
        [*SEARCH, "--n_trials", "5000", "--max_epochs", "9999"],
        "%",
    ),
    "a demonstration": (["demo", "--max_seconds", "50", "--num_series", "1"], "DilatedRNN, seed 0"),
}
SLOW = ("a backtest", "a search before its first trial", "a demonstration")


def moments():
    """Return every moment with each signal; few of them are for every day."""
    for name in MOMENTS:
        for number in (INT, TERM):
            is_slow = name in SLOW or (name != "a training" and number == INT)
            marks = [pytest.mark.slow] if is_slow else []
            yield pytest.param(name, number, id=f"{name}, {WORDS[number]}", marks=marks)


@pytest.fixture
def folder(tmp_path):
    write(table(), tmp_path / "data.csv")
    return tmp_path


@pytest.mark.parametrize(("name", "number"), [*moments()])
def test_a_signal_ends_a_command_with_its_status_and_one_sentence(parent, folder, name, number):
    args, moment = MOMENTS[name]

    found = parent.run(args, folder, 100, signals=[(moment, number)])

    assert found["status"] == 128 + number, found["err"][-2000:]
    last = found["err"].splitlines()[-1]
    assert last.startswith(f"drnn-forecast: {WORDS[number]}, ")
    assert "Traceback" not in found["err"]
    assert "Written" not in found["out"]
    assert not list(folder.rglob("*.lock"))
    assert not list(folder.rglob("*.partial*"))


def test_a_second_signal_ends_at_once(parent, folder):
    found = parent.run(
        [*TRAIN, "--progress", "true"], folder, 60, signals=[("Epoch ", TERM), ("Epoch ", TERM)]
    )
    assert found["status"] == 128 + TERM


def test_a_comparison_that_is_terminated_keeps_its_cells(parent, folder):
    args, moment = MOMENTS["a comparison"]
    assert parent.run(args, folder, 60, signals=[(moment, TERM)])["status"] == 143

    found = parent.run(args, folder, 60, signals=[(moment, TERM)])
    assert "Seasonal naive (24), seed 0 (1 of 2): finished before" in found["err"]
    assert "1 of 2 runs are finished and kept in out/cells" in found["err"]


def test_a_search_that_is_terminated_leaves_no_trial_running(parent, folder):
    optuna = pytest.importorskip("optuna")
    args, moment = MOMENTS["a search"]
    found = parent.run(args, folder, 60, signals=[(moment, TERM)])

    assert found["status"] == 128 + TERM, found["err"]
    assert "complete" in found["err"].splitlines()[-1]
    storage = f"sqlite:///{folder / 'drnn-tuning' / 'study.db'}"
    study = optuna.load_study(study_name="drnn_forecast", storage=storage)
    states = {trial.state.name for trial in study.trials}
    assert "COMPLETE" in states
    assert "RUNNING" not in states


@pytest.mark.parametrize("number", [INT, TERM])
@pytest.mark.parametrize(
    "seconds",
    [0.4, *(pytest.param(s, marks=pytest.mark.slow) for s in (0.3, 0.6, 1, 1.5, 2, 3, 4))],
)
def test_a_signal_ends_a_command_while_it_is_being_imported(folder, control_c, seconds, number):
    command = [sys.executable, "-m", "drnn_forecast", *TRAIN, "--progress", "false"]
    with subprocess.Popen(command, cwd=folder, stdout=-1, stderr=-1, text=True) as process:
        try:
            time.sleep(seconds)
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()

    # Before the command's first line runs, the signal is Python's own matter.
    assert process.returncode in (128 + number, -number), err
    if process.returncode > 0:
        assert err == f"drnn-forecast: {WORDS[number]}, nothing more was written\n"


@pytest.mark.parametrize("closed", [[1], [1, 2]], ids=["output", "output and messages"])
def test_a_training_is_not_lost_where_nobody_reads(parent, folder, closed):
    args = [*TRAIN, "--max_steps", "3", "--progress", "true"]

    found = parent.run(args, folder, 60, closed=closed)

    assert found["status"] == 0, found["err"]
    assert (folder / "model" / "config.json").is_file()
    assert "rror" not in found["err"]


def test_a_forecast_that_nobody_reads_ends_silently(parent, folder):
    assert parent.run([*TRAIN, "--max_steps", "3"], folder, 60)["status"] == 0

    found = parent.run(["predict", "model", "data.csv"], folder, 60, closed=[1])
    assert (found["status"], found["err"]) == (0, "")


def test_progress_is_no_result(parent, folder):
    found = parent.run([*TRAIN, "--max_steps", "3", "--progress", "true"], folder, 60)

    assert found["out"] == "Written: model\n"
    assert "Epoch " in found["err"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_output_that_cannot_be_written_is_said(folder):
    command = [sys.executable, "-m", "drnn_forecast", "memory", "--encoder_length", "24"]
    with open("/dev/full", "w") as full:
        found = subprocess.run(command, stdout=full, stderr=-1, text=True, check=False)

    assert found.returncode == 1
    assert found.stderr.startswith("drnn-forecast: error: ")
    assert found.stderr.count("\n") == 1

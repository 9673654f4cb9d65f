import pandas as pd
import pytest

from command_line import FIT, run, table, write

TUNE = [
    "--max_epochs",
    "1",
    "--steps_per_epoch",
    "2",
    "--progress",
    "false",
    "--context_length",
    "24",
]


@pytest.mark.slow
def test_a_search_resumes_and_its_model_predicts(here, capsys):
    data = write(table(), here / "data.csv")
    (here / "space.yaml").write_text(
        "hidden_size: {low: 3, high: 5}\ncell_type: GRU\nbatch_size: 16\ndilations: [[1, 4, 12]]\n"
    )
    command = ["tune", data, *FIT, *TUNE, "--search_space", "space.yaml"]
    command += ["--plots", "true", "--out", "tuned"]

    assert run(*command, "--n_trials", "1") == 0
    assert run(*command, "--n_trials", "2") == 0
    printed = capsys.readouterr().out
    assert "Stopped by n_trials; 1 complete" in printed
    assert "Stopped by n_trials; 2 complete" in printed
    assert (here / "tuned/plots/history.png").stat().st_size > 5_000
    model = printed.split("Model: ")[-1].splitlines()[0]
    assert run("predict", model, data, "--out", "out.csv") == 0
    assert len(pd.read_csv(here / "out.csv")) == 24


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--n_trials", "1", "--search_space.hidden_size", "{low: 9, high: 3}"], "`search_space.hidden_size` must run from a lower to a higher value"),
        (["--n_trials", "1", "--search_space.hiden_size", "3"], "hiden_size"),
        (["--n_trials", "1", "--search_space.dilations", "[[1, 24]]"], "`search_space.dilations` must stay below the 24"),
        (["--n_trials", "1", "--storage", "postgresql://x@127.0.0.1:1/x"], "does not answer"),
        ([], "`n_trials` or `max_seconds` must be given"),
    ],
)  # fmt: skip
def test_a_search_that_cannot_be_made_is_refused(here, capsys, flags, message):
    data = write(table(), here / "data.csv")

    assert run("tune", data, *FIT, *TUNE, *flags) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["data.csv"]

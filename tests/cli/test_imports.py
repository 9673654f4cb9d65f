"""Nothing that a flag or a YAML file names is imported."""

import sys

import pytest

from command_line import run

NEEDED = ["data.csv", "--time", "a", "--target", "b", "--horizon", "3", "--n_trials", "1"]
TABLE = "data: data.csv\ntime: a\ntarget: b\nhorizon: 3\n"
CLASS = "{class_path: trap.Trap, init_args: {}}"


@pytest.fixture
def trap(here, monkeypatch, request):
    """Return a file that is there once a module was imported, and run nothing else."""
    name = "trap"
    (here / f"{name}.py").write_text(
        "from pathlib import Path\nPath('imported').touch()\nclass Trap: pass\n"
    )
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return here / "imported"


@pytest.mark.parametrize(
    "flags",
    [
        ["--search_space", CLASS],
        ["--search_space", "trap.Trap"],
        ["--search_space", "space.yaml"],
        ["--search_space=trap.Trap"],
        ["--search_space.class_path", "trap.Trap"],
        ["--search_space.help", "trap.Trap"],
        ["--search_space.hidden_size", CLASS],
        ["--search_space.hidden_size", "trap.Trap"],
        ["--search_space.hidden_size.class_path", "trap.Trap"],
        ["--search_space.learning_rate", "[" + CLASS + "]"],
        ["--storage", CLASS],
        ["--seeds", "[" + CLASS + "]"],
        ["--quantiles", CLASS],
        ["--season_length", "trap.Trap"],
    ],
    ids=" ".join,
)
def test_a_flag_imports_nothing(trap, flags):
    (trap.parent / "space.yaml").write_text("class_path: trap.Trap\ninit_args: {}\n")
    assert run("tune", *NEEDED, *flags) == 2
    assert not trap.exists()


@pytest.mark.parametrize("command", ["tune", "fit", "compare", "predict"])
@pytest.mark.parametrize("name", ["search_space", "data", "max_seconds", "season_length", "models", "storage", "x"])  # fmt: skip
def test_a_yaml_file_imports_nothing(trap, command, name):
    table = TABLE.replace("data: data.csv\n", "") if name == "data" else TABLE
    (trap.parent / "run.yaml").write_text(f"{table}{name}: {CLASS}\n")
    assert run(command, "--config", "run.yaml") == 2
    assert not trap.exists()


def test_a_url_that_a_flag_of_another_name_holds_is_not_shown(here, capsys):
    for flags in (["--n_trials", "x://u:s3cr3t@h/d s3cr3t"], ["--storages", "x://u:s3cr3t@h/d"]):
        run("tune", *NEEDED, *flags)
    run("tune", *NEEDED, "--storage", "postgresql://u:s3cr3t@h/d", "--print_config")
    (here / "run.yaml").write_text(TABLE + "storage: {url: 'postgresql://u:s3cr3t@h/d'}\n")
    run("tune", "--config", "run.yaml")
    told = "".join(capsys.readouterr())

    assert "storage" in told
    assert "s3cr3t" not in told

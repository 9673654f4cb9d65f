"""Where a command writes is refused before any work, and held for one run at a time."""

import os
import re
import shutil
import stat
from collections import namedtuple

import pytest

from command_line import FIT, SMALL, run, table, write
from drnn_forecast.cli.outputs import check_folder
from drnn_forecast.data import held

COMMANDS = {
    "fit": ["fit", "none.csv", *FIT, *SMALL],
    "update": ["update", "none", "none.csv"],
    "predict": ["predict", "none", "none.csv"],
    "compare": ["compare", "none.csv", *FIT],
    "backtest": ["backtest", "none.csv", *FIT],
    "tune": ["tune", "none.csv", *FIT, "--n_trials", "1"],
    "memory": ["memory", "--encoder_length", "0"],
    "demo": ["demo", "--num_series", "0"],
}
"""Each with another mistake, which would be said later."""


def suffix(command):
    return {"predict": ".csv", "memory": ".png"}.get(command, "")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("place", ["a file/x", "x" * 300])
def test_a_place_that_cannot_be_is_refused_first(here, capsys, command, place):
    (here / "a file").write_text("precious")

    assert run(*COMMANDS[command], "--out", f"{place}{suffix(command)}") == 2
    assert "`out`" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["a file"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_without_permission_is_refused_first(here, capsys, monkeypatch, command):
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    assert run(*COMMANDS[command], "--out", f"x{suffix(command)}") == 2
    assert "`out` must lie where you may write" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_without_room_is_refused_first(here, capsys, monkeypatch, command):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1000))

    assert run(*COMMANDS[command], "--out", f"x{suffix(command)}") == 2
    assert re.search(r"`out` needs some \d+ MiB of room", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("command", "flags", "least", "most"),
    [
        ("fit", ["--hidden_size", "100"], 2**26, 2**27),
        ("fit", ["--hidden_size", "400", "--num_layers", "8"], 2**29, 2**30),
        ("fit", ["--hidden_size", "100", "--preset", "best"], 2**27, 2**28),
        ("fit", ["--hidden_size", "0"], 2**26, 2**27),
        ("predict", [], 2**26, 2**27),
        ("compare", [], 2**26, 2**27),
        ("tune", [], 2**26, 2**28),
    ],
)
def test_room_is_asked_for_by_what_is_read_and_trained(
    here, capsys, monkeypatch, command, flags, least, most
):
    with (here / "none.csv").open("w") as file:
        file.truncate(2**26)  # a table of 64 MiB
    usage = namedtuple("usage", "free")
    args = [*COMMANDS[command], *flags, "--out", f"x{suffix(command)}"]
    for free, is_refused in ((least, True), (most, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: usage(free))
        assert run(*args) == 2
        assert ("MiB of room" in capsys.readouterr().err) == is_refused


@pytest.mark.parametrize("command", ["fit", "compare", "backtest", "demo", "predict"])
def test_a_second_run_on_one_output_is_refused_and_the_first_one_lets_go(here, capsys, command):
    write(table(), here / "data.csv")
    out = here / f"x{suffix(command)}"
    args = [*COMMANDS[command], "--out", out.name]
    args = [{"none.csv": "data.csv"}.get(arg, arg) for arg in args]

    with held("out", out):
        assert run(*args) == 2
        assert "Another run writes `out`" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["data.csv"]
    with held("out", out):
        pass


def test_what_a_dead_run_has_held_is_free(tmp_path):
    with held("out", tmp_path / "model"):
        (lock,) = tmp_path.iterdir()
    lock.write_text("")

    with held("out", tmp_path / "model"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_folders_that_were_made_for_nothing_are_taken_away(tmp_path):
    with held("out", tmp_path / "a" / "b" / "c"):
        assert (tmp_path / "a" / "b").is_dir()
    assert list(tmp_path.iterdir()) == []
    with held("out", tmp_path / "a" / "b" / "c"):
        (tmp_path / "a" / "b" / "c").mkdir()
    assert (tmp_path / "a" / "b" / "c").is_dir()


@pytest.mark.parametrize("way", ["itself", "a link", "a second name", "another spelling"])
def test_an_input_is_never_the_output_however_it_is_spelt(here, capsys, way):
    data = write(table(), here / "data.csv")
    before = data.read_bytes()
    out = here / "out.csv"
    if way == "a link":
        out.symlink_to(data)
    elif way == "a second name":
        os.link(data, out)
    else:
        out = data if way == "itself" else here / ".." / here.name / "data.csv"

    assert run("predict", "model", data, "--out", out) == 2
    assert "must not be a file that is read" in capsys.readouterr().err
    assert data.read_bytes() == before


@pytest.mark.parametrize("content", ["data.csv", "deeper/data.csv"])
def test_a_folder_with_an_input_in_it_is_never_replaced(tmp_path, content):
    data = tmp_path / "model" / content
    data.parent.mkdir(parents=True)
    data.write_text("precious")

    with pytest.raises(ValueError, match="`out` must be a folder of its own"):
        check_folder("out", tmp_path / "model", inputs=[data])


def test_a_file_that_is_replaced_keeps_its_permissions_and_its_links(here):
    data = write(table(), here / "data.csv")
    assert run("fit", data, *FIT, *SMALL) == 0
    (here / "elsewhere").mkdir()
    real, link = here / "elsewhere" / "forecast.csv", here / "out.csv"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)

    assert run("predict", "model", data, "--out", "out.csv") == 0
    assert link.is_symlink()
    assert real.read_text().startswith("unique_id,ds,")
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert [path.name for path in real.parent.iterdir()] == ["forecast.csv"]


def test_a_new_file_has_the_permissions_of_the_mask(here):
    data = write(table(), here / "data.csv")
    assert run("fit", data, *FIT, *SMALL) == 0
    before = os.umask(0o027)
    try:
        assert run("predict", "model", data, "--out", "out.csv") == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((here / "out.csv").stat().st_mode) == 0o640

"""Files and folders that appear whole or not at all, and what a dead process leaves of them."""

import errno
import os
import signal
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from drnn_forecast.data import filled, held, holding, replaced


def write_file(place):
    with replaced(place) as partial:
        partial.write_text("new")
        yield partial


def write_folder(place):
    with filled(place) as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "file").write_text("new")
        yield partial


WAYS = {"a file": write_file, "a folder": write_folder}


def killed_at_work(work):
    """Let a process be killed at the first `yield` of its work."""
    child = os.fork()
    if not child:
        for _ in work:
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["out.csv", "out", "\N{SMILING FACE WITH HALO}" * 60, "a b[c]*"])
def test_what_a_dead_process_left_is_cleared_away_by_the_next_one(tmp_path, way, name):
    other = tmp_path / ".other.partial"
    other.write_text("of somebody else")
    killed_at_work(WAYS[way](tmp_path / name))
    assert len(list(tmp_path.iterdir())) == 2

    for _ in WAYS[way](tmp_path / name):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([other.name, name])


@pytest.mark.parametrize("way", WAYS)
def test_what_a_living_process_writes_is_left_alone(tmp_path, way):
    work = WAYS[way](tmp_path / "out")
    partial = next(work)
    for _ in WAYS[way](tmp_path / "out"):
        assert partial.exists()
    work.close()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("way", WAYS)
def test_what_fails_leaves_nothing(tmp_path, way):
    with pytest.raises(RuntimeError, match="on the way"):
        WAYS[way](tmp_path / "out").throw(RuntimeError("on the way"))
    work = WAYS[way](tmp_path / "out")
    next(work)
    with pytest.raises(RuntimeError, match="on the way"):
        work.throw(RuntimeError("on the way"))
    assert not any(tmp_path.iterdir())


def test_many_may_write_one_file_at_once(tmp_path):
    def write(number):
        with replaced(tmp_path / "out") as partial:
            partial.write_text(str(number) * 1000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(200)))
    assert len(set((tmp_path / "out").read_text())) <= 3
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_new_file_has_the_permissions_of_the_mask(tmp_path):
    before = os.umask(0o027)
    try:
        for _ in write_file(tmp_path / "out"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_place_without_a_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), replaced(tmp_path / "none" / "out"):
        pass
    with pytest.raises(FileNotFoundError), filled(tmp_path / "none" / "out"):
        pass


def test_what_a_dead_run_held_is_free(tmp_path):
    def hold():
        with held("out", tmp_path / "out"):
            yield

    killed_at_work(hold())
    assert len(list(tmp_path.iterdir())) == 1
    with held("out", tmp_path / "out"):
        pass
    assert not any(tmp_path.iterdir())


def no_locks(*_):
    raise OSError(errno.ENOLCK, "no locks available")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", ["the system", "the disk"])
def test_where_there_are_no_locks_everything_is_written_and_nothing_cleared_away(
    tmp_path, monkeypatch, way, what
):
    killed_at_work(WAYS[way](tmp_path / "out"))
    if what == "the system":
        monkeypatch.setattr(holding, "fcntl", None)
    else:
        monkeypatch.setattr(holding.fcntl, "flock", no_locks)
    with held("out", tmp_path / "out"), held("out", tmp_path / "out"):
        for _ in WAYS[way](tmp_path / "out"):
            pass
    assert (tmp_path / "out").exists()
    assert len(list(tmp_path.iterdir())) == 2

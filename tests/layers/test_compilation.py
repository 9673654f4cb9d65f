"""Where compiled kernels come from, and what runs until they are there."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import drnn_forecast
from drnn_forecast.layers import DilatedRNN, compile_kernels
from drnn_forecast.layers.kernels.cpu import operator as cpu

numba = pytest.importorskip("numba")
compiling = pytest.importorskip("drnn_forecast.layers.kernels.cpu.compilation")

PROGRAM = """
import sys

import torch
from drnn_forecast.layers import DilatedRNN
from drnn_forecast.layers.kernels.cpu import operator as cpu

calls = []
run = cpu.compiled_recurrence
cpu.compiled_recurrence = lambda *given, **named: calls.append(1) or run(*given, **named)
torch.manual_seed(0)
stack = DilatedRNN(3, 5, dilations=(1, 2))
output = stack(torch.randn(9, 4, 3))[0]
output.square().sum().backward()
module = sys.modules.get("drnn_forecast.layers.kernels.cpu.compilation")
processes = module.compilation.processes.values() if module else ()
running = [process.pid for process in processes if process.poll() is None]
total = output.double().sum().item()
print(len(calls), bool(running), total, *running)
"""


def run_program(program=PROGRAM, **environment):
    """Return the words that a process of its own prints; what it says besides is an error."""
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", program],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(drnn_forecast.__file__).parents[1]),
            "OMP_NUM_THREADS": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.split()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder of a cache that has the kernels of this process."""
    compile_kernels()
    source = Path(compiling.compilation.caches["forward"].cache_path)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    folder = Path(compiling.FunctionCache(compiling.passes.forward.py_func).cache_path)
    folder.mkdir(exist_ok=True)
    for file in source.glob("passes.kernels_of*"):
        shutil.copy2(file, folder)
    return folder


@pytest.fixture
def started(monkeypatch):
    """Return the dtypes for which a process would have been started."""
    found = []
    monkeypatch.setattr(compiling.Compilation, "_start", lambda self, dtype: found.append(dtype))
    return found


def test_a_process_that_finds_no_kernels_runs_the_cells_of_torch_and_ends_without_waiting(
    tmp_path,
):
    calls, is_compiling, total, *others = run_program(NUMBA_CACHE_DIR=str(tmp_path))
    for other in others:
        os.kill(int(other), signal.SIGTERM)
    _, _, expected = run_program(PROGRAM.replace("(1, 2)", "(1, 2), backend='numba'"))

    assert (calls, is_compiling, len(others)) == ("0", "True", 1)
    # Sums of some hundred numbers of order one in float32.
    assert float(total) == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.slow
def test_processes_that_find_the_kernels_use_them_from_the_first_call_on_and_agree():
    compile_kernels()
    found = [run_program() for _ in range(2)]

    assert found[0] == found[1]
    assert found[0][:2] == ["2", "False"]


def test_the_other_process_fills_the_cache(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(compiling, "NICENESS", 0)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    caplog.set_level("INFO")
    fresh = compiling.Compilation()
    assert not fresh.is_ready("float32", training=True)
    assert fresh.processes["float32"].poll() is None
    assert fresh.processes["float32"].wait(timeout=300) == 0
    fresh.looked = 0.0

    assert fresh.is_ready("float32", training=True)
    assert fresh.processes["float32"].poll() is not None
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_what_the_cache_has_is_used_from_the_first_call_on(folder, started):
    fresh = compiling.Compilation()

    assert fresh.is_ready("float32", training=True)
    assert not started


def test_what_the_cache_has_not_is_compiled_in_another_process_once(tmp_path, monkeypatch, started):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    fresh = compiling.Compilation()

    assert [fresh.is_ready("float32", training=True) for _ in range(3)] == [False] * 3
    assert started == ["float32"]


def test_kernels_that_come_late_are_compiled_in_this_process(tmp_path, monkeypatch, started):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiling, "PATIENCE", -1.0)

    assert compiling.Compilation().is_ready("float32", training=True)


def test_a_thread_that_finds_another_one_at_work_does_not_wait(tmp_path, monkeypatch, started):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    fresh = compiling.Compilation()
    with fresh.lock:
        assert not fresh.is_ready("float32", training=False)
    assert not started


def test_a_forked_process_keeps_the_kernels_and_forgets_the_lock(started):
    fresh = compiling.Compilation()
    fresh.ready = {("forward", "float32")}
    fresh.lock.acquire()
    fresh.begin_anew()

    assert fresh.is_ready("float32", training=False)
    assert fresh.lock.acquire(blocking=False)


@pytest.mark.parametrize("pattern", ["*forward*.nbi", "*forward*.nbc"])
@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_a_damaged_cache_is_said_once_and_made_anew(folder, caplog, pattern, content):
    for file in folder.glob(pattern):
        file.write_bytes(file.read_bytes()[:1000] if content is None else content)
    fresh = compiling.Compilation()

    assert callable(fresh.kernel("forward", "float32"))
    assert callable(fresh.kernel("forward", "float64"))
    assert len(caplog.records) == 1
    assert "NUMBA_CACHE_DIR" in caplog.text
    # The index can be read again; it has nothing for a signature that nobody uses.
    cache = compiling.FunctionCache(compiling.passes.forward.py_func)
    assert cache.load_overload((), compiling.passes.forward.targetctx) is None


def test_a_cache_that_takes_nothing_is_said_once(folder, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiling.FunctionCache, "load_overload", lambda *_: None)
    monkeypatch.setattr(compiling.FunctionCache, "save_overload", refuse)
    fresh = compiling.Compilation()

    assert callable(fresh.kernel("forward", "float32"))
    assert callable(fresh.kernel("backward", "float32"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left" in caplog.text


def test_without_a_folder_for_the_cache_no_process_is_started(monkeypatch, caplog):
    def refuse(*_):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(compiling, "FunctionCache", refuse)
    fresh = compiling.Compilation()

    assert not fresh.is_ready("float32", training=True)
    assert not fresh.processes
    assert callable(fresh.kernel("forward", "float32"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_calls_ask_for_no_other_kernels_than_those_that_are_kept():
    compile_kernels()
    for dtype in (torch.float32, torch.float64):
        stack = DilatedRNN(3, 5, dilations=(1, 2), cell_type="LSTM", backend="numba").to(dtype)
        stack(torch.randn(9, 4, 3, dtype=dtype))[0].sum().backward()

    assert len(compiling.passes.forward.overloads) == 2
    assert len(compiling.passes.backward.overloads) == 2


@pytest.mark.parametrize(("backend", "waits"), [("auto", True), ("torch", False)])
def test_layers_that_are_computed_twice_wait_for_the_kernels(monkeypatch, backend, waits):
    seen = []
    monkeypatch.setattr(cpu, "compile_for", lambda *dtypes: seen.extend(dtypes))
    stack = DilatedRNN(3, 5, dilations=(1, 2), backend=backend, checkpoint_layers=True)
    stack(torch.zeros(4, 2, 3))

    assert seen == [torch.float32] * waits


def test_everything_runs_where_numba_is_missing():
    missing = "import sys; sys.modules['numba'] = sys.modules['llvmlite'] = None\n"
    calls, is_compiling, _ = run_program(missing + PROGRAM)

    assert (calls, is_compiling) == ("0", "False")


def test_a_numba_that_does_not_load_is_said_once_and_torch_runs(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "numba", None)
    cpu._import_error.cache_clear()
    stack = DilatedRNN(3, 5, dilations=(1, 2))
    try:
        assert stack(torch.zeros(4, 2, 3))[0].shape == (4, 2, 5)
        with pytest.raises(ValueError, match="numba does not load"):
            DilatedRNN(3, 5, dilations=(1,), backend="numba")(torch.zeros(4, 2, 3))
        assert len(caplog.records) == 1
    finally:
        cpu._import_error.cache_clear()

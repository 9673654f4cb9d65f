import gc
import os
import signal

import hypothesis
import pytest
import torch

# Read where the kernels of a GPU are imported, which are compiled where there is one.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

from children import Parent
from drnn_forecast.layers import compile_kernels
from drnn_forecast.layers.kernels.cpu.operator import HAS_NUMBA

# A first call of a torch kernel is slow enough to upset deadlines; timings assert nothing here.
hypothesis.settings.register_profile("project", deadline=None, max_examples=40, derandomize=True)
hypothesis.settings.load_profile("project")
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def kernels():
    """Wait for the compiled kernels, so that no test sees torch's cells give way to them."""
    if HAS_NUMBA:
        compile_kernels()


@pytest.fixture(scope="module", autouse=True)
def imported():
    """Let the collector of garbage pass over what is imported: a fifth of the suite's time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def thawed():
    """Let go of it at the end, when libraries of bindings ask for what is still held."""
    yield
    gc.unfreeze()


@pytest.fixture
def control_c():
    """Return what presses Ctrl-C, heard even where the suite runs in the background.

    A shell starts background jobs with the signal ignored, and Python leaves that as it is.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return the working directory, an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def parent(tmp_path_factory):
    """Return what runs command lines in processes of their own."""
    made = Parent(tmp_path_factory.mktemp("parent"))
    yield made
    made.end()

"""Where the compiled kernels come from: numba's cache on disk, else another process, else this one.

Loading takes a fifth of a second, compiling some eight. Measured on two processors: in a thread
numba, which holds Python's lock, makes a step of training 1.5 times as long with one thread of
torch's and 9 times with two; a process 1 and 11 times; a process of the lowest priority 1 and 1.1
times, but beside two threads that never rest it does not get done: hence `PATIENCE`.
"""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import numba
import numpy as np
from numba.core.caching import FunctionCache

from drnn_forecast.layers.kernels.cpu import passes
from drnn_forecast.layers.kernels.cpu.arguments import Gradients, Run, Sizes

Kernel = Literal["forward", "backward"]
KERNELS: Final[tuple[Kernel, ...]] = ("forward", "backward")
DTYPES: Final = ("float32", "float64")
PATIENCE: Final = 15.0  # seconds: about twice what compiling takes on a processor of its own
PAUSE: Final = 0.2  # seconds between two looks into the cache
NICENESS: Final = 19  # torch's threads wait for each other, so that one held up holds up all

logger = logging.getLogger("drnn_forecast.layers")


class Compilation:
    """What this process knows of its kernels.

    numba's own `cache=True` would compile where the cache has nothing and fail where it is damaged
    or full, so that its parts are used here one by one.
    """

    def __init__(self) -> None:
        self.ready: set[tuple[Kernel, str]] = set()
        self.caches: dict[Kernel, Any] = {}
        self.is_warned = False
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget, in a forked process, the lock and the processes of the one that it came from."""
        self.lock = threading.Lock()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.since: dict[str, float] = {}  # dtype: when it was first missed
        self.looked = 0.0

    def is_ready(self, dtype: str, *, training: bool) -> bool:
        """Return whether the kernels can run at once, and see to it that they will.

        What the cache has is loaded. What it has not is compiled in another process; where that
        one finds no processor to run on within `PATIENCE`, in this one.
        """
        wanted = [(name, dtype) for name in (KERNELS if training else KERNELS[:1])]
        if self.ready.issuperset(wanted):
            return True
        now = time.monotonic()
        is_first = dtype not in self.since
        if (not is_first and now < self.looked + PAUSE) or not self.lock.acquire(blocking=False):
            return False
        try:
            self.looked = now
            if all(self._loads(*kernel) for kernel in wanted):
                return True
            if is_first:
                self.since[dtype] = now
                self._start(dtype)
            if now < self.since[dtype] + PATIENCE:
                return False
            for kernel in wanted:
                self._compile(*kernel)
            self._stop(dtype)
            return True
        finally:
            self.lock.release()

    def kernel(self, name: Kernel, dtype: str) -> Any:
        """Return a kernel, which is compiled now where it has to be."""
        if (name, dtype) not in self.ready:
            with self.lock:
                if not self._loads(name, dtype):
                    self._compile(name, dtype)
        return getattr(passes, name)

    def is_running(self) -> bool:
        """Return whether another process compiles for this one."""
        return any(process.poll() is None for process in list(self.processes.values()))

    def let_go(self) -> None:
        """Let the processes outlive this one, for the next to find their work, without a word."""
        for process in self.processes.values():
            if process.poll() is None:
                process.returncode = 0

    def _loads(self, name: Kernel, dtype: str) -> bool:
        """Return whether a kernel is there or in the cache; a damaged cache is emptied."""
        if (name, dtype) in self.ready:
            return True
        kernel, cache = getattr(passes, name), self._cache(name)
        if cache is None:
            return False
        signature = _signature(name, dtype)
        try:
            found = cache.load_overload(signature, kernel.targetctx)
            if found is None or found.signature.args != signature:
                return False
            kernel.targetctx.insert_user_function(found.entry_point, found.fndesc, [found.library])
            kernel.add_overload(found)
        except Exception as error:  # whatever a pickle that was cut short may raise
            self._warn(error)
            with suppress(OSError):
                cache.flush()
            return False
        self.ready.add((name, dtype))
        return True

    def _compile(self, name: Kernel, dtype: str) -> None:
        """Compile a kernel in this process, and keep it if that can be done."""
        if (name, dtype) in self.ready:
            return
        kernel, cache, signature = getattr(passes, name), self._cache(name), _signature(name, dtype)
        kernel.compile(signature)
        self.ready.add((name, dtype))
        if cache is not None:
            try:
                cache.save_overload(signature, kernel.overloads[signature])
            except Exception as error:  # a full disk, a damaged index
                self._warn(error)

    def _cache(self, name: Kernel) -> Any:
        """Return numba's cache of a kernel; None where there is no folder that can be written."""
        if name not in self.caches:
            try:
                self.caches[name] = FunctionCache(getattr(passes, name).py_func)
            except RuntimeError as error:
                self.caches[name] = None
                self._warn(error)
        return self.caches[name]

    def _start(self, dtype: str) -> None:
        """Start a process that fills the cache, where there are a cache and a Python to run."""
        is_python = Path(sys.executable or "").stem.lower().startswith("python")
        if not is_python or self._cache("forward") is None:
            return
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            f"from {__name__} import fill_cache; fill_cache({dtype!r}, {NICENESS})"
        )
        with suppress(OSError):
            self.processes[dtype] = subprocess.Popen(
                [sys.executable, "-I", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
            logger.info(
                "The recurrence's kernels for %s are being compiled, once for this machine. "
                "torch's cells run until they are ready.",
                dtype,
            )

    def _stop(self, dtype: str) -> None:
        """End the process that was too late."""
        process = self.processes.pop(dtype, None)
        if process:
            process.kill()
            process.wait()

    def _warn(self, error: Exception) -> None:
        """Say once that the cache does not work."""
        if not self.is_warned:
            self.is_warned = True
            logger.warning(
                "Compiled kernels could not be read from or kept in numba's cache, so that they "
                "are compiled again (%s: %s). Set NUMBA_CACHE_DIR to a folder that can be "
                "written.",
                type(error).__name__,
                error,
            )


def fill_cache(dtype: str, niceness: int) -> None:
    """Compile what the cache has not, after whatever else there is to do."""
    if hasattr(os, "nice"):
        os.nice(niceness)
    for name in KERNELS:
        compilation.kernel(name, dtype)


def _signature(name: Kernel, dtype: str) -> tuple[Any, ...]:
    """Return numba's types of what a kernel is called with."""
    numbers = np.empty(0, dtype)
    given: list[Any] = [0, Sizes(*[0] * 8), 0, 0, Run(*[numbers] * 8)]
    if name == "backward":
        given.append(Gradients(*[numbers] * 7))
    return tuple(numba.typeof(each) for each in [*given, numbers])


compilation: Final = Compilation()
atexit.register(compilation.let_go)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=compilation.begin_anew)

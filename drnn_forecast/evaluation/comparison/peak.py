"""How much memory a piece of work took."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

STATUS = Path("/proc/self/status")
FORGET = Path("/proc/self/clear_refs")
"""Writing 5 here makes the kernel forget the highest resident memory of the process."""


def with_peak_memory(work: Callable[[], Result]) -> tuple[Result, float | None]:
    """Return what `work` gives, and by how many MB the process's resident memory rose in it.

    That is the highest resident memory in the work, as the kernel counts it, less that at its
    start; memory that is free by then has been given back before. Libraries that are loaded in the
    work count too. None where the system does not tell (anything but Linux).
    """
    gc.collect()
    _give_back()
    try:
        FORGET.write_text("5")
        start = _resident("VmRSS")
    except OSError:
        return work(), None
    result = work()
    return result, max(0.0, _resident("VmHWM") - start)


def _resident(name: str) -> float:
    """Return a line of the process's status, in MB."""
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[name].split()[0]) / 1024


def _give_back() -> None:
    """Have the C library return free memory to the system, where it can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

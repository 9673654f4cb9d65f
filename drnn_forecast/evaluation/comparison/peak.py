"""How much memory a piece of work took."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

PROCESS = Path("/proc/self")


def with_peak_memory(work: Callable[[], Result]) -> tuple[Result, float | None]:
    """Return what `work` gives, and by how many MB the process's resident memory rose in it.

    Memory that is free by then has been given back before; libraries that are loaded in the work
    count too. None where the system does not tell (anything but Linux).
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    try:
        # Neither `resource` nor psutil can forget the highest resident memory so far; this does.
        (PROCESS / "clear_refs").write_text("5")
        start = _resident("VmRSS")
    except OSError:
        return work(), None
    result = work()
    return result, max(0.0, _resident("VmHWM") - start)


def _resident(name: str) -> float:
    """Return a line of the process's status, in MB."""
    lines = (PROCESS / "status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024

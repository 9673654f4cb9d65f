"""What a result was measured with, and tables of results, for the other scripts of this folder."""

import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch

RESULTS = Path(__file__).parent / "results"


def setting(*packages: str) -> str:
    """Return one sentence: Python, torch and the named packages, processor and threads."""
    names = ("torch", *packages)
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"Python {platform.python_version()}, {versions}; {processor()}, "
        f"{torch.get_num_threads()} thread(s)."
    )


def processor() -> str:
    """Return the model name of the processor, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def taken_in_turns(
    runs: dict[str, Callable[[], object]], repetitions: int, *, warm_ups: int = 1
) -> dict[str, list[float]]:
    """Return the milliseconds of every repetition of every run; the runs take turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(warm_ups):
            run()
    for _ in range(repetitions):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - start))
    return times


def markdown(table: pd.DataFrame) -> list[str]:
    """Return the lines of a Markdown table."""
    cells = table.map(lambda value: f"{value:.4g}" if isinstance(value, float) else str(value))
    rows = [list(table.columns), ["---"] * table.shape[1], *cells.to_numpy().tolist()]
    return ["| " + " | ".join(row) + " |" for row in rows]

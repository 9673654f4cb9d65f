"""What a result was measured with, and tables of results, for the other scripts of this folder."""

import platform
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


def markdown(table: pd.DataFrame) -> list[str]:
    """Return the lines of a Markdown table."""
    cells = table.map(lambda value: f"{value:.4g}" if isinstance(value, float) else str(value))
    rows = [list(table.columns), ["---"] * table.shape[1], *cells.to_numpy().tolist()]
    return ["| " + " | ".join(row) + " |" for row in rows]

"""Run the cells of every tutorial, in order, on small budgets.

    python docs/tutorials/run.py [--seconds 3] [NAME ...]

Every `max_seconds=` of a tutorial becomes `--seconds`. Files go to a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
CELL = re.compile(
    r"^```\{code-cell\}[^\n]*\n(?:---\n.*?---\n|(?::\w+:[^\n]*\n)*)(.*?)^```$", re.M | re.S
)


def main() -> None:
    """Run the tutorials that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    for path in sorted(HERE.glob("*.md")):
        if not args.names or path.stem in args.names:
            began = time.perf_counter()
            run(path, args.seconds)
            print(f"{path.name}: {time.perf_counter() - began:.0f} s", flush=True)


def cells(path: Path) -> list[str]:
    """Return the code of a tutorial's cells."""
    return CELL.findall(path.read_text(encoding="utf-8"))


def run(path: Path, seconds: float) -> dict[str, object]:
    """Run a tutorial beside its data in a folder of its own, and return the names that it made."""
    names: dict[str, object] = {"__name__": "__main__"}
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "tutorials"
        place.mkdir()
        (Path(folder) / "data").symlink_to(HERE.parent / "data")
        os.chdir(place)
        try:
            for number, cell in enumerate(cells(path), start=1):
                code = re.sub(r"max_seconds=\d+", f"max_seconds={seconds:g}", cell)
                exec(compile(code, f"{path.name}, cell {number}", "exec"), names)
        finally:
            os.chdir(before)
    return names


if __name__ == "__main__":
    main()

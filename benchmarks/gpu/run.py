"""Checks and times everything on the GPU of this machine, in at most four minutes.

    python benchmarks/gpu/run.py --pack carried      # where there is a network
    python benchmarks/gpu/run.py --carried carried   # where there is a GPU
    python benchmarks/gpu/run.py --dry               # on a CPU, in Triton's interpreter, tiny

writes `laws.csv`, `layers.csv`, `rule.csv`, `training.csv`, `forecasts.csv`, `baseline.csv` and
`gpu.md` to `--out`. `--rule` writes what `backend="auto"` goes by into the package as well. What is
carried are pure wheels that a machine with a GPU may lack, and the layers of the commit `BASELINE`,
which are timed in a process of their own in the same call.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BASELINE = "a12135d"
WHEELS = ("pytorch-forecasting", "scikit-base", "jsonargparse", "utilsforecast", "lazy-loader")
BUDGET = 225.0
"""Seconds after which what is left is left out, and said to be."""

TIMED = """
import json, statistics, sys
import torch
from drnn_forecast.layers import DilatedRNN
device, repetitions, shapes = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
for steps, batch, layers, units, cell, dtype in shapes:
    torch.manual_seed(0)
    net = DilatedRNN(8, units, dilations=[2**l for l in range(layers)], cell_type=cell)
    net = net.to(device, getattr(torch, dtype))
    x = torch.randn(steps, batch, 8, device=device, dtype=getattr(torch, dtype))
    import time
    times = []
    for _ in range(repetitions + 1):
        net.zero_grad(set_to_none=True)
        if device != "cpu": torch.cuda.synchronize()
        begin = time.perf_counter()
        net(x)[0].sum().backward()
        if device != "cpu": torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - begin))
    print(json.dumps([steps, batch, layers, units, cell, dtype, statistics.median(times[1:])]))
"""
"""Both passes of a stack, whichever package is first on the path."""


def pack(folder: Path) -> None:
    """Write the wheels and the baseline's package into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    constraints = str(ROOT / "constraints.txt")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    subprocess.run(
        [*command, "--constraint", constraints, "--dest", str(folder), *WHEELS], check=True
    )
    (folder / "baseline.tar").unlink(missing_ok=True)
    archive = ["git", "-C", str(ROOT), "archive", "--output", str(folder / "baseline.tar")]
    subprocess.run([*archive, BASELINE, "drnn_forecast"], check=True)


def unpacked(carried: Path | None) -> Path | None:
    """Put carried wheels on the path where their packages lack; return the baseline's folder."""
    if carried is None:
        return None
    from importlib.util import find_spec

    for wheel in sorted(carried.glob("*.whl")):
        name = {"scikit_base": "skbase"}.get(wheel.name.split("-")[0], wheel.name.split("-")[0])
        if find_spec(name) is None:
            subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, carried / name])
            sys.path.append(str(carried / name))
    archive = carried / "baseline.tar"
    if not archive.exists():
        return None
    import tarfile

    with tarfile.open(archive) as file:
        file.extractall(carried / "baseline", filter="data")
    return carried / "baseline"


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; return 1 where a law does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, help="write what is carried into this folder, and end")
    parser.add_argument("--carried", type=Path, help="the folder that --pack wrote")
    parser.add_argument("--dry", action="store_true", help="tiny sizes, on the CPU")
    parser.add_argument("--rule", action="store_true", help="let `backend='auto'` go by it")
    parser.add_argument("--out", type=Path, default=HERE.parent / "results" / "gpu")
    given = parser.parse_args(arguments)
    if given.pack:
        pack(given.pack)
        return 0
    if given.dry:
        # Read when the kernels are imported.
        os.environ["TRITON_INTERPRET"] = "1"
    baseline = unpacked(given.carried)
    sys.path[:0] = [str(ROOT), str(HERE.parent)]
    return measure(given.out, baseline, dry=given.dry, into_package=given.rule)


def measure(out: Path, baseline: Path | None, *, dry: bool, into_package: bool) -> int:
    """Write all tables and the page; return 1 where a law does not hold."""
    import pandas as pd
    import torch

    from benchmarks.gpu import forecasters, layers, sizes
    from drnn_forecast.layers.kernels.gpu.rule import MEASUREMENTS

    if not dry and not torch.cuda.is_available():
        sys.exit("There is no GPU here. Pass `--dry` to try the script on a CPU.")
    begin = time.monotonic()
    device = "cpu" if dry else "cuda"
    gpu = "none" if dry else torch.cuda.get_device_name()
    bench = layers.Bench(torch.device(device), repetitions=1 if dry else 7)
    shapes, grid, checked, types = sizes.of(dry=dry)
    out.mkdir(parents=True, exist_ok=True)
    tables: dict[str, Any] = {}
    skipped: list[str] = []

    def add(name: str, makers: list[Callable[[], list[dict[str, Any]]]]) -> None:
        rows: list[dict[str, Any]] = []
        for make in makers:
            if time.monotonic() - begin > BUDGET:
                skipped.append(name)
                break
            rows += make()
            if rows:  # kept at once, for a machine that is taken away
                tables[name] = pd.DataFrame(rows)
                tables[name].to_csv(out / f"{name}.csv", index=False)

    add("laws", [lambda: list(layers.law_rows(bench, checked, types))])
    add("layers", [lambda s=s: [layers.layer_row(s, bench)] for s in shapes])
    add("training", [lambda: forecasters.training_rows(device, dry=dry)])
    add("forecasts", [lambda: forecasters.forecast_rows(device, dry=dry)])
    add("baseline", [lambda: baseline_rows(baseline, shapes, device, 1 if dry else 5)])
    add("rule", [lambda p=p: list(layers.rule_rows([p], bench, gpu)) for p in grid])
    if into_package and "rule" in tables and not dry:
        tables["rule"].to_csv(MEASUREMENTS, index=False)
    (out / "gpu.md").write_text(page(tables, gpu, sorted(set(skipped)), time.monotonic() - begin))
    return 0 if bool(tables["laws"]["is right"].all()) else 1


def baseline_rows(
    folder: Path | None, shapes: list[Any], device: str, repetitions: int
) -> list[dict[str, Any]]:
    """Return both passes of the layers of `BASELINE` and of today's, each in its own process."""
    asked = json.dumps(
        [
            (s.steps, s.batch, s.num_layers, s.units, s.cell, str(s.dtype).removeprefix("torch."))
            for s in shapes
        ]
    )
    rows = []
    for name, path in ((BASELINE, folder), ("today", ROOT)) if folder else ():
        found = subprocess.run(
            [sys.executable, "-c", TIMED, device, str(repetitions), asked],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(path), *sys.path])},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        for line in found.stdout.splitlines():
            *shape, ms = json.loads(line)
            names = ("steps", "batch", "layers", "units", "cell", "type")
            rows.append({"package": name, **dict(zip(names, shape, strict=True)), "ms": ms})
    return rows


def page(tables: dict[str, Any], gpu: str, skipped: list[str], seconds: float) -> str:
    """Return the results as a page of Markdown."""
    import torch
    import triton

    from machine import markdown

    lines = [
        "# On a GPU",
        "",
        f"`python benchmarks/gpu/run.py`, {seconds:.0f} s, GPU: {gpu}. torch {torch.__version__}, "
        f"CUDA {torch.version.cuda}, Triton {triton.__version__}. Medians in milliseconds; "
        '"both" is the forward and the backward pass. Products of float32 are in tf32, as '
        "cuDNN's are by default; a law compares with float64.",
    ]
    if gpu == "none":
        lines += [
            "",
            "A dry run on a CPU: Triton's interpreter, tiny sizes. Times say nothing.",
        ]
    if skipped:
        lines += ["", f"Left out for want of time, in part or whole: {', '.join(skipped)}."]
    for name, table in tables.items():
        lines += ["", f"## {name.capitalize()}", "", *markdown(table)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())

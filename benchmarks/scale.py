"""Measure forecasts of many series in files, and training on more rows than fit into memory.

    python benchmarks/scale.py forecast [--series 1000000] [--partitions 100] [--ray]
    python benchmarks/scale.py train [--rows 50000000] [--steps 400]
    python benchmarks/scale.py curve

Each run is a process of its own, whose proportional memory (of all its processes together; that of
Ray's daemons apart) is read ten times a second. The first writes `benchmarks/results/scale.md`, the
others `scale_training.md` and `scale_curve.md`. The data are made in a temporary folder.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from machine import RESULTS, markdown, setting

STEPS, HORIZON = 200, 24
ROLES = {"series": "id", "time": "ds", "target": "y"}
SETTINGS = {"season_length": 24, "context_length": 96, "progress": False}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["forecast", "train", "curve", "child"])
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, default=100)
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--max_rows", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--child", nargs="*")
    args = parser.parse_args()
    if args.what == "child":
        CHILDREN[args.child[0]](*args.child[1:])
        return
    with tempfile.TemporaryDirectory() as folder:
        {"forecast": forecast, "train": train, "curve": curve}[args.what](args, Path(folder))


def forecast(args: argparse.Namespace, folder: Path) -> None:
    """Measure forecasts by one process, by two, and by two actors of Ray."""
    make(folder / "data", args.series, STEPS, args.partitions)
    model(folder)
    ways = {"1 process": 1, "2 processes": 2}
    runs = {
        name: measured(["forecast", str(folder), f"out{workers}", str(workers)])
        for name, workers in ways.items()
    }
    if args.ray:
        runs["Ray, 2 actors"] = measured(["ray", str(folder), "out-ray"])
    rows = [
        {
            "way": name,
            "series a second": args.series / run["seconds"],
            "rows a second": args.series * HORIZON / run["seconds"],
            "seconds": run["seconds"],
            "processor seconds, imports too": run["used"],
            "most memory MB": run["own"],
            "Ray's daemons MB": run["others"],
        }
        for name, run in runs.items()
    ]
    ratio = runs["1 process"]["seconds"] / runs["2 processes"]["seconds"]
    write(
        "scale.md",
        f"{args.series:,} series of {STEPS} steps, forecast for {HORIZON} from {args.partitions} "
        f"partitions. Seconds are those of the work, after the imports of the first process. Two "
        f"processes are {ratio:.2f} times as fast as one.",
        rows,
    )


def train(args: argparse.Namespace, folder: Path) -> None:
    """Measure training on files that do not fit beside that on a frame of the same windows."""
    make(folder / "data", args.rows // 1000, 1000, max(2, args.rows // 1_000_000))
    options = [str(folder / "data"), str(args.max_rows), str(args.steps)]
    runs = {way: measured(["train", way, *options]) for way in ("parts", "memory")}
    rows = [
        {
            "way": way,
            "windows a second": run["windows"],
            "windows a processor second": run["busy"],
            "seconds before training": run["before"],
            "most resident MB": run["resident"],
        }
        for way, run in runs.items()
    ]
    ratio, busy = (runs["parts"][name] / runs["memory"][name] for name in ("windows", "busy"))
    write(
        "scale_training.md",
        f"{args.rows:,} rows, at most {args.max_rows:,} in memory, {args.steps} steps; in memory "
        f"are half of the latter. The stream has {ratio:.2f} times the windows a second, "
        f"{busy:.2f} times those a processor second.",
        rows,
    )


def curve(args: argparse.Namespace, folder: Path) -> None:
    """Compare the losses of training in parts and in memory, over seeds."""
    make(folder / "data", 200, 300, 8)
    rows = []
    for seed in range(3):
        for way, most in (("memory", 10**9), ("parts", 12_000)):
            run = measured(["curve", str(folder / "data"), str(most), str(seed), str(args.steps)])
            rows.append({"way": way, "seed": seed, "WQL of the last windows": run["error"]})
    text = f"60,000 rows, {args.steps} steps. In parts, a tenth of the rows are in memory at once."
    write("scale_curve.md", text, rows)


def make(folder: Path, num_series: int, length: int, partitions: int) -> None:
    """Write seasonal series as Parquet files."""
    folder.mkdir(parents=True)
    times = pd.date_range("2024-01-01", periods=length, freq="h")
    season = np.sin(2 * np.pi * np.arange(length) / 24)
    for number, names in enumerate(np.array_split(np.arange(num_series), partitions)):
        rng = np.random.default_rng(number)
        level = rng.gamma(2, 5, (len(names), 1))
        values = level * (3 + season) + rng.normal(size=(len(names), length))
        ids = pd.Categorical.from_codes(
            np.repeat(np.arange(len(names)), length), [f"s{name:08}" for name in names]
        )
        frame = {"id": ids, "ds": np.tile(times, len(names)), "y": values.reshape(-1)}
        path = folder / f"part-{number:05}.parquet"
        pd.DataFrame(frame).to_parquet(path, index=False, row_group_size=100_000)


def model(folder: Path) -> None:
    """Train a model of a few steps, whose forecasts take as long as those of a good one."""
    import drnn_forecast as drnn

    frame = pd.read_parquet(next((folder / "data").glob("*.parquet"))).iloc[: 50 * STEPS]
    frame = frame.astype({"id": str})
    drnn.train(frame, HORIZON, **ROLES, **SETTINGS, max_steps=5).save(folder / "model")


def measured(child: list[str]) -> dict[str, float]:
    """Return what a child tells, and the most memory of its processes, MB."""
    command = [sys.executable, __file__, "child", "--child", *child]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    before = os.times()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ)
    most = {"own": 0.0, "others": 0.0}
    while process.poll() is None:
        own, others = memory(process.pid)
        most = {"own": max(most["own"], own), "others": max(most["others"], others)}
        time.sleep(0.1)
    told = process.communicate()[0].strip().splitlines()[-1]
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    found = {name: float(value) for name, value in (pair.split("=") for pair in told.split())}
    print(child, found, most, flush=True)
    return {**most, "used": used, **found}


def memory(root: int) -> tuple[float, float]:
    """Return the proportional memory of a process and those below it, MB: ours, and Ray's."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    inside, size = {root}, 0
    while len(inside) > size:
        size = len(inside)
        inside |= {pid for pid, parent in parents.items() if parent in inside}
    totals = [0.0, 0.0]
    for pid in inside:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        used = next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0) / 1024
        is_ours = pid == root or b"ForecastActor" in command or b"multiprocessing" in command
        totals[0 if is_ours else 1] += used
    return totals[0], totals[1]


def write(name: str, text: str, rows: list[dict[str, object]]) -> None:
    """Write a table of results, and show it."""
    command = f"`python benchmarks/scale.py {' '.join(sys.argv[1:])}`"
    load = f"Load average {os.getloadavg()[1]:.0f} on {os.cpu_count()} cores."
    head = f"{command}: {text} {setting('pandas', 'pyarrow')} {load}"
    lines = ["# Beyond one process", "", head, "", *markdown(pd.DataFrame(rows))]
    (RESULTS / name).write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def child_forecast(folder: str, out: str, workers: str) -> None:
    from drnn_forecast.scale import forecast_partitions

    place, begun = Path(folder), time.perf_counter()
    forecast_partitions(
        place / "model", place / "data", place / out, workers=int(workers), progress=False
    )
    print(f"seconds={time.perf_counter() - begun}")


def child_ray(folder: str, out: str) -> None:
    from drnn_forecast.scale import forecast_ray

    place, begun = Path(folder), time.perf_counter()
    forecast_ray(place / "data", place / "model", out=place / out, actors=2)
    print(f"seconds={time.perf_counter() - begun}")


def child_train(way: str, folder: str, max_rows: str, steps: str) -> None:
    import resource

    import torch

    import drnn_forecast as drnn
    from drnn_forecast.data import PartedData, Roles
    from drnn_forecast.training import fit

    torch.set_num_threads(1)
    begun, size = time.perf_counter(), 64
    data = PartedData.from_parts(folder, Roles(**ROLES), max_rows_in_memory=int(max_rows))
    if way == "memory":
        data = data.read(
            data.slices[: max(1, len(data.slices) * int(max_rows) // 2 // data.table.rows)]
        )
    recipe = drnn.Recipe.of(data.facts(HORIZON)) | {"context_length": 96}
    splits = data.split(horizon=HORIZON, keep_short=True, **recipe.dataset)
    before = time.perf_counter() - begun

    def build() -> drnn.DilatedRNNForecaster:
        options = {"season_length": (24,), "read_length": 96}
        return drnn.DilatedRNNForecaster.from_dataset(splits.training, recipe=recipe | options)

    busy = time.process_time()
    result = fit(
        build, splits.training, None, max_steps=int(steps), batch_size=size, checks=0,
        schedule="cosine", progress=False,
    )  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    done, busy = size * result.steps, time.process_time() - busy
    print(f"windows={done / result.seconds} busy={done / busy} before={before} resident={peak}")


def child_curve(folder: str, max_rows: str, seed: str, steps: str) -> None:
    import drnn_forecast as drnn

    model = drnn.train(
        folder, HORIZON, **ROLES, **SETTINGS, max_rows_in_memory=int(max_rows),
        max_steps=int(steps), seed=int(seed),
    )  # fmt: skip
    scores = model.evaluate(pd.read_parquet(folder).astype({"id": str}))
    print(f"error={scores['WQL'].mean()}")


CHILDREN = {
    "forecast": child_forecast,
    "ray": child_ray,
    "train": child_train,
    "curve": child_curve,
}

if __name__ == "__main__":
    main()

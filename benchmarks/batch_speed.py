"""Time batches, epochs, index and memory of the batched dataset beside pytorch-forecasting's.

Run from the root of the repository, on one thread:

    OMP_NUM_THREADS=1 python benchmarks/batch_speed.py

Both classes take turns in one process, so that a busy machine slows both; memory is measured in a
process each. Results go to `benchmarks/results/batch_speed.csv` and `batch_speed.md`.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib.util
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import torch
from lightning.pytorch import Callback, Trainer
from pytorch_forecasting import (
    DeepAR,
    EncoderNormalizer,
    GroupNormalizer,
    RecurrentNetwork,
    TimeSeriesDataSet,
)
from pytorch_forecasting.data.timeseries import _timeseries as upstream_module

import drnn_forecast
from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet
from machine import RESULTS, markdown, setting

CLASSES = {"upstream": TimeSeriesDataSet, "ours": BatchedTimeSeriesDataSet}
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="turns of each class")
    parser.add_argument("--batches", type=int, default=30, help="batches per turn")
    parser.add_argument("--epochs", type=int, default=5, help="epochs of each class and model")
    parser.add_argument("--num-series", type=int, default=10_000, help="of the index and memory")
    parser.add_argument("--resident", choices=CLASSES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.resident:
        print(json.dumps(resident_memory(CLASSES[arguments.resident], arguments.num_series)))
        return
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    rows = [
        *loader_rows(arguments.rounds, arguments.batches),
        *epoch_rows(arguments.epochs),
        *index_rows(arguments.num_series),
        *memory_rows(arguments.num_series),
    ]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    RESULTS.mkdir(exist_ok=True)
    table.to_csv(RESULTS / "batch_speed.csv", index=False, float_format="%.5g")
    (RESULTS / "batch_speed.md").write_text(report(table))


def make_frame(num_series: int, num_steps: int, *, seed: int = SEED) -> pd.DataFrame:
    """Return random series with a static category, a known category and a known real."""
    generator = np.random.default_rng(seed)
    rows = num_series * num_steps
    time_idx = np.tile(np.arange(num_steps), num_series)
    return pd.DataFrame(
        {
            "time": time_idx,
            "series": pd.Categorical.from_codes(
                np.repeat(np.arange(num_series), num_steps), [f"s{n:05}" for n in range(num_series)]
            ),
            "weekday": pd.Categorical.from_codes(time_idx % 7, [f"d{n}" for n in range(7)]),
            "price": generator.normal(size=rows).astype(np.float32),
            "y": generator.normal(5.0, 1.0, rows).astype(np.float32),
        }
    )


def build(cls: Any, frame: pd.DataFrame, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "time_idx": "time",
        "target": "y",
        "group_ids": ["series"],
        "max_encoder_length": 168,
        "max_prediction_length": 48,
        "static_categoricals": ["series"],
        "time_varying_known_categoricals": ["weekday"],
        "time_varying_known_reals": ["price"],
        "time_varying_unknown_reals": ["y"],
        "target_normalizer": GroupNormalizer(groups=["series"]),
    }
    return cls(frame, **{**arguments, **changes})


def compare(what: str, unit: str, samples: dict[str, list[float]]) -> dict[str, Any]:
    """Return a row: medians and quartiles of both classes, and how many times ours is better."""
    row: dict[str, Any] = {"what": what, "unit": unit}
    for name, values in samples.items():
        low, high = np.quantile(values, [0.25, 0.75])
        row |= {
            name: statistics.median(values),
            f"{name}_q25": low,
            f"{name}_q75": high,
            f"{name}_n": len(values),
        }
    return {**row, "ratio": row["upstream"] / row["ours"]}


def loader_rows(rounds: int, batches: int) -> list[dict[str, Any]]:
    frame = make_frame(200, 700)
    cases: dict[str, Callable[[], Any]] = {
        "GroupNormalizer": lambda: GroupNormalizer(groups=["series"]),
        "EncoderNormalizer": EncoderNormalizer,
    }
    rows = []
    for normalizer, make in cases.items():
        for lengths, changes in {
            "": {},
            ", encoders of 84 to 168": {"min_encoder_length": 84},
        }.items():
            data = {
                name: build(cls, frame, target_normalizer=make(), **changes)
                for name, cls in CLASSES.items()
            }
            samples: dict[str, list[float]] = {name: [] for name in data}
            for turn in range(rounds):
                for name, dataset in data.items():
                    samples[name] += time_batches(dataset, batches, seed=turn)
            rows.append(compare(f"batch of 128, {normalizer}{lengths}", "ms", samples))
    return rows


def time_batches(dataset: Any, batches: int, *, seed: int) -> list[float]:
    """Return the milliseconds of each batch of a shuffled loader, without the first two."""
    torch.manual_seed(seed)
    loader = iter(dataset.to_dataloader(batch_size=128))
    times = []
    for _ in range(batches + 2):
        start = time.perf_counter()
        next(loader)
        times.append((time.perf_counter() - start) * 1e3)
    return times[2:]


class EpochTimer(Callback):
    """Collect the seconds of every training epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        """Note the time."""
        self._start = time.perf_counter()

    def on_train_epoch_end(self, *_: Any) -> None:
        """Collect the seconds since."""
        self.seconds.append(time.perf_counter() - self._start)


def epoch_rows(epochs: int, *, batches: int = 40) -> list[dict[str, Any]]:
    frame = make_frame(200, 700)
    models: dict[str, Any] = {
        "RecurrentNetwork, LSTM 2 x 32": lambda data: RecurrentNetwork.from_dataset(
            data, hidden_size=32, rnn_layers=2, cell_type="LSTM"
        ),
        "DeepAR, LSTM 2 x 32": lambda data: DeepAR.from_dataset(data, hidden_size=32, rnn_layers=2),
    }
    if hasattr(drnn_forecast, "DilatedRNNForecaster"):
        models = {
            "DilatedRNNForecaster, GRU 2 x 32": lambda data: (
                drnn_forecast.DilatedRNNForecaster.from_dataset(
                    data, hidden_size=32, num_layers=2, cell_type="GRU"
                )
            ),
            **models,
        }
    data = {name: build(cls, frame) for name, cls in CLASSES.items()}
    rows = []
    for model, make in models.items():
        samples: dict[str, list[float]] = {name: [] for name in data}
        time_epoch(make, data["ours"], 2, seed=SEED)  # the first epoch of a process is slower
        for turn in range(epochs):
            for name, dataset in list(data.items())[:: (-1) ** turn]:
                samples[name].append(time_epoch(make, dataset, batches, seed=turn))
        rows.append(compare(f"epoch of {batches} batches of 128, {model}", "s", samples))
    return rows


def time_epoch(make: Callable[[Any], Any], dataset: Any, batches: int, *, seed: int) -> float:
    torch.manual_seed(seed)
    timer = EpochTimer()
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            accelerator="cpu",
            max_epochs=1,
            limit_train_batches=batches,
            callbacks=[timer],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        ).fit(make(dataset), dataset.to_dataloader(batch_size=128))
    return timer.seconds[0]


def index_rows(num_series: int) -> list[dict[str, Any]]:
    """Time the construction of the index alone, from the preprocessed frame.

    Upstream's scan runs in Python, unless numba happens to be installed.
    """
    scan = upstream_module._find_end_indices
    scans = {"in Python": getattr(scan, "py_func", scan)}
    if hasattr(scan, "py_func"):
        scans["with numba"] = scan
    rows = []
    for horizon in (48, 720):
        datasets, frame = preprocessed(num_series, horizon)
        for how, upstream_module._find_end_indices in scans.items():
            samples: dict[str, list[float]] = {name: [] for name in CLASSES}
            for name in ("upstream", "ours") * 3:
                start = time.perf_counter()
                datasets[name]._construct_index(frame, predict_mode=False)
                samples[name].append(time.perf_counter() - start)
            what = f"index, {num_series} series x 1000, horizon {horizon}, upstream {how}"
            rows.append(compare(what, "s", samples))
    return rows


def preprocessed(num_series: int, horizon: int) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return small datasets of both classes, and a large frame as they would preprocess it."""
    changes = {"max_prediction_length": horizon, "max_encoder_length": 168}
    small = {name: build(cls, make_frame(1, 1000), **changes) for name, cls in CLASSES.items()}
    large = pd.DataFrame(
        {
            "__time_idx__": np.tile(np.arange(1000), num_series),
            "__group_id__series": np.repeat(np.arange(num_series), 1000),
        }
    )
    return small, large


def memory_rows(num_series: int) -> list[dict[str, Any]]:
    samples: dict[str, dict[str, float]] = {}
    for name in CLASSES:
        command = [sys.executable, __file__, "--resident", name, "--num-series", str(num_series)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        samples[name] = json.loads(done.stdout.splitlines()[-1])
    windows = samples["ours"]["windows"] / 1e6
    return [
        compare(
            f"{title}, {windows:.2f} million windows",
            unit,
            {name: [values[key]] for name, values in samples.items()},
        )
        for key, title, unit in (
            ("resident", "resident memory of a dataset", "MB"),
            ("index", "of these, its index", "MB"),
            ("peak", "peak memory while it is built, frame included", "MB"),
            ("seconds", "building it", "s"),
        )
    ]


def resident_memory(cls: Any, num_series: int) -> dict[str, float]:
    """Return what a dataset of windows of 8 + 2 steps adds to a process, in MB."""
    warnings.simplefilter("ignore")
    before = status_mb("VmRSS")
    frame = make_frame(num_series, 1009)
    start = time.perf_counter()
    dataset = build(cls, frame, max_encoder_length=8, max_prediction_length=2)
    seconds = time.perf_counter() - start
    peak = status_mb("VmHWM") - before
    del frame
    gc.collect()
    pyarrow.default_memory_pool().release_unused()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    resident = status_mb("VmRSS") - before
    windows = len(dataset)
    if isinstance(dataset, BatchedTimeSeriesDataSet):
        index = sum(rows.nbytes for rows in dataset.window_rows)
    else:
        index = int(dataset.index.memory_usage().sum())
    return {
        "windows": windows,
        "resident": resident,
        "index": index / 1e6,
        "peak": peak,
        "seconds": seconds,
    }


def status_mb(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/self/status has no {field}; memory is measured on Linux only.")


def report(table: pd.DataFrame) -> str:
    """Return the results as a page: how they were measured, and a row for each."""
    has_numba = importlib.util.find_spec("numba") is not None
    shown = table[["what", "unit", "upstream", "ours", "ratio"]]
    lines = [
        "# Batches of the batched dataset beside pytorch-forecasting's",
        "",
        f"- command: `{' '.join(['OMP_NUM_THREADS=1 python', *sys.argv])}`",
        f"- {setting('lightning', 'pytorch-forecasting', 'pandas', 'numpy')} "
        f"numba is {'there' if has_numba else 'not there'}.",
        f"- seed {SEED}; medians here, quartiles in the CSV; both classes take turns.",
        "- 200 series x 700 steps, windows of 168 + 48, one static category, one known category, "
        "one known real, the target; for memory, windows of 8 + 2 over series of 1009 steps.",
        "- a ratio above 1 is in favour of the batched dataset.",
        "",
        *markdown(shown),
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()

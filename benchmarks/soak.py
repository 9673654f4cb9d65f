"""Call everything in turn for an hour, and watch memory, descriptors and threads.

    python benchmarks/soak.py [--minutes 60]

Each round calls every public function and method once, on fresh small data, in one process. After
each call garbage is collected, memory that is free is handed back to the system, and the resident
memory, open descriptors and threads are read. Flat is what grows by less than 1 % of the resident
memory an hour, as a line through the last three quarters of the rounds says (Theil and Sen's, of
median slope), once each contender has had its turn; and has no more descriptors and threads at the
end than where that line begins.

Writes `benchmarks/results/soak.csv` and `.md`.
"""

import argparse
import ctypes
import gc
import itertools
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import theilslopes

import drnn_forecast as drnn
from drnn_forecast import data as tables, evaluation
from machine import RESULTS, markdown, setting

SETTLED = 0.25
"""The share of the rounds in which caches may fill."""

MOST = 0.01
"""Growth of the resident memory in an hour, as a share, up to which it is flat."""

ROLES = {"series": "shop", "time": "day", "target": "sold", "known": ["price"]}
SMALL = {"hidden_size": 4, "batch_size": 16, "progress": False}
WINDOWS = {"context_length": 14, "validation_windows": 2}
BUDGET = {"max_epochs": 1, "steps_per_epoch": 2, "progress": False}
SPACE = drnn.SearchSpace(hidden_size=4, dilations=((1, 2), (1, 7)))
EXPORTED = 4
"""Rounds between two exports, which take as long as all else together."""

MODELS = ["dilated_gru", "lstm", "deepar", "nhits", "tft", "seasonal_naive", "auto_ets"]


class Round:
    """One turn of all calls, each of which may use what came before."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number = number
        self.folder = folder
        rng = np.random.default_rng(number)
        days = pd.date_range("2024-01-01", periods=150, freq="D")
        price = rng.choice([-1.0, 1.0], size=(3, 150))
        sold = 30 + price + 3 * np.sin(np.arange(150) * 2 * np.pi / 7)
        self.frame = pd.DataFrame(
            {
                "shop": np.repeat(["a", "b", "c"], 150),
                "day": np.tile(days, 3),
                "price": price.ravel(),
                "sold": (sold + 0.2 * rng.normal(size=(3, 150))).ravel(),
            }
        )
        ahead = pd.date_range(days[-1], periods=6, freq="D")[1:]
        self.future = pd.DataFrame(
            {"shop": np.repeat(["a", "b", "c"], 5), "day": np.tile(ahead, 3), "price": 1.0}
        )
        self.model: Any = None

    def calls(self) -> dict[str, Callable[[], object]]:
        """Return the calls by name, in turn."""
        return {
            "from_frame, split": self.read,
            "train fast": lambda: self.train("fast", max_steps=30),
            "train medium": lambda: self.train("medium", max_steps=30, folder=self.folder / "m"),
            "train best": lambda: self.train("best", max_seconds=1.0, max_steps=4),
            "fit": self.fit,
            "forecast, paths": self.forecast,
            "predict": lambda: self.model.predict(self.splits.validation),
            "evaluate": lambda: self.model.evaluate(self.data, windows=2),
            "update": lambda: self.model.update(self.data, max_seconds=1, progress=False),
            "save, load, card": self.keep,
            "plot": lambda: self.model.plot(self.model.forecast(self.data, future=self.future)),
            "interpretation": self.interpret,
            "tune": self.tune,
            "compare, report": self.compare,
            "backtest": self.backtest,
            **({"export_onnx": self.export} if self.number % EXPORTED == 0 else {}),
            "layers": self.layers,
            "tables": self.tables,
            "refusals": self.refusals,
        }

    def read(self) -> None:
        """Make the data, and their windows."""
        self.data = drnn.ForecastData.from_frame(self.frame, **ROLES)
        self.splits = self.data.split(horizon=5, **WINDOWS)
        self.batch, _ = next(iter(self.splits.validation.to_dataloader(False, 4, num_workers=0)))
        drnn.load_sample()

    def train(self, preset: str, **options: Any) -> None:
        """Train by the recipe."""
        self.model = drnn.train(self.data, 5, preset=preset, **SMALL, **options)

    def fit(self) -> None:
        """Train a network."""

        def build() -> Any:
            return drnn.DilatedRNNForecaster.from_dataset(self.splits.training, hidden_size=4)

        options = {**BUDGET, "checkpoint": self.folder / "model.ckpt", "snapshots": 1}
        self.model = drnn.fit(build, self.splits.training, self.splits.validation, **options).model

    def forecast(self) -> None:
        """Forecast, in three ways."""
        self.model.forecast(self.data, future=self.future)
        self.model.forecast(self.data, horizon=3, origin="2024-03-01")
        self.model.paths(self.data, future=self.future, count=20)

    def keep(self) -> None:
        """Save and load."""
        self.model.save(self.folder / "saved")
        self.model = drnn.load(self.folder / "saved")
        drnn.load(self.folder / "model.ckpt")
        self.model.card()

    def interpret(self) -> None:
        """Look inside."""
        found = self.model.interpret_output(self.batch)
        self.model.plot_interpretation(found)
        raw = self.model.predict(self.splits.validation, mode="raw", return_x=True)
        self.model.plot_prediction(raw.x, raw.output, 0)
        self.model.predict_dependency(self.splits.validation, "price", [0.0, 1.0])

    def tune(self) -> None:
        """Search."""
        found = drnn.tune(
            self.data,
            5,
            n_trials=2,
            search_space=SPACE,
            folder=self.folder / "tuning",
            **WINDOWS,
            **BUDGET,
        )
        found.best_model()
        found.save_plots(self.folder / "plots")

    def compare(self) -> None:
        """Compare two models, one of which takes turns."""
        name = MODELS[self.number % len(MODELS)]
        found = self.contest(drnn.compare, [name, "dilated_lstm"], test_windows=2)
        evaluation.write_report(found, self.folder / "report", title="Soak", unit="pieces")

    def backtest(self) -> None:
        """Forecast from two origins."""
        self.contest(drnn.backtest, ["lstm", "seasonal_naive"], folds=2)

    def contest(self, function: Any, models: list[str], **options: Any) -> Any:
        """Return the results of a contest."""
        options |= {"seeds": [0], "learning_rates": [3e-3], "folder": self.folder / "cells"}
        return function(self.data, 5, models=models, **WINDOWS, **BUDGET, **options)

    def export(self) -> None:
        """Write the network as ONNX."""
        drnn.export_onnx(self.model, self.batch, self.folder / "m.onnx")

    def layers(self) -> None:
        """Do the arithmetic."""
        drnn.recommend_dilations(64)
        drnn.mean_recurrent_length(drnn.dilation_schedule(3))
        drnn.Recipe.of(self.data.facts(5)).explain()

    def tables(self) -> None:
        """Write and read tables."""
        tables.write_table(self.frame, self.folder / "t.parquet")
        tables.write_table(self.frame, self.folder / "t.csv")
        tables.read_table(self.folder / "t.parquet")
        tables.read_table(self.folder / "t.csv", text=["shop"])

    def refusals(self) -> None:
        """Ask for what is refused."""
        for options in ({"horizon": 0}, {"horizon": 10**6}, {"horizon": 5, "dilations": [0]}):
            try:
                drnn.train(self.data, progress=False, **options)
            except ValueError:
                continue
            raise RuntimeError(f"{options} is accepted")


def resident() -> float:
    """Return the resident memory of this process, MB, once what is free is handed back (Linux)."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measured(number: int, name: str, call: Callable[[], object]) -> dict[str, Any]:
    """Return how a call went."""
    begun = time.perf_counter()
    call()
    plt.close("all")
    seconds = time.perf_counter() - begun
    return {
        "round": number,
        "call": name,
        "seconds": round(seconds, 3),
        "resident MB": round(resident(), 2),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    begun, rows = time.monotonic(), []
    for number in itertools.count():
        with tempfile.TemporaryDirectory() as folder:
            turn = Round(number, Path(folder))
            for name, call in turn.calls().items():
                row = measured(number, name, call)
                rows.append({"minutes": round((time.monotonic() - begun) / 60, 2), **row})
        print(rows[-1], flush=True)
        if rows[-1]["minutes"] >= args.minutes:
            break
        pd.DataFrame(rows).to_csv(RESULTS / "soak.csv", index=False)
    table = pd.DataFrame(rows)
    table.to_csv(RESULTS / "soak.csv", index=False)
    lines = verdict(table)
    (RESULTS / "soak.md").write_text("\n".join(lines) + "\n")
    print(lines[4])


def verdict(table: pd.DataFrame) -> list[str]:
    """Return how much grew, all in all and by call, as lines of Markdown."""
    ends = table.groupby("round").last()
    late = ends.iloc[max(int(SETTLED * len(ends)), min(len(MODELS), len(ends) // 2)) :]
    slope = 60 * theilslopes(late["resident MB"], late["minutes"])[0]
    counts = late[["descriptors", "threads"]]
    is_flat = slope < MOST * late["resident MB"].median() and bool(
        (counts.iloc[-1] <= counts.iloc[0]).all()
    )
    grown = table.assign(change=table["resident MB"].diff())
    grown = grown[grown["round"] >= late.index[0]].groupby("call", sort=False)
    by_call = pd.DataFrame(
        {
            "calls": grown.size(),
            "seconds": grown["seconds"].median(),
            "MB, mean change": grown["change"].mean(),
        }
    ).reset_index()
    shown = ends[["minutes", "resident MB", "descriptors", "threads"]].reset_index()
    shown = shown.iloc[np.linspace(0, len(shown) - 1, min(13, len(shown))).astype(int)]
    return [
        "# Soak",
        "",
        f"`python benchmarks/soak.py`: {table['minutes'].iloc[-1]:.0f} minutes, {len(ends)} rounds "
        f"of {table['call'].nunique()} kinds of calls, {len(table):,} in all. "
        f"{setting('pytorch-forecasting', 'lightning', 'optuna')}",
        "",
        f"{'Flat' if is_flat else 'Not flat'}: from round {late.index[0]} on the resident memory "
        f"grows by {slope:+.1f} MB an hour, of {late['resident MB'].median():.0f} MB "
        f"({100 * slope / late['resident MB'].median():+.2f} %); descriptors from "
        f"{counts.iloc[0]['descriptors']} to {counts.iloc[-1]['descriptors']}, threads from "
        f"{counts.iloc[0]['threads']} to {counts.iloc[-1]['threads']}.",
        "",
        *markdown(shown),
        "",
        *markdown(by_call),
    ]


if __name__ == "__main__":
    main()

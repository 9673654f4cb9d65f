"""A table, and the command line run on it in this process."""

import numpy as np
import pandas as pd

from drnn_forecast.cli import main

FIT = ["--time", "ds", "--target", "y", "--series", "unique_id", "--horizon", "12"]
QUICK = ["--max_steps", "3", "--batch_size", "16", "--progress", "false"]
SMALL = ["--hidden_size", "4", "--num_layers", "2", "--context_length", "24", *QUICK]


def table(num_series=2, length=200):
    time = pd.date_range("2024-01-01", periods=length, freq="h")
    rng = np.random.default_rng(0)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "unique_id": f"s{index}",
                    "ds": time,
                    "y": 10 + np.sin(np.arange(length) * 2 * np.pi / 24) + rng.normal(size=length),
                    "price": rng.normal(size=length),
                    "visits": rng.normal(size=length),
                    "region": ["north", "south"][index % 2],
                }
            )
            for index in range(num_series)
        ],
        ignore_index=True,
    )


def future_of(frame, steps=12):
    rows = []
    for name, part in frame.groupby("unique_id"):
        time = pd.date_range(part["ds"].max(), periods=steps + 1, freq="h")[1:]
        rows.append(pd.DataFrame({"unique_id": name, "ds": time, "price": 0.5}))
    return pd.concat(rows, ignore_index=True)


def write(frame, path):
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    return path


def run(*args):
    """Run a command line in this process; return its exit status."""
    try:
        return main([str(arg) for arg in args])
    except SystemExit as stop:  # the parser's own mistakes
        return stop.code

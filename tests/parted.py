"""Partitioned datasets, and a model of a few steps that forecasts them."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd

import drnn_forecast as drnn

HORIZON = 6
ROLES = {"series": "id", "time": "ds", "target": "y", "known": ["price"], "static": ["region"]}


def history(num_series=6, length=60, seed=0, ahead=HORIZON):
    """Return series of two regions, with future rows after the last targets."""
    rng = np.random.default_rng(seed)
    time = pd.date_range("2024-01-01", periods=length + ahead, freq="D")
    parts = []
    for number in range(num_series):
        values = 10 + number + np.sin(np.arange(length + ahead)) + rng.normal(size=len(time))
        values[length:] = np.nan
        part = {"id": f"s{number:03}", "ds": time, "y": values, "price": rng.normal(size=len(time))}
        parts.append(pd.DataFrame({**part, "region": ["north", "south"][number % 2]}))
    return pd.concat(parts, ignore_index=True)


@cache
def model_folder():
    """Return the folder of a model of the first series, which takes part in no partition alone."""
    model = drnn.train(
        history().dropna(subset="y"),
        HORIZON,
        **ROLES,
        max_steps=2,
        hidden_size=4,
        context_length=12,
        season_length=7,
        progress=False,
    )
    return model.save(Path(mkdtemp()) / "model")


def by_region(frame, folder, files=1):
    """Write a frame as hive partitions by region, each in some files of whole series."""
    for region, part in frame.groupby("region"):
        place = folder / f"region={region}"
        place.mkdir(parents=True)
        names = np.array_split(part["id"].unique(), files)
        for number, own in enumerate(names):
            rows = part[part["id"].isin(own)].drop(columns="region")
            rows.to_parquet(place / f"part-{number}.parquet", index=False)
    return folder


def flat(frame, folder, files=3):
    """Write a frame as files of whole series in one folder."""
    folder.mkdir(parents=True)
    for number, own in enumerate(np.array_split(frame["id"].unique(), files)):
        rows = frame[frame["id"].isin(own)]
        rows.to_parquet(folder / f"part-{number}.parquet", index=False)
    return folder


def read(folder):
    """Return what pyarrow reads in a folder of forecasts, sorted by series and time."""
    frame = pd.read_parquet(folder)
    return frame.sort_values(["id", "ds"], ignore_index=True)


def contents(folder):
    """Return the bytes of every file of forecasts, by name."""
    paths = (path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}

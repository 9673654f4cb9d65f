"""The public data of the accuracy benchmarks; none of them are in the repository."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from drnn_forecast import ForecastData

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Where the data lie: beside the checkout."""

M4_CLOCKS = {"Hourly": ("2000-01-03", "h"), "Weekly": ("1950-01-02", "W-MON")}
"""Start and frequency given to every series; no model reads the calendar."""

ETT_MONTH = 30 * 24
"""Hours: the protocol's 12 months of training, 4 of validation and 4 of test have 30 days each."""


def m4(group: str) -> ForecastData:
    """Return a group of M4 with the official test part at the end of each series."""
    parts = [_m4_part(group, part) for part in ("train", "test")]
    frame = pd.concat(parts, ignore_index=True)
    start, freq = M4_CLOCKS[group]
    step = frame.groupby("series").cumcount()
    stamps = pd.date_range(start, periods=step.max() + 1, freq=freq)
    return _with_roles(frame.assign(time=stamps[step]), calendar=False)


def ett(name: str) -> ForecastData:
    """Return 20 months, a series per column, each standardised by its first 12 months."""
    frame = pd.read_csv(_path("ett", f"{name}.csv.gz"), parse_dates=["date"], index_col="date")
    frame = frame.iloc[: 20 * ETT_MONTH]
    past = frame.iloc[: 12 * ETT_MONTH]
    standardised = (frame - past.mean()) / past.std(ddof=0)
    tidy = standardised.melt(ignore_index=False, var_name="series").reset_index()
    return _with_roles(tidy.rename(columns={"date": "time"}), calendar=False)


def europe() -> ForecastData:
    """Return hourly load of 14 countries, MW; temperature, measured, is known ahead: an oracle."""
    names = ("load_mw_2017_2019_14c", "temp_c_2017_2019_14c")
    load, temperature = (
        pd.read_csv(_path("europe_load", f"{name}.csv.gz"), parse_dates=[0], index_col=0)
        .rename_axis("time")
        .melt(ignore_index=False, var_name="series")
        .set_index("series", append=True)["value"]
        for name in names
    )
    frame = pd.DataFrame({"value": load, "temperature": temperature}).reset_index()
    return _with_roles(frame, calendar=True, known=["temperature"])


def stallion() -> pd.DataFrame:
    """Return the tutorial's table of monthly demand, as it is."""
    return pd.read_parquet(_path("stallion", "stallion.parquet"))


def before(data: ForecastData, steps: int) -> ForecastData:
    """Return the data without the last `steps` time steps, which are not to be looked at."""
    past = data.before(steps)
    return dataclasses.replace(past, future=past.future.iloc[:0])


def _m4_part(group: str, part: str) -> pd.DataFrame:
    """Return `series` and `value` of one part, in order of time."""
    table = pd.read_csv(_path("m4", f"{group}-{part}.csv.gz"), index_col=0)
    values = table.to_numpy()
    rows, steps = np.nonzero(~np.isnan(values))
    return pd.DataFrame({"series": table.index[rows], "value": values[rows, steps]})


def _with_roles(frame: pd.DataFrame, **roles: object) -> ForecastData:
    return ForecastData.from_frame(frame, series="series", time="time", target="value", **roles)


def _path(*parts: str) -> Path:
    """Return the path of a file that is there.

    Raises:
        FileNotFoundError: It is not.
    """
    path = SHARED.joinpath(*parts)
    if not path.is_file():
        raise FileNotFoundError(
            f"The accuracy benchmarks read {path}, which does not exist. "
            f"Put the data sets into {SHARED}, beside the checkout."
        )
    return path

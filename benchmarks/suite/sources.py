"""Tidy frames of competitions, nature, traffic and energy from the public files."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd

from benchmarks.suite.frames import DATA, by_row, every_kth, fill, regular, table, tidy

QUARTERS = {"Q1": "01", "Q2": "04", "Q3": "07", "Q4": "10"}


def competition(name: str, period: str) -> pd.DataFrame:
    """Return M1 or M3, with the starts of its list; a year below 1700 counts from 1900 on."""
    folder = name.lower()
    parts = [
        pd.read_csv(DATA / folder / f"{name}-{period}-{part}.csv.gz", index_col=0)
        for part in ("train", "test")
    ]
    info = pd.read_csv(DATA / folder / f"{name}-info.csv.gz", index_col=0)
    starts = {str(series): _start(text) for series, text in info["start"].astype(str).items()}
    freq = {"Monthly": "MS", "Quarterly": "QS", "Yearly": "YS"}[period]
    return by_row(_joined(*parts), freq, starts)


def m4(period: str) -> pd.DataFrame:
    """Return a group of M4; hours begin as in its list, weeks and years at one invented time."""
    train = {
        "Hourly": "m4/Hourly-train.csv.gz",
        "Weekly": "m4/Weekly-train.csv.gz",
        "Yearly": "m4_yearly_train/Yearly-train-every5th.csv.gz",
    }[period]
    first = every_kth(pd.read_csv(DATA / train, index_col=0).T).T
    test = pd.read_csv(DATA / "m4" / f"{period}-test.csv.gz", index_col=0).loc[first.index]
    rows = _joined(first, test)
    if period == "Hourly":
        starts = pd.read_csv(DATA / "m4" / "Hourly-info.csv", index_col=0)["start_iso"]
        return by_row(rows, "h", starts.to_dict())
    return by_row(rows, *{"Weekly": ("W-MON", "1950-01-02"), "Yearly": ("YS", "1900")}[period])


def cif() -> pd.DataFrame:
    """Return CIF 2016, on an invented calendar."""
    with gzip.open(DATA / "cif_2016" / "cif_2016_dataset.tsf.gz", "rt", encoding="latin-1") as file:
        lines = file.read().splitlines()
    series = [line.split(":") for line in lines[lines.index("@data") + 1 :]]
    rows = {name: pd.Series(values.split(","), dtype=float) for name, _, values in series}
    return by_row(pd.DataFrame(rows).T, "MS", "2000-01")


def covid() -> pd.DataFrame:
    """Return the first 212 days of cumulative deaths."""
    wide = pd.read_csv(DATA / "covid_deaths" / "covid_deaths_daily_266.csv.gz", index_col=0)
    wide = wide.T.iloc[:212]
    return tidy(wide.set_axis(pd.to_datetime(wide.index)))


def exchange() -> pd.DataFrame:
    """Return eight exchange rates; the days of the file are nominal, so business days are set."""
    wide = pd.read_csv(DATA / "exchange_rate" / "exchange_rate.txt.gz", header=None)
    return tidy(wide.set_axis(pd.date_range("1990-01-01", periods=len(wide), freq="B")))


def ett(*names: str) -> pd.DataFrame:
    """Return the seven columns of one or more transformers, each a series."""
    parts = [table(f"ett/{name}.csv.gz").add_prefix(f"{name} ") for name in names]
    return pd.concat([tidy(part) for part in parts], ignore_index=True)


def plain(path: str, *, season: int = 1, freq: str | None = None) -> pd.DataFrame:
    """Return a table of the data folder, every column a series."""
    wide = every_kth(table(path), 10_000 if freq is None else 200)
    return tidy(wide if freq is None else regular(wide, freq), season=season)


def europe() -> pd.DataFrame:
    """Return hourly load of 14 countries, with the temperature that was measured."""
    load, degrees = (
        table(f"europe_load/{name}_2017_2019_14c.csv.gz") for name in ("load_mw", "temp_c")
    )
    return tidy(load, temperature=degrees)


def pedestrians() -> pd.DataFrame:
    """Return counts of four sensors; a gap repeats the same hour of the week before."""
    rows = pd.read_csv(DATA / "pedestrian" / "pedestrian_hourly_4.csv.gz")
    times = pd.to_datetime(rows.pop("date")) + pd.to_timedelta(rows.pop("hour"), unit="h")
    return tidy(regular(rows.set_axis(times), "h"), season=168)


def wikipedia() -> pd.DataFrame:
    """Return daily views of 53 pages."""
    names = ("10", "figures")
    wide = [table(f"wikipedia_traffic/wikipedia_daily_{name}.csv.gz") for name in names]
    return tidy(pd.concat(wide, axis=1))


def bikes() -> pd.DataFrame:
    """Return hourly rentals; an hour without a row had none. Weather is what was measured."""
    rows = pd.read_csv(DATA / "bike_sharing" / "bike_sharing_hourly.csv.gz")
    times = pd.to_datetime(rows["dteday"]) + pd.to_timedelta(rows["hr"], unit="h")
    rows = regular(rows.set_axis(times).drop(columns="dteday"), "h")
    days = rows[["holiday", "workingday"]].groupby(rows.index.normalize()).transform("first")
    weather = fill(rows[["temp", "hum", "windspeed", "weathersit"]])
    counts = rows[["cnt"]].fillna(0)
    return tidy(counts, **dict(days.items()), **dict(weather.items()))


def valencia() -> pd.DataFrame:
    """Return eight pollutants; a gap repeats the same hour of the day before."""
    rows = regular(table("air_quality_valencia/air_quality_valencia_hourly.csv.gz"), "h")
    wind = fill(rows["veloc."]).bfill()
    return tidy(rows.drop(columns=["veloc.", "direc."]), season=24, wind=wind)


def solar() -> pd.DataFrame:
    """Return the power of 44 inverters, with what their plant's sensors measured."""
    parts = []
    for plant in ("plant1", "plant2"):
        power = table(f"solar_plants_15min/{plant}_ac_power_15min_22.csv.gz")
        sensors = regular(table(f"solar_plants_15min/{plant}_weather_15min.csv.gz"), "15min")
        sensors = fill(sensors.reindex(power.index), 96).bfill()
        observed = {name.lower(): sensors[name] for name in sensors if "MODULE" not in name}
        power = power.add_prefix(f"{plant} ")
        parts.append(tidy(power, season=96, plant=dict.fromkeys(power, plant), **observed))
    return pd.concat(parts, ignore_index=True)


def spain() -> pd.DataFrame:
    """Return solar, wind, load and price, each with its own day-ahead figure as a covariate."""
    rows = fill(table("spain_energy/spain_hourly_2015_2018.csv.gz"), 24)
    raw = table("spain_energy/spain_hourly_2015_2018.csv.gz")
    pairs = {
        "generation solar": "forecast solar day ahead",
        "generation wind onshore": "forecast wind onshore day ahead",
        "total load actual": "total load forecast",
        "price actual": "price day ahead",
    }
    ahead = pd.DataFrame({name: rows[forecast] for name, forecast in pairs.items()})
    return tidy(raw[list(pairs)], season=24, day_ahead=ahead)


def beijing() -> pd.DataFrame:
    """Return PM2.5 of 12 stations, with what one of them measured of the weather."""
    wide = table("beijing_pm25/beijing_multisite_pm25_hourly_12.csv.gz")
    weather = fill(table("beijing_pm25/beijing_weather_aotizhongxin_hourly.csv.gz"))
    weather = weather.drop(columns=["RAIN", "PRES"]).rename(columns=str.lower)
    return tidy(wide, season=24, **dict(weather.items()))


def jena() -> pd.DataFrame:
    """Return seven measurements every ten minutes; -9999 is a missing value."""
    wide = table("weather_jena_10min/weather_jena_10min_7.csv.gz").replace(-9999, np.nan)
    return tidy(regular(wide.mask(wide == -9999.0), "10min"), season=144)


def _joined(train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Return rows of training and test values; blanks between them are left out later."""
    return pd.concat([train, test.add_prefix("test ")], axis=1)


def _start(text: str) -> str:
    """Return the date of a start such as 1974, 1974-Q3 or 1974-07."""
    year, _, part = text.partition("-")
    number = int(year) if int(year) >= 1700 else 1900 + int(year)
    return f"{number}-{QUARTERS.get(part, part or '01')}-01"

"""The fixed tasks: split, horizon, season and origins of each, and what lies before its test part.

    python -m benchmarks.suite.tasks          # a table of all tasks; writes halves.csv

The test part of a series is what its last origins forecast: `windows` of them, `stride` steps
apart, the last one `horizon` steps before the end. Of hourly data they are seven, eight days apart,
so that each weekday is begun once. Every named family is in one half; M1, M3 and M4 have three
tasks each. The tasks of fev's zero-shot protocol hold all series and one window; its ETTh joins
ETTh1, of which only what lies before its test part is looked at in development, to ETTh2, and is
therefore of the report half. One series of Europe load, of Spain, overlaps the report half's load
of Spain, whose last year it does not validate on.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd

from benchmarks.suite import shops, sources
from benchmarks.suite.sources import competition, ett, m4, plain
from benchmarks.suite.task import Half, Task, before_test, cut, dev_split, origins

__all__ = ["FEV", "HALVES", "TASKS", "Task", "before_test", "cut", "dev_split", "origins"]

HALVES: Final = Path(__file__).with_name("halves.csv")
DAY_AND_WEEK: Final[dict[str, Any]] = {"windows": 7, "stride": 192}
HOURLY: Final[dict[str, Any]] = {"long_season": 168, **DAY_AND_WEEK}


def _competitions(half: Half) -> list[Task]:
    """Return the tasks of M1 and M3."""
    kinds = (("Monthly", "MS", 18, 12), ("Quarterly", "QS", 8, 4), ("Yearly", "YS", 6, 1))
    return [
        Task(
            f"{name} {period.lower()}",
            half,
            name,
            freq,
            horizon,
            season,
            partial(competition, name, period),
            fev=f"monash_{name.lower()}_{period.lower()}",
        )
        for name in ("M1", "M3")
        for period, freq, horizon, season in kinds
    ]


def _transformers(half: Half, number: int) -> list[Task]:
    """Return the long horizons of one of the two electricity transformers."""
    hours, minutes = f"ETTh{number}", f"ETTm{number}"
    return [
        Task(hours, half, hours, "h", 96, 24, partial(ett, hours), **HOURLY),
        Task(minutes, half, minutes, "15min", 96, 96, partial(ett, minutes), windows=7, stride=768),
    ]


def _development() -> list[Task]:
    task = partial(_task, "development")
    weather = ("temp", "hum", "windspeed", "weathersit")
    shop = ("open", "promo", "school_holiday", "state_holiday")
    sensors = ("ambient_temperature", "irradiation")
    hospital = partial(plain, "hospital/hospital_monthly_767.csv.gz")
    births = partial(plain, "us_births/us_births_daily.csv.gz")
    taxi = partial(plain, "nyc_taxi_30min/nyc_taxi_30min.csv.gz")
    ili = partial(plain, "ili_weekly/national_illness.csv.gz")
    sunspots = partial(plain, "sunspot/sunspot_daily.csv.gz")
    return [
        *_competitions("development"),
        task("hospital", "MS", 12, 12, hospital, fev="monash_hospital"),
        *_transformers("development", 1),
        task("Europe load", "h", 48, 24, sources.europe, observed=("temperature",), **HOURLY),
        task(
            "Rossmann",
            "D",
            48,
            7,
            shops.rossmann,
            windows=2,
            known=shop,
            static=("store_type", "assortment"),
        ),
        task(
            "orange juice",
            "W-THU",
            4,
            52,
            shops.orange_juice,
            windows=3,
            known=("price", "deal", "feature"),
            static=("brand",),
        ),
        task("births", "D", 30, 7, births, windows=12),
        task("pedestrians", "h", 24, 24, sources.pedestrians, **HOURLY),
        task("taxi", "30min", 48, 48, taxi, windows=7, stride=384, long_season=336),
        task("Wikipedia", "D", 59, 7, sources.wikipedia, windows=2),
        task(
            "bikes",
            "h",
            24,
            24,
            sources.bikes,
            windows=14,
            stride=192,
            long_season=168,
            known=("holiday", "workingday"),
            observed=weather,
        ),
        task("ILI", "W-TUE", 24, 52, ili, windows=4, stride=13),
        task("sunspots", "D", 30, 7, sunspots, windows=12),
        task("Valencia", "h", 24, 24, sources.valencia, observed=("wind",), **HOURLY),
        task(
            "solar", "15min", 96, 96, sources.solar, windows=3, observed=sensors, static=("plant",)
        ),
    ]


def _report() -> list[Task]:
    task = partial(_task, "report")
    fred = partial(plain, "fred_md/fred_md_monthly_118.csv.gz", freq="MS")
    nn5 = partial(plain, "nn5_daily/nn5_daily_111.csv.gz", season=7)
    parts = partial(plain, "car_parts/car_parts_monthly_2674.csv.gz")
    wind = partial(plain, "gefcom2012_wind/wind_power_hourly_7.csv.gz")
    river = partial(plain, "saugeen/saugeen_river_flow_daily.csv.gz")
    air = ("temp", "dewp", "wspm")
    special = ("easter_day", "good_friday", "new_year", "christmas", "labor_day")
    more = ("independence_day", "revolution_day_memorial", "regional_games", "beer_capital")
    events = ("fifa_u_17_world_cup", "football_gold_cup", "music_fest")
    drinks = ("industry_volume", "soda_volume", "avg_max_temp")
    people = ("avg_population_2017", "avg_yearly_household_income_2017")
    return [
        replace(
            task("M4 hourly", "h", 48, 24, partial(m4, "Hourly"), long_season=168), family="M4"
        ),
        replace(task("M4 weekly", "W-MON", 13, 1, partial(m4, "Weekly")), family="M4"),
        replace(task("M4 yearly", "YS", 6, 1, partial(m4, "Yearly")), family="M4"),
        task("CIF", "MS", 12, 12, sources.cif),
        task("FRED-MD", "MS", 12, 12, fred, windows=4),
        task("NN5", "D", 56, 1, nn5, fev="nn5"),
        task("car parts", "MS", 12, 12, parts, fev="monash_car_parts"),
        task("covid", "D", 30, 1, sources.covid, fev="monash_covid_deaths"),
        task("exchange", "B", 30, 5, sources.exchange, fev="exchange_rate"),
        task("ETTh", "h", 24, 24, partial(ett, "ETTh1", "ETTh2"), fev="ETTh"),
        *_transformers("report", 2),
        task("Spain", "h", 24, 24, sources.spain, known=("day_ahead",), **HOURLY),
        task("wind", "h", 48, 24, wind, **DAY_AND_WEEK),
        task(
            "Walmart",
            "W-FRI",
            39,
            52,
            shops.walmart,
            known=("is_holiday",),
            static=("store_type", "department"),
        ),
        task(
            "M5",
            "D",
            28,
            7,
            shops.m5,
            windows=2,
            known=("price", "snap", "event"),
            static=("department", "store"),
        ),
        task("pasta", "D", 28, 7, shops.pasta, windows=4, known=("promo",), static=("brand",)),
        task(
            "Favorita",
            "D",
            28,
            7,
            shops.favorita,
            windows=4,
            known=("holiday",),
            observed=("oil",),
            static=("store_type",),
        ),
        task("Beijing", "h", 48, 24, sources.beijing, observed=air, **DAY_AND_WEEK),
        task("Jena", "10min", 144, 144, sources.jena, windows=4, stride=288),
        task("river", "D", 30, 7, river, windows=12),
        task(
            "stallion",
            "MS",
            6,
            12,
            shops.stallion,
            known=("price_regular", "discount_in_percent", *special, *more, *events),
            observed=drinks,
            static=("agency", "sku", *people),
        ),
    ]


def _task(half: Half, name: str, freq: str, *rest: Any, **options: Any) -> Task:
    """Return a task that is a family of its own."""
    return Task(name, half, name, freq, *rest, **options)


TASKS: Final = {task.name: task for task in (*_development(), *_report())}
"""All tasks by name."""

FEV: Final = tuple(name for name, task in TASKS.items() if task.fev)
"""The twelve of fev's zero-shot protocol."""


def listed() -> pd.DataFrame:
    """Return what is fixed of every task, as `halves.csv` has it."""
    names = (
        "family",
        "half",
        "name",
        "freq",
        "horizon",
        "season",
        "long_season",
        "windows",
        "step",
    )
    rows = [[getattr(task, name) for name in names] for task in TASKS.values()]
    table = pd.DataFrame(rows, columns=list(names)).rename(columns={"name": "task"})
    return table.assign(fev=[task.fev for task in TASKS.values()]).astype({"long_season": "Int64"})


if __name__ == "__main__":
    listed().to_csv(HALVES, index=False)
    for name, task in TASKS.items():
        frame = task.load()
        sizes = frame.groupby("series").size()
        print(
            f"{name:14} {task.half:11} h {task.horizon:3} s {task.season:3} {task.windows:2} x "
            f"{task.step:3}  {len(sizes):4} series of {sizes.min()} to {sizes.max()} values, "
            f"{frame['filled'].mean():.2%} filled, {frame['time'].max():%Y-%m-%d %H:%M}",
            flush=True,
        )

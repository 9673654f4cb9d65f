"""Files as people of the field keep them, from file to forecast without preparation."""

import os
from pathlib import Path

import pandas as pd
import pytest

from command_line import run

SHARED = Path(__file__).parents[2] / "../shared/data"
TINY = [
    *("--max_steps", "2", "--hidden_size", "4", "--batch_size", "16", "--progress", "false"),
    *("--context_length", "32", "--validation_windows", "1"),
]
FILES = {
    "small_daily/uk_daily_flights.csv.gz": {"time": "Date", "target": "Number of flights"},
    "small_daily/us_gasoline_weekly.csv.gz": {"time": "Week", "target": "Gasoline"},
    "walmart_sales/features.csv.gz": {"time": "Date", "target": "Temperature", "series": "Store"},
    "europe_load/load_mw_2015_31c.csv.gz": {
        "time": "utc_time",
        "target": "load",
        "series": "country",
        "wide": "columns",
    },
    "exchange_rate/exchange_rate_dated.csv.gz": {
        "time": "date",
        "target": "rate",
        "wide": "columns",
    },
    "covid_deaths/covid_deaths_daily_266.csv.gz": {
        "time": "day",
        "target": "deaths",
        "series": "series",
        "wide": "rows",
    },
    "m3/M3-Other-train.csv.gz": {
        "time": "step",
        "target": "value",
        "series": "id",
        "wide": "rows",
    },
    "nyc_taxi_30min/nyc_taxi_30min.csv.gz": {"time": "time", "target": "#Passengers"},
    "beijing_pm25/beijing_pm25_hourly.csv.gz": {
        "time": "No",
        "target": "[DEWP,TEMP]",
        "observed": "cbwd",
    },
    "stallion/stallion.csv.gz": {"time": "date", "target": "volume", "series": "[agency,sku]"},
}


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the data are not beside the checkout")
@pytest.mark.parametrize("name", FILES)
def test_a_raw_file_goes_to_a_forecast_by_one_fit_and_one_predict(name, tmp_path):
    path, model, out = SHARED / name, tmp_path / "model", tmp_path / "out.csv"
    flags = [part for flag, value in FILES[name].items() for part in (f"--{flag}", value)]

    assert run("fit", path, *flags, "--horizon", "6", *TINY, "--out", model) == 0
    assert run("predict", model, path, "--out", out) == 0

    found = pd.read_csv(out)
    assert len(found) % 6 == 0
    assert found.notna().all(axis=None)
    assert os.listdir(tmp_path / "model")

import importlib.resources

import numpy as np
import pandas as pd
import pytest

from drnn_forecast.data.sample import load_sample

HOURS = 2 * 365 * 24
DATA = importlib.resources.files("drnn_forecast") / "data"


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    return load_sample()


def test_the_sample_has_its_documented_columns_and_dtypes(sample):
    assert sample.columns.tolist() == ["series", "time", "load", "temperature"]
    assert pd.api.types.is_string_dtype(sample["series"])
    assert sample["time"].dt.tz is None
    assert sample[["load", "temperature"]].dtypes.tolist() == [np.float32, np.float32]


def test_every_country_has_every_hour_of_two_years(sample):
    hours = pd.date_range("2018-01-01", periods=HOURS, freq="h")
    counts = sample.groupby("series")["time"].agg(["size", "nunique", "min", "max"])
    assert (counts[["size", "nunique"]] == HOURS).all(axis=None)
    assert (counts["min"] == hours[0]).all()
    assert (counts["max"] == hours[-1]).all()


def test_the_sample_is_sorted_by_series_and_time(sample):
    assert sample.equals(sample.sort_values(["series", "time"], ignore_index=True))


def test_the_sample_has_plausible_values_and_none_missing(sample):
    assert np.isfinite(sample[["load", "temperature"]].to_numpy()).all()
    assert sample["load"].between(3_000, 60_000).all()
    assert sample["temperature"].between(-25, 45).all()


def test_no_hour_is_part_of_a_flat_run_of_three_or_more(sample):
    values = sample["load"]
    assert not ((values == values.shift(1)) & (values == values.shift(2))).any()


def test_the_sample_file_is_at_most_a_megabyte_and_a_half():
    assert len((DATA / "europe_load.parquet").read_bytes()) <= 1.5 * 2**20


@pytest.mark.parametrize(
    "word", ["ENTSO-E", "Open Power System Data", "tangwenyuan", "oracle", "back-fill", "licence"]
)
def test_the_attribution_beside_the_sample_names(word):
    assert word in (DATA / "EUROPE_LOAD.md").read_text(encoding="utf-8")


def test_the_attribution_names_every_country(sample):
    attribution = (DATA / "EUROPE_LOAD.md").read_text(encoding="utf-8")
    countries = attribution.split("country: ")[1].split(" |")[0].split(", ")
    assert countries == sample["series"].unique().tolist()

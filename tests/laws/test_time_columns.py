"""Laws of time columns: what they say counts, not how; and what cannot be read gets advice."""

import re

import numpy as np
import pandas as pd
import pytest

from contest import FOLDS, QUICK, WINDOWS, data, frame, small
from drnn_forecast import ForecastData, backtest, compare

DAYS = pd.date_range("2024-01-01", periods=60, freq="D")

TELLINGS = {
    "seconds": lambda times: times.dt.as_unit("s"),
    "nanoseconds": lambda times: times.dt.as_unit("ns"),
    "Arrow": lambda times: times.astype("timestamp[us][pyarrow]"),
    "Arrow nanoseconds": lambda times: times.astype("timestamp[ns][pyarrow]"),
    "text": lambda times: times.astype(str),
    "objects of text": lambda times: times.astype(str).astype(object),
    "Arrow text": lambda times: times.astype(str).astype("string[pyarrow]"),
    "categories": lambda times: times.astype("category"),
    "categories of text": lambda times: times.astype(str).astype("category"),
    "stamps as objects": lambda times: times.astype(object),
    "Python's datetimes": lambda times: pd.Series(list(times.dt.to_pydatetime()), dtype=object),
    "numpy's as objects": lambda times: pd.Series(list(times.to_numpy()), dtype=object),
}


@pytest.mark.filterwarnings("ignore:.*DatetimeProperties.to_pydatetime:FutureWarning")
@pytest.mark.parametrize("telling", TELLINGS)
def test_times_are_numpys_below_however_they_are_told(telling):
    table = frame(length=96)
    own = data(table)
    told = data(table.assign(ds=TELLINGS[telling](table["ds"]).array))
    assert isinstance(told.history["ds"].dtype, np.dtype)
    assert told.history["ds"].tolist() == own.history["ds"].tolist()
    assert told.roles == own.roles


@pytest.mark.parametrize("dtype", ["date32[pyarrow]", "date64[pyarrow]"])
def test_dates_of_arrow_are_days(dtype):
    days = pd.Series(DAYS.date).astype(dtype)
    told = ForecastData.from_frame(pd.DataFrame({"t": days, "y": 1.0}), time="t", target="y")
    assert told.history["t"].tolist() == DAYS.tolist()


@pytest.mark.parametrize(
    ("work", "windows"), [(compare, WINDOWS), (backtest, {**FOLDS, "folds": 1})]
)
def test_comparisons_are_the_same_with_times_of_arrow(work, windows):
    table = frame()
    told = table.assign(ds=TELLINGS["Arrow"](table["ds"]).array)
    options = {**windows, **QUICK, "models": [small(), "seasonal_naive"], "seeds": [0]}
    own, other = (work(data(each), **options) for each in (table, told))
    assert own.runs["failure"].isna().all()
    pd.testing.assert_frame_equal(other.scores, own.scores)
    pd.testing.assert_frame_equal(other.forecasts, own.forecasts, check_dtype=False)


UNREADABLE = {
    "half time steps": np.arange(60) / 2,
    "durations": pd.to_timedelta(np.arange(60), "D"),
}
"""Time columns that hold no times."""


@pytest.mark.parametrize("kind", UNREADABLE)
def test_advice_for_a_time_column_works_when_it_is_followed(kind):
    table = pd.DataFrame({"t": UNREADABLE[kind]}).assign(y=1.0)
    with pytest.raises(TypeError, match=r"Time column 't'.*; convert it with `") as refusal:
        ForecastData.from_frame(table, time="t", target="y")
    advice = re.search(r"convert it with `(.+?)`", str(refusal.value))[1]
    followed = table.assign(t=eval(advice, {"pd": pd, "frame": table}))
    data = ForecastData.from_frame(followed, time="t", target="y")
    assert data.history["t"].min() == pd.Timestamp("2024-01-01")


@pytest.mark.parametrize(
    "times", [[202401.0, 202402.0, np.nan], pd.array([1, 2, None], dtype="Int64"), ["2024", None]]
)
def test_an_empty_time_is_refused_with_its_row(times):
    table = pd.DataFrame({"t": times}).assign(y=1.0)
    with pytest.raises(ValueError, match=r"1 of \d are empty, first in row \d.*fill or drop"):
        ForecastData.from_frame(table, time="t", target="y")


def test_truth_values_are_no_times():
    table = pd.DataFrame({"t": [True, False] * 9, "y": 1.0})
    with pytest.raises(
        TypeError, match="got dtype bool, first True; give another column as `time`"
    ):
        ForecastData.from_frame(table, time="t", target="y")

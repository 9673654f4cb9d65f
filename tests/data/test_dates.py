"""Dates as people write them are read in the one way in which all of them are dates, or refused."""

import logging

import numpy as np
import pandas as pd
import pytest

from drnn_forecast import ForecastData

DAYS = pd.date_range("2024-01-01", periods=60)
MONTHS = pd.date_range("2010-01-01", periods=60, freq="MS")
HOURS = pd.date_range("2024-01-01", periods=600, freq="h")
QUARTERS = pd.date_range("2010-01-01", periods=60, freq="QS")
WEEKS = pd.date_range("2024-01-01", periods=60, freq="W-MON")

WRITTEN = {
    "day first": (DAYS, DAYS.strftime("%d/%m/%Y")),
    "day first with points": (DAYS, DAYS.strftime("%d.%m.%Y")),
    "month first": (DAYS, DAYS.strftime("%m/%d/%Y")),
    "month first without zeros": (DAYS, [f"{d.month}/{d.day}/{d.year}" for d in DAYS]),
    "two digits of years": (DAYS, DAYS.strftime("%d.%m.%y")),
    "year first with slashes": (DAYS, [f"{d.year}/{d.month}/{d.day} 0:00" for d in DAYS]),
    "English months": (DAYS, DAYS.strftime("%d-%b-%Y")),
    "American words": (DAYS, DAYS.strftime("%B %d, %Y")),
    "weekdays": (DAYS, DAYS.strftime("%a, %d %b %Y")),
    "months alone": (MONTHS, MONTHS.strftime("%b-%y")),
    "months of ISO": (MONTHS, MONTHS.strftime("%Y-%m")),
    "months and years": (MONTHS, MONTHS.strftime("%m/%Y")),
    "first days, day first": (MONTHS, MONTHS.strftime("%d/%m/%Y")),
    "first days, month first": (MONTHS, MONTHS.strftime("%m/%d/%Y")),
    "months of statistics offices": (MONTHS, [f"{d.year}M{d.month}" for d in MONTHS]),
    "YYYYMM": (MONTHS, MONTHS.strftime("%Y%m").astype(int)),
    "YYYYMM as text": (MONTHS, MONTHS.strftime("%Y%m")),
    "YYYYMM as objects": (MONTHS, pd.Series(list(map(int, MONTHS.strftime("%Y%m"))), dtype=object)),
    "YYYYMM of Arrow": (
        MONTHS,
        pd.array(list(map(int, MONTHS.strftime("%Y%m"))), dtype="int64[pyarrow]"),
    ),
    "YYYYMMDD": (DAYS, DAYS.strftime("%Y%m%d").astype(int)),
    "YYYYMMDD as floats": (DAYS, DAYS.strftime("%Y%m%d").astype(float)),
    "YYYYMMDDHH": (HOURS, HOURS.strftime("%Y%m%d%H").astype(int)),
    "seconds since 1970": (DAYS, DAYS.as_unit("s").asi8),
    "seconds since 1970 as text": (DAYS, DAYS.as_unit("s").asi8.astype(str)),
    "milliseconds since 1970": (HOURS, HOURS.as_unit("ms").asi8),
    "nanoseconds since 1970": (DAYS, DAYS.as_unit("ns").asi8),
    "quarters as text": (QUARTERS, QUARTERS.to_period("Q").astype(str)),
    "quarters with a hyphen": (QUARTERS, [f"{d.year}-Q{d.quarter}" for d in QUARTERS]),
    "weeks": (WEEKS, WEEKS.strftime("%G-W%V")),
    "weeks without a hyphen": (WEEKS, WEEKS.strftime("%GW%V")),
    "days of weeks": (WEEKS, WEEKS.strftime("%G-W%V-%u")),
    "clock of twelve hours": (HOURS, HOURS.strftime("%m/%d/%Y %I:%M %p")),
    "clock with points": (HOURS, HOURS.strftime("%d.%m.%Y %H.%M.%S")),
    "the zone in words": (HOURS, HOURS.strftime("%Y-%m-%d %H:%M:%S UTC")),
}


def taken(times, **roles):
    return ForecastData.from_frame(
        pd.DataFrame({"t": times}).assign(y=1.0), time="t", target="y", **roles
    )


@pytest.mark.parametrize("kind", WRITTEN)
def test_dates_in_any_form_are_the_dates_that_they_are(kind, caplog):
    stamps, written = WRITTEN[kind]
    data = taken(written)
    found = pd.DatetimeIndex(data.history["t"]).tz_localize(None)
    assert found.tolist() == stamps.tolist()
    assert data.freq == taken(stamps).freq


@pytest.mark.parametrize("kind", ["day first", "YYYYMM", "weeks", "seconds since 1970"])
def test_what_was_guessed_of_dates_is_said_in_one_line(kind, caplog):
    with caplog.at_level(logging.WARNING, logger="drnn_forecast.data"):
        taken(WRITTEN[kind][1])
    (record,) = caplog.records
    assert "Time column 't' of `frame`" in record.getMessage()


IN_DOUBT = {
    "one date": ["01/02/2024"] * 3,
    "a year of months": MONTHS[:12].strftime("%d/%m/%Y"),
    "two digits": ["01/02/03", "02/03/04"],
}


@pytest.mark.parametrize("kind", IN_DOUBT)
def test_dates_that_may_be_two_are_refused_with_a_line_that_works(kind):
    frame = pd.DataFrame({"t": IN_DOUBT[kind]}).drop_duplicates().assign(y=1.0)
    with pytest.raises(ValueError, match="may be read in two ways") as found:
        ForecastData.from_frame(frame, time="t", target="y", freq="D")
    line = str(found.value).split("otherwise by `")[1].split("`")[0]
    names = {"pd": pd, "frame": frame}
    with pd.option_context("mode.chained_assignment", None):
        exec(line, names)
    assert names["frame"]["t"].dt.month.max() > 1


@pytest.mark.parametrize(
    "times",
    [
        ["01/13/2024", "13/01/2024"],
        ["2024-01-01", "02.01.2024"],
        ["31.11.2024", "01.12.2024"],
        ["2024-01-01", "soon"],
        ["10000-01-01", "10000-01-02"],
        ["01/01/2024 23:59:60", "02/01/2024 23:59:59"],
        ["01/01/2024 25:00", "02/01/2024 26:00"],
        ["2024-01-01T00:00+99:00", "2024-01-02T00:00+99:00"],
        ["2024-01-01T00:00-00:61", "2024-01-02T00:00-00:61"],
        ["9" * 30, "9" * 300],
    ],
)
def test_text_that_is_no_date_is_refused_with_its_row(times):
    with pytest.raises(ValueError, match=r"1 of 2 values are not|2 of 2 values are not"):
        taken(times)


COUNTED = {
    "from 0": np.arange(60),
    "from 1 as text": np.arange(1, 61).astype(str),
    "years": np.arange(1960, 2020),
    "years as floats": np.arange(1960.0, 2020.0),
    "below zero": np.arange(-30, 30),
    "in steps of seven": np.arange(0, 420, 7),
    "of pandas": pd.array(np.arange(60), dtype="Int64"),
    "small": np.arange(60, dtype=np.int8),
}


@pytest.mark.parametrize("kind", sorted(set(COUNTED) - {"from 1 as text"}))
def test_other_whole_numbers_count_steps_and_stay_numbers(kind):
    data = taken(COUNTED[kind])
    assert data.history["t"].tolist() == [int(step) for step in COUNTED[kind]]
    assert data.freq == ("7" if kind == "in steps of seven" else "1")
    assert data.roles.zone == "naive"


def test_counts_with_most_steps_missing_are_refused():
    with pytest.raises(ValueError, match=r"more than half of them are missing.*cumcount"):
        taken([1, 2, 900, 901])


@pytest.mark.parametrize("freq", ["D", "h", "MS", "QS", "W-SUN", "W-TUE", "YS", "B"])
def test_periods_come_back_as_periods(freq):
    import warnings

    stamps = pd.date_range("2020-01-01", periods=40, freq=freq)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' own, of periods of business days
        if freq == "B":
            pytest.skip("pandas gives periods of business days up")
        alias = {"MS": "M", "QS": "Q", "YS": "Y"}.get(freq, freq)
        periods = stamps.to_period(alias)
    data = taken(periods)
    assert data.history["t"].tolist() == list(periods)
    assert data.panel.times_at(np.array([40]))[0] == periods[-1] + 1


def exchange(years=6, closed=()):
    """Return working days without Christmas, New Year, Good Friday and Thanksgiving."""
    from dateutil.easter import easter

    days = pd.bdate_range("2015-01-01", periods=261 * years)
    is_closed = [
        (day.month, day.day) in {(1, 1), (12, 25), *closed}
        or (day.date() - easter(day.year)).days == -2
        or (day.month == 11 and day.weekday() == 3 and 22 <= day.day <= 28)
        for day in days
    ]
    return days[~np.array(is_closed)]


def test_trading_days_are_learned_and_go_on_as_they_were(caplog):
    whole = exchange()
    data = taken(whole[:-150])
    assert data.freq == "trading"
    assert "are taken as trading days" in caplog.text
    count = len(data.history)
    ahead = data.panel.times_at(np.arange(count, count + 150))
    assert list(ahead) == list(whole[-150:])
    np.testing.assert_array_equal(data.panel.positions, np.arange(count))


def test_given_days_ahead_are_the_calendar():
    whole = exchange()
    ahead = whole[-10:].delete(3)
    frame = pd.DataFrame({"t": whole[:-10], "y": 1.0, "x": 0.0})
    future = pd.DataFrame({"t": ahead, "x": 0.0})
    data = ForecastData.from_frame(frame, time="t", target="y", known="x", future=future)
    positions = np.arange(len(frame), len(frame) + 9)
    assert list(data.panel.times_at(positions)) == list(ahead)


def test_days_missing_from_one_series_alone_are_no_holidays():
    frame = pd.DataFrame({"t": exchange(), "s": "a", "y": 1.0})
    other = frame.drop(index=[100, 101]).assign(s="b")
    both = pd.concat([frame, other])
    assert ForecastData.from_frame(both, time="t", target="y", series="s").freq == "B"


@pytest.mark.parametrize("weekday", ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"])
def test_weeks_may_begin_on_any_day(weekday):
    assert (
        taken(pd.date_range("2024-01-01", periods=30, freq=f"W-{weekday}")).freq == f"W-{weekday}"
    )

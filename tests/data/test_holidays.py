"""What holidays are to a frame: features by local dates, and refusals before any work."""

import logging
import sys

import numpy as np
import pandas as pd
import pytest

from drnn_forecast import ForecastData
from drnn_forecast.data import Roles
from drnn_forecast.data.frames.columns import model_frame

PART_OF_A_DAY = ["calendar_holiday", "calendar_holiday_eve", "calendar_holiday_past"]


def frame(start="2024-12-20", periods=14, freq="D", zone=None, **columns):
    times = pd.date_range(start, periods=periods, freq=freq, tz=zone)
    return pd.DataFrame({"ds": times, "y": np.arange(periods, dtype=float), **columns})


def made(table, **roles):
    return ForecastData.from_frame(table, **{"time": "ds", "target": "y", **roles})


def features(data):
    """Return the features of holidays of every row, under its time."""
    columns = model_frame(data.panel.rows.frame, data.panel.positions, data.panel)
    return columns.filter(like="holiday").set_axis(pd.DatetimeIndex(data.history["ds"]), axis=0)


def marked(data, name="calendar_holiday"):
    """Return the days that have a feature."""
    column = features(data)[name]
    return sorted({str(day.date()) for day in column.index[column > 0]})


def test_a_day_a_day_before_and_a_day_after_a_holiday_are_told():
    data = made(frame(), holidays="DE")

    assert list(features(data)) == PART_OF_A_DAY
    assert marked(data) == ["2024-12-25", "2024-12-26", "2025-01-01"]
    assert marked(data, PART_OF_A_DAY[1]) == ["2024-12-24", "2024-12-25", "2024-12-31"]
    assert marked(data, PART_OF_A_DAY[2]) == ["2024-12-26", "2024-12-27", "2025-01-02"]


def test_a_weekend_is_no_day_before_or_after_a_holiday():
    data = made(frame("2024-03-25", 14), holidays="DE")  # Good Friday to Easter Monday

    assert marked(data) == ["2024-03-29", "2024-04-01"]
    assert marked(data, PART_OF_A_DAY[1]) == ["2024-03-28"]
    assert marked(data, PART_OF_A_DAY[2]) == ["2024-04-02"]


def test_a_subdivision_has_its_own_holidays():
    table = frame("2024-08-10")

    assert marked(made(table, holidays="DE")) == []
    assert marked(made(table, holidays="DE-SL")) == ["2024-08-15"]
    assert marked(made(table, holidays="DE-SN")) == []


@pytest.mark.parametrize("freq", ["h", "15min", "D", "B"])
def test_holidays_of_days_and_shorter_steps_are_those_of_their_day(freq):
    data = made(frame("2024-12-23", 400, freq), holidays="US")

    assert list(features(data)) == PART_OF_A_DAY
    assert marked(data)[0] == "2024-12-25"


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("Europe/Berlin", "2024-12-24 23:00", "2024-12-26 22:00"),
        ("Pacific/Auckland", "2024-12-24 11:00", "2024-12-26 10:00"),
        ("UTC", "2024-12-25 00:00", "2024-12-26 23:00"),
        ("America/Los_Angeles", "2024-12-25 08:00", "2024-12-27 07:00"),
    ],
)
def test_a_holiday_is_that_of_the_local_date_in_a_zone(zone, first, last):
    table = frame("2024-12-23", 24 * 7, "h", zone="UTC")
    column = features(made(table, holidays="DE", zone=zone))["calendar_holiday"]
    hours = column.index[column > 0].tz_convert("UTC").tz_localize(None)

    assert (hours[0], hours[-1], len(hours)) == (pd.Timestamp(first), pd.Timestamp(last), 48)


@pytest.mark.parametrize("alias", ["W-SUN", "W-MON", "2W", "ME", "QE", "BME", "BQE"])
def test_steps_that_end_with_their_stamp_have_the_holidays_that_pandas_resamples(alias):
    assert_resampled(alias, "calendar_holidays_until")


@pytest.mark.parametrize("alias", ["MS", "QS", "QS-FEB", "2MS", "2D", "7D"])
def test_steps_that_begin_with_their_stamp_have_the_holidays_that_pandas_resamples(alias):
    assert_resampled(alias, "calendar_holidays_from")


def assert_resampled(alias, name):
    import holidays

    calendar = holidays.country_holidays("FR", years=range(2018, 2027))
    days = pd.date_range("2019-01-01", "2025-12-31")
    off = pd.Series([float(day in calendar and day.weekday() < 5) for day in days], days)
    expected = off.resample(alias).sum().iloc[1:-1]
    table = pd.DataFrame({"ds": expected.index, "y": 1.0 + np.arange(len(expected))})
    found = features(made(table, freq=alias, holidays="FR"))[name]

    assert expected.sum() > 20
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())


def test_weeks_that_begin_with_their_stamp_have_their_holidays_too():
    data = made(frame("2024-12-02", 6, "W-MON"), holidays="DE")

    assert features(data)["calendar_holidays_from"].tolist() == [0, 0, 0, 2, 1, 0]
    assert features(data)["calendar_holidays_until"].tolist() == [0, 0, 0, 0, 2, 1]


def test_a_weekend_is_that_of_the_country():
    fridays_off = made(frame("2024-04-01", 3, "MS"), holidays="IL")  # Friday and Saturday
    import holidays

    days = [day for day in holidays.country_holidays("IL", years=2024) if day.month == 4]
    expected = sum(day.weekday() not in (4, 5) for day in days)
    assert features(fridays_off)["calendar_holidays_from"].iloc[0] == expected


@pytest.mark.parametrize("freq", ["YS", "YE", "2YS"])
def test_years_have_no_feature_and_the_log_says_so(freq, caplog):
    with caplog.at_level(logging.WARNING, "drnn_forecast.data"):
        data = made(frame("2010-01-01", 8, freq), holidays="DE")

    assert features(data).empty
    assert "`holidays` make no features of steps of" in caplog.text


def test_a_name_in_the_form_of_a_country_is_a_country_and_the_log_says_so(caplog):
    with caplog.at_level(logging.WARNING, "drnn_forecast.data"):
        data = made(frame(DE="US"), holidays="DE")

    assert marked(data) == marked(made(frame(), holidays="DE"))
    assert "not of the countries in the column of that name" in caplog.text


def test_holidays_need_no_other_feature_of_the_calendar():
    data = made(frame(periods=40), holidays="DE", calendar=False)
    training = data.split(horizon=2, context_length=4, validation_windows=1).training

    assert training.get_parameters()["time_varying_known_reals"] == PART_OF_A_DAY
    assert training.get_parameters()["time_varying_known_categoricals"] == []


def test_roles_keep_the_country_and_old_roles_have_none():
    roles = Roles("ds", "y", holidays="DE-BY")
    old = {name: value for name, value in roles.to_dict().items() if name != "holidays"}

    assert Roles.from_dict(roles.to_dict()) == roles
    assert Roles.from_dict(old).holidays is None


BAD = {
    "no calendar": ({"holidays": "XX"}, ["codes of two capitals", "got 'XX'"]),
    "no such subdivision": ({"holidays": "DE-XX"}, ["got 'DE-XX'", "DE-BB, DE-BE, DE-BW"]),
    "no subdivisions at all": ({"holidays": "CZ-A"}, ["got 'CZ-A'", "there are none"]),
    "small letters": ({"holidays": "de"}, ["`holidays`", "did you mean 'DE'?"]),
    "a name": ({"holidays": "Germany"}, ["or name a column of codes, got 'Germany'"]),
    "nearly a column": ({"holidays": "lands"}, ["did you mean 'land'?"]),
    "a column of other things": ({"holidays": "number"}, ["got '7'"]),
    "an unknown code in a column": ({"holidays": "unknown"}, ["got 'XX'"]),
    "an empty value": ({"holidays": "gap"}, ["`holidays` column 'gap'", "1 value is empty"]),
    "a change": ({"holidays": "moved"}, ["`holidays` column 'moved'", "from 'DE' to 'FR'"]),
    "the target": ({"holidays": "y"}, ["the column of time or target"]),
    "the time": ({"holidays": "ds"}, ["the column of time or target"]),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_country_is_refused_at_once(case):
    options, parts = BAD[case]
    columns = {"land": "DE", "number": 7, "unknown": "XX", "gap": "DE", "moved": "DE"}
    table = frame(**columns)
    table.loc[3, "gap"] = None
    table.loc[5:, "moved"] = "FR"
    with pytest.raises(ValueError, match="holidays") as caught:
        made(table, **options)

    assert all(part in str(caught.value) for part in parts), caught.value


@pytest.mark.parametrize("holidays", [7, ["DE"], {"a": "DE"}, True])
def test_a_country_is_text(holidays):
    with pytest.raises(TypeError, match="`holidays` must be a country code as text"):
        made(frame(), holidays=holidays)


@pytest.mark.parametrize(("start", "years"), [("1985-06-01", 1991), ("2100-12-28", 2100)])
def test_dates_outside_a_calendar_are_refused(start, years):
    with pytest.raises(ValueError, match=rf"that of 'DE' goes from 1991 to 2100.*from {start}"):
        made(frame(start), holidays="DE")


def test_a_calendar_may_begin_and_end_with_the_frame():
    assert marked(made(frame("1991-01-01", 5), holidays="DE")) == ["1991-01-01"]
    assert marked(made(frame("2100-12-25", 7), holidays="DE"))[0] == "2100-12-25"


def test_without_the_package_the_command_that_installs_it_is_named(monkeypatch):
    from drnn_forecast.data.frames import holidays

    holidays.calendar_of.cache_clear()
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(ImportError, match=r"pip install 'drnn-forecast\[holidays\]'"):
        made(frame(), holidays="DE")
    assert made(frame()).freq == "D"

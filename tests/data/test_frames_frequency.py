"""Time stamps: frequencies, gaps, time zones and calendar features."""

import logging
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from drnn_forecast.data.frames.calendar import calendar_features
from drnn_forecast.data.frames.data import ForecastData
from drnn_forecast.data.frames.frequency import OFF_GRID, Grid

ALIASES = ["15min", "h", "3h", "D", "B", "W-SUN", "W-WED", "MS", "ME", "QS-OCT", "YS-JAN", "2MS"]


def take(times, **roles) -> ForecastData:
    """Return one series that counts 0, 1, 2, ... at these times."""
    frame = pd.DataFrame({"t": times, "y": np.arange(len(times), dtype=float)})
    return ForecastData.from_frame(frame, time="t", target="y", **roles)


@pytest.mark.parametrize("alias", ALIASES)
def test_a_regular_frequency_is_inferred(alias):
    times = pd.date_range("2024-01-01", periods=40, freq=alias)
    data = take(times)
    again = pd.date_range(times[0], periods=40, freq=data.freq)
    assert again.equals(times)


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("dropped", [[5], [1, 2, 3], [9, 10, 24, 25, 33], [4, 8, 12, 16, 20]])
def test_a_frequency_is_inferred_across_gaps(alias, dropped):
    times = pd.date_range("2024-01-01", periods=40, freq=alias)
    gappy = times.delete(dropped)
    data = take(gappy)
    assert data.history["t"].tolist() == times.tolist()


@pytest.mark.parametrize("alias", ["D", "h", "MS", "B"])
def test_every_third_step_may_be_missing(alias):
    times = pd.date_range("2024-01-01", periods=40, freq=alias)
    data = take(times[np.arange(40) % 3 != 2])
    assert data.history["t"].tolist() == times[:40].tolist()


def test_a_series_of_two_rows_takes_the_frequency_of_the_others():
    long = pd.DataFrame({"s": "long", "t": pd.date_range("2024-01-01", periods=9, freq="MS")})
    short = pd.DataFrame({"s": "short", "t": pd.to_datetime(["2024-03-01", "2024-04-01"])})
    frame = pd.concat([long, short]).assign(y=1.0)
    data = ForecastData.from_frame(frame, time="t", target="y", series="s")
    assert data.freq == "MS"


def test_a_working_week_may_stand_beside_months_of_business_days():
    long = pd.DataFrame({"s": "long", "t": pd.date_range("2024-01-01", periods=60, freq="B")})
    week = pd.DataFrame({"s": "week", "t": pd.date_range("2024-02-05", periods=5, freq="D")})
    frame = pd.concat([week, long]).assign(y=1.0)
    assert ForecastData.from_frame(frame, time="t", target="y", series="s").freq == "B"


@pytest.mark.parametrize(
    ("alias", "days"),
    [
        ("MS", 2),
        ("MS", 14),
        ("MS", 27),
        ("ME", -2),
        ("QS", 44),
        ("YS", 180),
        ("W-MON", [0, 1, 0, 2]),
    ],
)
def test_stamps_anywhere_in_their_step_are_refused_and_the_remedy_moves_them(alias, days):
    times = pd.date_range("2022-01-01", periods=40, freq=alias)
    frame = pd.DataFrame({"t": times + pd.to_timedelta(np.resize(days, 40), unit="D")}).assign(
        y=1.0
    )
    with pytest.raises(ValueError, match="move the stamps") as caught:
        ForecastData.from_frame(frame, time="t", target="y")
    remedy = re.search(r"move the stamps: `(.*)`\.", str(caught.value))
    exec(remedy[1], {"frame": frame})
    assert len(ForecastData.from_frame(frame, time="t", target="y").history) == 40


def test_half_months_need_both_halves():
    halves = pd.date_range("2022-01-01", periods=40, freq="SMS-15")
    assert take(halves.delete([3, 4, 9])).freq == "SMS-15"
    with pytest.raises(ValueError, match="one row per month"):
        take(halves[1::2])


@pytest.mark.parametrize(
    ("times", "freq"),
    [
        (pd.date_range("2024-01-01", periods=9, freq="W-SUN"), "D"),
        (pd.date_range("2024-01-01", periods=9, freq="2W-MON"), "W-MON"),
        (pd.date_range("2024-01-01", periods=9, freq="QS"), "MS"),
        (np.arange(9) * 5, "1"),
    ],
)
def test_stamps_that_are_no_neighbours_on_a_given_grid_are_told(times, freq, caplog):
    take(times, freq=freq)
    assert f"one step of '{freq}' apart" in caplog.text


def test_a_given_frequency_is_kept_where_another_would_be_inferred():
    times = pd.date_range("2024-01-01", periods=10, freq="2h")
    assert take(times).freq == "2h"
    assert take(times, freq="h").freq == "h"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Sydney"])
@pytest.mark.parametrize("alias", ["30min", "h", "D", "MS", "W-SUN"])
def test_a_year_with_both_changes_of_clocks_is_regular(alias, zone):
    times = pd.date_range("2024-01-01", "2024-12-31", freq=alias, tz=zone)
    data = take(times)
    assert data.freq == alias
    assert data.history["t"].dtype == times.dtype


@pytest.mark.parametrize(
    ("zone", "month"),
    [("America/Sao_Paulo", "2018-10-15"), ("America/Havana", "2024-10-15")],
    ids=["skipped", "repeated"],
)
def test_a_midnight_that_the_clock_skips_or_repeats_is_a_day_all_the_same(zone, month):
    days = pd.date_range(month, periods=40, freq="D")
    times = days.tz_localize(zone, nonexistent="shift_forward", ambiguous=np.ones(40, dtype=bool))
    data = take(times)
    assert data.freq == "D"
    training = data.split(horizon=4, context_length=8, validation_windows=1).training
    targets = data.target_rows(data.before(30).forecast_dataset(training.get_parameters()))
    assert targets["t"].tolist() == times[10:14].tolist()


def test_steps_of_24_hours_are_not_days_where_clocks_change():
    times = pd.date_range("2024-03-25", periods=20, freq="24h", tz="Europe/Berlin")
    assert take(times).freq == "24h"


@pytest.mark.parametrize("alias", ["h", "D"])
@pytest.mark.parametrize("day", ["2024-03-31", "2024-10-27"])
def test_a_gap_at_a_change_of_clocks_is_filled_in_its_zone(alias, day):
    times = pd.date_range("2024-01-01", "2024-12-31", freq=alias, tz="Europe/Berlin")
    gap = times.normalize() == pd.Timestamp(day, tz="Europe/Berlin")
    data = take(times[~gap])
    assert pd.DatetimeIndex(data.history["t"]).equals(times)


@pytest.mark.parametrize("end", ["2024-03-31 01:00", "2024-10-27 01:00"])
@pytest.mark.parametrize("alias", ["h", "D"])
def test_a_forecast_across_a_change_of_clocks_stays_on_the_grid(alias, end):
    end = pd.Timestamp(end, tz="Europe/Berlin")
    end = end.normalize() if alias == "D" else end
    times = pd.date_range(end=end, periods=60, freq=alias)
    data = take(times)
    parameters = data.split(horizon=4, context_length=8, validation_windows=1).training
    targets = data.target_rows(data.forecast_dataset(parameters.get_parameters()))
    expected = pd.date_range(end, periods=5, freq=alias)[1:]
    assert pd.DatetimeIndex(targets["t"]).equals(expected)
    assert targets["t"].dtype == times.dtype


@pytest.mark.parametrize("alias", ALIASES)
def test_a_forecast_starts_one_step_after_the_history(alias):
    times = pd.date_range("2023-01-01", periods=44, freq=alias)
    data = take(times[:40], freq=alias)
    training = data.split(horizon=4, context_length=8, validation_windows=1).training
    targets = data.target_rows(data.forecast_dataset(training.get_parameters()))
    assert targets["t"].tolist() == times[40:].tolist()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_unit_of_time_stamps_is_kept(unit):
    times = pd.date_range("2024-01-01", periods=40, freq="h").as_unit(unit)
    data = take(times)
    splits = data.split(horizon=2, context_length=4, validation_windows=1)
    assert data.history["t"].dtype == times.dtype
    assert splits.origins["t"].dtype == times.dtype


@settings(deadline=None)
@given(
    st.sampled_from(ALIASES),
    st.sampled_from([None, "UTC", "Europe/Berlin"]),
    st.lists(st.integers(0, 400), min_size=1, max_size=20),
)
def test_a_grid_numbers_its_own_stamps(alias, zone, positions):
    origin = pd.date_range("2023-06-01", periods=1, freq=alias, tz=zone)[0]
    grid = Grid(origin, alias)
    stamps = grid.stamps(np.array(positions))
    assert grid.positions(stamps).tolist() == positions
    between = stamps + pd.Timedelta(minutes=1)
    assert (grid.positions(between) == OFF_GRID).all()


@pytest.mark.parametrize("kind", ["text", "date", "with zone", "mixed offsets"])
def test_a_time_column_of_text_or_dates_is_parsed(kind, caplog):
    stamps = pd.date_range("2024-03-29", periods=6, freq="D", tz="Europe/Berlin")
    columns = {
        "text": stamps.strftime("%Y-%m-%d"),
        "date": stamps.date,
        "with zone": stamps.tz_localize(None).strftime("%Y-%m-%dT00:00:00Z"),
        "mixed offsets": pd.date_range(stamps[1], periods=60, freq="h").astype(str),
    }
    data = take(columns[kind])
    assert pd.api.types.is_datetime64_any_dtype(data.history["t"])
    assert ("UTC offsets" in caplog.text) == (kind == "mixed offsets")


def test_days_of_another_zone_need_that_zone():
    times = pd.date_range("2024-03-25", periods=20, freq="D", tz="Europe/Berlin").tz_convert("UTC")
    with pytest.raises(ValueError, match=r"or `zone`, .* if days do not begin at midnight of UTC"):
        take(times)
    assert take(times, zone="Europe/Berlin").freq == "D"


def calendar_of(data: ForecastData) -> dict[str, list[str]]:
    parameters = data.split(horizon=1, context_length=2, validation_windows=1).training
    found = parameters.get_parameters()
    return {
        kind: [name for name in found[f"time_varying_known_{kind}"] if "calendar_" in name]
        for kind in ("categoricals", "reals")
    }


YEAR = ["calendar_year_sin", "calendar_year_cos"]
DAY = ["calendar_day_sin", "calendar_day_cos"]


@pytest.mark.parametrize(
    ("alias", "categoricals", "reals"),
    [
        ("15min", ["calendar_hour", "calendar_weekday"], DAY + YEAR),
        ("h", ["calendar_hour", "calendar_weekday"], YEAR),
        ("3h", ["calendar_hour", "calendar_weekday"], YEAR),
        ("D", ["calendar_weekday"], YEAR),
        ("B", ["calendar_weekday"], YEAR),
        ("W-SUN", [], YEAR),
        ("MS", ["calendar_month"], []),
        ("QS-OCT", ["calendar_month"], []),
        ("YS-JAN", [], []),
    ],
)
def test_calendar_features_suit_the_frequency(alias, categoricals, reals):
    data = take(pd.date_range("2024-01-01", periods=30, freq=alias))
    assert calendar_of(data) == {"categoricals": categoricals, "reals": reals}


def test_calendar_features_can_be_left_out():
    data = take(pd.date_range("2024-01-01", periods=30, freq="h"), calendar=False)
    assert calendar_of(data) == {"categoricals": [], "reals": []}


def decoder_labels(data: ForecastData, name: str) -> list[str]:
    """Return a categorical of the only forecast window, decoded."""
    training = data.split(horizon=3, context_length=2, validation_windows=1).training
    dataset = data.forecast_dataset(training.get_parameters())
    x, _ = next(iter(dataset.to_dataloader(train=False, batch_size=1)))
    codes = x["decoder_cat"][0, :, dataset.flat_categoricals.index(name)].numpy()
    return dataset.transform_values(name, codes, inverse=True).tolist()


@pytest.mark.parametrize(
    ("end", "hours"),
    [
        ("2024-03-31 00:00", ["01", "03", "04"]),
        ("2024-10-27 01:00", ["02", "02", "03"]),
    ],
)
def test_hours_are_those_of_the_local_clock(end, hours):
    times = pd.date_range(end=pd.Timestamp(end, tz="Europe/Berlin"), periods=10, freq="h")
    assert decoder_labels(take(times), "calendar_hour") == hours


def test_a_month_that_training_never_saw_has_its_own_label():
    data = take(pd.date_range("2024-01-01", periods=9, freq="MS"))
    assert decoder_labels(data, "calendar_month") == ["10", "11", "12"]


def test_weekdays_are_named():
    data = take(pd.date_range("2024-01-01", periods=9, freq="B"))
    assert decoder_labels(data, "calendar_weekday") == ["Friday", "Monday", "Tuesday"]


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata", "Europe/Berlin"])
@pytest.mark.parametrize("start", ["1899-12-31 23:59:47", "1968-02-28", "2023-12-30 18:20"])
def test_calendar_features_are_sums_of_the_fields_of_pandas(start, zone, unit):
    times = pd.date_range(start, periods=900, freq="6h7min", tz=zone).as_unit(unit)
    day = (times.hour + times.minute / 60 + times.second / 3600).to_numpy() / 24
    year = (times.dayofyear.to_numpy() - 1 + day) / (365 + times.is_leap_year)
    expected = {
        "calendar_hour": [f"{hour:02d}" for hour in times.hour],
        "calendar_weekday": times.day_name().tolist(),
        "calendar_day_sin": np.sin(2 * np.pi * day).tolist(),
        "calendar_day_cos": np.cos(2 * np.pi * day).tolist(),
        "calendar_year_sin": np.sin(2 * np.pi * year).tolist(),
        "calendar_year_cos": np.cos(2 * np.pi * year).tolist(),
    }
    # Steps of a minute have every feature but the month.
    features = {name: values.tolist() for name, values in calendar_features(times, "min").items()}
    assert features == expected
    months = calendar_features(times, "MS")["calendar_month"]
    assert months.tolist() == [f"{month:02d}" for month in times.month]


@settings(deadline=None)
@given(
    st.sampled_from(ALIASES),
    st.sampled_from([None, "UTC", "Europe/Berlin"]),
    st.lists(st.integers(0, 400), max_size=20),
)
def test_a_column_of_stamps_is_the_stamps(alias, zone, positions):
    grid = Grid(pd.date_range("2023-06-01", periods=1, freq=alias, tz=zone)[0], alias)
    stamps, column = (of(np.array(positions, dtype=int)) for of in (grid.stamps, grid.column))
    pd.testing.assert_series_equal(pd.Series(column), pd.Series(stamps))


def test_the_position_in_the_year_is_a_point_on_the_unit_circle():
    data = take(pd.date_range("2024-01-01", periods=730, freq="D"))
    training = data.split(horizon=1, context_length=2, validation_windows=1).training
    columns = [training.reals.index(name) for name in YEAR]
    sine, cosine = training.data["reals"][:, columns].double().numpy().T
    np.testing.assert_allclose(sine**2 + cosine**2, 1, atol=1e-6)
    # 2024 has 366 days: 92 days after New Year are a quarter of the year but for half a day.
    np.testing.assert_allclose([sine[0], sine[92]], [0, 1], atol=1e-3)


def test_a_missing_step_is_a_row_that_is_empty_but_for_what_is_constant():
    frame = pd.DataFrame(
        {
            "s": [7] * 3 + [8] * 3,
            "t": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-05"] * 2),
            "y": np.array([0, 1, 4, 10, 20, 50], dtype=np.float32),
            "n": [0, 1, 2, 0, 3, 6],
            "c": list("abcabc"),
            "f": [1, 1, 1, 2, 2, 2],
        }
    )
    data = ForecastData.from_frame(
        frame, time="t", target="y", series="s", known=["n", "c"], static="f"
    )
    is_there = [True, True, False, False, True] * 2
    for column in ("y", "n", "c"):
        assert data.history[column].notna().tolist() == is_there
        assert data.history[column].dropna().tolist() == frame[column].tolist()
    assert data.history["s"].tolist() == [7] * 5 + [8] * 5
    assert data.history["f"].tolist() == [1] * 5 + [2] * 5
    assert data.history["y"].dtype == np.float32
    assert data.history["t"].dtype == frame["t"].dtype


def test_unsorted_rows_are_sorted_and_that_is_said_once(caplog):
    times = pd.date_range("2024-01-01", periods=10, freq="D")
    with caplog.at_level(logging.WARNING, logger="drnn_forecast.data"):
        data = take(times[::-1])
    assert data.history["t"].is_monotonic_increasing
    assert data.history["y"].tolist() == list(range(9, -1, -1))
    assert [record.message for record in caplog.records] == [
        "Sorted `frame` by time: 9 rows of time column 't' came before the row above."
    ]


def test_sorted_rows_are_taken_without_a_word(caplog):
    frame = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=4), "y": 1.0})
    frame = pd.concat([frame.assign(s="b"), frame.assign(s="a")])
    data = ForecastData.from_frame(frame, time="t", target="y", series="s")
    assert data.series_names == ("a", "b")
    assert not caplog.records

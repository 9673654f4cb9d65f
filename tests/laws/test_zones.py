"""Laws of time zones: a model keeps the zone of its training, and equal instants are equal."""

import datetime
import logging
from zoneinfo import ZoneInfo

import dateutil.tz
import numpy as np
import pandas as pd
import pytest

from drnn_forecast import DilatedRNNForecaster, ForecastData, load
from drnn_forecast.data import Roles
from drnn_forecast.data.frames.zones import zone_name

BERLIN = "Europe/Berlin"
INSTANTS = pd.date_range("2024-03-28 00:00", periods=120, freq="h", tz=BERLIN)
"""Hours over a change of clocks."""


def frame_of(times, **columns):
    values = np.sin(np.arange(len(times)) * np.pi / 12)
    return pd.DataFrame({"t": times, "y": values, **columns})


def model_of(times, **roles):
    """Return an untrained model, which reads hours and weekdays as a trained one does."""
    data = ForecastData.from_frame(frame_of(times), time="t", target="y", **roles)
    training = data.split(horizon=4, context_length=24, validation_windows=1).training
    return DilatedRNNForecaster.from_dataset(
        training, hidden_size=4, dilations=[1, 4], smoothed_anchors=False
    )


@pytest.fixture(scope="module")
def berlin():
    return model_of(INSTANTS)


@pytest.fixture(scope="module")
def naive():
    return model_of(INSTANTS.tz_convert("UTC").tz_localize(None))


def python_datetimes(zones):
    """Return a column of Python's datetimes, in these zones by turns."""
    turns = zip(INSTANTS, np.resize(np.array(zones, dtype=object), len(INSTANTS)), strict=True)
    return pd.Series(
        [stamp.to_pydatetime().astimezone(zone) for stamp, zone in turns], dtype=object
    )


TELLINGS = {
    "UTC": INSTANTS.tz_convert("UTC"),
    "elsewhere": INSTANTS.tz_convert("Asia/Kolkata"),
    "a fixed offset": INSTANTS.tz_convert(datetime.timezone(datetime.timedelta(hours=1))),
    "an offset of dateutil": INSTANTS.tz_convert(dateutil.tz.tzoffset("IST", 19800)),
    "seconds": INSTANTS.tz_convert("UTC").as_unit("s"),
    "nanoseconds": INSTANTS.as_unit("ns"),
    "text with Z": INSTANTS.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ"),
    "text with one offset": INSTANTS.tz_convert("Asia/Tokyo").astype(str),
    "text with both offsets": INSTANTS.astype(str),
    "Arrow": pd.Series(INSTANTS.tz_convert("UTC")).astype("timestamp[us, tz=UTC][pyarrow]"),
    "Arrow seconds": pd.Series(INSTANTS).astype("timestamp[s, tz=Asia/Tokyo][pyarrow]"),
    "Arrow text": pd.Series(INSTANTS.astype(str)).astype("string[pyarrow]"),
    "categories": pd.Series(INSTANTS.tz_convert("UTC")).astype("category"),
    "Python's": python_datetimes([ZoneInfo("UTC")]),
    "Python's of several zones": python_datetimes([ZoneInfo("UTC"), ZoneInfo("Asia/Tokyo")]),
}


@pytest.mark.parametrize("telling", TELLINGS)
def test_equal_instants_give_equal_forecasts(berlin, telling):
    expected = berlin.forecast(frame_of(INSTANTS))
    found = berlin.forecast(frame_of(TELLINGS[telling]))
    pd.testing.assert_frame_equal(found.assign(t=found["t"].dt.as_unit("us")), expected)
    assert str(found["t"].dt.tz) == BERLIN


@pytest.mark.parametrize("telling", TELLINGS)
def test_data_of_another_zone_are_forecast_scored_and_learned_from_as_its_own(berlin, telling):
    def told(times):
        return ForecastData.from_frame(frame_of(times), time="t", target="y")

    own, other = told(INSTANTS), told(TELLINGS[telling])
    pd.testing.assert_frame_equal(
        berlin.forecast(other).astype({"t": own.history["t"].dtype}), berlin.forecast(own)
    )
    pd.testing.assert_frame_equal(berlin.evaluate(other), berlin.evaluate(own))
    parts = [data.split(like=berlin, validation_windows=1).training.data for data in (own, other)]
    assert parts[0]["categoricals"].equal(parts[1]["categoricals"])


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_days_of_a_zone_are_days_wherever_they_are_told(zone):
    days = pd.date_range("2024-02-01", periods=100, freq="D", tz=BERLIN)
    model = model_of(days)
    expected = model.forecast(frame_of(days))
    assert expected["t"].tolist() == pd.date_range(days[-1], periods=5, freq="D")[1:].tolist()
    pd.testing.assert_frame_equal(model.forecast(frame_of(days.tz_convert(zone))), expected)


def test_pictures_and_updates_take_data_of_another_zone(berlin):
    other = frame_of(INSTANTS.tz_convert("UTC"))
    drawn = berlin.plot(berlin.forecast(other), other, engine="matplotlib")
    (axes, *_) = drawn.axes
    assert len(axes.lines) > 1
    learner = model_of(INSTANTS)
    assert learner.update(other, max_seconds=1, progress=False).steps > 0


def test_clocks_matter_to_the_model(berlin):
    shifted = berlin.forecast(frame_of(INSTANTS + pd.Timedelta(hours=5)))
    assert not np.allclose(shifted["q0.5"], berlin.forecast(frame_of(INSTANTS))["q0.5"])


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "UTC+05:30", "America/New_York"])
def test_the_zone_survives_saving(tmp_path, zone):
    model = model_of(INSTANTS.tz_convert(zone))
    assert model.hparams.roles["zone"] == zone
    again = load(model.save(tmp_path / "model"))
    found = again.forecast(frame_of(INSTANTS.tz_convert("Asia/Tokyo")))
    pd.testing.assert_frame_equal(found, model.forecast(frame_of(INSTANTS.tz_convert(zone))))


@pytest.mark.parametrize("kind", [pd.to_datetime, lambda times: times.astype(str)])
def test_stamps_without_a_zone_are_local_time_and_that_is_said(berlin, caplog, kind):
    times = INSTANTS[:60]  # before the clocks change
    found = berlin.forecast(frame_of(kind(times.tz_localize(None))))
    assert [record.message for record in caplog.records if record.name == "drnn_forecast.data"] == [
        "Time column 't' of `frame` has no time zone and is taken as local time of Europe/Berlin."
    ]
    pd.testing.assert_frame_equal(found, berlin.forecast(frame_of(times)))


@pytest.mark.parametrize(
    ("day", "row"), [("2024-03-30", "2024-03-31 02:00:00 in row 26"), ("2024-10-26", "row 26")]
)
def test_local_times_that_a_zone_has_twice_or_never_are_refused(berlin, day, row):
    times = pd.date_range(day, periods=60, freq="h")
    with pytest.raises(ValueError, match=f"local time of Europe/Berlin.*{row}.*with their offsets"):
        berlin.forecast(frame_of(times))


@pytest.mark.parametrize("telling", TELLINGS)
def test_a_model_without_a_zone_refuses_stamps_that_have_one_with_advice_that_works(naive, telling):
    frame = frame_of(TELLINGS[telling])
    with pytest.raises(ValueError, match="must have no time zone") as refusal:
        naive.forecast(frame)
    advice = str(refusal.value).split("`")[-2].replace(BERLIN, "UTC")
    expected = naive.forecast(frame_of(INSTANTS.tz_convert("UTC").tz_localize(None)))
    followed = naive.forecast(frame.assign(t=eval(advice, {"pd": pd, "frame": frame})))
    pd.testing.assert_frame_equal(followed.astype({"t": expected["t"].dtype}), expected)


def test_data_with_a_zone_are_refused_by_a_model_without(naive):
    data = ForecastData.from_frame(frame_of(INSTANTS), time="t", target="y")
    with pytest.raises(ValueError, match="must have no time zone"):
        naive.forecast(data)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", None])
def test_future_rows_and_origins_are_converted(zone):
    price = np.arange(120.0) % 7
    roles = {"time": "t", "target": "y", "known": ["price"]}
    data = ForecastData.from_frame(frame_of(INSTANTS, price=price), **roles)
    training = data.split(horizon=4, context_length=24, validation_windows=1).training
    model = DilatedRNNForecaster.from_dataset(training, hidden_size=4, dilations=[1, 4])
    history = frame_of(INSTANTS[:100], price=price[:100])
    ahead = pd.DataFrame({"t": INSTANTS[100:110], "price": price[100:110]})
    expected = model.forecast(frame_of(INSTANTS, price=price), origin=INSTANTS[100])
    told = ahead.assign(t=INSTANTS[100:110].tz_convert(zone) if zone else INSTANTS[100:110])
    told = told if zone else told.assign(t=told["t"].dt.tz_localize(None))
    pd.testing.assert_frame_equal(model.forecast(history, future=told), expected)
    given = ForecastData.from_frame(history, **roles)
    pd.testing.assert_frame_equal(model.forecast(given, future=told), expected)
    (first, *_), whole = told["t"], frame_of(INSTANTS.tz_convert("UTC"), price=price)
    pd.testing.assert_frame_equal(model.forecast(whole, origin=first), expected)
    pd.testing.assert_frame_equal(model.forecast(whole, origin=str(first)), expected)


def test_text_with_both_offsets_is_trained_on_in_utc_and_one_offset_is_the_same(caplog):
    text = pd.Series(INSTANTS.astype(str))
    with caplog.at_level(logging.WARNING, logger="drnn_forecast.data"):
        model = model_of(text)
    assert "was converted to UTC" in caplog.text
    assert model.hparams.roles["zone"] == "UTC"
    late = pd.Series(INSTANTS[80:].astype(str))  # after the change, in one offset
    pd.testing.assert_frame_equal(
        model.forecast(frame_of(late)), model.forecast(frame_of(INSTANTS[80:]))
    )


@pytest.mark.parametrize("telling", TELLINGS)
def test_a_given_zone_is_that_of_the_data_however_it_is_told(telling):
    data = ForecastData.from_frame(frame_of(TELLINGS[telling]), time="t", target="y", zone=BERLIN)
    assert data.roles.zone == BERLIN
    expected = pd.Series(INSTANTS, name="t").astype(data.history["t"].dtype)
    pd.testing.assert_series_equal(data.history["t"], expected)


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        (ZoneInfo(BERLIN), BERLIN),
        (datetime.timezone.utc, "UTC"),
        (dateutil.tz.tzutc(), "UTC"),
        (datetime.timezone(datetime.timedelta(hours=1), "CET"), "UTC+01:00"),
        (dateutil.tz.tzoffset("IST", 19800), "UTC+05:30"),
        ("+01:00", "UTC+01:00"),
    ],
)
def test_a_zone_is_kept_under_one_name_that_roles_can_store(zone, name):
    data = ForecastData.from_frame(frame_of(INSTANTS.tz_convert(zone)), time="t", target="y")
    assert data.roles.zone == name
    assert Roles.from_dict(data.roles.to_dict()) == data.roles
    assert Roles("t", "y", zone=name).zone == name


def test_roles_from_before_zones_were_kept_can_be_read(berlin):
    roles = Roles("t", "y", freq="h").to_dict()
    del roles["zone"]
    assert Roles.from_dict(roles).zone is None


@pytest.mark.parametrize("zone", ["Berlin", "", "UTC+1", "tzlocal()", "../UTC", "/etc/hostname"])
def test_a_zone_that_is_none_is_refused(zone):
    with pytest.raises(ValueError, match=r"`zone` must name a time zone such as 'Europe/Berlin'"):
        Roles("t", "y", zone=zone)


def test_zones_of_dateutil_have_the_names_of_their_files():
    assert zone_name(dateutil.tz.gettz(BERLIN)) == BERLIN


def test_a_zone_that_differs_between_machines_needs_another():
    frame = frame_of(INSTANTS.tz_convert(dateutil.tz.tzlocal()))
    with pytest.raises(ValueError, match="no name to keep it under; give `zone`, such as 'Europe"):
        ForecastData.from_frame(frame, time="t", target="y")
    assert ForecastData.from_frame(frame, time="t", target="y", zone="UTC").roles.zone == "UTC"


@pytest.mark.parametrize(
    "times",
    [
        [str(stamp) for stamp in INSTANTS[:40]] + ["2024-03-31 01:00"],
        ["2024-03-31 01:00"] + [str(stamp) for stamp in INSTANTS[:40]],
        [*INSTANTS[:40].to_pydatetime(), datetime.datetime(2024, 3, 31)],
    ],
    ids=["text", "text first", "Python's"],
)
@pytest.mark.parametrize("zone", [None, BERLIN])
def test_stamps_of_which_only_some_have_a_zone_are_refused(times, zone):
    frame = frame_of(pd.Series(times, dtype=object))
    with pytest.raises(ValueError, match=r"a time zone in every row or in none, but row \d+"):
        ForecastData.from_frame(frame, time="t", target="y", zone=zone)

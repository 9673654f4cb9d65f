"""Holidays are those of a country, however the frame says which."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

import drnn_forecast as drnn
from drnn_forecast import ForecastData, compare
from drnn_forecast.data import Roles
from drnn_forecast.data.frames.columns import model_frame
from drnn_forecast.evaluation import dilated_rnn
from laws.drawing import law
from laws.sayings import HORIZON, ROLES, numbers, said, said_plainly, trained

LANDS = {1: "DE", 2: "FR", 10: "DE-BY"}
START = "2024-12-22"


def of_lands(frame):
    """Return the frame with the country of every shop."""
    return frame.assign(country=frame["shop"].map(LANDS))


@pytest.fixture(scope="module")
def frame():
    return of_lands(said_plainly(start=START))


@pytest.fixture(scope="module")
def model(frame):
    return trained(frame, holidays="country")


def columns_of(frame, **roles):
    data = ForecastData.from_frame(frame, **{**ROLES, **roles})
    return model_frame(data.panel.rows.frame, data.panel.positions, data.panel)


WAYS = {
    "text of pandas": lambda frame: frame.assign(country=frame["country"].astype("string")),
    "categories": lambda frame: frame.assign(country=frame["country"].astype("category")),
    "objects": lambda frame: frame.assign(country=frame["country"].astype(object)),
    "shuffled columns": lambda frame: said(frame, ["shuffled columns"], 3),
    "shuffled rows": lambda frame: said(frame, ["shuffled rows"], 3),
    "none in the rows ahead": lambda frame: frame.assign(
        country=frame["country"].where(frame["sold"].notna())
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_how_the_countries_are_said_changes_no_forecast(model, frame, way):
    expected = numbers(model.forecast(frame))

    np.testing.assert_array_equal(numbers(model.forecast(WAYS[way](frame))), expected)


def test_a_country_for_all_is_a_column_of_it_and_so_is_the_series_named_after_it(frame):
    one = frame.assign(country="DE")
    expected = columns_of(one, holidays="DE")

    pd.testing.assert_frame_equal(columns_of(one, holidays="country"), expected)
    pd.testing.assert_frame_equal(
        columns_of(one, holidays="country", static=[*ROLES["static"], "country"])[expected.columns],
        expected,
    )
    named = frame.assign(shop=frame["shop"].map({1: "AT", 2: "FR", 10: "IT"}))
    lands = named.assign(country=named["shop"])
    pd.testing.assert_frame_equal(
        columns_of(named, holidays="shop"), columns_of(lands, holidays="country")
    )


def test_a_model_of_one_country_forecasts_the_same_from_a_column_of_it(frame):
    one = frame.assign(country="FR")
    model = trained(one, holidays="FR")
    data = ForecastData.from_frame(one, **ROLES, holidays="country")

    expected = numbers(model.forecast(one.drop(columns="country")))
    np.testing.assert_array_equal(numbers(model.forecast(data)), expected)


def test_other_series_beside_one_change_nothing_of_its_holidays(frame):
    both = columns_of(frame, holidays="country").groupby("shop")
    for shop, part in frame.groupby("shop"):
        alone = columns_of(part, holidays="country").filter(like="holiday").to_numpy()
        of_both = both.get_group(str(shop)).filter(like="holiday").to_numpy()
        np.testing.assert_array_equal(alone, of_both)


def test_a_model_remembers_the_country_and_makes_the_holidays_ahead(model, frame, tmp_path):
    days = frame["when"].dt.normalize()
    assert days[frame["sold"].isna()].min() < pd.Timestamp("2024-12-26")
    loaded = drnn.load(model.save(tmp_path / "model"))

    assert Roles.from_dict(loaded.hparams["roles"]).holidays == "country"
    expected = numbers(model.forecast(frame))
    np.testing.assert_array_equal(numbers(loaded.forecast(frame)), expected)
    elsewhere = frame.assign(country="CN")  # which has no holidays in these days
    assert not np.array_equal(numbers(loaded.forecast(elsewhere)), expected)


def test_the_steps_ahead_have_the_holidays_of_their_own_dates(model):
    frame = of_lands(said_plainly(start="2024-12-21 12:00"))  # ahead: evening of the 24th, or so
    data = ForecastData.from_frame(frame, **ROLES, holidays="country")
    dataset = data.forecast_dataset(model.dataset_parameters)
    place = dataset.reals.index("calendar_holiday")
    batch, _ = next(iter(dataset.to_dataloader(train=False, batch_size=8)))
    found = batch["decoder_cont"][..., place].numpy()

    rows = data.target_rows(dataset)
    expected = rows["when"].dt.strftime("%m-%d").isin(["12-25", "12-26"]) & (
        (rows["when"].dt.day == 25) | (rows["shop"] != 2)  # in France, the 26th is none
    )
    assert 0 < expected.sum() < len(expected)
    np.testing.assert_array_equal(found.ravel(), expected.to_numpy(dtype=float))


def test_without_holidays_nothing_is_other(frame):
    plain = trained(frame)
    saying_none = trained(frame.drop(columns="country"), holidays=None)

    assert not [name for name in plain.hparams.x_reals if "holiday" in name]
    expected = numbers(plain.forecast(frame))
    np.testing.assert_array_equal(numbers(saying_none.forecast(frame)), expected)
    with pytest.raises(
        ValueError, match=r"'calendar_holiday' was known .* lacking here.*`holidays`"
    ):
        trained(frame, holidays="DE").forecast(ForecastData.from_frame(frame, **ROLES))


def test_steps_beyond_the_end_of_a_calendar_are_refused():
    frame = said_plainly(start="2100-12-28 20:00").assign(country="DE")
    model = trained(said_plainly(start=START), holidays="DE")

    with pytest.raises(ValueError, match="that of 'DE' goes from 1991 to 2100"):
        model.forecast(frame)


@law
@given(
    country=st.sampled_from(["AT", "BE", "CZ", "ES", "GR", "IT", "NL", "PT", "US-CA", "IN", "IL"]),
    start=st.dates(pd.Timestamp("2010-01-01").date(), pd.Timestamp("2030-01-01").date()),
    freq=st.sampled_from(["h", "7h", "D", "30min"]),
    zone=st.sampled_from([None, "UTC", "Asia/Kathmandu", "America/New_York"]),
)
def test_a_feature_is_what_the_calendar_says_of_the_date_on_the_clock(country, start, freq, zone):
    import holidays

    code, _, part = country.partition("-")
    calendar = holidays.country_holidays(code, subdiv=part or None)
    times = pd.date_range(str(start), periods=200, freq=freq, tz=zone)
    table = pd.DataFrame({"ds": times, "y": np.arange(200.0)})
    data = ForecastData.from_frame(table, time="ds", target="y", holidays=country)
    found = model_frame(data.panel.rows.frame, data.panel.positions, data.panel)

    for name, days in {"holiday": 0, "holiday_eve": 1, "holiday_past": -1}.items():
        dates = [stamp.date() + pd.Timedelta(days=days).to_pytimedelta() for stamp in times]
        counts = [days == 0 or stamp.weekday() not in calendar.weekend for stamp in times]
        expected = [
            float(date in calendar and is_one) for date, is_one in zip(dates, counts, strict=True)
        ]
        assert found[f"calendar_{name}"].tolist() == expected


def test_every_call_takes_holidays(frame):
    past = frame[frame["sold"].notna()]
    options = {"max_epochs": 1, "steps_per_epoch": 2, "progress": False}
    data = ForecastData.from_frame(past, **ROLES, holidays="country")
    model = drnn.train(
        past, HORIZON, **ROLES, holidays="country", context_length=24, hidden_size=4,
        validation_windows=1, max_steps=2, progress=False,
    )  # fmt: skip
    scores = model.evaluate(data)
    contest = compare(
        data, HORIZON, context_length=24, validation_windows=1, test_windows=1, seeds=[0],
        models=[dilated_rnn(hidden_size=4, num_layers=1)], **options,
    )  # fmt: skip

    assert "calendar_holiday" in model.hparams.x_reals
    assert np.isfinite(scores["MAE"]).all()
    assert np.isfinite(contest.table["MAE"]).all()
    assert data.before(HORIZON).panel.countries == data.panel.countries == ("DE", "FR", "DE-BY")

"""Shorter horizons, and forecasts from a time within the data."""

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting.data import EncoderNormalizer

from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData
from series import make_dataset, planted_frame

HORIZON, CONTEXT = 6, 24
ROLES = {
    "series": "shop",
    "time": "when",
    "target": "sold",
    "known": ["price"],
    "observed": ["visits", "mood"],
    "static": ["size"],
}


def hourly(zone=None, ends=(0, 0)):
    """Return hourly series of 80 steps, each without as many at its end, across a change of hour."""
    generator = np.random.default_rng(0)
    parts = []
    for number, missing in enumerate(ends):
        times = pd.date_range("2024-03-29 06:00", periods=80, freq="h", tz=zone)
        part = pd.DataFrame(
            {
                "shop": f"shop {number}",
                "when": times,
                "sold": 10.0 * (number + 1) + generator.normal(size=80),
                "price": generator.normal(size=80),
                "visits": generator.normal(size=80),
                "mood": generator.choice(["good", "bad"], size=80),
                "size": float(number),
            }
        )
        parts.append(part.iloc[: 80 - missing])
    return pd.concat(parts, ignore_index=True)


def tidy_network(frame, seed=0):
    splits = ForecastData.from_frame(frame, **ROLES).split(
        horizon=HORIZON, context_length=CONTEXT, validation_windows=1
    )
    torch.manual_seed(seed)
    return DilatedRNNForecaster.from_dataset(
        splits.training, hidden_size=4, num_layers=2, smoothed_anchors=False
    ).eval()


def plain_network(seed=0):
    dataset = make_dataset(
        max_encoder_length=CONTEXT,
        max_prediction_length=HORIZON,
        time_varying_unknown_reals=["target", "other"],
        target_normalizer=EncoderNormalizer(),
    )
    torch.manual_seed(seed)
    return DilatedRNNForecaster.from_dataset(
        dataset, hidden_size=4, num_layers=2, smoothed_anchors=False
    ).eval()


@pytest.fixture(scope="module")
def frame():
    return hourly()


@pytest.fixture(scope="module")
def plain_frame():
    return planted_frame(num_series=2, length=90)


@pytest.fixture(scope="module")
def tidy(frame):
    return tidy_network(frame)


@pytest.fixture(scope="module")
def plain():
    return plain_network()


def is_late(frame, step):
    """Return which rows are at a step from the start of a frame of either kind, or after it."""
    time = "when" if "when" in frame else "time_idx"
    return frame[time] >= frame[time].unique()[step]


def past_and_future(frame, step):
    """Return the rows before a step, and the known covariates from it on."""
    late = is_late(frame, step)
    keys = [c for c in ("shop", "when", "price", "name", "time_idx", "lever") if c in frame]
    return frame[~late], frame.loc[late, keys]


def first_steps(forecast, steps):
    """Return the first steps of the forecast of each series."""
    return forecast.groupby(forecast.columns[0]).head(steps).reset_index(drop=True)


def assert_same(left, right, **options):
    # Tensors of other lengths may round otherwise; float32 has a unit roundoff of 6e-8.
    pd.testing.assert_frame_equal(left, right, **{"check_exact": False, "rtol": 1e-5, **options})


CASES = {
    "tidy": lambda tidy, plain, frame, plain_frame: (tidy, *past_and_future(frame, 70)),
    "data": lambda tidy, plain, frame, plain_frame: (
        tidy,
        ForecastData.from_frame(frame, **ROLES).before(10),
        None,
    ),
    "plain": lambda tidy, plain, frame, plain_frame: (plain, *past_and_future(plain_frame, 80)),
}


@pytest.fixture(params=CASES)
def case(request, tidy, plain, frame, plain_frame):
    """Return a model, a history and its future rows."""
    return CASES[request.param](tidy, plain, frame, plain_frame)


@pytest.mark.parametrize("horizon", [1, 4, HORIZON, np.int64(2)])
def test_a_shorter_horizon_gives_the_first_steps_of_the_whole_forecast(case, horizon):
    model, history, future = case
    whole = model.forecast(history, future=future)

    short = model.forecast(history, future=future, horizon=horizon)
    assert len(short) == 2 * horizon
    assert_same(short, first_steps(whole, horizon))
    assert_same(model.forecast(history, future=future), whole, check_exact=True)


@pytest.mark.parametrize(
    ("horizon", "error", "message"),
    [
        (HORIZON + 1, ValueError, "`horizon` must be at most the 6 time steps .* got 7"),
        (0, ValueError, "`horizon` must be at least 1, got 0"),
        (-1, ValueError, "`horizon` must be at least 1, got -1"),
        (2.5, TypeError, "`horizon` must be an integer of at least 1, got 2.5"),
    ],
)
def test_a_horizon_that_was_not_trained_is_refused(case, horizon, error, message):
    model, history, future = case
    with pytest.raises(error, match=message):
        model.forecast(history, future=future, horizon=horizon)


def test_a_shorter_horizon_needs_known_covariates_of_its_own_steps_only(case):
    model, history, future = case
    whole = model.forecast(history, future=future)
    if future is None:
        history = ForecastData.from_roles(
            history.history, history.roles, future=first_steps(history.future.iloc[:, :4], 2)
        )
    else:
        future = first_steps(future, 2)

    assert_same(model.forecast(history, future=future, horizon=2), first_steps(whole, 2))
    with pytest.raises(ValueError, match=r"Known covariates .* missing|for every step"):
        model.forecast(history, future=future, horizon=3)


@pytest.mark.parametrize("steps", [0, 1, 10])
@pytest.mark.parametrize("horizon", [None, 2])
def test_a_tidy_forecast_from_an_origin_is_that_of_the_data_cut_before_it(
    tidy, frame, steps, horizon
):
    # With none cut off, the origin is the step after the end.
    more = frame.assign(when=frame["when"] + pd.Timedelta("80h")).groupby("shop").head(HORIZON)
    future = more[["shop", "when", "price"]]
    data = ForecastData.from_frame(frame, **ROLES, future=future)
    origin = frame["when"].max() - pd.Timedelta(hours=steps - 1)
    expected = tidy.forecast(data.before(steps), horizon=horizon)

    assert expected["when"].iloc[0] == origin
    for given, later in ((data, None), (frame, future)):
        result = tidy.forecast(given, future=later, origin=origin, horizon=horizon)
        assert_same(result, expected, check_exact=True)


@pytest.mark.parametrize("steps", [0, 1, 10])
def test_a_plain_forecast_from_an_origin_is_that_of_the_rows_before_it(plain, plain_frame, steps):
    whole = planted_frame(num_series=2, length=90 + HORIZON)
    frame, more = past_and_future(whole, 90)
    past, future = past_and_future(whole, 90 - steps)
    origin = 90 - steps

    result = plain.forecast(frame, future=more, origin=origin)
    assert_same(result, plain.forecast(past, future=future), check_exact=True)


def test_other_series_may_end_later_than_the_origin():
    frame = hourly(ends=(0, 7))
    model = tidy_network(frame)
    origin = frame[frame["shop"] == "shop 1"]["when"].max()
    data = ForecastData.from_frame(frame[frame["when"] < origin], **ROLES)
    prices = hourly()[["shop", "when", "price"]]
    more = prices[prices["when"] > origin].groupby("shop").tail(7)

    result = model.forecast(frame, future=more[more["shop"] == "shop 1"], origin=origin)
    assert_same(
        result, model.forecast(data, future=prices[prices["when"] >= origin]), check_exact=True
    )


CHANGES = {
    "other values": lambda rows: rows.assign(
        sold=-1e6, visits=1e6, mood="good", size=99.0, target=7.0, other=-7.0
    ),
    "nothing": lambda rows: rows.assign(
        sold=np.nan, visits=np.nan, mood=None, size=np.nan, target=np.nan, other=np.nan
    ),
    "a target now and then": lambda rows: rows.assign(
        sold=rows.get("sold", rows.get("target")).where(np.arange(len(rows)) % 3 == 0),
        target=rows.get("target", rows.get("sold")).where(np.arange(len(rows)) % 3 == 0),
    ),
    "infinite values": lambda rows: rows.assign(
        sold=np.inf, visits=-np.inf, target=np.inf, other=np.inf
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("kind", ["tidy", "plain"])
def test_nothing_but_known_covariates_is_read_from_an_origin_on(
    kind, change, tidy, plain, frame, plain_frame
):
    model, given = (tidy, frame) if kind == "tidy" else (plain, plain_frame)
    late = is_late(given, 60)
    changed = change(given[late])[list(given.columns)]
    other = pd.concat([given[~late], changed]).sort_index().astype(given.dtypes)
    time = "when" if kind == "tidy" else "time_idx"
    origin = given.loc[late, time].min()
    expected = model.forecast(given, origin=origin)

    assert_same(model.forecast(other, origin=origin), expected, check_exact=True)
    known = other.assign(**{"price" if kind == "tidy" else "lever": 5.0})
    assert not model.forecast(known, origin=origin).equals(expected)


@pytest.mark.parametrize(
    ("zone", "origin"),
    [
        (None, "2024-03-31 14:00"),
        (None, "2024-03-31T14:00:00"),
        (None, pd.Timestamp("2024-03-31 14:00")),
        (None, np.datetime64("2024-03-31T14:00")),
        ("Europe/Berlin", "2024-03-31 14:00"),
        ("Europe/Berlin", "2024-03-31 14:00+02:00"),
        ("Europe/Berlin", "2024-03-31 12:00Z"),
        ("Europe/Berlin", pd.Timestamp("2024-03-31 14:00")),
        ("Europe/Berlin", pd.Timestamp("2024-03-31 14:00", tz="Europe/Berlin")),
        ("Europe/Berlin", pd.Timestamp("2024-03-31 12:00", tz="UTC")),
    ],
    ids=repr,
)
def test_an_origin_may_be_text_or_a_stamp(zone, origin):
    frame = hourly(zone)
    model = tidy_network(frame)
    stamp = pd.Timestamp("2024-03-31 14:00", tz=zone)
    past, later = frame[frame["when"] < stamp], frame[frame["when"] >= stamp]
    expected = model.forecast(past, future=later[["shop", "when", "price"]])

    assert expected["when"].iloc[0] == stamp
    assert_same(model.forecast(frame, origin=origin), expected, check_exact=True)


def test_a_frame_with_text_as_times_has_origins_too(tidy, frame):
    text = frame.assign(when=frame["when"].astype(str))
    expected = tidy.forecast(frame, origin="2024-03-31 14:00")

    assert_same(tidy.forecast(text, origin="2024-03-31 14:00"), expected, check_exact=True)


@pytest.mark.parametrize(
    ("zone", "origin", "message"),
    [
        (None, "2024-04-01 15:00", "`origin` must be at most one time step after the end of every"),
        (None, "2024-03-29 06:00", "`origin` must leave rows in every series, got"),
        (None, "2020-01-01", "`origin` must leave rows in every series, got"),
        (None, "soon", "`origin` must be a time stamp such as .*, got 'soon'"),
        (None, "", "`origin` must be a time stamp such as .*, got ''"),
        (None, pd.NaT, "`origin` must be a time stamp such as .*, got NaT"),
        (None, 60, "`origin` must be a time stamp such as .*, got 60"),
        (None, "2024-03-31 14:00Z", "`origin` must have no zone, as the time column has none"),
        (
            "Europe/Berlin",
            "2024-03-31 02:30",
            "`origin` must be a time that Europe/Berlin has once",
        ),
        (
            "Europe/Berlin",
            "2024-10-27 02:30",
            "`origin` must be a time that Europe/Berlin has once",
        ),
    ],
    ids=repr,
)
@pytest.mark.parametrize("is_data", [True, False], ids=["data", "frame"])
def test_an_origin_that_is_no_time_of_every_series_is_refused(zone, origin, message, is_data):
    frame = hourly(zone)
    model = tidy_network(frame)
    given = ForecastData.from_frame(frame, **ROLES) if is_data else frame
    with pytest.raises(ValueError, match=message):
        model.forecast(given, origin=origin)


@pytest.mark.parametrize("is_data", [True, False], ids=["data", "frame"])
def test_an_origin_after_the_end_of_some_series_is_refused(is_data):
    frame = hourly(ends=(0, 7))
    model = tidy_network(frame)
    given = ForecastData.from_frame(frame, **ROLES) if is_data else frame
    with pytest.raises(ValueError, match=r"`origin` must be at most one time step after the end"):
        model.forecast(given, origin=frame["when"].max())


@pytest.mark.parametrize(
    ("origin", "error", "message"),
    [
        (91, ValueError, "`origin` must be at most one time step after the end of every series"),
        (0, ValueError, r"`origin` must .* leave rows in each, got 0; 0 of 2 series have rows"),
        (-3, ValueError, r"`origin` must .* got -3"),
        ("soon", TypeError, "`origin` must be an integer of at least 0, got 'soon'"),
        (
            pd.Timestamp("2024-01-01"),
            TypeError,
            "`origin` must be an integer of at least 0, got Timestamp",
        ),
    ],
)
def test_an_origin_that_is_no_time_index_of_every_series_is_refused(
    plain, plain_frame, origin, error, message
):
    with pytest.raises(error, match=message):
        plain.forecast(plain_frame, origin=origin)


@pytest.mark.parametrize("average", ["mean", "median"])
@pytest.mark.parametrize("kind", ["tidy", "plain"])
def test_an_ensemble_forecasts_from_an_origin_as_its_members_do_on_average(
    kind, average, frame, plain_frame
):
    given, time = (frame, "when") if kind == "tidy" else (plain_frame, "time_idx")
    make = (lambda seed: tidy_network(frame, seed)) if kind == "tidy" else plain_network
    members = [make(seed) for seed in range(3)]
    options = {"origin": given[time].unique()[60], "horizon": 4}
    result = Ensemble(members, average=average).forecast(given, **options)

    apart = [member.forecast(given, **options) for member in members]
    assert_same(result[list(result)[:2]], apart[0][list(result)[:2]])
    values = [part.iloc[:, 2:].to_numpy() for part in apart]
    np.testing.assert_allclose(result.iloc[:, 2:], getattr(np, average)(values, axis=0), rtol=1e-6)


@pytest.mark.parametrize(
    "relabelled", [lambda f: f.sample(frac=1, random_state=0), lambda f: f.set_index(f.index * 0)]
)
def test_a_plain_forecast_does_not_depend_on_order_and_labels_of_rows(
    plain, plain_frame, relabelled
):
    history, future = past_and_future(plain_frame, 80)

    result = plain.forecast(relabelled(history), future=relabelled(future))
    assert_same(result, plain.forecast(history, future=future), check_exact=True)


def test_future_rows_that_name_a_step_twice_are_refused(plain, plain_frame):
    history, future = past_and_future(plain_frame, 80)
    with pytest.raises(
        ValueError, match=r"`future` must give every step once, but 1 of .*'s0'.* 80"
    ):
        plain.forecast(history, future=pd.concat([future, future.head(1)]))


def test_a_history_without_a_known_variable_is_refused(plain, plain_frame):
    history, future = past_and_future(plain_frame, 80)
    with pytest.raises(ValueError, match=r"`frame` must have the columns .* \['lever'\] missing"):
        plain.forecast(history.drop(columns="lever"), future=future)


def test_a_series_that_ended_is_named_and_both_remedies_work():
    frame = hourly(ends=(20, 0))
    network = tidy_network(hourly())
    with pytest.raises(
        ValueError, match=r"from 2024-03-31 18:00:00 on\. Choose that time, or leave .*\('shop 0'\)"
    ):
        network.forecast(frame, origin="2024-04-01 02:00")
    others = frame[frame["shop"] != "shop 0"]
    assert set(network.forecast(others, origin="2024-04-01 02:00")["shop"]) == {"shop 1"}
    known = hourly()[["shop", "when", "price"]].query("shop == 'shop 0'")
    known = known[known["when"] >= "2024-03-31 18:00"]
    forecast = network.forecast(frame, origin="2024-03-31 18:00", future=known)
    assert set(forecast["shop"]) == {"shop 0", "shop 1"}


def test_a_series_that_began_later_than_the_origin_is_named_and_both_remedies_work():
    frame, network = hourly(), tidy_network(hourly())
    late = frame[(frame["shop"] == "shop 1") & (frame["when"] > "2024-03-30 12:00")]
    moved = pd.concat([frame, late.assign(shop="new")])
    with pytest.raises(ValueError, match=r"'new' \(.*Choose a later time, or leave these series"):
        network.forecast(moved, origin="2024-03-30 06:00")
    assert len(network.forecast(frame, origin="2024-03-30 06:00")) == 2 * HORIZON
    with pytest.warns(UserWarning, match="does not know 1 of 3 series"):
        assert len(network.forecast(moved, origin="2024-04-01")) == 3 * HORIZON


def test_rows_that_came_since_the_training_are_read_and_series_that_are_gone_are_not_missed():
    frame = hourly()
    network = tidy_network(frame[frame["when"] < "2024-03-31"])
    whole = network.forecast(frame, origin="2024-04-01")
    alone = network.forecast(frame[frame["shop"] == "shop 1"], origin="2024-04-01")

    expected = whole[whole["shop"] == "shop 1"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected, rtol=1e-5)
    assert whole["when"].min() == pd.Timestamp("2024-04-01")

"""A forecast comes back in the form that its frame has: library, keys, times and targets."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from drnn_forecast import Ensemble, ForecastData, load, train

HORIZON = 4
STEPS = 40
QUICK = {"max_steps": 2, "hidden_size": 4, "batch_size": 16, "progress": False}
ROLES = {"series": ["store", "item"], "time": "day", "target": "sold", "known": "price"}
KEYS = ["store", "item", "day"]


def sales():
    """Return days of four items in two stores, and the price of the days to come."""
    generator, parts = np.random.default_rng(0), []
    for store in ("a", "b/2"):
        for item in (2, 10):
            part = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=STEPS + HORIZON)})
            sold = 10 * item + generator.normal(size=len(part))
            part = part.assign(store=store, item=item, sold=sold, returned=sold / 7, price=1.0)
            part.loc[STEPS:, ["sold", "returned"]] = np.nan
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def model():
    return train(sales(), HORIZON, **ROLES, **QUICK)


@pytest.fixture(scope="module")
def expected(model):
    return model.forecast(sales())


def same(found, expected):
    pd.testing.assert_frame_equal(
        found.reset_index(drop=True), expected, check_dtype=False, rtol=1e-6
    )


def test_several_columns_of_a_series_come_back_as_they_are(expected):
    assert list(expected.columns[:3]) == KEYS
    assert expected[["store", "item"]].drop_duplicates().to_numpy().tolist() == [
        ["a", 10],
        ["a", 2],
        ["b/2", 10],
        ["b/2", 2],
    ]
    assert expected["item"].dtype == np.int64


def test_series_are_told_apart_by_all_their_columns(model, expected):
    frame = sales()
    alone = frame[(frame["store"] == "a") & (frame["item"] == 10)]
    same(model.forecast(alone), expected[:HORIZON])


def test_labels_that_join_to_one_text_stay_apart():
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=9), "y": 1.0})
    parts = [frame.assign(s="a/b", t="c"), frame.assign(s="a", t="b/c")]
    data = ForecastData.from_frame(pd.concat(parts), time="day", target="y", series=["s", "t"])
    assert len(set(data.series_names)) == 2


FORMS = {
    "shuffled": lambda frame: frame.sample(frac=1, random_state=0),
    "keys as index": lambda frame: frame.set_index(KEYS),
    "days as index": lambda frame: frame.set_index("day"),
    "days as index without a name": lambda frame: frame.set_index("day").rename_axis(None),
    "items as text": lambda frame: frame.assign(item=frame["item"].astype(str)),
    "stores as categories": lambda frame: frame.astype({"store": "category"}),
    "periods": lambda frame: frame.assign(day=frame["day"].dt.to_period("D")),
    "day first": lambda frame: frame.assign(day=frame["day"].dt.strftime("%d/%m/%Y")),
    "numbers": lambda frame: frame.assign(day=frame["day"].dt.strftime("%Y%m%d").astype(int)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_forecast_does_not_depend_on_the_form_of_its_keys(form, model, expected):
    found = model.forecast(FORMS[form](sales()))
    days = found["day"].dt.to_timestamp() if form == "periods" else found["day"]
    found = found.assign(day=days, item=found["item"].astype(int), store=found["store"].astype(str))
    same(found, expected)


POLARS = {
    "as it is": lambda frame: frame,
    "lazy": lambda frame: frame.lazy(),
    "dates": lambda frame: frame.with_columns(pl.col("day").cast(pl.Date)),
    "short": lambda frame: frame.with_columns(pl.col("item").cast(pl.Int16)),
    "categories": lambda frame: frame.with_columns(pl.col("store").cast(pl.Categorical)),
    "text of days": lambda frame: frame.with_columns(pl.col("day").dt.strftime("%Y-%m-%d")),
}


@pytest.mark.parametrize("form", POLARS)
def test_a_frame_of_polars_gives_a_forecast_of_polars(form, model, expected):
    given = POLARS[form](pl.from_pandas(sales()))
    found = model.forecast(given)
    assert isinstance(found, pl.DataFrame)
    schema = given.collect_schema()
    assert all(found.schema[key] in (schema[key], pl.Datetime("us")) for key in KEYS)
    if form == "dates":
        assert found.schema["day"] == pl.Date
    same(found.to_pandas().astype({"store": str}), expected)


def test_future_rows_may_be_of_another_library(model, expected):
    frame = sales()
    ahead = frame[frame["sold"].isna()].drop(columns="sold")
    found = model.forecast(
        pl.from_pandas(frame[frame["sold"].notna()]), future=pa.Table.from_pandas(ahead)
    )
    same(found.to_pandas(), expected)


def test_an_arrow_table_gives_an_arrow_table(model, expected):
    found = model.forecast(pa.Table.from_pandas(sales()))
    assert isinstance(found, pa.Table)
    same(found.to_pandas(), expected)


def test_data_of_polars_are_remembered(model, expected):
    data = ForecastData.from_frame(pl.from_pandas(sales()), **ROLES)
    assert isinstance(model.forecast(data), pl.DataFrame)
    assert isinstance(model.paths(data, count=2), pl.DataFrame)
    assert isinstance(Ensemble([model]).forecast(data), pl.DataFrame)
    assert isinstance(model.evaluate(data), pd.DataFrame)
    assert isinstance(train(pl.from_pandas(sales()), HORIZON, **ROLES, **QUICK).hparams.roles, dict)


def test_roles_of_several_columns_are_saved(model, expected, tmp_path):
    model.save(tmp_path / "model")
    same(load(tmp_path / "model").forecast(sales()), expected)


def test_an_empty_name_of_a_series_is_refused_with_its_column():
    frame = sales().assign(item=lambda own: own["item"].where(own.index != 7))
    with pytest.raises(ValueError, match=r"'item' of `frame` must name .* first in row 7"):
        ForecastData.from_frame(frame, **ROLES)


def test_a_series_of_one_row_is_forecast_at_its_level(model):
    frame = sales()
    is_one = (frame["store"] == "a") & (frame["item"] == 2)
    one = frame[is_one & (frame["day"] >= frame["day"].iloc[STEPS - 1])].assign(
        store="new", sold=lambda own: own["sold"].where(own["sold"].isna(), 500.0)
    )
    found = model.forecast(pd.concat([frame, one]))
    new = found[found["store"] == "new"]
    assert len(new) == HORIZON
    np.testing.assert_allclose(new["q0.5"], 500, rtol=0.02)
    assert np.isfinite(new.filter(like="q").to_numpy()).all()


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_a_short_series_does_not_depend_on_what_stands_beside_it(steps, model):
    frame = sales()
    later = frame["day"] >= frame["day"].iloc[STEPS - steps]
    is_short = (frame["store"] == "b/2") & (frame["item"] == 10)
    together = model.forecast(frame[~is_short | later])
    alone = model.forecast(frame[is_short & later])
    same(alone, together[2 * HORIZON : 3 * HORIZON].reset_index(drop=True))


@pytest.fixture(scope="module")
def of_two():
    """Return a model of two targets."""
    roles = {**ROLES, "target": ["sold", "returned"]}
    return train(sales(), HORIZON, **roles, **QUICK)


def test_each_of_several_targets_has_its_columns(of_two):
    found = of_two.forecast(sales())
    assert list(found.columns[:4]) == [*KEYS, "sold_q0.025"]
    assert list(found.columns[-1:]) == ["returned_q0.975"]
    assert len(found) == 4 * HORIZON
    ratio = found["sold_q0.5"] / found["returned_q0.5"]
    np.testing.assert_allclose(ratio, 7, rtol=0.1)


def test_several_targets_in_every_way_of_asking(of_two):
    found, frame = of_two.forecast(sales()), sales()
    ahead = frame[frame["sold"].isna()]
    past = frame[frame["sold"].notna()]
    same(of_two.forecast(past, future=ahead), found)
    same(of_two.forecast(past, future=ahead.drop(columns=["sold", "returned"])), found)
    data = ForecastData.from_frame(past, **{**ROLES, "target": ("sold", "returned")})
    same(of_two.forecast(data, future=ahead), found)
    same(Ensemble([of_two, of_two]).forecast(frame), found)
    same(of_two.forecast(pl.from_pandas(frame)).to_pandas(), found)
    paths = of_two.paths(frame, count=3)
    assert list(paths.columns) == [*KEYS, "path", "sold", "returned"]
    assert len(of_two.evaluate(past.assign(price=1.0))) == 8
    assert of_two.plot(found, frame, engine="matplotlib").axes


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["sold", "sold"], "several different ones"),
        (["sold", "price"], "no other role, got 'price'; leave it in one"),
        (["sold", "return"], "'return' is not in `frame` .did you mean 'returned'"),
        (["sold", "store2"], "must hold numbers where each is a series, but 'store2'"),
    ],
)
def test_targets_that_cannot_be_are_refused(targets, message):
    frame = sales().assign(store2="x")
    with pytest.raises((ValueError, TypeError), match=message):
        ForecastData.from_frame(frame, **{**ROLES, "target": targets})


def wide():
    """Return a frame with a column for each series, of which one begins late and one ends early."""
    days = pd.date_range("2024-01-01", periods=STEPS)
    frame = pd.DataFrame({"day": days, "AT": 10.0, "BE": 20.0, "CH": np.arange(STEPS) * 1.0})
    frame.loc[:4, "AT"] = np.nan
    frame.loc[STEPS - 3 :, "BE"] = np.nan
    return frame


def test_a_column_for_each_series_and_a_row_for_each_series_say_the_same():
    roles = {"time": "day", "target": "load", "series": "country"}
    data = ForecastData.from_frame(wide(), **roles, wide="columns")
    rows = wide().set_index("day").T.rename_axis("country").reset_index()
    rows.columns = ["country", *wide()["day"].dt.strftime("%Y-%m-%d")]
    other = ForecastData.from_frame(rows, **roles, wide="rows")
    columns = ["country", "day", "load"]
    pd.testing.assert_frame_equal(data.history[columns], other.history[columns], check_dtype=False)
    assert data.history.groupby("country").size().tolist() == [STEPS - 5, STEPS - 3, STEPS]


def test_numbered_columns_count_steps():
    rows = pd.DataFrame({"id": ["a", "b"], **{f"V{n}": [1.0 * n, 2.0] for n in range(1, 9)}})
    data = ForecastData.from_frame(rows, time="step", target="value", series="id", wide="rows")
    assert data.history["step"].tolist() == [*range(1, 9)] * 2


def test_a_model_remembers_that_its_frames_are_wide(tmp_path):
    roles = {"time": "day", "target": "load", "series": "country", "wide": "columns"}
    found = train(wide().drop(columns="BE"), HORIZON, **roles, **QUICK)
    found.save(tmp_path / "model")
    forecast = load(tmp_path / "model").forecast(wide().drop(columns="BE"))
    assert forecast["country"].unique().tolist() == ["AT", "CH"]
    long = wide().drop(columns="BE").melt("day", var_name="country", value_name="load").dropna()
    same(found.forecast(long), forecast)


def test_a_column_of_words_among_series_is_refused_with_lines_that_work():
    frame = wide().assign(note="x")
    roles = {"time": "day", "target": "load", "series": "country", "wide": "columns"}
    with pytest.raises(TypeError, match="'note' has 'x'") as found:
        ForecastData.from_frame(frame, **roles)
    line = str(found.value).split("drop it, `")[1].split("`")[0]
    assert len(ForecastData.from_frame(eval(line, {"frame": frame}), **roles).series_names) == 3


def test_counts_are_forecast_as_counts_from_an_origin_too():
    frame = sales()
    frame = frame[frame["sold"].notna()].drop(columns="price")
    steps = frame.assign(day=frame.groupby(["store", "item"]).cumcount() + 1)
    roles = {name: role for name, role in ROLES.items() if name != "known"}
    found = train(steps, HORIZON, **roles, **QUICK)
    ahead = found.forecast(steps)
    assert ahead["day"].unique().tolist() == [STEPS + n for n in range(1, HORIZON + 1)]
    assert found.forecast(steps, origin=STEPS - 3)["day"].min() == STEPS - 3
    assert found.plot(ahead, steps, engine="matplotlib").axes
    assert f"| last time | {STEPS} |" in found.card()
    with pytest.raises(ValueError, match="must be a whole number"):
        found.forecast(steps, origin="2024-01-01")
    with pytest.raises(ValueError, match="at most one time step"):
        found.forecast(steps, origin=STEPS + 2)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("times", [np.arange(9), pd.period_range("2024-01", periods=9, freq="M")])
def test_counts_and_periods_have_no_zone(zone, times):
    frame = pd.DataFrame({"t": times, "y": 1.0})
    with pytest.raises(ValueError, match="no time zone, got `zone`"):
        ForecastData.from_frame(frame, time="t", target="y", zone=zone)

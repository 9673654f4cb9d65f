"""A frame with roles: what is kept, what is future, and the forecast windows."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
from pytorch_forecasting import GroupNormalizer, TimeSeriesDataSet

from drnn_forecast.data.frames.data import ForecastData
from drnn_forecast.data.frames.roles import Roles

ROLES = Roles(
    "when",
    "y",
    series="who",
    known=("k", "holiday"),
    observed=("o", "mood"),
    static=("size", "land"),
)


def probe(num_steps: int = 40, num_series: int = 2, freq: str = "h") -> pd.DataFrame:
    """Return series whose target counts up: 0, 1, ... in the first, 1000, 1001, ... in the next.

    The covariates repeat the count, so that the row behind any number can be read off.
    """
    count = np.arange(num_steps)
    parts = []
    for number in range(num_series):
        value = count + 1000 * number
        columns = {
            "who": f"series {number}",
            "when": pd.date_range("2024-01-01", periods=num_steps, freq=freq),
            "y": value.astype(np.float32),
            "k": value * 10,
            "holiday": count % 7 == 0,
            "o": value * 100.0,
            "mood": pd.Categorical(np.where(count % 2, "good", "bad")),
            "size": float(number),
            "land": f"land {number}",
            "note": "unused",
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def take(frame: pd.DataFrame, **options) -> ForecastData:
    return ForecastData.from_roles(frame, ROLES, **options)


def trained(data: ForecastData, **options) -> dict:
    """Return the parameters of a training dataset with a horizon of 4 and a context of 6."""
    options = {"horizon": 4, "context_length": 6, "validation_windows": 1, **options}
    return data.split(**options).training.get_parameters()


def all_windows(dataset: TimeSeriesDataSet) -> tuple[dict, np.ndarray]:
    """Return the inputs and the targets of a dataset in one batch."""
    x, (y, _) = next(iter(dataset.to_dataloader(train=False, batch_size=len(dataset))))
    return x, y.numpy()


def reals(dataset: TimeSeriesDataSet, x: dict, part: str, name: str) -> np.ndarray:
    """Return a real covariate in its own units, (windows, steps)."""
    scaled = x[f"{part}_cont"][..., dataset.reals.index(name)].double().numpy()
    scaler = dataset.get_transformer(name)
    return scaled * scaler.scale_ + scaler.mean_


def labels(dataset: TimeSeriesDataSet, x: dict, part: str, name: str) -> np.ndarray:
    """Return a categorical covariate decoded, (windows, steps)."""
    codes = x[f"{part}_cat"][..., dataset.flat_categoricals.index(name)].numpy()
    return dataset.transform_values(name, codes, inverse=True)


def test_roles_survive_json():
    assert Roles.from_dict(json.loads(json.dumps(ROLES.to_dict()))) == ROLES


def test_a_single_column_may_be_given_as_text():
    assert Roles("t", "y", known="k", observed=["o"], static=None) == Roles(
        "t", "y", known=("k",), observed=("o",)
    )


def test_columns_and_dtypes_of_the_user_are_kept():
    frame = probe()
    data = take(frame)
    pd.testing.assert_frame_equal(data.history, frame)
    assert data.future.empty
    assert data.future.columns.tolist() == frame.columns.tolist()


@pytest.mark.parametrize(
    "frame",
    [probe(), probe().sample(frac=1, random_state=0), probe().set_index("note").reset_index()],
    ids=["sorted", "shuffled", "reordered"],
)
def test_the_users_frame_is_left_as_it_is(frame):
    before = frame.copy()
    trained(take(frame))
    pd.testing.assert_frame_equal(frame, before)


def test_the_order_of_rows_changes_nothing():
    shuffled = take(probe().sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(shuffled.history, take(probe()).history)


@pytest.mark.parametrize("index", ["y", "who", None], ids=str)
def test_the_index_of_the_frame_means_nothing(index):
    frame = probe()
    labelled = frame.set_index(pd.Index(np.arange(80) // 3, name=index))
    pd.testing.assert_frame_equal(take(labelled).history, frame)


@pytest.mark.parametrize(
    "names", [[3, 20], ["a", "B"], [True, False], pd.to_datetime(["2001", "2000"])]
)
def test_names_of_series_keep_their_type_and_order(names):
    frame = probe()
    frame["who"] = np.repeat(np.asarray(names), 40)
    data = take(frame)
    assert list(data.series_names) == sorted(names)
    targets = data.target_rows(data.before(4).forecast_dataset(trained(data)))
    assert targets["who"].dtype == frame["who"].dtype
    assert set(targets["who"].tolist()) == set(frame["who"].tolist())


def test_a_frame_without_a_series_column_is_one_series():
    frame = probe(num_series=1)
    data = ForecastData.from_frame(frame, time="when", target="y")
    assert data.series_names == ("series",)
    parameters = trained(data)
    assert parameters["static_categoricals"] == []
    targets = data.target_rows(data.forecast_dataset(parameters))
    assert targets.columns.tolist() == ["when"]
    assert targets["when"].tolist() == list(pd.date_range("2024-01-02 16:00", periods=4, freq="h"))


def test_variables_go_where_their_role_and_dtype_say():
    parameters = trained(take(probe()))
    assert parameters["static_categoricals"] == ["who", "land"]
    assert parameters["static_reals"] == ["size"]
    assert parameters["time_varying_known_categoricals"] == [
        "holiday",
        "calendar_hour",
        "calendar_weekday",
    ]
    assert parameters["time_varying_known_reals"] == ["k", "calendar_year_sin", "calendar_year_cos"]
    assert parameters["time_varying_unknown_categoricals"] == ["mood"]
    assert parameters["time_varying_unknown_reals"] == ["o", "y"]


@pytest.mark.parametrize(
    ("dtype", "listed"),
    [
        ("int8", "reals"),
        ("float32", "reals"),
        ("Int64", "reals"),
        ("Float64", "reals"),
        ("bool", "categoricals"),
        ("boolean", "categoricals"),
        ("str", "categoricals"),
        ("string", "categoricals"),
        ("category", "categoricals"),
    ],
)
def test_numbers_are_reals_and_all_else_is_categories(dtype, listed):
    frame = probe()
    frame["k"] = (frame["k"] % 20 // 10).astype(dtype)
    data = take(frame)
    assert data.history["k"].dtype == frame["k"].dtype
    assert "k" in trained(data)[f"time_varying_known_{listed}"]


def test_rows_after_the_last_target_are_future_rows():
    frame = probe()
    frame.loc[[37, 38, 39, 79], "y"] = np.nan
    data = take(frame)
    assert data.history.groupby("who").size().tolist() == [37, 39]
    assert data.future["k"].tolist() == [370, 380, 390, 10390]
    assert data.future[["y", "o", "mood", "size"]].isna().all(axis=None)
    assert data.history["y"].notna().all()


def test_future_rows_may_come_in_a_frame_of_their_own():
    frame = probe()
    is_late = frame["when"] > "2024-01-02 12:00"
    columns = ["who", "when", "k", "holiday"]
    apart = take(frame[~is_late], future=frame.loc[is_late, columns])
    together = take(frame.assign(y=frame["y"].mask(is_late)))
    pd.testing.assert_frame_equal(apart.history, together.history)
    pd.testing.assert_frame_equal(apart.future, together.future, check_dtype=False)


def test_an_empty_future_is_none():
    assert take(probe(), future=probe().iloc[:0]).future.empty


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_going_back_makes_the_last_rows_future(steps):
    data = take(probe())
    past = data.before(steps)
    assert past.history.groupby("who").size().tolist() == [40 - steps] * 2
    assert past.future["when"].tolist() == [
        stamp for _, rows in data.history.groupby("who") for stamp in rows["when"].tail(steps)
    ]
    assert past.future[["y", "o", "mood"]].isna().all(axis=None)
    assert past.freq == data.freq


def test_going_back_twice_is_going_back_once():
    data = take(probe())
    twice, once = data.before(3).before(2), data.before(5)
    pd.testing.assert_frame_equal(twice.history, once.history)
    pd.testing.assert_frame_equal(twice.future, once.future)


def test_a_forecast_window_holds_the_end_of_the_history_and_the_future_covariates():
    data = take(probe())
    dataset = data.before(4).forecast_dataset(trained(data))
    x, _ = all_windows(dataset)
    ends = np.array([[36], [1036]])
    np.testing.assert_array_equal(x["encoder_target"], ends + np.arange(-6, 0))
    np.testing.assert_allclose(
        reals(dataset, x, "decoder", "k"), (ends + np.arange(4)) * 10, rtol=1e-5
    )
    assert (labels(dataset, x, "decoder", "holiday") == "False").all()
    assert labels(dataset, x, "encoder", "mood").tolist() == [["bad", "good"] * 3] * 2
    assert labels(dataset, x, "encoder", "land")[:, 0].tolist() == ["land 0", "land 1"]


def test_a_forecast_window_holds_nothing_that_is_not_known_yet():
    data = take(probe())
    parameters = trained(data)
    dataset = data.before(4).forecast_dataset(parameters)
    x, y = all_windows(dataset)
    last = np.repeat([[35.0], [1035.0]], 4, axis=1)
    np.testing.assert_array_equal(y, last)
    np.testing.assert_allclose(reals(dataset, x, "decoder", "o"), last * 100, rtol=1e-5)
    assert set(labels(dataset, x, "decoder", "mood").ravel()) == {"good"}


def test_target_rows_are_the_steps_after_each_series():
    frame = probe()
    frame = frame[(frame["who"] == "series 1") | (frame["when"] < "2024-01-02")]
    data = take(frame)
    past = data.before(4)
    rows = past.target_rows(past.forecast_dataset(trained(data)))
    expected = frame.groupby("who").tail(4)[["who", "when"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, expected)


def test_a_new_series_and_a_new_category_get_the_label_of_the_unknown():
    parameters = trained(take(probe(num_series=2)))
    frame = probe(num_series=3)
    frame = frame[frame["who"] != "series 0"]
    frame = frame.assign(mood=frame["mood"].cat.rename_categories({"good": "new"}))
    data = take(frame).before(4)
    with pytest.warns(UserWarning, match=r"1 of 2 series in 'who': 'series 2'; 1 of 2 .*: 'new'"):
        dataset = data.forecast_dataset(parameters)
    x, _ = all_windows(dataset)
    named = data.target_rows(dataset)["who"].iloc[::4].tolist()
    who = dict(zip(named, labels(dataset, x, "encoder", "who")[:, 0], strict=True))
    assert who == {"series 1": "series 1", "series 2": "nan"}
    assert labels(dataset, x, "encoder", "mood").tolist() == [["bad", "nan"] * 3] * 2


def test_categories_that_may_be_unknown_are_those_of_the_user():
    training = take(probe()).split(horizon=4, context_length=6, validation_windows=1).training
    assert set(training.dropout_categoricals) == {"who", "land", "holiday", "mood"}


def test_encoders_and_scalers_of_training_are_not_touched_by_a_forecast():
    data = take(probe())
    parameters = trained(data)
    mean = parameters["scalers"]["k"].mean_.copy()
    classes = {name: dict(e.classes_) for name, e in parameters["categorical_encoders"].items()}
    new = probe(num_series=3)
    with pytest.warns(UserWarning, match="'series 2'"):
        take(new.assign(k=new["k"] * 5)).before(4).forecast_dataset(parameters)
    assert parameters["scalers"]["k"].mean_ == mean
    assert {n: e.classes_ for n, e in parameters["categorical_encoders"].items()} == classes


@pytest.mark.parametrize("length", [2, 5, 6, 30])
def test_a_short_history_is_read_whole(length):
    data = take(probe())
    parameters = trained(data, min_context_length=2)
    dataset = data.before(40 - length).forecast_dataset(parameters)
    x, _ = all_windows(dataset)
    assert x["encoder_lengths"].tolist() == [min(length, 6)] * 2
    assert x["encoder_target"][0, -1] == length - 1 if length >= 6 else True


def test_lags_reach_back_beyond_the_context():
    data = take(probe())
    parameters = trained(data, lags={"y": [12]}, target_normalizer=GroupNormalizer())
    dataset = data.before(4).forecast_dataset(parameters)
    x, _ = all_windows(dataset)
    position = dataset.reals.index("y_lagged_by_12")
    center, scale = dataset.target_normalizer.get_parameters(np.array([]), [])[:2]
    lagged = x["encoder_cont"][0, :, position].numpy() * scale + center
    np.testing.assert_allclose(lagged, np.arange(18, 24), rtol=1e-3)


def test_a_weight_column_reaches_the_dataset():
    frame = probe().assign(note=2.5)
    data = take(frame)
    splits = data.split(horizon=4, context_length=6, validation_windows=1, weight="note")
    _, (_, weight) = next(iter(splits.validation.to_dataloader(train=False)))
    assert (weight == 2.5).all()
    assert len(data.before(4).forecast_dataset(splits.training.get_parameters())) == 2


def test_no_logger_speaks_in_ordinary_use(caplog):
    with caplog.at_level(logging.INFO):
        data = take(probe())
        data.before(4).forecast_dataset(trained(data))
    assert not caplog.records

"""Labels are compared by value, and what a model does not know is said."""

import warnings
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting import NaNLabelEncoder
from pytorch_forecasting.data import EncoderNormalizer

from drnn_forecast import BatchedTimeSeriesDataSet, DilatedRNNForecaster, ForecastData, load

HORIZON, CONTEXT, LENGTH = 3, 6, 30
ROLES = {"series": "shop", "time": "day", "target": "y", "known": ["kind"], "static": ["town"]}


def tidy(shops=(1, 2, 3), kinds=(0, 1), towns=(7, 8, 9)):
    """Return days of some shops, whose target follows from the numbers of shop, kind and town."""
    parts = []
    for shop, town in zip(shops, towns, strict=False):
        number = len(parts) + 1
        kind = [kinds[step % len(kinds)] for step in range(LENGTH)]
        values = 100.0 * number + np.random.default_rng(number).normal(size=LENGTH)
        days = pd.date_range("2024-01-01", periods=LENGTH)
        columns = {"shop": [shop] * LENGTH, "day": days, "y": values, "kind": kind}
        parts.append(pd.DataFrame({**columns, "town": [town] * LENGTH}))
    return pd.concat(parts, ignore_index=True)


def as_labels(frame, kind=str):
    """Return a frame whose kind and town are categories, not numbers."""
    return frame.assign(kind=frame["kind"].astype(kind), town=frame["town"].astype(kind))


def network(frame, **roles):
    splits = ForecastData.from_frame(frame, **{**ROLES, **roles}).split(
        horizon=HORIZON, context_length=CONTEXT, validation_windows=1
    )
    torch.manual_seed(0)
    return DilatedRNNForecaster.from_dataset(
        splits.training, hidden_size=4, num_layers=2, roles=splits.training.roles
    ).eval()


def values(model, frame):
    """Return the forecast of a history, with known kinds for the days after it."""
    history, future = past_and_future(frame)
    columns = model.forecast(history, future=future).filter(like="q0")
    return columns.to_numpy()


def past_and_future(frame):
    late = frame["day"] > frame["day"].max() - pd.Timedelta(days=HORIZON)
    return frame[~late], frame.loc[late, ["shop", "day", "kind"]]


TYPES = [
    float,
    "float32",
    str,
    object,
    "int8",
    "category",
    "Int64",
    "Float64",
    "string",
    "int64[pyarrow]",
    "double[pyarrow]",
    "string[pyarrow]",
]


@pytest.fixture(scope="module")
def model():
    return network(as_labels(tidy()))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("column", ["shop", "kind", "town"])
def test_labels_that_are_whole_numbers_are_one_in_every_type(model, kind, column):
    frame = as_labels(tidy())
    expected = values(model, frame)
    frame[column] = frame[column].astype(int).astype(kind)
    np.testing.assert_array_equal(values(model, frame), expected)


LABELS = {
    "numbers of numpy": ([1, 2, 3], [np.int8(1), np.int64(2), np.int64(3)]),
    "halves": ([0.5, 1.5, 2.0], ["0.5", "1.5", "2"]),
    "single precision": (
        [0.1, 0.2, 0.3],
        list(np.array([0.1, 0.2, 0.3], np.float32)),
    ),
    "decimals": (["1", "2.5", "3"], [Decimal("1.0"), Decimal("2.50"), Decimal(3)]),
    "truth values": ([True, False], ["True", "False"]),
    "truth values of numpy": ([True, False], [np.True_, np.False_]),
    "dates": (
        [date(2024, 5, 1), date(2024, 5, 2)],
        [pd.Timestamp("2024-05-01"), pd.Timestamp("2024-05-02")],
    ),
    "dates as text": ([date(2024, 5, 1), date(2024, 5, 2)], ["2024-05-01", "2024-05-02"]),
    "stamps of numpy": (
        [pd.Timestamp("2024-05-01 06:00"), pd.Timestamp("2024-05-02")],
        [np.datetime64("2024-05-01T06:00"), np.datetime64("2024-05-02")],
    ),
    "years": ([2023, 2024], [2023.0, 2024.0]),
    "text of numpy": (["a", "b"], [np.str_("a"), np.str_("b")]),
}


@pytest.mark.parametrize(("trained", "asked"), LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("is_swapped", [False, True])
def test_series_of_equal_names_are_one(trained, asked, is_swapped):
    if is_swapped:
        trained, asked = asked, trained
    network_of = network(as_labels(tidy(trained)))
    np.testing.assert_array_equal(
        values(network_of, as_labels(tidy(asked))), values(network_of, as_labels(tidy(trained)))
    )


@pytest.mark.parametrize("kind", ["Int64", float, str, "category"])
def test_future_rows_name_series_and_labels_in_a_type_of_their_own(model, kind):
    frame = as_labels(tidy())
    history, future = past_and_future(frame)
    expected = model.forecast(history, future=future)
    other = future.assign(
        shop=future["shop"].astype(kind), kind=future["kind"].astype(int).astype(kind)
    )
    pd.testing.assert_frame_equal(model.forecast(history, future=other), expected)
    data = ForecastData.from_frame(history, **ROLES)
    pd.testing.assert_frame_equal(model.forecast(data, future=other), expected)
    part = ForecastData.from_frame(history, **ROLES, future=other.groupby("shop").head(1))
    rest = future.groupby("shop").tail(HORIZON - 1)
    pd.testing.assert_frame_equal(model.forecast(part, future=rest), expected)


def test_names_that_are_written_otherwise_are_other_names():
    network_of = network(as_labels(tidy(["1.0", "01", "1"])))
    shops = network_of.dataset_parameters["categorical_encoders"]["shop"].classes_
    assert list(shops) == ["nan", "01", "1", "1.0"]


def test_names_of_one_value_in_two_types_are_refused():
    frame = as_labels(tidy([1, 2, 3]))
    frame["shop"] = pd.Series([1] * LENGTH + ["1"] * LENGTH + [3] * LENGTH, dtype=object)
    with pytest.raises(ValueError, match="names of one type"):
        ForecastData.from_frame(frame, **ROLES)


def test_a_series_that_the_model_lacks_is_named_once(model):
    frame = as_labels(tidy([1, "x", "y"]).astype({"shop": str}), str)
    with pytest.warns(UserWarning, match="does not know") as said:
        values(model, frame)
    assert [str(one.message).partition(".")[0] for one in said] == [
        "The model does not know 2 of 3 series in 'shop': 'x', 'y'"
    ]


def test_series_and_categories_that_the_model_lacks_are_said_together(model):
    frame = as_labels(tidy([1, 2, 10], kinds=(0, 5), towns=(7, 8, 70)))
    with pytest.warns(UserWarning, match="does not know") as said:
        values(model, frame)
    assert len(said) == 1
    text = str(said[0].message)
    for part in ("1 of 3 series in 'shop': '10'", "1 of 2 labels in 'kind': '5'", "'town': '70'"):
        assert part in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"shops": ["x", "y", "z"]},
            r"one series .* column 'shop' has only 'x', 'y', 'z', and the",
        ),
        ({"kinds": [5]}, "one label .* column 'kind' has only '5', and the model knows '0', '1'"),
        ({"towns": [70, 80, 90]}, "one label .* column 'town' has only '70', '80', '90'"),
    ],
)
def test_a_column_of_which_the_model_knows_nothing_is_refused(model, change, message):
    frame = as_labels(tidy(**change))
    with pytest.raises(ValueError, match=message):
        values(model, frame)
    data = ForecastData.from_frame(frame, **ROLES)
    with pytest.raises(ValueError, match=message):
        data.split(like=model, validation_windows=1)


WRITTEN = {
    "zeros in front": ("1", "001"),
    "zeros left out": ("001", "1"),
    "a point": ("1", "1.0"),
    "spaces": ("a", " a "),
    "small letters": ("ab", "AB"),
    "large letters": ("AB", "ab"),
}


@pytest.mark.parametrize(("trained", "asked"), WRITTEN.values(), ids=WRITTEN)
def test_the_remedy_for_names_written_otherwise_works(trained, asked):
    network_of = network(as_labels(tidy([trained, "q"])))
    frame = as_labels(tidy([asked]))
    with pytest.raises(ValueError, match="convert the column") as refused:
        values(network_of, frame)
    remedy = str(refused.value).rpartition("convert the column: `")[2].rpartition("`")[0]
    exec(remedy, {"frame": frame})
    np.testing.assert_array_equal(
        values(network_of, frame), values(network_of, as_labels(tidy([trained])))
    )


def test_new_series_are_forecast_beside_one_that_is_known(model):
    frame = as_labels(tidy(["x", "2", "z"]))
    with pytest.raises(ValueError, match="Ask for new series beside one that the model knows"):
        values(model, frame[frame["shop"] != "2"])
    with pytest.warns(UserWarning, match="'x', 'z'"):
        assert np.isfinite(values(model, frame)).all()


def test_a_model_of_one_series_has_none_to_know():
    network_of = network(as_labels(tidy([1])), static=[])
    frame = as_labels(tidy([1]))
    expected = values(network_of, frame)
    np.testing.assert_array_equal(values(network_of, frame.assign(shop="new")), expected)
    without = network(as_labels(tidy([1])), series=None, static=[])
    assert np.isfinite(values(without, frame)).all()


def test_labels_are_one_after_a_model_was_saved(model, tmp_path):
    frame = as_labels(tidy())
    expected = values(model, frame)
    model.save(tmp_path / "model")
    frame["shop"] = frame["shop"].astype(float)
    np.testing.assert_array_equal(values(load(tmp_path / "model"), frame), expected)


def plain(shops=("1", "2", "3")):
    frame = as_labels(tidy(shops)).rename(columns={"day": "step"})
    return frame.assign(step=frame.groupby("shop", sort=False).cumcount())


@pytest.fixture(scope="module")
def plain_model():
    dataset = BatchedTimeSeriesDataSet(
        plain(),
        time_idx="step",
        target="y",
        group_ids=["shop"],
        max_encoder_length=CONTEXT,
        max_prediction_length=HORIZON,
        static_categoricals=["shop", "town"],
        time_varying_unknown_reals=["y"],
        categorical_encoders={name: NaNLabelEncoder(add_nan=True) for name in ("shop", "town")},
        target_normalizer=EncoderNormalizer(),
    )
    torch.manual_seed(0)
    return DilatedRNNForecaster.from_dataset(dataset, hidden_size=4, num_layers=2).eval()


@pytest.mark.parametrize("call", ["predict", "forecast"])
@pytest.mark.parametrize("kind", [int, float, "category", "Int64", "int64[pyarrow]", object])
def test_labels_of_plain_frames_are_one_in_every_type(plain_model, kind, call):
    def asked(frame):
        found = getattr(plain_model, call)(frame)
        return found if call == "predict" else found.filter(like="q0").to_numpy()

    frame = plain()
    expected = asked(frame)
    frame["shop"] = frame["shop"].astype(int).astype(kind)
    frame["town"] = frame["town"].astype(int).astype(kind)
    np.testing.assert_array_equal(asked(frame), expected)


@pytest.mark.parametrize("call", ["predict", "forecast"])
def test_what_a_plain_model_does_not_know_is_said_once_or_refused(plain_model, call):
    with pytest.warns(UserWarning, match="does not know") as said:
        getattr(plain_model, call)(plain(["1", "x", "y"]))
    assert [str(one.message).partition(".")[0] for one in said] == [
        "The model does not know 2 of 3 series in 'shop': 'x', 'y'"
    ]
    with pytest.raises(ValueError, match=r"one series .* has only 'w', 'x', 'y'"):
        getattr(plain_model, call)(plain(["w", "x", "y"]))


def test_nothing_is_said_of_what_is_known(model, plain_model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        forecast = values(model, as_labels(tidy([3, 1])))
        predicted = plain_model.predict(plain(["3"]))
    assert forecast.shape[0] == 2 * HORIZON
    assert len(predicted) == 1

"""The same for frames with the columns of a plain dataset, whose time is a count of steps."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from pytorch_forecasting import EncoderNormalizer, GroupNormalizer, TimeSeriesDataSet

from drnn_forecast import BatchedTimeSeriesDataSet, DilatedRNNForecaster
from laws.drawing import law
from laws.sayings import (
    as_category,
    as_dtype,
    as_objects,
    columns_moved,
    shuffled,
    with_column,
    with_index,
)

HORIZON = 4
WAYS = {
    "shuffled rows": shuffled,
    "shuffled columns": columns_moved,
    "index of zeros": with_index(lambda frame: np.zeros(len(frame), dtype=int)),
    "index that misleads": with_index(lambda frame: np.arange(len(frame))[::-1] * 7),
    "index named as a column": with_index(lambda frame: pd.Index(frame["step"])),
    "index of two levels": with_index(
        lambda frame: pd.MultiIndex.from_frame(frame[["who", "step"]])
    ),
    "an extra column": with_column("note", lambda frame: [None] * len(frame)),
    "an extra column named index": with_column("index", lambda frame: 3),
    **{f"steps as {dtype}": as_dtype("step", dtype) for dtype in ("int8", "int32", "uint16")},
    "steps as Int64": as_dtype("step", "Int64"),
    "steps as Arrow's": as_dtype("step", pd.ArrowDtype(pa.int32())),
    **{f"target as {dtype}": as_dtype("y", dtype) for dtype in ("float32", "Float64")},
    "target as Arrow's": as_dtype("y", pd.ArrowDtype(pa.float64())),
    **{f"price as {dtype}": as_dtype("price", dtype) for dtype in ("float32", "Float64")},
    "names as objects": as_objects("who", str),
    "names as pandas text": as_dtype("who", "string"),
    "names as Arrow text": as_dtype("who", pd.ArrowDtype(pa.string())),
    "names as categories": as_category("who"),
    "kind as categories": as_category("kind"),
    "kind as objects": as_objects("kind", str),
}


@pytest.fixture(scope="module")
def frame():
    generator = np.random.default_rng(1)
    parts = []
    for number, scale in enumerate((1.0, 40.0, 900.0)):
        size = 60 - number
        parts.append(
            pd.DataFrame(
                {
                    "who": f"series {number}",
                    "step": np.arange(size),
                    "y": np.round(8 * scale * (4 + generator.normal(size=size))) / 8,
                    "price": np.round(8 * generator.normal(size=size)) / 8,
                    "kind": generator.choice(["a", "b"], size=size),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(
    scope="module",
    params=[
        (TimeSeriesDataSet, EncoderNormalizer()),
        (TimeSeriesDataSet, GroupNormalizer(groups=["who"])),
        (BatchedTimeSeriesDataSet, EncoderNormalizer()),
        (BatchedTimeSeriesDataSet, GroupNormalizer(groups=["who"])),
    ],
    ids=["plain, by window", "plain, by group", "batched, by window", "batched, by group"],
)
def asked(request, frame):
    """Return a model, its history and future, and the numbers of its forecast."""
    kind, normalizer = request.param
    dataset = kind(
        frame,
        time_idx="step",
        target="y",
        group_ids=["who"],
        max_encoder_length=20,
        max_prediction_length=HORIZON,
        static_categoricals=["who"],
        time_varying_known_reals=["price"],
        time_varying_known_categoricals=["kind"],
        time_varying_unknown_reals=["y"],
        target_normalizer=normalizer,
    )
    model = DilatedRNNForecaster.from_dataset(dataset, hidden_size=8, head_size=8).eval()
    is_late = frame.groupby("who")["step"].rank(ascending=False) <= HORIZON
    history, future = frame[~is_late], frame.loc[is_late, ["who", "step", "price", "kind"]]
    return model, history, future, numbers(model.forecast(history, future=future))


def numbers(forecast):
    keys = [forecast["who"].astype(str).to_numpy(), forecast["step"].to_numpy(int)]
    table = forecast.set_axis(pd.MultiIndex.from_arrays(keys), axis=0)
    return table.filter(like="q0").sort_index().to_numpy()


def said(frame, ways, seed=0):
    generator = np.random.default_rng(seed)
    for way in ways:
        frame = WAYS[way](frame, generator)
    return frame


@pytest.mark.parametrize("way", WAYS)
def test_one_other_way_to_say_a_plain_frame_changes_no_forecast(asked, way):
    model, history, future, expected = asked
    forecast = model.forecast(said(history, [way]), future=future)
    np.testing.assert_array_equal(numbers(forecast), expected)


@pytest.mark.parametrize("way", [way for way in WAYS if not way.startswith("target")])
def test_one_other_way_to_say_a_plain_future_changes_no_forecast(asked, way):
    model, history, future, expected = asked
    forecast = model.forecast(
        history, future=said(future.assign(y=np.nan), [way]).drop(columns="y")
    )
    np.testing.assert_array_equal(numbers(forecast), expected)


def kind_of(way):
    first, *rest = way.split(" as ")
    return first if rest else "rows" if way.startswith("shuffled") else "index"


@law
@given(
    ways=st.lists(st.sampled_from(sorted(WAYS)), min_size=1, max_size=4, unique_by=kind_of),
    seed=st.integers(0, 99),
)
def test_predictions_of_a_plain_frame_are_those_of_its_rows(asked, frame, ways, seed):
    model, *_ = asked
    expected = model.predict(frame, return_index=True, mode="quantiles")
    given = model.predict(said(frame, ways, seed), return_index=True, mode="quantiles")
    assert given.index["who"].astype(str).tolist() == expected.index["who"].tolist()
    # Upstream standardises a window in the precision of its column.
    np.testing.assert_allclose(given.output.numpy(), expected.output.numpy(), rtol=1e-6)


def test_steps_that_the_future_gives_twice_are_refused(asked):
    model, history, future, _ = asked
    with pytest.raises(ValueError, match="must give every step once"):
        model.forecast(history, future=pd.concat([future, future.head(1)]))


def test_what_is_known_ahead_must_be_in_the_past_too(asked):
    model, history, future, _ = asked
    with pytest.raises(ValueError, match=r"\['price'\] missing.* both frames need it"):
        model.forecast(history.drop(columns="price"), future=future)

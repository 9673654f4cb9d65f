"""Training, validation and test windows: where they lie, and that nothing leaks."""

import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from pytorch_forecasting import EncoderNormalizer, GroupNormalizer, TimeSeriesDataSet

from drnn_forecast.data.frames.data import ForecastData
from drnn_forecast.data.frames.windows import plan_windows

START = pd.Timestamp("2024-01-01")


def probe(*lengths: int, starts: tuple[int, ...] | None = None) -> ForecastData:
    """Return daily series whose target is the number of days since the first of January.

    The target of any row can so be read from its time stamp, and the other way round. The covariate
    is the negative of it.
    """
    parts = []
    for number, length in enumerate(lengths):
        days = np.arange(length) + (starts[number] if starts else 0)
        time = START + pd.to_timedelta(days, unit="D")
        parts.append(pd.DataFrame({"s": number, "t": time, "y": days.astype(float), "k": -days}))
    return ForecastData.from_frame(pd.concat(parts), time="t", target="y", series="s", known="k")


def targets(dataset: TimeSeriesDataSet) -> np.ndarray:
    """Return the targets of every window, (windows, horizon), in the order of the dataset."""
    loader = dataset.to_dataloader(train=False, batch_size=len(dataset))
    return next(iter(loader))[1][0].numpy()


def contexts(dataset: TimeSeriesDataSet) -> list[list[float]]:
    """Return the encoder targets of every window."""
    x, _ = next(iter(dataset.to_dataloader(train=False, batch_size=len(dataset))))
    pairs = zip(x["encoder_target"].tolist(), x["encoder_lengths"].tolist(), strict=True)
    return [values[:length] for values, length in pairs]


def steps(*firsts: int, horizon: int) -> list[list[int]]:
    return [[first + step for step in range(horizon)] for first in firsts]


@pytest.mark.parametrize(
    ("test_windows", "stride", "validation_firsts", "test_firsts"),
    [
        (0, None, [34, 37], []),
        (2, None, [28, 31], [34, 37]),
        (1, None, [31, 34], [37]),
        (3, 1, [31, 32], [35, 36, 37]),
        (2, 5, [22, 27], [32, 37]),
        (0, 1, [36, 37], []),
    ],
)
def test_held_out_windows_are_counted_back_from_the_end(
    test_windows, stride, validation_firsts, test_firsts
):
    splits = probe(40).split(
        horizon=3, context_length=5, validation_windows=2, test_windows=test_windows, stride=stride
    )
    assert targets(splits.validation).tolist() == steps(*validation_firsts, horizon=3)
    if test_windows:
        assert targets(splits.test).tolist() == steps(*test_firsts, horizon=3)
    else:
        assert splits.test is None
    assert targets(splits.training).max() == validation_firsts[0] - 1


def test_training_has_every_window_before_the_first_validation_target():
    splits = probe(40).split(horizon=3, context_length=5, validation_windows=2)
    assert targets(splits.training).tolist() == steps(*range(5, 32), horizon=3)
    assert contexts(splits.training)[0] == [0, 1, 2, 3, 4]


def test_series_that_end_at_different_times_have_windows_at_their_own_ends():
    data = probe(40, 30, starts=(0, 5))
    splits = data.split(horizon=3, context_length=5, validation_windows=1, test_windows=1)
    assert targets(splits.test).tolist() == steps(37, 32, horizon=3)
    assert targets(splits.validation).tolist() == steps(34, 29, horizon=3)


def test_origins_name_the_windows_in_the_order_of_the_datasets():
    data = probe(*[40] * 12)
    splits = data.split(horizon=3, context_length=5, validation_windows=3, test_windows=2)
    for part, dataset in (("validation", splits.validation), ("test", splits.test)):
        origins = splits.origins.loc[part]
        days = (origins["t"] - START).dt.days
        assert days.tolist() == targets(dataset)[:, 0].tolist()
        groups = dataset.decoded_index["s"].astype(int)
        assert origins["s"].tolist() == groups.tolist()
    assert splits.origins.columns.tolist() == ["s", "t"]


def test_target_rows_name_every_target_of_a_dataset():
    data = probe(40, 30, starts=(0, 5))
    splits = data.split(horizon=3, context_length=5, validation_windows=2)
    rows = data.target_rows(splits.validation)
    days = (rows["t"] - START).dt.days
    assert days.tolist() == targets(splits.validation).ravel().tolist()
    assert rows["s"].tolist() == [0] * 6 + [1] * 6


@settings(deadline=None, max_examples=25)
@given(
    horizon=st.integers(1, 5),
    stride=st.integers(1, 7),
    validation=st.integers(1, 4),
    test=st.integers(0, 4),
    context=st.integers(2, 8),
    spare=st.integers(0, 6),
)
def test_no_target_is_shared_between_the_parts(horizon, stride, validation, test, context, spare):
    options = {
        "horizon": horizon,
        "stride": stride,
        "validation_windows": validation,
        "test_windows": test,
        "context_length": context,
    }
    windows = plan_windows(**options)
    length = windows.shortest_series + spare
    splits = probe(length).split(**options)
    training, held_out = targets(splits.training), targets(splits.validation)
    assert len(training) == 1 + spare
    assert len(held_out) == validation
    assert training.max() == held_out.min() - 1
    if test:
        tested = targets(splits.test)
        assert len(tested) == test
        assert held_out.max() < tested.min()
        assert np.diff(tested[:, 0]).tolist() == [stride] * (test - 1)
    last = (splits.test or splits.validation).decoded_index["time_idx_last"].max()
    assert last == length - 1
    assert np.diff(held_out[:, 0]).tolist() == [stride] * (validation - 1)
    assert all(len(context_) == context for context_ in contexts(splits.validation))


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_held_out_window_has_the_longest_context_there_is(part):
    data = probe(20, 13, starts=(0, 7))
    splits = data.split(
        horizon=3, context_length=9, validation_windows=1, test_windows=1, min_context_length=2
    )
    lengths = [len(context) for context in contexts(getattr(splits, part))]
    assert lengths == ([9, 7] if part == "validation" else [9, 9])
    assert len(getattr(splits, part)) == 2


def spoil(data: ForecastData, first_day: int) -> ForecastData:
    """Return the data with other values, and another category, from a day on."""
    frame = data.history.copy()
    late = frame["t"] >= START + pd.Timedelta(days=first_day)
    frame["y"] = frame["y"].mask(late, frame["y"] ** 2 + 1e6)
    frame["k"] = frame["k"].mask(late, 10**6)
    frame["c"] = np.where(late, "late", "early")
    return ForecastData.from_frame(frame, time="t", target="y", series="s", known=["k", "c"])


@pytest.mark.parametrize(
    "normalizer", [None, GroupNormalizer(groups=["s"]), EncoderNormalizer(method="robust")]
)
def test_values_after_the_training_end_change_nothing_in_training(normalizer):
    options = {
        "horizon": 3,
        "context_length": 5,
        "validation_windows": 2,
        "test_windows": 1,
        "target_normalizer": normalizer,
    }
    clean = spoil(probe(40, 40), first_day=1000).split(**options).training
    spoilt = spoil(probe(40, 40), first_day=31).split(**options).training
    groups = clean.data["groups"][0].numpy()
    np.testing.assert_array_equal(
        clean.target_normalizer.get_parameters(groups, ["s"]),
        spoilt.target_normalizer.get_parameters(groups, ["s"]),
    )
    for name in ("reals", "categoricals", "time", "groups"):
        assert clean.data[name].equal(spoilt.data[name])
    assert clean.data["target"][0].equal(spoilt.data["target"][0])
    pd.testing.assert_frame_equal(clean.index, spoilt.index)
    for name, encoder in clean._categorical_encoders.items():
        assert encoder.classes_ == spoilt._categorical_encoders[name].classes_
    assert clean._scalers["k"].mean_ == spoilt._scalers["k"].mean_
    assert clean._scalers["k"].scale_ == spoilt._scalers["k"].scale_
    assert targets(clean).max() == 30


def test_the_spoilt_values_do_reach_the_held_out_windows():
    splits = spoil(probe(40, 40), first_day=31).split(
        horizon=3, context_length=5, validation_windows=2, test_windows=1
    )
    assert targets(splits.validation).min() > 1e6
    assert (splits.validation.data["categoricals"] == 0).any()


def test_held_out_datasets_share_the_transformers_of_training():
    splits = probe(40, 40).split(horizon=3, context_length=5, validation_windows=2)
    assert splits.validation._scalers["k"].mean_ == splits.training._scalers["k"].mean_


def test_a_held_out_dataset_carries_only_the_rows_it_reads():
    splits = probe(400).split(horizon=3, context_length=5, validation_windows=2, test_windows=2)
    assert len(splits.validation.data["time"]) == len(splits.test.data["time"]) == 5 + 2 * 3


def test_short_series_are_dropped_when_asked_and_named(caplog):
    data = probe(40, 12, 40)
    with caplog.at_level(logging.WARNING, logger="drnn_forecast.data"):
        splits = data.split(horizon=3, context_length=5, validation_windows=2, drop_short=True)
    assert splits.origins["s"].unique().tolist() == [0, 2]
    assert set(splits.training.decoded_index["s"]) == {"0", "2"}
    assert [record.message for record in caplog.records] == [
        "Left out 1 series too short for the split: 1 (12 rows)."
    ]


def test_the_shortest_series_that_is_accepted_has_one_training_window():
    splits = probe(14).split(horizon=3, context_length=5, validation_windows=2)
    assert len(splits.training) == 1


def test_a_lag_needs_as_many_more_rows():
    options = {"horizon": 3, "context_length": 5, "validation_windows": 2, "lags": {"y": [4, 6]}}
    splits = probe(20).split(**options)
    assert len(splits.training) == 1
    assert len(splits.validation) == 2
    with pytest.raises(ValueError, match=r"at least 20 rows: .* lags of 6"):
        probe(19).split(**options)


def test_without_a_normaliser_each_window_is_standardised_by_its_context():
    splits = probe(40).split(horizon=3, context_length=5, validation_windows=1)
    x, _ = next(iter(splits.validation.to_dataloader(train=False)))
    context = x["encoder_cont"][0, :, splits.validation.reals.index("y")]
    assert isinstance(splits.training.target_normalizer, EncoderNormalizer)
    assert context.mean().abs() < 1e-5
    assert abs(context.std() - 1) < 1e-5


def test_options_reach_the_dataset_and_may_replace_encoders_and_scalers():
    splits = probe(40).split(
        horizon=3,
        context_length=5,
        validation_windows=1,
        add_relative_time_idx=True,
        randomize_length=True,
        scalers={"k": None},
    )
    assert "relative_time_idx" in splits.training.reals
    assert splits.training.randomize_length is not None
    assert splits.validation.randomize_length is None
    assert splits.validation.data["reals"][:, splits.training.reals.index("k")].min() == -39

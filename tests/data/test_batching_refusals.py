"""What the batched dataset refuses, when, and in which words."""

import copy
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    TimeSeriesDataSet,
)
from sklearn.preprocessing import StandardScaler

from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet
from drnn_forecast.data.batching.errors import DatasetError

pytestmark = [
    pytest.mark.filterwarnings("ignore:Min encoder length and/or:UserWarning"),
    pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning"),
    pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning"),
]

ARGUMENTS: dict[str, Any] = {
    "time_idx": "time",
    "target": "y",
    "group_ids": ["series"],
    "max_encoder_length": 8,
    "max_prediction_length": 3,
    "static_categoricals": ["series"],
    "time_varying_known_reals": ["price"],
    "time_varying_unknown_reals": ["y"],
    "target_normalizer": GroupNormalizer(),
}


@pytest.fixture
def frame() -> pd.DataFrame:
    generator = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "time": np.tile(np.arange(30), 3),
            "series": np.repeat(["a", "b", "c"], 30),
            "y": generator.normal(5.0, 1.0, 90),
            "price": generator.normal(1.0, 1.0, 90),
            "number": np.tile(np.arange(30), 3),
        }
    )


def build(frame, cls=BatchedTimeSeriesDataSet, **changes):
    return cls(frame, **{**copy.deepcopy(ARGUMENTS), **changes})


@pytest.fixture
def dataset(frame):
    return build(frame)


def with_missing_value(column):
    def change(frame):
        frame.loc[7, column] = np.nan
        return frame

    return change


ARGUMENT_REFUSALS = {
    "a length of another type": (
        {"max_encoder_length": 8.0},
        "`max_encoder_length` must be an int, got 8.0 (float)",
    ),
    "a shortest length of another type": (
        {"min_prediction_length": 2.0},
        "`min_prediction_length` must be an int, got 2.0",
    ),
    "encoder lengths in the wrong order": (
        {"min_encoder_length": 9},
        "`min_encoder_length` must be at most `max_encoder_length`, got 9 and 8",
    ),
    "prediction lengths in the wrong order": (
        {"min_prediction_length": 4},
        "`min_prediction_length` must be at most `max_prediction_length`, got 4 and 3",
    ),
    "nothing to predict": (
        {"min_prediction_length": 0},
        "`min_prediction_length` must be at least 1, got 0",
    ),
    "an unknown word": (
        {"add_encoder_length": "always"},
        "`add_encoder_length` must be True, False or 'auto', got 'always'",
    ),
    "a number for a bool": (
        {"add_encoder_length": 3},
        "`add_encoder_length` must be True, False or 'auto', got 3",
    ),
    "a target known in the future": (
        {"time_varying_known_reals": ["y"]},
        "`time_varying_known_reals` must not have the target, got 'y'",
    ),
    "a lag of 0": ({"lags": {"y": [0, 2]}}, "`lags` must be at least 1 time step each, got [0, 2]"),
    "a lag of no variable": ({"lags": {"number": [1]}}, "`lags` names 'number', which is no time-"),
    "a foreign normaliser": (
        {"target_normalizer": StandardScaler()},
        "`target_normalizer` must be 'auto', None or a normaliser of pytorch-forecasting",
    ),
    "one normaliser for two targets": (
        {"target": ["y", "price"], "time_varying_known_reals": []},
        "`target_normalizer` must be a MultiNormalizer for the 2 targets",
    ),
    "an encoder too short to normalise": (
        {"min_encoder_length": 1, "target_normalizer": EncoderNormalizer()},
        "`min_encoder_length` must be at least 2 time steps for an EncoderNormalizer, got 1",
    ),
    "a scaler of the target": (
        {"scalers": {"y": StandardScaler()}},
        "`scalers` must not name the target, got 'y'",
    ),
    "a time index that is not there": (
        {"time_idx": "hour"},
        "`time_idx` names the column 'hour', which the frame does not have",
    ),
    "a real that is not there": (
        {"time_varying_known_reals": ["cost"]},
        "`time_varying_known_reals` names the column 'cost'",
    ),
    "a weight that is not there": ({"weight": "w"}, "`weight` names the column 'w'"),
    "a numeric category": (
        {"static_categoricals": ["number"]},
        "The categorical 'number' must hold strings, got values of type int64",
    ),
    "a device that is not there": (
        {"device": "cuda:99"},
        "`device` must be a device of this machine, got 'cuda:99'",
    ),
    "a device that does not exist": (
        {"device": "abacus"},
        "`device` must be a device of this machine, got 'abacus'",
    ),
    "windows longer than every series": (
        {"max_encoder_length": 40, "max_prediction_length": 4},
        "No window is left: all 3 series were removed. A window needs 44 time steps",
    ),
    "a prediction after the end": (
        {"min_prediction_idx": 29, "max_prediction_length": 2},
        "must end at time 30 or later (`min_prediction_idx` 29). "
        "Removed: {'series': 'a'} (ends too early: at time 29)",
    ),
    "a prediction long after the end": (
        {"min_prediction_idx": 100},
        "No window is left: `min_prediction_idx` (100) with `max_encoder_length` (8)",
    ),
    "lags longer than every series": (
        {"lags": {"y": [30]}},
        "No window is left: `lags` of up to 30 time steps",
    ),
}


@pytest.mark.parametrize("name", ARGUMENT_REFUSALS)
def test_bad_arguments_are_refused_with_rule_value_and_remedy(frame, name):
    changes, message = ARGUMENT_REFUSALS[name]
    with pytest.raises(DatasetError, match=re.escape(message)):
        build(frame, **changes)


FRAME_REFUSALS = {
    "a time index of floats": (
        lambda frame: frame.assign(time=frame["time"].astype(float)),
        "`time_idx` must be a signed integer column that counts time steps, got 'time' of type",
    ),
    "a dot in a name": (
        lambda frame: frame.assign(**{"a.b": 1.0}),
        "Column names must not contain '.', got 'a.b'",
    ),
    "labels that repeat": (
        lambda frame: frame.set_axis([0] * len(frame)),
        "The row labels of `data` must be unique, got 0 more than once",
    ),
    "a gap": (
        lambda frame: frame.drop(index=[40, 41]),
        "`time` must grow by 1 from row to row of a series, got 12 after 9 in {'series': 'b'}",
    ),
    "a repeated step": (
        lambda frame: pd.concat([frame, frame.iloc[[3]]], ignore_index=True),
        "`time` must grow by 1 from row to row of a series, got 3 after 3 in {'series': 'a'}",
    ),
    "a missing target": (
        with_missing_value("y"),
        "The target 'y' must be a number in every row, but is empty in 1",
    ),
    "a missing covariate": (
        with_missing_value("price"),
        "of price values were found to be NA or infinite",
    ),
    "a reserved name": (
        lambda frame: frame.assign(__time_idx__=1),
        "`data` must not have the column '__time_idx__', which `time_idx` makes",
    ),
    "a reserved name of the target": (
        lambda frame: frame.assign(__target__y=1.0),
        "`data` must not have the column '__target__y', which `target` makes",
    ),
    "the name of a lag": (
        lambda frame: frame.assign(y_lagged_by_2=1.0),
        "`data` must not have the column 'y_lagged_by_2', which `lags` makes",
    ),
    "the name of the relative time": (
        lambda frame: frame.assign(relative_time_idx=1.0),
        "`data` must not have the column 'relative_time_idx', which `add_relative_time_idx` makes",
    ),
    "the name of the encoder length": (
        lambda frame: frame.assign(encoder_length=1.0),
        "`data` must not have the column 'encoder_length', which `add_encoder_length` makes",
    ),
    "the name of a scale": (
        lambda frame: frame.assign(y_center=1.0),
        "`data` must not have the column 'y_center', which `add_target_scales` makes",
    ),
    "no rows": (lambda frame: frame.iloc[:0], "`data` must have rows and columns"),
}


@pytest.mark.parametrize("name", FRAME_REFUSALS)
def test_bad_frames_are_refused_with_rule_value_and_remedy(frame, name):
    change, message = FRAME_REFUSALS[name]
    with pytest.raises(DatasetError, match=re.escape(message)):
        build(
            change(frame),
            lags={"y": [2]} if "lag" in name else None,
            add_relative_time_idx=True,
            add_encoder_length=True,
            add_target_scales=True,
        )


@pytest.mark.parametrize("name", [name for name in ARGUMENT_REFUSALS if "device" not in name])
def test_what_pytorch_forecasting_refuses_is_caught_by_its_own_kind_of_error(frame, name):
    changes, _ = ARGUMENT_REFUSALS[name]
    with pytest.raises(Exception) as expected:  # noqa: PT011 (its kind is what is compared)
        build(frame, TimeSeriesDataSet, **changes)
    with pytest.raises(Exception) as found:  # noqa: PT011
        build(frame, **changes)
    is_crash = expected.type in (IndexError, TypeError, AttributeError)
    assert is_crash or issubclass(found.type, expected.type)


def test_a_dataset_error_is_a_value_error_and_an_assertion_error():
    assert issubclass(DatasetError, ValueError)
    assert issubclass(DatasetError, AssertionError)


def test_what_is_no_frame_is_a_type_error():
    with pytest.raises(TypeError, match="`data` must be a pandas DataFrame, got list"):
        build([1, 2, 3])


def test_an_unknown_category_names_its_column(frame):
    training = build(frame)
    other = frame.assign(series=frame["series"].replace("c", "new"))
    with pytest.raises(KeyError, match=r"In the column 'series': Unknown category 'new'"):
        BatchedTimeSeriesDataSet.from_dataset(training, other)


def test_removed_series_are_named_with_the_rule_that_removed_them(frame):
    frame = frame[(frame["series"] == "a") | (frame["time"] < 6)]
    message = (
        r"for 2 series/groups .* 11 time steps .*\{'series': 'b'\} \(too short: 6 time steps\)"
    )
    with pytest.warns(UserWarning, match=message):
        build(frame)


@pytest.mark.parametrize("number", [60, 200, -61])
def test_a_window_number_outside_the_dataset_is_an_index_error(dataset, number):
    message = f"A window number must be from 0 to 59, got {number}: the dataset has 60 windows"
    with pytest.raises(IndexError, match=message):
        dataset[number]
    with pytest.raises(IndexError, match=message):
        dataset.__getitems__([0, number])


def test_a_window_number_that_is_no_integer_is_an_index_error(dataset):
    with pytest.raises(IndexError, match="must be a flat list of at least one integer"):
        dataset.__getitems__([0.5])


def test_a_filter_that_leaves_nothing_is_refused(dataset):
    with pytest.raises(DatasetError, match="must keep a window, got False for all 60"):
        dataset.filter(lambda decoded: decoded["time_idx_last"] > 99)


def test_a_file_of_something_else_is_refused(tmp_path):
    path = str(tmp_path / "other.pt")
    torch.save([1, 2], path)
    with pytest.raises(DatasetError, match="must hold a BatchedTimeSeriesDataSet, got list"):
        BatchedTimeSeriesDataSet.load(path)


OVERWRITE_REFUSALS = {
    "an unknown part": (("price", "future"), ValueError, "`target` must be 'all'"),
    "a slice": (("price", slice(-2, None)), AssertionError, "`target` must be 'all'"),
    "the target": (("y", "all"), NotImplementedError, "got 'y', which is the target"),
    "the weight": (("number", "all"), NotImplementedError, "got 'number', which is the weight"),
    "a normalised variable": (
        ("price", "all"),
        NotImplementedError,
        "got 'price', which is scaled by a GroupNormalizer",
    ),
}


@pytest.mark.parametrize("name", OVERWRITE_REFUSALS)
def test_what_cannot_be_overwritten_is_refused(frame, name):
    (variable, part), kind, message = OVERWRITE_REFUSALS[name]
    scalers = {"price": GroupNormalizer()} if "normalised" in name else {}
    dataset = build(frame, weight="number", scalers=scalers)
    with pytest.raises(kind, match=message) as caught:
        dataset.set_overwrite_values(1.0, variable, part)
    assert isinstance(caught.value, DatasetError)


def test_overwriting_an_unknown_variable_is_refused_with_the_batch(dataset):
    dataset.set_overwrite_values(1.0, "number", "all")
    with pytest.raises(DatasetError, match="must be a real or categorical variable, got 'number'"):
        dataset.__getitems__([0])


def test_overwriting_with_too_few_values_is_refused_with_the_batch(dataset):
    dataset.set_overwrite_values(torch.ones(2), "price", "decoder")
    with pytest.raises(DatasetError, match="one per time step of the decoder part, got 2 for"):
        dataset.__getitems__([0])


def test_groups_that_do_not_tell_series_apart_are_refused(frame):
    frame = frame.assign(region="north")
    with pytest.raises(DatasetError, match="must be among the columns that tell series apart"):
        build(frame, target_normalizer=GroupNormalizer(groups=["region"]))


def test_an_encoder_normaliser_refuses_integers_with_the_batch(frame):
    frame = frame.assign(y=frame["number"])
    dataset = build(frame, target_normalizer=EncoderNormalizer())
    with pytest.raises(DatasetError, match="needs real values, got integers of type"):
        dataset.__getitems__([0])


def test_quantiles_of_an_empty_encoder_are_refused_with_the_batch(frame):
    dataset = build(
        frame, min_encoder_length=0, scalers={"price": EncoderNormalizer(method="robust")}
    )
    with pytest.raises(DatasetError, match="needs an encoder of at least 1 time step"):
        dataset.__getitems__(range(len(dataset)))


def test_lengths_changed_after_building_are_refused_with_the_batch(dataset):
    dataset.min_prediction_idx = 29
    with pytest.raises(DatasetError, match="A window must have a decoder of at least 3 time steps"):
        dataset.__getitems__([0])


def test_an_unknown_batch_sampler_is_refused(dataset):
    with pytest.raises(DatasetError, match="'synchronized', a sampler or None, got 'other'"):
        dataset.to_dataloader(batch_sampler="other")


def test_an_index_without_rows_is_refused(dataset):
    with pytest.raises(DatasetError, match="`index` must have the columns 'index_start'"):
        dataset.index = pd.DataFrame({"row": [1]})


def test_an_index_outside_the_data_is_refused(dataset):
    with pytest.raises(DatasetError, match="within the 90 rows of the data, got rows 80 to 90"):
        dataset.index = pd.DataFrame({"index_start": [80], "index_end": [90]})


def test_a_constant_for_no_variable_is_refused_with_the_batch(frame):
    frame = frame.drop(index=[4])
    constants = {"region": "north"}
    dataset = build(frame, allow_missing_timesteps=True, constant_fill_strategy=constants)
    with pytest.raises(KeyError, match="`constant_fill_strategy` names 'region'"):
        dataset.__getitems__([0])


def test_lags_of_a_variable_group_are_refused(frame):
    frame = frame.assign(day=frame["time"].astype(str))
    with pytest.raises(DatasetError, match="`lags` cannot lag 'days', which `variable_groups`"):
        build(
            frame,
            variable_groups={"days": ["day"]},
            time_varying_known_categoricals=["days"],
            lags={"days": [1]},
        )


def test_two_targets_with_a_multi_normaliser_are_accepted(frame):
    dataset = build(
        frame,
        target=["y", "price"],
        time_varying_known_reals=[],
        time_varying_unknown_reals=["y", "price"],
        target_normalizer=MultiNormalizer([GroupNormalizer(), GroupNormalizer()]),
    )
    assert len(dataset.__getitems__([0]).gathered[1][0]) == 2

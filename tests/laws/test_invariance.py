"""What a frame says decides its forecast, not how it says it."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st

import drnn_forecast as drnn
from drnn_forecast import DilatedRNNForecaster, ForecastData
from laws.drawing import law
from laws.sayings import (
    CATEGORIES,
    FUTURE,
    HORIZON,
    IDS,
    NUMBERS,
    ROLES,
    ROWS,
    TIMES,
    WAYS,
    ZONE,
    ZONED,
    kind_of,
    numbers,
    said,
    said_plainly,
    trained,
)

ROUNDING = {"rtol": 1e-5, "atol": 0}
"""Of float32 sums whose order may differ."""


@pytest.fixture(scope="module")
def expected(model, frame):
    return numbers(model.forecast(frame))


@pytest.fixture(scope="module")
def zoned():
    """Return a frame whose hours lie in a zone, its model, and its forecast."""
    frame = said_plainly(zone=ZONE)
    model = trained(frame)
    return frame, model, model.forecast(frame)


several = st.lists(st.sampled_from(sorted(WAYS)), min_size=1, max_size=4, unique_by=kind_of)


@pytest.mark.parametrize("way", [*ROWS, *IDS, *NUMBERS, *CATEGORIES, *TIMES])
def test_one_other_way_to_say_a_frame_changes_no_forecast(model, frame, expected, way):
    np.testing.assert_array_equal(numbers(model.forecast(said(frame, [way]))), expected)


@law
@given(ways=several, seed=st.integers(0, 99))
def test_several_ways_at_once_change_no_forecast(model, frame, expected, ways, seed):
    np.testing.assert_array_equal(numbers(model.forecast(said(frame, ways, seed))), expected)


@law
@given(history_ways=several, future_ways=several, seed=st.integers(0, 99))
def test_history_and_future_may_be_said_differently(
    model, frame, expected, history_ways, future_ways, seed
):
    is_future = frame["sold"].isna()
    ways = [way for way in future_ways if set(kind_of(way).split()) <= {"rows", *FUTURE}]
    future = said(frame.loc[is_future, FUTURE], [w for w in ways if "sold" not in w], seed)
    history = said(frame[~is_future], history_ways, seed)
    np.testing.assert_array_equal(numbers(model.forecast(history, future=future)), expected)


@law
@given(ways=several, seed=st.integers(0, 99))
def test_a_model_trained_on_a_frame_said_otherwise_is_the_same(frame, expected, ways, seed):
    other = trained(said(frame, ways, seed))
    np.testing.assert_allclose(numbers(other.forecast(frame)), expected, **ROUNDING)


@pytest.mark.parametrize("way", ZONED)
def test_the_same_instants_in_another_zone_have_the_same_forecast(zoned, way):
    frame, model, expected = zoned
    forecast = model.forecast(said(frame, [way], ways=ZONED))
    assert str(forecast["when"].dt.tz) == ZONE
    assert (forecast["when"].to_numpy() == expected["when"].to_numpy()).all()
    np.testing.assert_array_equal(numbers(forecast), numbers(expected))


@law
@given(
    shops=st.lists(st.sampled_from([1, 2, 10]), min_size=1, max_size=2, unique=True),
    ways=several,
)
def test_other_series_beside_change_no_forecast(model, frame, expected, shops, ways):
    asked = said(frame[frame["shop"].isin(shops)], ways)
    rows = np.repeat([shop in shops for shop in (1, 2, 10)], HORIZON)
    np.testing.assert_allclose(numbers(model.forecast(asked)), expected[rows], **ROUNDING)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_the_batch_size_changes_no_forecast(model, frame, batch_size):
    dataset = ForecastData.from_frame(frame, **ROLES).forecast_dataset(model.dataset_parameters)
    whole = model.predict(dataset, mode="quantiles")
    by_parts = model.predict(dataset, mode="quantiles", batch_size=batch_size)
    np.testing.assert_allclose(by_parts.numpy(), whole.numpy(), **ROUNDING)


def test_the_number_of_threads_changes_no_forecast(model, frame, expected):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        forecast = model.forecast(frame)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(numbers(forecast), expected, **ROUNDING)


def test_a_weight_is_needed_for_training_only(frame):
    weighted = frame.assign(importance=np.linspace(1, 2, len(frame)))
    data = ForecastData.from_frame(weighted, **ROLES)
    splits = data.split(
        horizon=HORIZON, context_length=30, validation_windows=1, weight="importance"
    )
    model = DilatedRNNForecaster.from_dataset(splits.training, hidden_size=8, head_size=8).eval()
    np.testing.assert_array_equal(numbers(model.forecast(frame)), numbers(model.forecast(weighted)))


def by_folder(model, path):
    return drnn.load(model.save(path / "model"))


def by_pretrained(model, path):
    model.save_pretrained(path / "model")
    return DilatedRNNForecaster.from_pretrained(path / "model")


def by_checkpoint(model, path):
    model.trainer.save_checkpoint(path / "model.ckpt")
    return DilatedRNNForecaster.load_from_checkpoint(path / "model.ckpt")


def by_torch(model, path):
    torch.save(model, path / "model.pt")
    return torch.load(path / "model.pt", weights_only=False)


WAYS_TO_KEEP = {
    "folder": by_folder,
    "pretrained": by_pretrained,
    "checkpoint": by_checkpoint,
    "torch.save": by_torch,
    "pickle": lambda model, path: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, path: copy.deepcopy(model),
    "a folder of a folder": lambda model, path: by_folder(by_folder(model, path), path / "again"),
}


@pytest.mark.parametrize("way", WAYS_TO_KEEP)
def test_a_model_kept_in_any_way_forecasts_the_same(model, frame, expected, tmp_path, way):
    (tmp_path / "again").mkdir()
    kept = WAYS_TO_KEEP[way](model, tmp_path)
    assert not kept.training
    np.testing.assert_array_equal(numbers(kept.forecast(frame)), expected)


def test_a_fresh_process_forecasts_the_same(model, frame, expected, tmp_path):
    model.save(tmp_path / "model")
    frame.to_parquet(tmp_path / "frame.parquet")
    program = (
        "import sys, pandas as pd, drnn_forecast as drnn\n"
        "folder = sys.argv[1]\n"
        "forecast = drnn.load(folder + '/model').forecast(pd.read_parquet(folder + '/frame.parquet'))\n"
        "forecast.to_parquet(folder + '/forecast.parquet')\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    forecast = pd.read_parquet(tmp_path / "forecast.parquet")
    np.testing.assert_allclose(numbers(forecast), expected, **ROUNDING)

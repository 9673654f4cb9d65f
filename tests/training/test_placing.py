"""Where the data of a run lie, as a machine with GPUs would see it."""

import pytest
import torch

from drnn_forecast import BatchedTimeSeriesDataSet
from drnn_forecast.data import data_bytes, on_device
from drnn_forecast.training import placing
from series import make_dataset, planted_frame


@pytest.fixture(scope="module")
def dataset():
    made = make_dataset(planted_frame(length=100))
    return BatchedTimeSeriesDataSet.from_dataset(made, planted_frame(length=100))


@pytest.mark.parametrize(
    ("accelerator", "devices", "free", "is_placed"),
    [
        ("auto", 1, 10**9, True),
        ("gpu", 1, 10**9, True),
        ("cuda", 1, 10**9, True),
        ("cpu", 1, 10**9, False),
        ("auto", 0, 10**9, False),
        ("auto", 2, 10**9, False),
        ("auto", 1, 100, False),
    ],
)
def test_data_lie_on_the_gpu_that_trains_where_they_fit(
    accelerator, devices, free, is_placed, dataset, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, free))
    monkeypatch.setattr(placing, "on_device", lambda given, device: (given, device))
    found = placing.placed(dataset, accelerator)

    assert found == ((dataset, "cuda") if is_placed else dataset)


def test_upstreams_own_dataset_stays_where_it_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    dataset = make_dataset(planted_frame(length=100))

    assert placing.placed(dataset, "auto") is dataset


def test_a_dataset_on_a_device_leaves_the_other_as_it_is(dataset):
    before = dataset[0]
    moved = on_device(dataset, "meta")
    x, _ = next(iter(moved.to_dataloader(False, batch_size=4)))

    assert x["encoder_cont"].device.type == "meta"
    assert dataset.device.type == "cpu"
    torch.testing.assert_close(dataset[0], before)


def test_the_bytes_of_a_dataset_are_those_of_its_tensors(dataset):
    rows = 3 * 100
    reals, categoricals = len(dataset.reals), len(dataset.flat_categoricals)
    numbers = rows * (4 * (reals + 1) + 8 * (categoricals + 2))  # a target, groups and time

    assert data_bytes(dataset) == numbers

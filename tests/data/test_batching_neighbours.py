"""The batched dataset where a `TimeSeriesDataSet` is expected: loaders, models, files, frames."""

import copy
import inspect
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Trainer
from pytorch_forecasting import (
    DeepAR,
    EncoderNormalizer,
    GroupNormalizer,
    NHiTS,
    RecurrentNetwork,
    TemporalFusionTransformer,
    TimeSeriesDataSet,
)
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    DistributedSampler,
    Subset,
    WeightedRandomSampler,
)

from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet

ARGUMENTS: dict[str, Any] = {
    "time_idx": "time",
    "target": "y",
    "group_ids": ["series"],
    "max_encoder_length": 8,
    "min_encoder_length": 4,
    "max_prediction_length": 3,
    "static_categoricals": ["series"],
    "time_varying_unknown_reals": ["y"],
}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    generator = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "time": np.tile(np.arange(30), 4),
            "series": np.repeat(["a", "b", "c", "d"], 30),
            "y": generator.normal(5.0, 1.0, 120),
            "price": generator.normal(1.0, 1.0, 120),
        }
    )


def build(cls, frame, **changes):
    arguments = {**ARGUMENTS, "target_normalizer": GroupNormalizer(groups=["series"]), **changes}
    return cls(frame.copy(), **copy.deepcopy(arguments))


@pytest.fixture
def ours(frame):
    return build(BatchedTimeSeriesDataSet, frame)


@pytest.fixture
def theirs(frame):
    return build(TimeSeriesDataSet, frame)


def assert_equal(found, expected):
    """Same structure, dtypes and values."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected:
            assert_equal(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_equal(one, other)
    elif isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    else:
        np.testing.assert_array_equal(found, expected)


def shuffled(loader):
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002 (upstream's synchronised sampler uses the global generator)
    return list(loader)


LOADERS = {
    "in order": lambda data: data.to_dataloader(train=False, batch_size=7),
    "shuffled": lambda data: data.to_dataloader(train=True, batch_size=7),
    "synchronised": lambda data: data.to_dataloader(batch_sampler="synchronized", batch_size=3),
    "weighted": lambda data: data.to_dataloader(
        batch_size=7,
        shuffle=False,
        sampler=WeightedRandomSampler(1.0 + data.index["time"].to_numpy(), len(data)),
    ),
    "distributed": lambda data: data.to_dataloader(
        batch_size=7,
        shuffle=False,
        sampler=DistributedSampler(data, num_replicas=2, rank=1, shuffle=True),
    ),
    "two workers": lambda data: data.to_dataloader(train=False, batch_size=40, num_workers=2),
    "a subset": lambda data: DataLoader(
        Subset(data, [9, 2, 31]), batch_size=2, collate_fn=data._collate_fn
    ),
    "a concatenation": lambda data: DataLoader(
        ConcatDataset([data, data]), batch_size=50, collate_fn=data._collate_fn
    ),
    "a collate function of the user": lambda data: DataLoader(
        data, batch_size=5, collate_fn=lambda samples: [x["x_cont"] for x, _ in samples]
    ),
}


@pytest.mark.filterwarnings("ignore:Less than 3 samples available:UserWarning")
@pytest.mark.parametrize("name", LOADERS)
def test_every_loader_gives_the_batches_of_pytorch_forecasting(ours, theirs, name):
    assert_equal(shuffled(LOADERS[name](ours)), shuffled(LOADERS[name](theirs)))


@pytest.mark.slow
def test_spawned_workers_get_the_dataset_by_pickling(ours, theirs):
    workers = {"num_workers": 1, "multiprocessing_context": "spawn"}
    spawned = ours.to_dataloader(train=False, batch_size=60, **workers)
    assert_equal(list(spawned), list(theirs.to_dataloader(train=False, batch_size=60)))


COPIES = {
    "pickled": lambda data, path: pickle.loads(pickle.dumps(data)),
    "copied deeply": lambda data, path: copy.deepcopy(data),
    "copied": lambda data, path: copy.copy(data),
    "saved and loaded": lambda data, path: data.save(path) or BatchedTimeSeriesDataSet.load(path),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_gives_the_same_batches(ours, name, tmp_path):
    expected = list(ours.to_dataloader(train=False))
    copied = COPIES[name](ours, str(tmp_path / "dataset.pt"))
    assert_equal(list(copied.to_dataloader(train=False)), expected)
    pd.testing.assert_frame_equal(copied.index, ours.index)


def test_a_pickle_holds_no_frame_of_windows(ours):
    before = len(pickle.dumps(ours))
    assert len(ours.index) == len(ours)
    list(ours.to_dataloader())
    assert len(pickle.dumps(ours)) == before


@pytest.mark.parametrize("copies", [True, False], ids=["copy", "in place"])
def test_a_filter_keeps_the_same_windows(ours, theirs, copies):
    def is_late(decoded):
        return (decoded["time_idx_last"] > 20) & (decoded["series"] != "b")

    size = len(ours)
    filtered, expected = (data.filter(is_late, copy=copies) for data in (ours, theirs))
    assert isinstance(filtered, BatchedTimeSeriesDataSet)
    assert (len(ours) == size) == copies
    pd.testing.assert_frame_equal(filtered.index, expected.index)
    assert_equal(
        list(filtered.to_dataloader(train=False)), list(expected.to_dataloader(train=False))
    )


def test_an_assigned_index_is_what_the_batches_follow(ours, theirs):
    chosen = ours.index.iloc[[5, 3, 40]]
    for data in (ours, theirs):
        data.index = chosen
    assert len(ours) == 3
    assert ours.index is chosen
    assert_equal(list(ours.to_dataloader(train=False)), list(theirs.to_dataloader(train=False)))


def test_the_decoded_index_and_x_to_index_speak_of_the_same_windows(ours, theirs):
    pd.testing.assert_frame_equal(ours.decoded_index, theirs.decoded_index)
    x, _ = next(iter(ours.to_dataloader(train=False, batch_size=50)))
    pd.testing.assert_frame_equal(ours.x_to_index(x), theirs.x_to_index(x))


@pytest.mark.parametrize("window", [0, 17, -1])
def test_single_samples_are_those_of_pytorch_forecasting(ours, theirs, window):
    assert_equal(ours[window], theirs[window])


def test_iterating_over_a_dataset_ends(ours):
    assert sum(1 for _ in ours) == len(ours)


@pytest.mark.parametrize("source", [BatchedTimeSeriesDataSet, TimeSeriesDataSet])
@pytest.mark.parametrize("built", [BatchedTimeSeriesDataSet, TimeSeriesDataSet])
def test_either_class_builds_from_either_class(frame, source, built):
    training = build(source, frame)
    later = frame.assign(y=frame["y"] + 1.0)
    found = built.from_dataset(training, later, predict=True, stop_randomization=None)
    expected = TimeSeriesDataSet.from_dataset(
        build(TimeSeriesDataSet, frame), later, predict=True, stop_randomization=None
    )
    assert type(found) is built
    assert_equal(list(found.to_dataloader(train=False)), list(expected.to_dataloader(train=False)))


def test_parameters_are_those_of_pytorch_forecasting(ours, theirs):
    assert ours.get_parameters().keys() == theirs.get_parameters().keys()
    rebuilt = BatchedTimeSeriesDataSet.from_parameters(
        ours.get_parameters(), pd.DataFrame(sample_rows(ours)), device="cpu"
    )
    assert type(rebuilt) is BatchedTimeSeriesDataSet
    assert repr(ours).startswith("BatchedTimeSeriesDataSet[length=")


def sample_rows(dataset):
    rows = len(dataset.data["time"])
    return {
        "time": dataset.data["time"].numpy(),
        "series": np.repeat(["a", "b", "c", "d"], rows // 4),
        "y": dataset.data["target"][0].double().numpy(),
    }


def test_the_signature_is_that_of_pytorch_forecasting_and_two_more():
    expected = list(inspect.signature(TimeSeriesDataSet).parameters)
    assert list(inspect.signature(BatchedTimeSeriesDataSet).parameters) == [
        *expected,
        "device",
        "allow_missing_targets",
    ]


def test_a_named_device_follows_to_derived_datasets(frame):
    training = build(BatchedTimeSeriesDataSet, frame, device="cpu")
    assert BatchedTimeSeriesDataSet.from_dataset(training, frame).device == torch.device("cpu")


MODELS = {
    "recurrent": lambda data: RecurrentNetwork.from_dataset(data, hidden_size=4),
    "DeepAR": lambda data: DeepAR.from_dataset(data, hidden_size=4),
    "N-HiTS": lambda data: NHiTS.from_dataset(data, hidden_size=8),
    "TFT": lambda data: TemporalFusionTransformer.from_dataset(data, hidden_size=4),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_models_train_to_the_same_weights_and_predict(frame, name, tmp_path):
    is_fixed = name == "N-HiTS"
    changes = {"min_encoder_length": 8, "static_categoricals": []} if is_fixed else {}
    weights = []
    for cls in (BatchedTimeSeriesDataSet, TimeSeriesDataSet):
        dataset = build(cls, frame, **changes)
        torch.manual_seed(0)
        model = MODELS[name](dataset)
        trainer = Trainer(
            accelerator="cpu",
            max_steps=2,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        trainer.fit(model, dataset.to_dataloader(batch_size=16))
        quiet = {"logger": False, "enable_progress_bar": False, "accelerator": "cpu"}
        predicted = model.predict(dataset, trainer_kwargs={**quiet, "default_root_dir": tmp_path})
        assert predicted.shape == (len(dataset), 3)
        weights.append(torch.cat([part.detach().flatten() for part in model.parameters()]))
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    "changes",
    [
        {"add_relative_time_idx": True},
        {"target_normalizer": EncoderNormalizer()},
        {"weight": "price", "randomize_length": True},
    ],
    ids=["positions", "encoder normaliser", "weights and random lengths"],
)
def test_batches_are_made_on_the_device_from_end_to_end(frame, changes):
    # A device without memory stands in for an accelerator: an operation that mixes devices fails.
    dataset = build(BatchedTimeSeriesDataSet, frame, device="meta", **changes)
    x, (target, weight) = next(iter(dataset.to_dataloader(batch_size=16)))
    assert {part.device.type for part in x.values()} == {"meta"}
    assert target.device.type == "meta"
    assert x["decoder_cont"].shape[:2] == (16, 3)
    assert (weight is not None) == ("weight" in changes)
    assert dataset.data["reals"].device.type == "cpu"
    assert pickle.loads(pickle.dumps(dataset)).device == torch.device("meta")


def test_assigning_a_device_moves_the_batches(frame):
    dataset = build(BatchedTimeSeriesDataSet, frame, device="meta")
    dataset.device = "cpu"
    x, _ = next(iter(dataset.to_dataloader(batch_size=16)))
    assert x["encoder_cont"].device.type == "cpu"


@pytest.mark.parametrize("arguments", [{"num_workers": 2}, {"pin_memory": True}])
def test_loaders_of_device_batches_have_no_workers_and_pin_nothing(frame, arguments):
    dataset = build(BatchedTimeSeriesDataSet, frame, device="meta")
    with pytest.raises(ValueError, match="must be left out when batches are made on meta"):
        dataset.to_dataloader(**arguments)

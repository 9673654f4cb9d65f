"""Datasets with the codes and scales of a trained model, and the roles that travel with them."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting import GroupNormalizer
from torch.testing import assert_close

from drnn_forecast.data import BatchedTimeSeriesDataSet, ForecastData

WINDOWS = {"validation_windows": 2, "test_windows": 1}


def sales(*shops, level=0.0, start="2024-01-01") -> ForecastData:
    """Return thirty days of each shop, whose sales and prices begin at `level`."""
    days = pd.date_range(start, periods=30, freq="D")
    parts = [
        pd.DataFrame(
            {"shop": shop, "day": days, "sold": level + np.arange(30.0), "price": level - 1.0}
        )
        for shop in shops
    ]
    frame = pd.concat(parts, ignore_index=True)
    frame["price"] += np.tile([0.0, 0.5, 1.0], len(frame) // 3)
    return ForecastData.from_frame(frame, time="day", target="sold", series="shop", known="price")


def trained(data, **options):
    """Return what `like` reads of a model, and the datasets that it was trained on."""
    options = {"horizon": 3, "context_length": 7, **options}
    splits = data.split(**options, **WINDOWS)
    return SimpleNamespace(dataset_parameters=splits.training.get_parameters()), splits


def parts(splits):
    return [splits.training, splits.validation, splits.test]


def epoch(dataset):
    return next(iter(dataset.to_dataloader(train=False, batch_size=len(dataset))))


@pytest.mark.parametrize("part", ["training", "validation", "test"])
@pytest.mark.parametrize("normalizer", [None, GroupNormalizer()], ids=["encoder", "group"])
def test_the_same_data_split_like_a_model_give_the_models_own_batches(part, normalizer):
    data = sales("a", "b", level=5.0)
    model, own = trained(data, target_normalizer=normalizer, min_context_length=4)
    again = data.split(like=model, **WINDOWS)
    for found, expected in zip(
        epoch(getattr(again, part))[0].values(), epoch(getattr(own, part))[0].values(), strict=True
    ):
        assert torch.equal(found, expected)
    pd.testing.assert_frame_equal(again.origins, own.origins)


@pytest.mark.parametrize("part", ["training", "validation", "test"])
def test_codes_and_scales_are_the_models_whatever_the_new_frame_holds(part):
    model, own = trained(sales("a", "b", "c"))
    later = sales("b", "new", level=100.0, start="2024-02-01")
    with pytest.warns(UserWarning, match="does not know 1 of 2 series in 'shop': 'new'"):
        dataset = getattr(later.split(like=model, **WINDOWS), part)
    x, _ = epoch(dataset)
    shops = dataset.x_to_index(x)["shop"].to_numpy()
    code = x["encoder_cat"][:, 0, dataset.flat_categoricals.index("shop")].numpy()
    encoder = own.training.get_transformer("shop")
    assert set(shops) == {"b", "new"}
    assert (code[shops == "b"] == encoder.classes_["b"]).all()
    assert (code[shops == "new"] == 0).all()
    price = x["decoder_cont"][..., dataset.reals.index("price")]
    scaler = own.training.get_transformer("price")
    # Prices of 99 to 100 on the scale of the model's, in float32.
    assert_close(price.min().item(), (99.0 - scaler.mean_[0]) / scaler.scale_[0], rtol=1e-6, atol=0)
    assert_close(price.max().item(), (100 - scaler.mean_[0]) / scaler.scale_[0], rtol=1e-6, atol=0)


def test_a_model_stays_as_it_is_where_data_are_split_like_it():
    model, _ = trained(sales("a", "b"))
    before = pickle.dumps(model.dataset_parameters)
    with pytest.warns(UserWarning, match="'new'"):
        sales("new", "b", level=9.0).split(like=model, **WINDOWS)
    assert pickle.dumps(model.dataset_parameters) == before


def test_horizon_and_contexts_are_the_models_unless_others_are_given():
    model, _ = trained(sales("a"), min_context_length=4)
    dataset = sales("a").split(like=model, **WINDOWS).validation
    assert dataset.max_prediction_length == 3
    assert (dataset.max_encoder_length, dataset.min_encoder_length) == (7, 4)
    dataset = sales("a").split(like=model, horizon=2, context_length=3, **WINDOWS).validation
    assert dataset.max_prediction_length == 2
    assert (dataset.max_encoder_length, dataset.min_encoder_length) == (3, 3)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"like": object()}, TypeError, "`like` must be a model made by `from_dataset`, got obj"),
        ({"horizon": 4}, ValueError, r"`horizon` must be at most that of `like` \(3 time steps\)"),
        ({"horizon": "4"}, TypeError, "`horizon`"),
        ({"target_normalizer": GroupNormalizer()}, TypeError, r"decides \['target_normalizer'\]"),
        ({"lags": {"sold": [1]}}, TypeError, r"decides \['lags'\]"),
    ],
)
def test_what_contradicts_the_model_is_refused(options, error, message):
    model, _ = trained(sales("a"))
    with pytest.raises(error, match=message):
        sales("a").split(**{"like": model, **options}, **WINDOWS)


def test_a_frame_without_a_variable_of_the_model_is_refused():
    model, _ = trained(sales("a", "b"))
    data = sales("a", "b")
    other = ForecastData.from_frame(data.history, time="day", target="sold", series="shop")
    with pytest.raises(ValueError, match=r"'price' was known \(numbers\) in training, but is lack"):
        other.split(like=model, **WINDOWS)


def forecast_twice(data):
    """Return the datasets past the end, the second made without a frame."""
    from drnn_forecast.data import renewable

    parameters = trained(data)[0].dataset_parameters
    first = data.before(3).forecast_dataset(parameters)
    return [first, data.before(3).forecast_dataset(parameters, like=renewable(first))]


MADE = {
    "split": lambda data: parts(trained(data)[1]),
    "split like a model": lambda data: parts(data.split(like=trained(data)[0], **WINDOWS)),
    "past the end": forecast_twice,
}
COPIES = {
    "itself": lambda data, path: data,
    "a filter": lambda data, path: data.filter(lambda index: index["shop"] == "a"),
    "a copy": lambda data, path: copy.copy(data),
    "pickled": lambda data, path: pickle.loads(pickle.dumps(data)),
    "saved and loaded": lambda data, path: data.save(path) or torch.load(path, weights_only=False),
}


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("made", MADE)
def test_datasets_of_a_frame_carry_its_roles(made, copied, tmp_path):
    data = sales("a", "b")
    for dataset in MADE[made](data):
        assert COPIES[copied](dataset, str(tmp_path / "data.pt")).roles == data.roles.to_dict()


def test_a_dataset_made_from_another_has_its_roles():
    data = sales("a", "b")
    training = trained(data)[1].training
    rows = pd.DataFrame({"shop": "a", "time_idx": np.arange(12), "sold": 1.0, "price": 2.0})
    rows["calendar_weekday"], rows["calendar_year_sin"], rows["calendar_year_cos"] = "Monday", 0, 1
    made_from = BatchedTimeSeriesDataSet.from_dataset(training, rows)
    assert made_from.roles == data.roles.to_dict()


def test_roles_are_no_parameter_of_a_dataset():
    dataset = trained(sales("a"))[1].training
    assert "roles" not in dataset.get_parameters()

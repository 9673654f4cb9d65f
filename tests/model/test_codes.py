"""A model reads datasets that encode and scale as its own did, and refuses others."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Trainer
from pytorch_forecasting import GroupNormalizer, MultiNormalizer, TimeSeriesDataSet
from pytorch_forecasting.data import EncoderNormalizer, TorchNormalizer
from sklearn.preprocessing import RobustScaler
from torch.utils.data import DataLoader, Subset

from drnn_forecast import BatchedTimeSeriesDataSet, DilatedRNNForecaster, ForecastData, fit, load
from drnn_forecast.data import other_codes
from drnn_forecast.data.datasets.codes import is_alike
from drnn_forecast.model import QUIET_TRAINER

WINDOWS = {"validation_windows": 1, "test_windows": 1}
LENGTHS = {"horizon": 3, "context_length": 6}


def sales(shops="abc", start="2024-01-01", price=1.0, kinds=("x", "y")):
    """Return a month of sales of each shop."""
    parts = []
    for number, shop in enumerate(shops):
        rng = np.random.default_rng(ord(shop))
        columns = {
            "shop": shop,
            "day": pd.date_range(start, periods=30),
            "sold": 100.0 * (number + 1) + rng.normal(size=30),
            "price": price + rng.normal(size=30),
            "kind": [kinds[day % len(kinds)] for day in range(30)],
        }
        parts.append(pd.DataFrame(columns))
    return ForecastData.from_frame(
        pd.concat(parts, ignore_index=True),
        time="day",
        target="sold",
        series="shop",
        known=["price", "kind"],
        calendar=False,
    )


def network(training):
    torch.manual_seed(0)
    return DilatedRNNForecaster.from_dataset(
        training, hidden_size=4, num_layers=2, roles=getattr(training, "roles", None)
    ).eval()


def trainer(**options):
    return Trainer(**QUIET_TRAINER, max_epochs=1, limit_train_batches=1, **options)


def loader(dataset, train=False):
    return dataset.to_dataloader(train=train, batch_size=8, num_workers=0)


CALLS = {
    "predict": lambda model, other, own: model.predict(other.validation),
    "predict a loader": lambda model, other, own: model.predict(loader(other.validation)),
    "trainer.predict": lambda model, other, own: trainer().predict(model, loader(other.test)),
    "trainer.test": lambda model, other, own: trainer().test(
        model, loader(other.test), verbose=False
    ),
    "trainer.validate": lambda model, other, own: trainer().validate(
        model, loader(other.validation), verbose=False
    ),
    "trainer.fit": lambda model, other, own: trainer(num_sanity_val_steps=0).fit(
        model, loader(other.training, True), loader(own.validation)
    ),
    "trainer.fit with a check before": lambda model, other, own: trainer().fit(
        model, loader(own.training, True), loader(other.validation)
    ),
    "a part": lambda model, other, own: trainer().predict(
        model,
        DataLoader(Subset(other.test, [0, 1]), batch_size=2, collate_fn=other.test._collate_fn),
    ),
    "fit": lambda model, other, own: fit(
        lambda: model,
        other.training,
        own.validation,
        max_epochs=1,
        steps_per_epoch=1,
        progress=False,
    ),
    "fit to judge": lambda model, other, own: fit(
        lambda: model,
        own.training,
        other.validation,
        max_epochs=1,
        steps_per_epoch=1,
        progress=False,
    ),
}

OTHERS = {
    "a shop less and one more": (sales("bcd"), r"codes of 'shop' \(without 'a', with 'd'\)"),
    "a shop more": (sales("abcd"), r"codes of 'shop' \(with 'd'\)"),
    "a kind less": (sales(kinds="y"), r"codes of 'kind' \(without 'x'\)"),
    "other prices": (sales(price=9.0), "scale of 'price'"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_dataset_with_other_codes_is_refused_before_any_work(call):
    own = sales().split(**LENGTHS, **WINDOWS)
    other = sales("abcde").split(**LENGTHS, **WINDOWS)
    model = network(own.training)
    with pytest.raises(ValueError, match=r"codes of 'shop' .* `data.split\(like=model, ...\)`"):
        call(model, other, own)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("is_like", [False, True])
def test_a_dataset_with_equal_codes_is_read(call, is_like):
    own = sales().split(**LENGTHS, **WINDOWS)
    model = network(own.training)
    again = sales().split(**({"like": model} if is_like else LENGTHS), **WINDOWS)
    assert not other_codes(model.dataset_parameters, again.training)
    call(model, again, own)


@pytest.mark.parametrize(("data", "message"), OTHERS.values(), ids=OTHERS)
def test_a_refusal_names_what_differs_and_its_remedies_work(data, message):
    own = sales().split(**LENGTHS, **WINDOWS)
    model = network(own.training)
    other = data.split(**LENGTHS, **WINDOWS)
    with pytest.raises(ValueError, match=f"another {message}"):
        model.predict(other.validation)
    if "with 'd'" in message:
        with pytest.warns(UserWarning, match="'d'"):
            alike = data.split(like=model, **WINDOWS)
    else:
        alike = data.split(like=model, **WINDOWS)
    assert len(model.predict(alike.validation)) == len(other.validation)


NORMALIZERS = {
    "one scale": TorchNormalizer(),
    "a scale for each": GroupNormalizer(groups=["shop"]),
    "of the window": EncoderNormalizer(method="robust"),
}


@pytest.mark.parametrize("name", NORMALIZERS)
@pytest.mark.parametrize("is_loaded", [False, True])
def test_another_scale_of_the_target_is_refused(name, is_loaded, tmp_path):
    def split(**options):
        options = {"target_normalizer": copy.deepcopy(NORMALIZERS[name]), **options}
        return sales().split(**LENGTHS, **WINDOWS, **options)

    model = network(split().training)
    if is_loaded:
        model.save(tmp_path / "model")
        model = load(tmp_path / "model")
    assert len(model.predict(split().test)) == 3
    other = split(target_normalizer=EncoderNormalizer())
    with pytest.raises(ValueError, match="another scale of the target"):
        model.predict(other.test)
    later = (
        sales("abc")
        .until("2024-01-20")
        .split(**LENGTHS, **WINDOWS, target_normalizer=copy.deepcopy(NORMALIZERS[name]))
    )
    if name == "of the window":
        later = sales("abc").split(
            **LENGTHS, **WINDOWS, target_normalizer=EncoderNormalizer(method="robust", center=False)
        )
    with pytest.raises(ValueError, match="another scale of"):
        model.predict(later.test)


@pytest.mark.parametrize("kind", [TimeSeriesDataSet, BatchedTimeSeriesDataSet])
def test_a_dataset_made_from_another_has_its_codes(kind):
    own = sales().split(**LENGTHS, **WINDOWS)
    frame = sales("bc").history
    dataset = kind.from_dataset(
        own.training,
        frame.assign(time_idx=frame.groupby("shop").cumcount()),
        predict=True,
        stop_randomization=True,
        min_prediction_idx=0,
    )
    assert len(network(own.training).predict(dataset)) == 2


def test_positions_are_counted_from_the_longest_context_of_the_training():
    options = {"add_relative_time_idx": True, "add_encoder_length": True}
    own = sales().split(**LENGTHS, **WINDOWS, **options)
    model = network(own.training)
    assert len(model.predict(sales().split(like=model, **WINDOWS).test)) == 3
    with pytest.raises(ValueError, match=r"longest context \(4 time steps\)"):
        model.predict(sales().split(like=model, context_length=4, **WINDOWS).test)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (None, None, True),
        (None, RobustScaler(), False),
        (RobustScaler().fit([[1.0], [2.0]]), RobustScaler().fit([[1.0], [2.0]]), True),
        (RobustScaler().fit([[1.0], [2.0]]), RobustScaler().fit([[1.0], [2.5]]), False),
        (TorchNormalizer(transformation="log"), TorchNormalizer(), False),
        (MultiNormalizer([TorchNormalizer()]), MultiNormalizer([EncoderNormalizer()]), False),
        (MultiNormalizer([TorchNormalizer()]), MultiNormalizer([TorchNormalizer()]), True),
    ],
)
def test_scalers_are_alike_where_they_give_the_same_numbers(one, other, expected):
    assert is_alike(one, other) == expected

"""A window is scaled by what its own series holds, whatever numbers the series have inside."""

from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    NaNLabelEncoder,
    TimeSeriesDataSet,
)
from pytorch_forecasting.data import TorchNormalizer

from drnn_forecast import BatchedTimeSeriesDataSet, ForecastData

LEVELS = {"c": 9000.0, "a": 50.0, "b": 1000.0}


def shops(levels=LEVELS, length=40):
    """Return daily sales around a level of each shop's own."""
    parts = []
    for number, (shop, level) in enumerate(levels.items()):
        noise = np.random.default_rng(number).normal(size=length)
        frame = {"shop": shop, "time_idx": np.arange(length), "y": level * (1 + 0.1 * noise)}
        parts.append(pd.DataFrame(frame))
    frame = pd.concat(parts, ignore_index=True)
    frame["z"] = -frame["y"]
    frame["region"] = np.where(frame["shop"] == "a", "south", "north")
    frame["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame["time_idx"], unit="D")
    return frame


def data(frame):
    return ForecastData.from_frame(frame, series="shop", time="day", target="y", calendar=False)


def scales(dataset, target=0):
    """Return series and the center and scale of every window, gathered at once."""
    x, _ = next(iter(dataset.to_dataloader(train=False, batch_size=len(dataset))))
    found = x["target_scale"]
    found = found[target] if isinstance(found, list) else found
    labels = dataset.transform_values(
        dataset.group_ids[0], x["groups"][:, 0].numpy(), inverse=True, group_id=True
    )
    return np.asarray(labels), found.numpy()


def single_scales(dataset, target=0):
    """Return the center and scale of every window, made one by one."""
    found = [dataset[number][0]["target_scale"] for number in range(len(dataset))]
    return np.array([np.asarray(part[target] if dataset.multi_target else part) for part in found])


def expected(frame, column="y", by=("shop",)):
    """Return center and scale of every group of the rows that the normaliser was fitted on."""
    table = frame.groupby(list(by))[column].agg(["mean", "std"])
    return table.assign(std=table["std"] + np.finfo(np.float16).eps)


def check(dataset, table):
    """Assert that each window has the scale of its series, in a batch and alone, and is scaled."""
    labels, found = scales(dataset)
    wanted = table.loc[labels].to_numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    np.testing.assert_allclose(single_scales(dataset), wanted, rtol=1e-5)
    x, _ = next(iter(dataset.to_dataloader(train=False, batch_size=len(dataset))))
    scaled = (x["encoder_target"].numpy() - wanted[:, :1]) / wanted[:, 1:]
    read = x["encoder_cont"][..., dataset.reals.index("y")].numpy()
    lengths = x["encoder_lengths"][:, None].numpy()
    is_read = np.arange(read.shape[1]) < lengths
    np.testing.assert_allclose(read[is_read], scaled[is_read], atol=1e-3)


@pytest.mark.parametrize("part", ["training", "validation", "test"])
def test_a_window_of_a_split_has_the_scale_of_its_own_series(part):
    frame = shops()
    splits = data(frame).split(
        horizon=4,
        context_length=8,
        validation_windows=1,
        test_windows=1,
        target_normalizer=GroupNormalizer(groups=["shop"]),
    )
    check(getattr(splits, part), expected(frame[frame["time_idx"] < 32]))


@pytest.mark.parametrize("levels", [{"b": 1000.0, "c": 9000.0}, {"c": 9000.0}])
def test_a_forecast_of_some_series_has_their_own_scales(levels):
    frame = shops()
    splits = data(frame).split(
        horizon=4,
        context_length=8,
        validation_windows=1,
        target_normalizer=GroupNormalizer(groups=["shop"]),
    )
    some = data(frame[frame["shop"].isin(list(levels))])
    table = expected(frame[frame["time_idx"] < 36])
    parameters = splits.training.get_parameters()
    x, _ = next(iter(some.forecast_dataset(parameters).to_dataloader(train=False)))
    np.testing.assert_allclose(
        x["target_scale"].numpy(), table.loc[sorted(levels)].to_numpy(), rtol=1e-5
    )
    check(some.forecast_dataset(parameters), table)


@pytest.mark.parametrize(
    "encoder",
    [
        pytest.param(NaNLabelEncoder(add_nan=True, warn=False), id="one for the unknown"),
        pytest.param(NaNLabelEncoder(), id="upstream's"),
        pytest.param(NaNLabelEncoder().fit(np.array(["b", "c", "a"])[[0, 2, 1]]), id="fitted"),
        pytest.param(NaNLabelEncoder().fit(np.array(list("zyxabc"))), id="of more labels"),
        None,
    ],
)
@pytest.mark.parametrize("is_input", [True, False])
@pytest.mark.parametrize("route", ["new", "from_dataset", "loaded", "filtered"])
def test_a_window_of_a_plain_dataset_has_the_scale_of_its_own_series(
    encoder, is_input, route, tmp_path
):
    frame = shops()
    dataset = BatchedTimeSeriesDataSet(
        frame,
        time_idx="time_idx",
        target="y",
        group_ids=["shop"],
        max_encoder_length=8,
        max_prediction_length=4,
        static_categoricals=["shop"] if is_input else [],
        time_varying_unknown_reals=["y"],
        categorical_encoders={} if encoder is None else {"shop": deepcopy(encoder)},
        target_normalizer=GroupNormalizer(groups=["shop"]),
    )
    if route == "from_dataset":
        some = frame[frame["shop"] != "a"]
        dataset = BatchedTimeSeriesDataSet.from_dataset(
            dataset, some, predict=True, stop_randomization=True
        )
    elif route == "loaded":
        dataset.save(str(tmp_path / "set"))
        dataset = BatchedTimeSeriesDataSet.load(str(tmp_path / "set"))
    elif route == "filtered":
        dataset = dataset.filter(lambda index: index["shop"] != "b")
    check(dataset, expected(frame))


@pytest.mark.parametrize("groups", [["item", "shop"], ["shop"], ["item"], []])
@pytest.mark.parametrize("by_group", [True, False])
def test_groups_in_any_order_and_number_have_their_own_scales(groups, by_group):
    if by_group and not groups:
        pytest.skip("pytorch-forecasting asks for groups there.")
    two = [shops().assign(item="x"), shops().assign(item="w").eval("y = 7 * y")]
    frame = pd.concat(two, ignore_index=True)
    dataset = BatchedTimeSeriesDataSet(
        frame,
        time_idx="time_idx",
        target="y",
        group_ids=["shop", "item"],
        max_encoder_length=8,
        max_prediction_length=4,
        time_varying_unknown_reals=["y"],
        categorical_encoders={"item": NaNLabelEncoder(add_nan=True, warn=False)},
        target_normalizer=GroupNormalizer(groups=groups, scale_by_group=by_group),
    )
    index = dataset.decoded_index
    if not groups:
        y = frame["y"]
        wanted = np.tile([y.mean(), y.std(ddof=0)], (len(index), 1))
    elif by_group:
        parts = [expected(frame, by=[name]).loc[index[name]].to_numpy() for name in groups]
        wanted = np.prod(parts, axis=0) ** (1 / len(groups))
    else:
        keys = index[groups[0]] if len(groups) == 1 else pd.MultiIndex.from_frame(index[groups])
        wanted = expected(frame, by=groups).loc[keys].to_numpy()
    x, _ = next(iter(dataset.to_dataloader(train=False, batch_size=len(dataset))))
    np.testing.assert_allclose(x["target_scale"].numpy(), wanted, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(single_scales(dataset), wanted, rtol=1e-5, atol=1e-3)


def test_each_of_several_targets_has_the_scale_of_its_own_series():
    frame = shops()
    dataset = BatchedTimeSeriesDataSet(
        frame,
        time_idx="time_idx",
        target=["y", "z"],
        group_ids=["shop"],
        max_encoder_length=8,
        max_prediction_length=4,
        time_varying_unknown_reals=["y", "z"],
        categorical_encoders={"shop": NaNLabelEncoder(add_nan=True, warn=False)},
        target_normalizer=MultiNormalizer([GroupNormalizer(groups=["shop"]), TorchNormalizer()]),
    )
    labels, found = scales(dataset)
    np.testing.assert_allclose(found, expected(frame).loc[labels].to_numpy(), rtol=1e-5)
    np.testing.assert_allclose(single_scales(dataset), found, rtol=1e-6)
    _, of_all = scales(dataset, target=1)
    assert of_all[:, 0] == pytest.approx(frame["z"].mean(), rel=1e-4)


def test_an_encoder_normaliser_scales_each_window_by_its_context():
    dataset = data(shops()).split(horizon=4, context_length=8, validation_windows=1).training
    x, _ = next(iter(dataset.to_dataloader(train=False, batch_size=len(dataset))))
    context = x["encoder_target"]
    wanted = torch.stack([context.mean(dim=1), context.std(dim=1)], dim=1)
    torch.testing.assert_close(x["target_scale"], wanted, rtol=1e-4, atol=1e-4)


def test_a_series_without_a_scale_has_the_middle_of_the_others():
    frame = shops()
    splits = data(frame).split(
        horizon=4,
        context_length=8,
        validation_windows=1,
        target_normalizer=GroupNormalizer(groups=["shop"]),
    )
    both = pd.concat([shops({"new": 3.0}), frame[frame["shop"] == "b"]])
    with pytest.warns(UserWarning, match="'new'"):
        dataset = data(both).forecast_dataset(splits.training.get_parameters())
    labels, found = scales(dataset)
    table = expected(frame[frame["time_idx"] < 36])
    table.loc["new"] = table.median()
    np.testing.assert_allclose(found, table.loc[labels].to_numpy(), rtol=1e-5)


def test_a_batch_without_groups_of_the_normaliser_is_that_of_pytorch_forecasting():
    options = {
        "time_idx": "time_idx",
        "target": "y",
        "group_ids": ["shop"],
        "max_encoder_length": 8,
        "max_prediction_length": 4,
        "time_varying_unknown_reals": ["y"],
        "target_normalizer": GroupNormalizer(groups=["shop"]),
    }
    ours = BatchedTimeSeriesDataSet(shops(), **options)
    theirs = TimeSeriesDataSet(shops(), **options)
    _, found = scales(ours)
    _, upstream = scales(theirs)
    np.testing.assert_array_equal(found, upstream)


def test_groups_that_are_no_series_are_refused_with_those_that_are():
    frame = shops()
    options = {"horizon": 4, "context_length": 8, "validation_windows": 1}
    source = ForecastData.from_frame(
        frame, series="shop", time="day", target="y", static=["region"], calendar=False
    )
    with pytest.raises(ValueError, match=r"GroupNormalizer\(groups=\['shop'\]\)"):
        source.split(target_normalizer=GroupNormalizer(groups=["region"]), **options)
    source.split(target_normalizer=GroupNormalizer(groups=["shop"]), **options)


def test_normalisers_of_other_kinds_have_one_scale_or_the_windows_own():
    frame = shops()
    splits = data(frame).split(
        horizon=4, context_length=8, validation_windows=1, target_normalizer=TorchNormalizer()
    )
    _, found = scales(splits.training)
    y = frame.loc[frame["time_idx"] < 36, "y"]
    np.testing.assert_allclose(found[:, 0], y.mean(), rtol=1e-4)
    assert isinstance(
        data(frame)
        .split(horizon=4, context_length=8, validation_windows=1)
        .training.target_normalizer,
        EncoderNormalizer,
    )

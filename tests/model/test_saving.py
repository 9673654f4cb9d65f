import copy
import json

import numpy as np
import pandas as pd
import pytest
import torch
import torchmetrics
from pytorch_forecasting.data import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    NaNLabelEncoder,
)
from pytorch_forecasting.metrics import (
    MAE,
    SMAPE,
    CrossEntropy,
    ImplicitQuantileNetworkDistributionLoss,
    LogNormalDistributionLoss,
    MultiLoss,
    MultivariateNormalDistributionLoss,
    NormalDistributionLoss,
    QuantileLoss,
    TweedieLoss,
)
from sklearn.preprocessing import RobustScaler

from drnn_forecast import DilatedRNNForecaster, ForecastData
from drnn_forecast.model.saving.plain import from_plain, to_plain
from seals import reseal
from series import first_batch, make_dataset, planted_frame


def make_model(dataset, **options):
    torch.manual_seed(0)
    return DilatedRNNForecaster.from_dataset(
        dataset, **{"hidden_size": 4, "num_layers": 2, **options}
    ).eval()


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "x"], "b": (1, ("y",))},
        {1: "one", None: 2, "__kind__": 3},
        np.float32(0.1),
        {"nan": float("inf")},
    ],
)
def test_plain_values_come_back_as_they_were(value):
    assert from_plain(json.loads(json.dumps(to_plain(value, "value")))) == value


@pytest.mark.parametrize(
    "value",
    [np.arange(3, dtype="int16"), np.array(["a", "bb"]), np.array(["a", 1], dtype=object)],
)
def test_arrays_come_back_with_their_type(value):
    read = from_plain(json.loads(json.dumps(to_plain(value, "value"))))
    np.testing.assert_array_equal(read, value)
    assert read.dtype == value.dtype


def test_tensors_come_back():
    read = from_plain(json.loads(json.dumps(to_plain(torch.rand(2, 3).double(), "value"))))
    assert read.dtype == torch.float64
    assert read.shape == (2, 3)


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(["a", "b"], name="name"),
        pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", "y"]),
    ],
)
def test_tables_come_back(index):
    frame = pd.DataFrame({"center": [0.1, 0.2], "scale": [1.0, 2.0]}, index=index)
    read = from_plain(json.loads(json.dumps(to_plain(frame, "value"))))
    pd.testing.assert_frame_equal(read, frame)


LOSSES = [
    QuantileLoss([0.2, 0.7]),
    MAE() + SMAPE() * 0.5,
    TweedieLoss(p=1.3),
    NormalDistributionLoss(quantiles=[0.4]),
    MultivariateNormalDistributionLoss(rank=3, sigma_init=0.5),
    ImplicitQuantileNetworkDistributionLoss(input_size=5, hidden_size=6, n_loss_samples=7),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_a_model_comes_back_with_its_loss_and_forecasts(loss, tmp_path):
    data = make_dataset()
    model = make_model(data, loss=copy.deepcopy(loss))
    x, y = first_batch(data)
    loaded = DilatedRNNForecaster.from_pretrained(model.save_pretrained(tmp_path / "model"))

    torch.testing.assert_close(loaded(x)["prediction"], model(x)["prediction"], rtol=0, atol=0)
    torch.manual_seed(1)
    expected = model.loss(model(x)["prediction"], y)
    torch.manual_seed(1)
    torch.testing.assert_close(loaded.loss(loaded(x)["prediction"], y), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("normalizer", "loss"),
    [
        (EncoderNormalizer(method="robust", max_length=20), None),
        (GroupNormalizer(groups=["name"], transformation="softplus"), None),
        (GroupNormalizer(groups=["name", "kind"], scale_by_group=True), None),
        (GroupNormalizer(groups=["name"], method="robust", center=False), None),
        (GroupNormalizer(groups=["name"], transformation="log1p"), LogNormalDistributionLoss()),
    ],
)
def test_the_parameters_of_the_dataset_come_along(normalizer, loss, tmp_path):
    frame = planted_frame().assign(kind=lambda f: f.name.map({"s0": "a"}).fillna("b"))
    data = make_dataset(
        frame,
        group_ids=["name", "kind"],
        static_categoricals=["name", "kind"],
        categorical_encoders={"kind": NaNLabelEncoder(add_nan=True)},
        scalers={"lever": RobustScaler()},
        lags={"target": [24]},
        target_normalizer=normalizer,
    )
    model = make_model(data, loss=loss)
    loaded = DilatedRNNForecaster.from_pretrained(model.save_pretrained(tmp_path))

    torch.testing.assert_close(
        loaded.predict(frame, mode="raw").prediction, model.predict(frame, mode="raw").prediction
    )


def test_several_targets_come_back(tmp_path):
    frame = planted_frame().assign(label=lambda f: np.where(f.other > 0, "up", "down"))
    data = make_dataset(
        frame,
        target=["target", "label"],
        target_normalizer=MultiNormalizer([EncoderNormalizer(), NaNLabelEncoder()]),
    )
    model = make_model(data, loss=MultiLoss([QuantileLoss(), CrossEntropy()], weights=[1.0, 0.5]))
    loaded = DilatedRNNForecaster.from_pretrained(model.save_pretrained(tmp_path))

    assert loaded.loss.weights == [1.0, 0.5]
    for ours, theirs in zip(loaded.predict(frame), model.predict(frame), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_folder_forecasts_alone(tmp_path):
    time = pd.date_range("2024-01-01", periods=24 * 12, freq="h")
    frame = pd.DataFrame(
        {"Shop": "a", "When": time, "Sold": np.sin(np.arange(len(time)) * 2 * np.pi / 24) + 5}
    )
    data = ForecastData.from_frame(frame, time="When", target="Sold", series="Shop")
    splits = data.split(horizon=24, context_length=48, validation_windows=2)
    model = make_model(splits.training, season_length=24, roles=data.roles.to_dict())
    loaded = DilatedRNNForecaster.from_pretrained(model.save_pretrained(tmp_path))

    pd.testing.assert_frame_equal(loaded.forecast(frame), model.forecast(frame))
    files = ["README.md", "config.json", "model.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    assert json.loads((tmp_path / "config.json").read_text())["format_version"] == 2


class _Foreign(GroupNormalizer):
    """A normaliser of the user's own."""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"target_normalizer": EncoderNormalizer(transformation={"forward": torch.log1p})},
            r"target_normalizer \(EncoderNormalizer\)\['transformation'\].*the function 'log1p'",
        ),
        (
            {"target_normalizer": _Foreign(groups=["name"])},
            "target_normalizer cannot be .*_Foreign",
        ),
    ],
)
def test_a_normaliser_that_cannot_be_written_is_refused_by_name(options, message, tmp_path):
    model = make_model(make_dataset(**options))
    with pytest.raises(ValueError, match=message):
        model.save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_loss_that_cannot_be_written_is_refused_by_name(tmp_path):
    model = make_model(make_dataset(), loss=torchmetrics.MeanSquaredError())
    with pytest.raises(ValueError, match="TorchMetricWrapper cannot be written without pickle"):
        model.save_pretrained(tmp_path)


@pytest.fixture
def folder(tmp_path):
    return make_model(make_dataset()).save_pretrained(tmp_path / "model")


@pytest.mark.parametrize("found", [3, 0, 2.0, True, "2", None, 10**400])
def test_a_later_format_is_refused(folder, found):
    reseal(folder / "config.json", format_version=found)
    with pytest.raises(ValueError, match=r"has the format version .*this package reads 1 and 2"):
        DilatedRNNForecaster.from_pretrained(folder)


def test_another_class_is_refused(folder):
    reseal(folder / "config.json", **{"class": "Other"})
    with pytest.raises(
        ValueError, match="is the configuration of Other, not of DilatedRNNForecaster"
    ):
        DilatedRNNForecaster.from_pretrained(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"'{name}' is missing"):
        DilatedRNNForecaster.from_pretrained(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_truncated_file_is_refused(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"(is|are) damaged"):
        DilatedRNNForecaster.from_pretrained(folder)

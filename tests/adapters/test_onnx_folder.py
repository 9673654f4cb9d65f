"""Forecasts from a folder of `export_folder`, beside those of the model that it was made of."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer
from pytorch_forecasting.data.encoders import TorchNormalizer
from pytorch_forecasting.metrics import MAE, NormalDistributionLoss, QuantileLoss
from sklearn.preprocessing import MinMaxScaler, RobustScaler

from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData
from drnn_forecast.adapters.onnx import export_folder, load
from kinds import HORIZON, cut, every_kind, future_of, make_data
from series import make_dataset

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")


def make_model(data, *, context=24, split=None, **options):
    """Return a small model of random weights, as it stands after a training."""
    torch.manual_seed(0)
    splits = data.split(
        horizon=HORIZON,
        context_length=context,
        min_context_length=6,
        validation_windows=1,
        **(split or {}),
    )
    options = {"hidden_size": 4, "num_layers": 2, "smoothed_anchors": False, **options}
    options = {"linear_length": 0, "relative_loss": False, "season_length": (), **options}
    return DilatedRNNForecaster.from_dataset(splits.training, **options).eval()


def check_alike(model, served, frame, **options):
    """Check that two forecasts are equal to 1e-5 of each series' own size."""
    expected, found = (each.forecast(frame, **options) for each in (model, served))
    pd.testing.assert_index_equal(found.columns, expected.columns)
    assert found.dtypes.equals(expected.dtypes)
    numbers = [name for name in expected if name in served.columns or name.endswith("q0.5")]
    assert numbers
    assert np.isfinite(expected[numbers].to_numpy(float)).all()
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def data():
    return make_data(every_kind())


@pytest.fixture(scope="module")
def model(data):
    return make_model(data, num_layers=1, season_length=(6,), lower=0.0)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return export_folder(model, tmp_path_factory.mktemp("served") / "model")


@pytest.fixture(scope="module")
def served(folder):
    return load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: {"frame": frame},
        lambda frame: {"frame": frame, "horizon": 2},
        lambda frame: {"frame": frame, "origin": "2024-01-04 03:00"},
        lambda frame: {"frame": frame.sample(frac=1, random_state=0)},
        lambda frame: {"frame": frame[frame.id == "b"]},
        lambda frame: {"frame": cut(frame, "a", 3)},  # below the shortest context
        lambda frame: {"frame": frame.assign(id=frame.id.replace("c", "aa"))},  # unseen
        lambda frame: {"frame": frame.assign(sky=frame.sky.replace("sun", "fog"))},
        lambda frame: {"frame": frame.drop(index=frame.index[10:13])},  # missing steps
        lambda frame: {"frame": frame.dropna(subset="y"), "future": future_of(frame)},
        lambda frame: {"frame": ForecastData.from_roles(frame, make_data(frame).roles)},
    ],
)
@pytest.mark.filterwarnings("ignore:The model does not know")
def test_a_folder_gives_the_forecast_of_the_model_for_every_kind_of_column(model, served, change):
    check_alike(model, served, **change(every_kind()))


def test_values_that_are_missing_are_masked_as_the_model_masks_them(model, served):
    frame = every_kind()
    draw = np.random.default_rng(1)
    for name in ("y", "price", "wind"):
        lost = (draw.random(len(frame)) < 0.2) & (frame.ds < "2024-01-04")
        frame[name] = frame[name].mask(lost)
    check_alike(model, served, frame)


def test_more_series_than_a_batch_are_forecast_in_their_order(model, served):
    frame = pd.concat(
        every_kind().assign(id=lambda f, n=n: f.id + ("" if n == 0 else str(n))) for n in range(100)
    )
    with pytest.warns(UserWarning, match="does not know 297 of 300 series"):
        found = served.forecast(frame)
    with pytest.warns(UserWarning, match="does not know 297 of 300 series"):
        expected = model.forecast(frame)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5, atol=1e-5)


def test_forecasting_imports_neither_torch_nor_what_needs_it(folder, model, tmp_path):
    every_kind().to_parquet(tmp_path / "frame.parquet")
    blocked = ["torch", "lightning", "pytorch_forecasting", "sklearn", "torchmetrics", "onnx"]
    code = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
import pandas as pd
from drnn_forecast.adapters.onnx import load
served = load({str(folder)!r})
served.forecast(pd.read_parquet({str(tmp_path / "frame.parquet")!r})).to_parquet(
    {str(tmp_path / "forecast.parquet")!r}
)
print([name for name in {blocked} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    found = pd.read_parquet(tmp_path / "forecast.parquet")
    expected = model.forecast(every_kind())
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5, atol=1e-5, check_dtype=False)


@pytest.fixture
def copied(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.parametrize("name", ["network.onnx", "onnx.json"])
@pytest.mark.parametrize("place", [0.3, 0.7])
def test_a_folder_with_a_changed_byte_is_refused(copied, name, place):
    content = bytearray((copied / name).read_bytes())
    content[int(place * len(content))] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged"):
        load(copied)


@pytest.mark.parametrize("name", ["network.onnx", "onnx.json"])
def test_a_folder_that_lacks_a_file_is_refused(copied, name):
    (copied / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load(copied)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["windows"][0]["parameters"].update(max_encoder_length=10**9),
        lambda content: content["windows"][0]["parameters"].update(max_encoder_length=25),
        lambda content: content["windows"][0]["reals"].pop(),
        lambda content: content["windows"].clear(),
        lambda content: content.pop("columns"),
        lambda content: content.update(average="mode"),
        lambda content: content["files"].update({"../network.onnx": "0"}),
    ],
)
def test_a_configuration_that_does_not_fit_its_network_is_refused(copied, change):
    from seals import sealed

    content = json.loads((copied / "onnx.json").read_text())
    change(content)
    (copied / "onnx.json").write_text(json.dumps(sealed(content)))
    with pytest.raises((ValueError, FileNotFoundError), match=r"damaged|missing"):
        load(copied)


def test_targets_beyond_the_bounds_of_the_model_are_told(served):
    frame = every_kind()
    frame.loc[60, "y"] = -3.0
    with pytest.warns(UserWarning, match=r"values such as -3, but the model's `lower` is 0"):
        served.forecast(frame)


def test_a_longer_horizon_than_that_of_the_training_is_refused(served):
    with pytest.raises(ValueError, match=r"`horizon` must be at most the 4 time steps"):
        served.forecast(every_kind(), horizon=5)


@pytest.mark.parametrize(
    ("options", "split", "said"),
    [
        ({"loss": NormalDistributionLoss()}, {}, "the loss NormalDistributionLoss"),
        ({}, {"target_normalizer": EncoderNormalizer(method="robust")}, "target normaliser"),
        ({}, {"lags": {"y": [2]}}, "lags"),
        ({}, {"scalers": {"price": MinMaxScaler()}}, "the scaler of 'price', MinMaxScaler"),
    ],
)
def test_a_model_with_a_part_that_has_no_place_in_a_folder_is_refused(
    data, options, split, said, tmp_path
):
    with pytest.raises(ValueError, match=rf"cannot forecast without torch, since it has .*{said}"):
        export_folder(make_model(data, split=split, **options), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_model_of_a_plain_dataset_or_of_several_targets_is_refused(tmp_path):
    model = DilatedRNNForecaster.from_dataset(make_dataset(), hidden_size=4, num_layers=1)
    with pytest.raises(ValueError, match="a dataset that `ForecastData` did not make"):
        export_folder(model, tmp_path / "model")
    with pytest.raises(TypeError, match="got str"):
        export_folder("model", tmp_path / "model")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "split"),
    [
        ({"cell_type": "RNN", "linear_length": 12}, {}),
        ({"cell_type": "GRU", "smoothed_anchors": True, "season_length": (6,)}, {}),
        ({"context_length": 8, "level_anchor": True}, {}),
        ({"segment_length": 4, "dilations": [2, 4], "num_layers": None}, {}),
        ({"loss": QuantileLoss([0.9, 0.5, 0.1])}, {"add_relative_time_idx": True}),
        ({"loss": MAE()}, {"scalers": {"price": RobustScaler()}}),
        ({}, {"target_normalizer": GroupNormalizer(groups=["id"])}),
        ({}, {"target_normalizer": GroupNormalizer(groups=["id"], transformation="softplus")}),
        ({}, {"target_normalizer": TorchNormalizer()}),
        ({}, {"target_normalizer": EncoderNormalizer(transformation="log1p", max_length=12)}),
        ({}, {"target_normalizer": EncoderNormalizer(method="identity")}),
    ],
)
@pytest.mark.filterwarnings("ignore:The model does not know")
def test_a_folder_gives_the_forecast_of_every_kind_of_model(data, options, split, tmp_path):
    model = make_model(data, split=split, **options)
    served = load(export_folder(model, tmp_path / "model"))
    frame = every_kind()
    check_alike(model, served, frame)
    frame.loc[(frame.ds < "2024-01-04") & (frame.index % 7 == 2), "y"] = np.nan
    check_alike(model, served, cut(frame.assign(id=frame.id.replace("b", "bb")), "a", 30))


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["error", "zero", "previous", "linear", "mask"])
def test_a_folder_does_about_missing_values_what_the_model_does(missing, tmp_path):
    frame = every_kind()
    lacking = frame.copy()
    lacking.loc[(frame.ds < "2024-01-04") & (frame.index % 5 == 2), ["y", "wind"]] = np.nan
    data = make_data(frame if missing == "error" else lacking, missing=missing)
    model = make_model(data, season_length=(6,))
    served = load(export_folder(model, tmp_path / "model"))
    check_alike(model, served, frame)
    if missing != "error":
        check_alike(model, served, lacking)
        return
    with pytest.raises(ValueError, match="missing"):
        served.forecast(lacking)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "roles"),
    [
        (lambda f: f.assign(ds=f.groupby("id").cumcount()), {}),
        (lambda f: f.assign(ds=f.ds.dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")), {}),
        (lambda f: f.assign(ds=f.ds.dt.to_period("h")), {}),
        (lambda f: f[f.id == "a"].drop(columns="id"), {"series": None}),
        (lambda f: f.assign(shop=f.id + "1"), {"series": ("id", "shop")}),
        (lambda f: f.assign(id=f.id.map(ord)), {}),
        (lambda f: f.assign(y2=f.y + 1), {"target": ["y", "y2"], "observed": []}),
    ],
)
def test_a_folder_gives_the_forecast_for_every_kind_of_key(change, roles, tmp_path):
    frame = change(every_kind())
    data = make_data(frame, **roles)
    model = make_model(data)
    served = load(export_folder(model, tmp_path / "model"))
    check_alike(model, served, frame)


@pytest.mark.slow
@pytest.mark.parametrize("average", ["mean", "median"])
def test_an_ensemble_forecasts_from_a_folder_as_it_does_with_torch(data, average, tmp_path):
    members = [make_model(data, context=steps, hidden_size=steps // 6) for steps in (24, 18, 12)]
    model = Ensemble(members, average=average)
    served = load(export_folder(model, tmp_path / "model"))
    check_alike(model, served, every_kind())
    assert len(list((tmp_path / "model").glob("*.onnx"))) == 3

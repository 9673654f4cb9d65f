"""pytorch-forecasting's own suite, and the stronger of its grids, run on our model."""

import lightning.pytorch as pl
import pytest
import torch
from matplotlib import pyplot as plt
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer, NaNLabelEncoder
from pytorch_forecasting.data.encoders import TorchNormalizer
from pytorch_forecasting.metrics import MultiLoss
from pytorch_forecasting.models.base._base_object import _BasePtForecaster
from pytorch_forecasting.tests import _conftest, _data_scenarios
from pytorch_forecasting.tests.test_all_estimators import (
    TestAllPtForecasters as _UpstreamSuite,
)
from pytorch_forecasting.utils import check_estimator
from skbase.lookup import all_objects

import drnn_forecast
from drnn_forecast import DilatedRNNForecaster
from drnn_forecast.model.package import DilatedRNNForecaster_pkg
from stallion import made_stallion, stallion_folder

# Upstream's suite logs figures with pyplot and leaves them open, and its grid has constant windows.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:scale is below 1e-7:UserWarning"),
    # Constant windows are forecast exactly before the first step, so that no gradient is drawn.
    pytest.mark.filterwarnings("ignore:Data has no positive values, and therefore cannot be"),
    pytest.mark.filterwarnings("ignore:More than 20 figures have been opened:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists:UserWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def data_path(tmp_path_factory):
    from pytorch_forecasting.data import examples

    patch = pytest.MonkeyPatch()
    patch.setattr(examples, "DATA_PATH", stallion_folder(tmp_path_factory.mktemp("stallion")))
    patch.setenv("MPLBACKEND", "Agg")
    yield
    patch.undo()
    plt.close("all")


class TestUpstreamSuite(_UpstreamSuite):
    """Every test that upstream has for a model, with every loss that fits our tags."""

    def _all_objects(self):
        return [DilatedRNNForecaster_pkg]


def test_check_estimator_runs_something_and_passes():
    results = check_estimator(
        DilatedRNNForecaster, tests_to_exclude="test_integration", verbose=False
    )
    assert set(results) == {
        "test_doctest_examples[DilatedRNNForecaster]",
        "test_pkg_linkage[DilatedRNNForecaster_pkg-DilatedRNNForecaster]",
    }
    assert set(results.values()) == {"PASSED"}


def test_the_package_is_found_by_a_search_for_forecasters():
    found = all_objects(
        package_name="drnn_forecast",
        path=str(next(iter(drnn_forecast.__path__))),
        object_types=[_BasePtForecaster],
        return_names=False,
    )
    assert found == [DilatedRNNForecaster_pkg]


def test_made_data_serve_the_suite_where_the_real_ones_are_missing(tmp_path, monkeypatch):
    from pytorch_forecasting.data import examples

    made_stallion().to_parquet(tmp_path / "stallion.parquet")
    monkeypatch.setattr(examples, "DATA_PATH", tmp_path)
    loaders = DilatedRNNForecaster_pkg._get_test_dataloaders_from({})

    assert {name: len(loader.dataset) > 0 for name, loader in loaders.items()} == {
        "train": True,
        "val": True,
        "test": True,
    }


GRID = list(
    enumerate(_conftest.multiple_dataloaders_with_covariates._fixture_function_marker.params)
)


BY_GROUP = {"groups": ["agency", "sku"]}
MORE = [
    {"lags": {"volume": [2, 5]}, "target_normalizer": GroupNormalizer(**BY_GROUP)},
    {"lags": {"volume": [3]}, "target_normalizer": EncoderNormalizer(), "min_encoder_length": 3},
    {"allow_missing_timesteps": True, "missing": True},
    {"min_encoder_length": 0, "target_normalizer": GroupNormalizer(**BY_GROUP)},
    {"min_prediction_length": 1, "min_encoder_length": 1, "add_encoder_length": True},
    {"target_normalizer": None},
    {"target_normalizer": TorchNormalizer(method="robust")},
    {"target_normalizer": TorchNormalizer(method="identity", transformation="sqrt")},
    {"target_normalizer": GroupNormalizer(**BY_GROUP, method="robust", scale_by_group=True)},
    {"target_normalizer": EncoderNormalizer(method="robust", max_length=3), "weight": "weight"},
    {"target_normalizer": GroupNormalizer(**BY_GROUP, transformation="count")},
    {"target_normalizer": GroupNormalizer(**BY_GROUP, transformation="relu")},
]
"""What upstream's grid leaves out: lags, missing steps, cold starts and the other normalisers."""


@pytest.fixture(
    scope="module",
    params=[*(options for _, options in GRID), *MORE],
    ids=lambda options: "-".join(options),
)
def loaders(request, data_path):
    options = dict(request.param)
    frame = _data_scenarios.data_with_covariates()
    if options.pop("missing", False):
        frame = frame[frame["time_idx"] % 7 != 3]
    return _conftest.make_dataloaders(frame, **options)


@pytest.fixture(scope="module")
def fitted(loaders, tmp_path_factory):
    """Return a model trained on a grid point, loaded from its checkpoint, and its test scores."""
    folder = tmp_path_factory.mktemp("grid")
    pl.seed_everything(0, verbose=False)
    trainer = pl.Trainer(
        max_epochs=2,
        limit_train_batches=2,
        limit_val_batches=2,
        limit_test_batches=2,
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model = DilatedRNNForecaster.from_dataset(
        loaders["train"].dataset, hidden_size=8, learning_rate=1e-2
    )
    trainer.fit(model, loaders["train"], loaders["val"])
    scores = trainer.test(model, loaders["test"], verbose=False)
    loaded = DilatedRNNForecaster.load_from_checkpoint(trainer.checkpoint_callback.best_model_path)
    return model, loaded, scores


def parts(output):
    """Return the output of every target."""
    return output if isinstance(output, list) else [output]


def test_the_grid_has_all_thirteen_points():
    assert len(GRID) == 13


def test_a_grid_point_trains_is_tested_and_gives_a_finite_loss(fitted):
    _, _, scores = fitted
    assert all(torch.isfinite(torch.tensor(value)) for value in scores[0].values())
    assert "test_loss" in scores[0]


def test_a_grid_point_loads_with_the_same_weights(fitted):
    model, loaded, _ = fitted
    pairs = zip(model.state_dict().values(), loaded.state_dict().values(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


@pytest.mark.parametrize(
    "mode", ["prediction", "quantiles", "samples", "raw", ("raw", "prediction")]
)
def test_a_grid_point_predicts_in_every_mode_with_all_returns(fitted, loaders, mode):
    _, model, _ = fitted
    loader = loaders["val"]
    dataset = loader.dataset
    result = model.predict(
        loader,
        mode=mode,
        n_samples=5,
        return_index=True,
        return_decoder_lengths=True,
        return_x=True,
        return_y=True,
    )
    outputs = parts(result.output.prediction if mode == "raw" else result.output)

    assert len(outputs) == len(dataset.target_names)
    assert isinstance(model.loss, MultiLoss) == (len(outputs) > 1)
    longest = int(result.decoder_lengths.max())
    for output, normalizer in zip(outputs, dataset.target_normalizers, strict=True):
        assert output.shape[:2] == (len(dataset), longest)
        assert (
            isinstance(normalizer, NaNLabelEncoder)
            or torch.isfinite(output[result.decoder_lengths == longest]).all()
        )
    assert len(result.index) == len(result.decoder_lengths) == len(dataset)
    assert len(result.x["encoder_lengths"]) == len(parts(result.y[0])[0]) == len(dataset)

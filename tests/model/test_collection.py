import subprocess
import sys

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import BasePredictionWriter
from lightning.pytorch.cli import LightningCLI
from pytorch_forecasting.data import GroupNormalizer
from pytorch_forecasting.metrics import MAE

from drnn_forecast import BatchedTimeSeriesDataSet
from drnn_forecast.model.forecaster import DilatedRNNForecaster
from series import first_batch, make_dataset, planted_frame

PIECES = {"return_index": True, "return_decoder_lengths": True, "return_x": True, "return_y": True}


def make_model(dataset, **options):
    torch.manual_seed(0)
    return DilatedRNNForecaster.from_dataset(
        dataset, **{"hidden_size": 4, "num_layers": 2, "relative_loss": False, **options}
    ).eval()


@pytest.fixture(scope="module")
def dataset():
    return make_dataset()


@pytest.fixture(scope="module")
def model(dataset):
    return make_model(dataset)


@pytest.fixture(scope="module")
def ragged():
    """Return a dataset with decoders of 2 to 12 steps, the longest of which come first."""
    return make_dataset(
        min_prediction_length=2,
        min_encoder_length=5,
        target_normalizer=GroupNormalizer(groups=["name"]),
    )


@pytest.mark.parametrize(
    ("mode", "shape"),
    [
        ("prediction", (387, 12)),
        ("quantiles", (387, 12, 7)),
        ("samples", (387, 12, 5)),
        (("raw", "prediction"), (387, 12, 7)),
        (("raw", "encoder_state"), (387, 4)),
    ],
)
def test_a_mode_gives_its_shape(model, dataset, mode, shape):
    assert model.predict(dataset, mode=mode, n_samples=5).shape == shape


def test_the_raw_output_has_what_forward_gives(model, dataset):
    raw = model.predict(dataset, mode="raw")
    x, _ = first_batch(dataset, batch_size=64)

    expected = model(x)
    torch.testing.assert_close(raw.prediction[:64], expected["prediction"])
    torch.testing.assert_close(raw.encoder_state[:64], model.encode(x))


def quiet_trainer(**options):
    return pl.Trainer(
        logger=False, enable_checkpointing=False, enable_progress_bar=False, **options
    )


def test_any_trainer_predicts_the_output_of_every_batch(model, dataset):
    loader = dataset.to_dataloader(train=False, batch_size=100, num_workers=0)
    batches = quiet_trainer().predict(model, loader)

    assert [len(batch.prediction) for batch in batches] == [100, 100, 100, 87]
    points = torch.cat([model.to_prediction(batch) for batch in batches])
    torch.testing.assert_close(points, model.predict(dataset))
    assert all(batch.inputs is None for batch in batches)


def test_the_command_line_of_lightning_predicts(model, dataset, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program", "predict"])
    # Lightning calls jsonargparse by names that it is about to drop.
    monkeypatch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")

    class Windows(pl.LightningDataModule):
        def predict_dataloader(self):
            return dataset.to_dataloader(train=False, batch_size=100, num_workers=0)

    class Counter(BasePredictionWriter):
        windows = 0

        def write_on_batch_end(self, trainer, module, prediction, *args):
            self.windows += len(module.to_quantiles(prediction))

    counter = Counter()

    def build() -> pl.LightningModule:
        return model

    LightningCLI(
        build,
        Windows,
        save_config_callback=None,
        seed_everything_default=False,
        trainer_defaults={"logger": False, "enable_progress_bar": False, "callbacks": counter},
    )
    assert counter.windows == len(dataset)


@pytest.mark.parametrize("kind", ["dataset", "loader"])
def test_datasets_and_loaders_give_the_same_in_any_batch_size(model, dataset, kind):
    data = dataset if kind == "dataset" else dataset.to_dataloader(train=False, batch_size=100)
    torch.testing.assert_close(model.predict(data, batch_size=7), model.predict(dataset))


def test_a_frame_is_predicted_at_the_end_of_every_series(model, dataset):
    frame = planted_frame()
    result = model.predict(frame, return_index=True)
    last = BatchedTimeSeriesDataSet.from_dataset(
        dataset, frame, predict=True, stop_randomization=True
    )

    torch.testing.assert_close(result.output, model.predict(last))
    assert result.index["time_idx"].tolist() == [188] * 3


def test_one_trainer_kwargs_serves_twice_and_stays_as_it_is(model, dataset):
    options = {"logger": False}
    first = model.predict(dataset, trainer_kwargs=options)

    torch.testing.assert_close(model.predict(dataset, trainer_kwargs=options), first)
    assert options == {"logger": False}


@pytest.mark.parametrize("as_list", [True, False])
def test_callbacks_of_the_user_are_called(model, dataset, as_list):
    class Counter(pl.Callback):
        batches = 0

        def on_predict_batch_end(self, *args, **kwargs):
            self.batches += 1

    counter = Counter()
    callbacks = [counter] if as_list else counter
    model.predict(dataset, batch_size=100, trainer_kwargs={"callbacks": callbacks})
    assert counter.batches == 4


def test_decoders_of_different_lengths_come_back_whole(ragged):
    model = make_model(ragged)
    result = model.predict(ragged, batch_size=3, **PIECES)
    lengths = result.decoder_lengths
    observed = torch.arange(12) < lengths.unsqueeze(1)

    assert len(lengths.unique()) > 5
    assert torch.isfinite(result.output[observed]).all()
    assert torch.isnan(result.output[~observed]).all()
    assert result.y[0].shape == result.output.shape
    assert not result.y[0][~observed].any()
    assert result.x["encoder_cont"].shape[:2] == (len(ragged), 60)
    torch.testing.assert_close(result.y[0], result.x["decoder_target"])
    assert len(result.index) == len(ragged)


def test_metrics_logged_over_ragged_decoders_skip_the_padding(ragged):
    model = make_model(ragged, loss=MAE(), logging_metrics=torch.nn.ModuleList([MAE()]))
    trainer = pl.Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False)
    loader = ragged.to_dataloader(train=False, batch_size=len(ragged), num_workers=0)
    scores = trainer.validate(model, loader, verbose=False)[0]

    assert scores["val_MAE"] == pytest.approx(scores["val_loss"], rel=1e-6)


def test_nothing_is_written_unless_asked(model, dataset, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    model.predict(dataset)

    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("mode", ["quantiles", "raw"])
def test_written_batches_hold_what_would_have_been_returned(model, dataset, tmp_path, mode):
    expected = model.predict(dataset, mode=mode)
    result = model.predict(dataset, mode=mode, batch_size=100, output_dir=str(tmp_path))
    files = [tmp_path / f"predictions_{number}.pt" for number in range(4)]

    assert result is None
    assert sorted(tmp_path.iterdir()) == files
    written = [torch.load(file, weights_only=False).output for file in files]
    if mode == "raw":
        written, expected = [part.prediction for part in written], expected.prediction
    torch.testing.assert_close(torch.cat(written), expected)


@pytest.mark.parametrize(
    ("interval", "names"),
    [
        ("epoch", ["predictions.pt"]),
        ("batch_and_epoch", ["predictions.pt", "predictions_0.pt", "predictions_1.pt"]),
    ],
)
def test_the_interval_says_which_files_there_are(model, dataset, tmp_path, interval, names):
    expected = model.predict(dataset)
    model.predict(dataset, batch_size=200, output_dir=str(tmp_path), write_interval=interval)

    assert sorted(path.name for path in tmp_path.iterdir()) == names
    whole = torch.load(tmp_path / "predictions.pt", weights_only=False)
    torch.testing.assert_close(whole.output, expected)


MANY_WINDOWS = """
import resource, sys, tempfile
import numpy as np, pandas as pd, torch
from drnn_forecast import BatchedTimeSeriesDataSet, DilatedRNNForecaster
torch.set_num_threads(1)
rows = 100_031
frame = pd.DataFrame({"name": "a", "time_idx": np.arange(rows), "target": np.random.rand(rows)})
data = BatchedTimeSeriesDataSet(
    frame, "time_idx", "target", ["name"], max_encoder_length=8, max_prediction_length=24,
    time_varying_unknown_reals=["target"],
)
model = DilatedRNNForecaster.from_dataset(data, hidden_size=4, num_layers=1)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
with tempfile.TemporaryDirectory() as folder:
    few = data.filter(lambda index: np.arange(len(index)) < 10_000)
    model.predict(few, mode="quantiles", batch_size=1000, output_dir=folder)
    before = peak()
    model.predict(data, mode="quantiles", batch_size=1000, output_dir=folder)
    print(len(data), peak() - before)
"""


@pytest.mark.slow
def test_a_hundred_thousand_windows_need_no_more_memory_than_ten_thousand():
    result = subprocess.run(
        [sys.executable, "-c", MANY_WINDOWS], capture_output=True, text=True, check=True
    )
    windows, growth = result.stdout.split()
    assert int(windows) == 100_000
    # Kept, the quantiles alone would be 100,000 x 24 x 7 x 4 bytes = 64 MiB.
    assert float(growth) < 32


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"mode": "median"}, ValueError, "`mode` must be 'prediction', .* got 'median'"),
        ({"mode": ("raw",)}, ValueError, r"`mode` must be .* got \('raw',\)"),
        (
            {"trainer_kwargs": {"fast_dev_run": True}},
            ValueError,
            "must not have `fast_dev_run`: pass it to `predict`",
        ),
        (
            {"output_dir": "no/such/folder"},
            FileNotFoundError,
            "The folder `output_dir`, 'no/such/folder', does not exist",
        ),
    ],
)
def test_what_cannot_be_predicted_is_refused(model, dataset, arguments, error, message):
    with pytest.raises(error, match=message):
        model.predict(dataset, **arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_varying_known_reals": []}, r"real variables .* \(missing \['lever'\], new \[\]\)"),
        (
            {"time_varying_unknown_reals": ["target", "other"]},
            r"real variables .* \(missing \[\], new \['other'\]\)",
        ),
        ({"static_categoricals": []}, r"categorical variables .*missing \['name'\]"),
        (
            {"target": "other", "time_varying_unknown_reals": ["target"]},
            r"targets of the dataset must be those of the training, \['target'\], got \['other'\]",
        ),
        ({"max_prediction_length": 13}, "must be at most 12, the horizon of the training, got 13"),
    ],
)
def test_data_with_other_variables_or_a_longer_horizon_are_refused(model, options, message):
    with pytest.raises(ValueError, match=message):
        model.predict(make_dataset(**options))


def test_a_frame_without_a_variable_is_refused_by_its_name(model):
    with pytest.raises(ValueError, match="'lever', which the frame does not have"):
        model.predict(planted_frame().drop(columns="lever"))


@pytest.mark.parametrize("data", [[1, 2], torch.utils.data.DataLoader([1, 2])])
def test_data_of_another_kind_are_refused(model, data):
    with pytest.raises(TypeError, match="must be a DataFrame, a TimeSeriesDataSet or its loader"):
        model.predict(data)


def test_a_fast_run_stops_after_the_first_batch(model, dataset):
    assert model.predict(dataset, batch_size=10, fast_dev_run=True).shape == (10, 12)


def test_the_index_names_series_and_first_step(model, dataset):
    index = model.predict(dataset, return_index=True).index

    assert list(index.columns) == ["time_idx", "name"]
    pd.testing.assert_series_equal(
        index["name"].astype(object).value_counts().sort_index(),
        pd.Series(129, index=pd.Index(["s0", "s1", "s2"], name="name"), name="count"),
        check_index_type=False,
    )
    assert np.array_equal(index["time_idx"][:129], np.arange(60, 189))

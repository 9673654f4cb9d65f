"""Forecasts as pictures among what a training logs."""

import io

import lightning.pytorch as pl
import pytest
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger
from matplotlib.image import imread
from pytorch_forecasting.data import EncoderNormalizer, MultiNormalizer

from drnn_forecast import DilatedRNNForecaster
from drnn_forecast.model.interpretation.pictures import windows_shown
from series import make_dataset, planted_frame

SINGLE = make_dataset(planted_frame(num_series=2, length=90))
SEVERAL = make_dataset(
    planted_frame(num_series=2, length=90).assign(second=lambda f: 2 * f.target + 1),
    target=["target", "second"],
    time_varying_unknown_reals=["target", "second"],
    target_normalizer=MultiNormalizer([EncoderNormalizer(), EncoderNormalizer()]),
)


class Client:
    """What MLflow's client is asked to keep."""

    def __init__(self):
        self.kept = {}

    def log_figure(self, run_id, figure, artifact_file):
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
        picture.seek(0)
        self.kept[run_id, artifact_file] = imread(picture)


class Fake(MLFlowLogger):
    """MLflow's logger with another client; the real one asks for mlflow."""

    def __init__(self):
        self.client = Client()

    experiment = property(lambda self: self.client)
    run_id = property(lambda self: "run 1")
    name = version = property(lambda self: "fake")
    save_dir = None

    def log_metrics(self, *args, **options):
        """Keep none."""

    def log_hyperparams(self, *args, **options):
        """Keep none."""

    def finalize(self, status):
        """Nothing is open."""


def train(dataset, loggers, **options):
    model = DilatedRNNForecaster.from_dataset(
        dataset, hidden_size=2, num_layers=2, **{"log_interval": 1, **options}
    )
    trainer = pl.Trainer(
        max_steps=2,
        logger=loggers,
        num_sanity_val_steps=0,
        limit_train_batches=1,
        limit_val_batches=2,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    loader = dataset.to_dataloader(train=False, batch_size=8, num_workers=0)
    trainer.fit(model, dataset.to_dataloader(batch_size=8, num_workers=0), loader)
    return trainer, model, loader


def tags(logger):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(logger.log_dir)
    events.Reload()
    return {
        name: [each.step for each in events.Images(name)]
        for name in sorted(events.Tags()["images"])
    }


def test_tensorboard_shows_the_forecast_of_a_window_after_every_validation(tmp_path):
    logger = TensorBoardLogger(tmp_path)
    trainer, model, loader = train(SINGLE, [CSVLogger(tmp_path), logger], log_interval=2)
    trainer.test(model, loader, verbose=False)

    assert tags(logger)["val prediction of item 0 in batch 0"] == [1, 2]
    assert "val prediction of item 0 in batch 1" not in tags(logger)
    assert "test prediction of item 0 in batch 0" in tags(logger)


@pytest.mark.parametrize(
    ("dataset", "names"),
    [
        (SINGLE, [""]),
        pytest.param(SEVERAL, ["target_", "second_"], marks=pytest.mark.slow),
    ],
)
def test_mlflow_keeps_a_picture_of_each_target_and_step(dataset, names):
    logger = Fake()
    train(dataset, [logger])

    assert set(logger.client.kept) == {
        ("run 1", f"{name}val_prediction_of_item_0_in_batch_{batch}/step_{step:08d}.png")
        for name in names
        for batch in (0, 1)
        for step in (1, 2)
    }
    assert all(picture.std() > 0 for picture in logger.client.kept.values())


def test_none_is_drawn_where_none_is_asked_for_or_kept(tmp_path, monkeypatch):
    logger = Fake()
    train(SINGLE, [logger], log_interval=-1)
    monkeypatch.setattr(DilatedRNNForecaster, "plot_prediction", None)
    train(SINGLE, [CSVLogger(tmp_path)])
    train(SINGLE, False)

    assert logger.client.kept == {}


@pytest.mark.parametrize(
    ("interval", "batch_idx", "rows"),
    [
        (-1, 0, []),
        (0, 0, []),
        (1, 3, [0]),
        (2, 2, [0]),
        (2, 3, []),
        (0.25, 3, [0, 2, 4, 6]),
        (0.5, 0, [0, 4]),
        (0.01, 0, list(range(8))),
    ],
)
def test_an_interval_says_which_windows_are_drawn(interval, batch_idx, rows):
    assert list(windows_shown(interval, 8, batch_idx)) == rows

"""Lightning's command line sees every hyperparameter, and makes the same models as Python."""

from inspect import signature

import lightning.pytorch as pl
import pytest
import torch
from jsonargparse import ArgumentParser, class_from_function
from lightning.pytorch.cli import LightningCLI
from pytorch_forecasting.metrics import MAE, QuantileLoss

from drnn_forecast import DilatedRNNForecaster
from series import make_dataset

QUIET = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
    "max_steps": 2,
}
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:lightning"),
    pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*LightningModule.*seed"),
]


class Data(pl.LightningDataModule):
    """The planted series, as a data module."""

    def __init__(self, batch_size: int = 16):
        super().__init__()
        self.training = make_dataset()
        self.batch_size = batch_size

    def train_dataloader(self):
        return self.training.to_dataloader(train=True, batch_size=self.batch_size, num_workers=0)

    def predict_dataloader(self):
        return self.training.to_dataloader(train=False, batch_size=200, num_workers=0)


class Linked(LightningCLI):
    """A command line in which the model is made from the dataset of the data."""

    def add_arguments_to_parser(self, parser):
        parser.link_arguments("data.training", "model.dataset", apply_on="instantiate")


def command_line(kind, model, *arguments, **options):
    return kind(
        model,
        *options.pop("data", ()),
        run=False,
        args=list(arguments),
        save_config_callback=None,
        trainer_defaults=QUIET,
        seed_everything_default=0,
        **options,
    )


def test_from_dataset_names_every_hyperparameter():
    parser = ArgumentParser()
    parser.add_method_arguments(DilatedRNNForecaster, "from_dataset", "model", skip={"dataset"})
    shown = parser.format_help()

    named = signature(DilatedRNNForecaster.from_dataset).parameters.values()
    hyperparameters = {each.name for each in named if each.kind is each.KEYWORD_ONLY} - {"recipe"}
    assert len(hyperparameters) > 20
    assert [name for name in hyperparameters if f"model.{name}" not in shown] == []


@pytest.mark.parametrize(
    ("arguments", "loss"),
    [
        (["--model.output_size=1", "--model.loss=pytorch_forecasting.metrics.MAE"], MAE),
        (["--model.output_size=7"], QuantileLoss),
    ],
)
def test_the_class_is_made_as_in_python(arguments, loss):
    chosen = ["--model.hidden_size=8", "--model.num_layers=3", "--model.learning_rate=0.01"]
    chosen += ["--model.x_reals=[load]", "--model.time_varying_reals_encoder=[load]"]
    made = command_line(LightningCLI, DilatedRNNForecaster, *chosen, *arguments).model
    expected = DilatedRNNForecaster(
        hidden_size=8,
        num_layers=3,
        learning_rate=0.01,
        x_reals=["load"],
        time_varying_reals_encoder=["load"],
        output_size=made.hparams.output_size,
        loss=loss(),
    )

    assert isinstance(made.loss, loss)
    assert in_lists(made.hparams) == in_lists(expected.hparams)


def test_a_model_of_a_linked_dataset_trains_is_kept_and_predicts(tmp_path):
    cli = command_line(
        Linked,
        class_from_function(DilatedRNNForecaster.from_dataset, DilatedRNNForecaster),
        "--model.hidden_size=8",
        "--model.dilations=[1,4]",
        "--model.season_length=24",
        data=(Data,),
    )
    cli.trainer.fit(cli.model, cli.datamodule)
    cli.trainer.save_checkpoint(tmp_path / "cli.ckpt")
    loaded = DilatedRNNForecaster.load_from_checkpoint(tmp_path / "cli.ckpt")
    batches = cli.trainer.predict(cli.model, cli.datamodule, ckpt_path=tmp_path / "cli.ckpt")
    expected = DilatedRNNForecaster.from_dataset(
        cli.datamodule.training, hidden_size=8, dilations=(1, 4), season_length=24
    )

    assert list(loaded.hparams) == list(expected.hparams)
    assert (loaded.hparams.hidden_size, loaded.hparams.season_length) == (8, 24)
    predicted = torch.cat([loaded.to_prediction(batch) for batch in batches])
    torch.testing.assert_close(predicted, loaded.predict(cli.datamodule.training, batch_size=200))


def in_lists(hyperparameters):
    """Return hyperparameters as YAML has them, which knows no tuples."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in hyperparameters.items()
    }

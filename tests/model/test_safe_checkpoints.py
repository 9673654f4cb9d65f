"""Lightning checkpoints, which are pickles: read without running what they hold."""

import os
import pickle
from pathlib import Path

import pandas as pd
import pytest
import torch
import torchmetrics
from lightning.pytorch import Trainer
from pytorch_forecasting.data import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    NaNLabelEncoder,
)
from pytorch_forecasting.metrics import (
    MAE,
    RMSE,
    SMAPE,
    CrossEntropy,
    ImplicitQuantileNetworkDistributionLoss,
    MultiLoss,
    MultivariateNormalDistributionLoss,
    NormalDistributionLoss,
    QuantileLoss,
)
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

import drnn_forecast as drnn
from command_line import run
from drnn_forecast import DilatedRNNForecaster
from series import first_batch, make_dataset, planted_frame


class Writes:
    """Writes a file where a pickle of it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


class RunsCommand(Writes):
    """Runs a command."""

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


class Evaluates(Writes):
    """Runs Python."""

    def __reduce__(self):
        return (eval, (f"open({str(self.path)!r}, 'w')",))


def frame():
    return planted_frame(num_series=2).assign(
        kind=lambda f: f.name.map({"s0": "a"}).fillna("b"),
        label=lambda f: f.other.map(lambda v: "up" if v > 0 else "down"),
    )


def saved(model, path):
    """Write a checkpoint as a trainer does, and return its path."""
    trainer = Trainer(
        logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu"
    )
    trainer.strategy.connect(model)
    trainer.save_checkpoint(path)
    return path


def network(dataset, **options):
    return DilatedRNNForecaster.from_dataset(
        dataset, **{"hidden_size": 4, "num_layers": 2, **options}
    )


@pytest.fixture(scope="module")
def model():
    return network(make_dataset(frame()))


@pytest.fixture
def checkpoint(model, tmp_path):
    return saved(model, tmp_path / "model.ckpt")


DATASETS = {
    "robust": {"target_normalizer": EncoderNormalizer(method="robust", max_length=20)},
    "softplus": {"target_normalizer": EncoderNormalizer(transformation="softplus")},
    "groups": {"target_normalizer": GroupNormalizer(groups=["name"])},
    "two groups": {"target_normalizer": GroupNormalizer(groups=["name", "kind"], scale_by_group=True)},
    "none": {"target_normalizer": None},
    "added": {"add_relative_time_idx": True, "add_target_scales": True, "add_encoder_length": True},
    "labels": {"categorical_encoders": {"kind": NaNLabelEncoder(add_nan=True)}},
    **{type(scaler).__name__: {"scalers": {"lever": scaler}} for scaler in (
        RobustScaler(), StandardScaler(), MinMaxScaler(), MaxAbsScaler(), EncoderNormalizer()
    )},
}  # fmt: skip
LOSSES = [
    QuantileLoss([0.2, 0.7]),
    MAE() + SMAPE() * 0.5,
    RMSE(),
    NormalDistributionLoss(),
    MultivariateNormalDistributionLoss(rank=3),
    ImplicitQuantileNetworkDistributionLoss(input_size=5),
    torchmetrics.MeanSquaredError(),
    torchmetrics.MeanAbsoluteError(),
]


@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.parametrize("name", DATASETS)
def test_a_checkpoint_with_the_usual_encoders_is_read_safely(name, tmp_path):
    groups = {"group_ids": ["name", "kind"], "static_categoricals": ["name", "kind"]}
    dataset = make_dataset(frame(), **groups, **DATASETS[name])
    model = network(dataset).eval()
    loaded = drnn.load(saved(model, tmp_path / "model.ckpt"))

    assert repr(loaded.output_transformer) == repr(model.output_transformer)
    x, _ = first_batch(dataset)
    expected = model(x)["prediction"]
    torch.testing.assert_close(loaded(x)["prediction"], expected, rtol=0, atol=0)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_a_checkpoint_with_the_usual_losses_is_read_safely(loss, tmp_path):
    model = network(make_dataset(frame()), loss=loss)
    loaded = drnn.load(saved(model, tmp_path / "model.ckpt"))

    assert type(loaded.loss) is type(model.loss)
    assert all(map(torch.equal, loaded.state_dict().values(), model.state_dict().values()))


def test_a_checkpoint_of_several_targets_is_read_safely(tmp_path):
    normalizer = MultiNormalizer([EncoderNormalizer(), NaNLabelEncoder()])
    dataset = make_dataset(frame(), target=["target", "label"], target_normalizer=normalizer)
    model = network(dataset, loss=MultiLoss([QuantileLoss(), CrossEntropy()]))
    assert drnn.load(saved(model, tmp_path / "model.ckpt")).target_names == ["target", "label"]


def evil(checkpoint, place, thing):
    """Put something into a checkpoint of ours, or in its place."""
    content = torch.load(checkpoint, weights_only=False)
    if place == "alone":
        content = thing
    elif place == "in a raw pickle":
        checkpoint.write_bytes(pickle.dumps({"a": thing}))
        return
    elif place == "as another class":
        content = {"drnn_forecast_class": "Other", "state_dict": thing}
    else:
        content[place] = thing if place != "hyper_parameters" else {**content[place], "x": thing}
    options = {"_use_new_zipfile_serialization": place != "legacy"}
    torch.save(content, checkpoint, **options)


PLACES = ["hyper_parameters", "loss", "callbacks", "alone", "in a raw pickle", "as another class", "legacy"]  # fmt: skip


@pytest.mark.parametrize("kind", [Writes, RunsCommand, Evaluates])
@pytest.mark.parametrize("place", PLACES)
def test_nothing_in_a_checkpoint_is_run(checkpoint, tmp_path, place, kind):
    evil(checkpoint, place, kind(tmp_path / "run"))
    with pytest.raises(ValueError, match=r"is not read: a pickle can run any code|is not a whole"):
        drnn.load(checkpoint)
    with pytest.raises(ValueError, match=r"is not read|is not a whole"):
        DilatedRNNForecaster.load_from_checkpoint(checkpoint)
    with pytest.raises(ValueError, match=r"is not read|is not a whole"):
        DilatedRNNForecaster.load_from_checkpoint(checkpoint, weights_only=True)
    assert not (tmp_path / "run").exists()


def test_predict_runs_nothing_that_a_checkpoint_holds(checkpoint, here, capsys):
    evil(checkpoint, "hyper_parameters", RunsCommand(here / "run"))
    frame().to_csv("data.csv", index=False)

    assert run("predict", str(checkpoint), "data.csv") == 2
    said = capsys.readouterr().err
    assert "`--unsafe true`" in said
    assert "it may then run any code as you" in said
    assert said.count("\n") == 1
    assert not (here / "run").exists()
    run("predict", str(checkpoint), "data.csv", "--unsafe", "true")
    assert (here / "run").exists()


@pytest.mark.parametrize(
    "options", [{"unsafe": True}, {"weights_only": False}], ids=["ours", "upstream's"]
)
def test_a_checkpoint_that_is_trusted_may_hold_anything(checkpoint, tmp_path, options):
    evil(checkpoint, "note", Writes(tmp_path / "run"))
    DilatedRNNForecaster.load_from_checkpoint(checkpoint, **options)
    assert (tmp_path / "run").exists()


def test_a_class_that_the_user_allows_is_read(checkpoint):
    evil(checkpoint, "note", Own())
    with pytest.raises(ValueError, match=r"names .*Own, .*add_safe_globals\(\[TheClass\]\)"):
        drnn.load(checkpoint)
    with torch.serialization.safe_globals([Own]):
        assert isinstance(drnn.load(checkpoint), DilatedRNNForecaster)


class Own:
    """A class of the user's."""


@pytest.mark.parametrize("part", ["state_dict", "hyper_parameters"])
@pytest.mark.parametrize("value", [None, [], "gone"])
def test_a_checkpoint_without_its_parts_is_refused(checkpoint, part, value):
    content = torch.load(checkpoint, weights_only=False)
    content.pop(part) if value == "gone" else content.update({part: value})
    torch.save(content, checkpoint)
    with pytest.raises(ValueError, match=r"lacks its `state_dict` or `hyper_parameters`"):
        drnn.load(checkpoint)


def test_a_function_that_a_checkpoint_names_makes_no_model(checkpoint):
    content = torch.load(checkpoint, weights_only=False)
    content["hyper_parameters"]["_instantiator"] = "lightning.pytorch.cli.instantiate_module"
    torch.save(content, checkpoint)
    with pytest.raises(ValueError, match="names a function that makes the model"):
        drnn.load(checkpoint)


def test_a_trainer_that_reads_a_checkpoint_of_ours_runs_nothing(checkpoint, model, tmp_path):
    evil(checkpoint, "hyper_parameters", Writes(tmp_path / "run"))
    trainer = Trainer(
        logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu"
    )
    loader = make_dataset(frame()).to_dataloader(train=False, batch_size=64, num_workers=0)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        trainer.predict(model, loader, ckpt_path=checkpoint, weights_only=True)
    assert not (tmp_path / "run").exists()


def test_fit_writes_the_safe_folder(here):
    days = pd.date_range("2024-01-01", periods=60, freq="D")
    table = pd.DataFrame({"day": days, "sold": [float(n % 7) for n in range(60)]})
    table.to_csv("data.csv", index=False)
    flags = ["--time", "day", "--target", "sold", "--horizon", "3", "--max_steps", "2"]

    assert run("fit", "data.csv", *flags, "--progress", "false") == 0
    assert sorted(path.name for path in Path("model").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    assert run("predict", "model", "data.csv", "--out", "forecast.csv") == 0

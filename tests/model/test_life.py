"""A model through its life: trained in pieces, in other precisions and by other optimisers."""

import copy
import pickle
import shutil
from pickle import UnpicklingError

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.tuner import Tuner
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer, TorchNormalizer
from pytorch_forecasting.metrics import MAE, SMAPE, NormalDistributionLoss, QuantileLoss

from drnn_forecast import BatchedTimeSeriesDataSet
from drnn_forecast.model.forecaster import DilatedRNNForecaster
from series import first_batch, make_dataset, planted_frame

TRAINER = {
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def make_model(dataset, **options):
    pl.seed_everything(0, verbose=False)
    return DilatedRNNForecaster.from_dataset(
        dataset, **{"hidden_size": 4, "num_layers": 2, "dropout": 0.0, **options}
    )


@pytest.fixture(scope="module")
def dataset():
    return make_dataset()


def loader(dataset, batch_size=64):
    """Return batches in a fixed order, so that pieces of a training see the same ones."""
    return dataset.to_dataloader(train=True, batch_size=batch_size, shuffle=False, num_workers=0)


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning")
def test_a_resumed_training_ends_with_the_weights_of_an_uninterrupted_one(dataset, tmp_path):
    whole = make_model(dataset)
    pl.Trainer(max_epochs=3, enable_checkpointing=False, **TRAINER).fit(whole, loader(dataset))
    saver = ModelCheckpoint(tmp_path, filename="first", every_n_epochs=1)
    first = make_model(dataset)
    pl.Trainer(max_epochs=1, callbacks=[saver], **TRAINER).fit(first, loader(dataset))
    resumed = make_model(dataset)
    again = ModelCheckpoint(tmp_path, filename="again", every_n_epochs=1)
    trainer = pl.Trainer(max_epochs=3, callbacks=[again], **TRAINER)
    trainer.fit(resumed, loader(dataset), ckpt_path=tmp_path / "first.ckpt", weights_only=False)

    pairs = zip(resumed.state_dict().values(), whole.state_dict().values(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["deepcopy", "pickle"],
)
def test_a_trained_model_can_be_copied_and_pickled(dataset, duplicate):
    model = make_model(dataset)
    trainer = pl.Trainer(max_epochs=1, enable_checkpointing=False, limit_train_batches=2, **TRAINER)
    trainer.fit(model, loader(dataset))
    x, _ = first_batch(dataset)

    twin = duplicate(model).eval()
    torch.testing.assert_close(twin(x)["prediction"], model.eval()(x)["prediction"], rtol=0, atol=0)


@pytest.mark.parametrize(
    "optimizer",
    [
        "adam",
        "adamw",
        "sgd",
        "Adagrad",
        "Adadelta",
        "Adamax",
        "NAdam",
        "RAdam",
        "RMSprop",
        "Rprop",
        "ASGD",
        "Adafactor",
        "LBFGS",
        torch.optim.AdamW,
    ],
    ids=str,
)
def test_every_optimizer_name_trains(dataset, optimizer):
    model = make_model(dataset, optimizer=optimizer, learning_rate=1e-3)
    before = copy.deepcopy(model.state_dict())
    trainer = pl.Trainer(max_epochs=1, enable_checkpointing=False, limit_train_batches=2, **TRAINER)
    trainer.fit(model, loader(dataset))

    after = model.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert all(torch.isfinite(value).all() for value in after.values())


def test_ranger_trains_where_its_package_is_installed(dataset):
    pytest.importorskip("pytorch_optimizer", reason="ranger is of the package pytorch_optimizer")
    model = make_model(dataset, optimizer="ranger", learning_rate=1e-2)
    before = copy.deepcopy(model.state_dict())
    trainer = pl.Trainer(max_epochs=1, enable_checkpointing=False, limit_train_batches=4, **TRAINER)
    trainer.fit(model, loader(dataset))

    after = model.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert all(torch.isfinite(value).all() for value in after.values())


def test_training_without_a_plateau_scheduler_has_none(dataset):
    model = make_model(dataset, reduce_on_plateau_patience=None)
    trainer = pl.Trainer(max_epochs=1, enable_checkpointing=False, limit_train_batches=1, **TRAINER)
    trainer.fit(model, loader(dataset))
    assert trainer.lr_scheduler_configs == []


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
@pytest.mark.parametrize("is_batched", [False, True], ids=["upstream loader", "batched loader"])
def test_a_model_trains_and_predicts_in_another_precision(precision, is_batched):
    data = make_dataset()
    if is_batched:
        data = BatchedTimeSeriesDataSet.from_dataset(data, planted_frame())
    model = make_model(data, season_length=24, dilations=(2, 4), num_layers=None)
    trainer = pl.Trainer(
        max_epochs=1,
        enable_checkpointing=False,
        limit_train_batches=2,
        limit_val_batches=1,
        precision=precision,
        **TRAINER,
    )
    trainer.fit(model, loader(data), loader(data))
    prediction = model.predict(data, trainer_kwargs={"precision": precision})

    assert torch.isfinite(trainer.callback_metrics["val_loss"])
    assert torch.isfinite(prediction).all()


def test_the_learning_rate_finder_suggests_one(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = make_model(dataset)
    trainer = pl.Trainer(max_epochs=1, enable_checkpointing=False, **TRAINER)
    finder = Tuner(trainer).lr_find(
        model,
        loader(dataset, batch_size=8),
        min_lr=1e-4,
        max_lr=1.0,
        num_training=20,
        update_attr=False,
    )
    assert 1e-4 <= finder.suggestion() <= 1.0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks:UserWarning")
@pytest.mark.parametrize(
    ("normalizer", "loss"),
    [
        (EncoderNormalizer(), QuantileLoss()),
        (GroupNormalizer(groups=["name"]), NormalDistributionLoss()),
        (TorchNormalizer(method="robust"), MAE() + SMAPE()),
    ],
    ids=["encoder", "group", "torch"],
)
def test_a_trainer_reads_checkpoints_of_the_model_under_the_safe_default(
    normalizer, loss, tmp_path
):
    data = make_dataset(target_normalizer=normalizer)
    model = make_model(data, loss=loss)
    best = ModelCheckpoint(tmp_path, monitor="val_loss")
    few = {"limit_train_batches": 2, "limit_val_batches": 1, "limit_test_batches": 1, **TRAINER}
    trainer = pl.Trainer(max_epochs=1, callbacks=[best], **few)
    trainer.fit(model, loader(data), loader(data))
    trained = copy.deepcopy(model.state_dict())
    torch.nn.init.zeros_(model.head.from_state.weight)

    trainer.test(model, loader(data), ckpt_path="best", verbose=False)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in trained.items())
    longer = pl.Trainer(max_epochs=2, enable_checkpointing=False, **few)
    longer.fit(model, loader(data), ckpt_path=best.best_model_path)
    assert longer.global_step == 4


class Intruder:
    """A class that no model holds."""


def test_a_checkpoint_with_another_class_is_refused_under_the_safe_default(dataset, tmp_path):
    model = make_model(dataset)
    few = {"limit_train_batches": 1, "enable_checkpointing": False, **TRAINER}
    trainer = pl.Trainer(max_epochs=1, **few)
    trainer.fit(model, loader(dataset))
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    content = torch.load(tmp_path / "model.ckpt", weights_only=False)
    torch.save({**content, "more": Intruder()}, tmp_path / "other.ckpt")

    with pytest.raises(UnpicklingError, match="Intruder"):
        pl.Trainer(max_epochs=2, **few).fit(
            model, loader(dataset), ckpt_path=tmp_path / "other.ckpt"
        )


# torch looks at the gradients of the encoder's inputs while it compiles.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_a_compiled_encoder_gives_the_same_forecast_and_the_same_names(
    dataset, backend, tmp_path, monkeypatch
):
    if backend == "inductor" and shutil.which("g++") is None:
        pytest.skip("Inductor needs a C++ compiler, and there is no g++")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    model = make_model(dataset).eval()
    x, _ = first_batch(dataset)
    names = list(model.state_dict())
    with torch.no_grad():
        expected = model(x)["prediction"]
        model.encoder.compile(backend=backend)
        torch.testing.assert_close(model(x)["prediction"], expected)
    assert list(model.state_dict()) == names

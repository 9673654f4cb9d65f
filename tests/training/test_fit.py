import random
import signal
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping

from drnn_forecast import DilatedRNNForecaster
from drnn_forecast.training.fitting import fit
from series import first_batch, training_and_validation

QUICK = {"progress": False, "max_epochs": 2, "steps_per_epoch": 4, "batch_size": 16}


@pytest.fixture(scope="module")
def datasets():
    return training_and_validation()


def build(training, **options):
    options = {"hidden_size": 8, "num_layers": 3, "learning_rate": 1e-2, **options}
    options = {"relative_loss": False, **options}
    return partial(DilatedRNNForecaster.from_dataset, training, **options)


def weights(result):
    return {name: value.clone() for name, value in result.model.state_dict().items()}


def test_one_seed_gives_one_model_and_another_seed_another(datasets):
    make = build(datasets[0])
    one, same, other = (weights(fit(make, *datasets, seed=seed, **QUICK)) for seed in (1, 1, 2))

    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert not torch.equal(
        one["encoder.layers.0.weight_hh_l0"], other["encoder.layers.0.weight_hh_l0"]
    )


def test_the_random_state_of_the_caller_is_left_as_it_was(datasets):
    torch.manual_seed(5)
    random.seed(5)
    expected = torch.rand(1), random.random()
    torch.manual_seed(5)
    random.seed(5)

    fit(build(datasets[0]), *datasets, **QUICK)
    assert (torch.rand(1), random.random()) == expected


class Interruption(Callback):
    """A callback that ends the training with an error."""

    def on_train_batch_end(self, *_):
        raise RuntimeError("interrupted")


def test_an_error_in_training_leaves_the_random_state_as_it_was(datasets):
    states = random.getstate(), torch.get_rng_state().tolist()
    with pytest.raises(RuntimeError, match="interrupted"):
        fit(build(datasets[0]), *datasets, callbacks=[Interruption()], **QUICK)

    assert (random.getstate(), torch.get_rng_state().tolist()) == states


class WorseAfterFirst(Callback):
    """Spoils the weights after the first validation, so that the first is the best."""

    def on_train_epoch_start(self, trainer, model):
        if trainer.current_epoch == 1:
            with torch.no_grad():
                model.head.output[-1].bias.fill_(100.0)


def test_the_weights_of_the_best_validation_come_back(datasets):
    result = fit(
        build(datasets[0], learning_rate=1e-6), *datasets, **QUICK, callbacks=[WorseAfterFirst()]
    )

    assert result.epochs == 2
    assert result.model.head.output[-1].bias.abs().max() < 10
    assert not result.model.training


def test_the_validation_loss_is_that_of_the_model_that_comes_back(datasets):
    result = fit(build(datasets[0]), *datasets, **{**QUICK, "batch_size": 500})
    x, y = first_batch(datasets[1], batch_size=1000)

    with torch.no_grad():
        loss = result.model.loss(result.model(x)["prediction"], y)
    assert result.validation_loss == pytest.approx(loss.item(), rel=1e-5)


def test_a_result_is_shown_in_one_line(datasets):
    result = fit(build(datasets[0]), *datasets, **QUICK)
    assert repr(result).startswith("<FitResult of a DilatedRNNForecaster: loss 0.")
    assert len(repr(result)) < 120


def test_training_stops_when_the_loss_no_longer_falls(datasets):
    options = {**QUICK, "max_epochs": 50, "patience": 2}
    result = fit(build(datasets[0], learning_rate=1e-30), *datasets, **options)

    assert result.stopped_by == "patience"
    assert result.epochs <= 4


def test_training_stops_when_the_time_is_up_and_still_validates(datasets):
    options = {**QUICK, "max_epochs": 10_000, "steps_per_epoch": None, "max_seconds": 1.5}
    result = fit(build(datasets[0]), *datasets, patience=10_000, **options)

    assert result.stopped_by == "max_seconds"
    assert result.seconds > 1.5
    assert np.isfinite(result.validation_loss)


def test_the_number_of_epochs_is_a_limit(datasets):
    result = fit(build(datasets[0]), *datasets, **QUICK)

    assert (result.stopped_by, result.epochs, result.steps) == ("max_epochs", 2, 8)


def test_the_users_own_callback_may_end_the_run(datasets):
    stopper = EarlyStopping("val_loss", patience=1, divergence_threshold=-1.0)
    options = {**QUICK, "max_epochs": 50}
    result = fit(build(datasets[0]), *datasets, callbacks=[stopper], **options)
    assert (result.stopped_by, result.epochs) == ("callbacks", 1)


def test_nothing_is_written_unless_asked(datasets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = fit(build(datasets[0]), *datasets, **QUICK)

    assert result.checkpoint is None
    assert list(tmp_path.iterdir()) == []


def test_the_checkpoint_holds_the_best_model(datasets, tmp_path):
    result = fit(build(datasets[0]), *datasets, checkpoint=tmp_path / "best.ckpt", **QUICK)
    loaded = DilatedRNNForecaster.load_from_checkpoint(result.checkpoint)

    torch.testing.assert_close(loaded.state_dict(), result.model.state_dict(), rtol=0, atol=0)
    assert [path.name for path in tmp_path.iterdir()] == ["best.ckpt"]


def test_a_small_dataset_trains_in_one_batch(datasets):
    options = {**QUICK, "batch_size": 100_000, "steps_per_epoch": None}
    assert fit(build(datasets[0]), *datasets, **options).steps == 2


def test_no_small_talk_reaches_the_user(datasets, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(build(datasets[0]), *datasets, **QUICK)
    assert capfd.readouterr() == ("", "")


class PressControlC(Callback):
    """Presses Ctrl-C in the middle of an epoch."""

    def __init__(self, press):
        self.press = press

    def on_train_batch_start(self, trainer, model, batch, batch_idx):
        if batch_idx == 2:
            self.press()


def test_an_interrupt_reaches_the_caller_and_the_next_one_would_too(datasets, tmp_path, control_c):
    handler = signal.getsignal(signal.SIGINT)
    options = {**QUICK, "checkpoint": tmp_path / "best.ckpt"}
    with pytest.raises(KeyboardInterrupt):
        fit(build(datasets[0]), *datasets, **options, callbacks=[PressControlC(control_c)])

    assert signal.getsignal(signal.SIGINT) is handler
    assert list(tmp_path.iterdir()) == []


class KeepEveryEpoch(Callback):
    """Writes a checkpoint at the end of every epoch, and notes the weights that training ends with."""

    def __init__(self, folder):
        self.folder = folder

    def on_train_epoch_end(self, trainer, model):
        trainer.save_checkpoint(self.folder / f"{trainer.current_epoch}.ckpt")

    def on_train_end(self, trainer, model):
        self.last = {name: value.clone() for name, value in model.state_dict().items()}


def test_a_resumed_run_goes_on_where_the_earlier_one_was(datasets, tmp_path):
    # One batch holds all windows, so that their order makes no difference.
    options = {**QUICK, "steps_per_epoch": None, "batch_size": 10_000}
    make = build(datasets[0], dropout=0.0)
    whole, resumed = KeepEveryEpoch(tmp_path), KeepEveryEpoch(tmp_path)
    fit(make, *datasets, **{**options, "max_epochs": 3}, callbacks=[whole])
    result = fit(
        make,
        *datasets,
        **{**options, "max_epochs": 3},
        seed=9,
        callbacks=[resumed],
        resume_from=tmp_path / "0.ckpt",
    )

    assert result.steps == 3
    torch.testing.assert_close(resumed.last, whole.last)


def test_a_run_that_is_not_there_cannot_be_resumed(datasets, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`resume_from`, .* does not exist"):
        fit(build(datasets[0]), *datasets, resume_from=tmp_path / "none.ckpt", **QUICK)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_epochs": 0}, ValueError, "`max_epochs` must be at least 1, got 0"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1, got 0"),
        ({"patience": 0}, ValueError, "`patience` must be at least 1, got 0"),
        ({"steps_per_epoch": 0}, ValueError, "`steps_per_epoch` must be at least 1, got 0"),
        ({"max_seconds": 0}, ValueError, "`max_seconds` must be above 0, got 0"),
        (
            {"checkpoint": "no/such/folder/best.ckpt"},
            FileNotFoundError,
            "folder of `checkpoint`, 'no/such/folder', does not exist",
        ),
    ],
)
def test_a_setting_out_of_range_is_refused_before_any_work(datasets, options, error, message):
    def never():
        pytest.fail("the model was built")

    with pytest.raises(error, match=message):
        fit(never, *datasets, **options)


class Spoil(Callback):
    """Makes every weight NaN in the second epoch."""

    def on_train_epoch_start(self, trainer, model):
        if trainer.current_epoch == 1:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.fill_(torch.nan)


@pytest.mark.filterwarnings("ignore:Loss is not finite:UserWarning")
def test_a_run_that_diverges_gives_the_best_model_before(datasets):
    result = fit(build(datasets[0]), *datasets, **QUICK, callbacks=[Spoil()])

    assert result.stopped_by == "divergence"
    assert np.isfinite(result.validation_loss)
    assert all(torch.isfinite(p).all() for p in result.model.parameters())


@pytest.mark.filterwarnings("ignore:Loss is not finite:UserWarning")
def test_a_loss_that_is_never_finite_is_an_error_with_a_remedy(datasets):
    with pytest.raises(RuntimeError, match=r"never reached a finite validation loss\. Lower"):
        fit(
            build(datasets[0], learning_rate=1e30),
            *datasets,
            gradient_clip_val=None,
            **QUICK,
        )


def test_the_progress_says_that_kernels_are_being_compiled(datasets, monkeypatch, capsys):
    monkeypatch.setattr("drnn_forecast.training.fitting.kernels_are_compiling", lambda: True)
    fit(build(datasets[0]), *datasets, max_epochs=1, steps_per_epoch=2, batch_size=16)

    assert "Epoch 0 (compiling kernels)" in "".join(capsys.readouterr())

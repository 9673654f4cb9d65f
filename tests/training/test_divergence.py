"""Numbers that are none end a run, whatever the loss; and what was best survives a new start."""

import numpy as np
import pytest
import torch
import torchmetrics
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from pytorch_forecasting.metrics import MAE, RMSE, NormalDistributionLoss, QuantileLoss

from drnn_forecast.training import fit
from series import tiny, training_and_validation

QUICK = {"progress": False, "max_epochs": 2, "steps_per_epoch": 3, "batch_size": 16}
LOSSES = {
    "torchmetrics": torchmetrics.MeanAbsoluteError,
    "torchmetrics, squared": torchmetrics.MeanSquaredError,
    "point": MAE,
    "a sum": lambda: MAE() + RMSE(),
    "quantiles": QuantileLoss,
    "distribution": NormalDistributionLoss,
}
pytestmark = pytest.mark.filterwarnings("ignore:Loss is not finite:UserWarning")


@pytest.fixture(scope="module")
def datasets():
    return training_and_validation(180)


class SpoilWeights(Callback):
    """Makes one weight no number before a step."""

    def __init__(self, step=2):
        self.step = step

    def on_train_batch_start(self, trainer, model, batch, batch_idx):
        if trainer.global_step == self.step:
            with torch.no_grad():
                next(iter(model.parameters())).fill_(torch.nan)


class SpoilGradients(Callback):
    """Makes every gradient infinite before the last step."""

    def on_before_optimizer_step(self, trainer, model, optimizer):
        if trainer.global_step == 5:
            for parameter in model.parameters():
                parameter.grad.fill_(torch.inf)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("spoil", [SpoilWeights, SpoilGradients])
def test_no_model_comes_back_whose_numbers_are_none(datasets, loss, spoil):
    make = tiny(datasets[0], loss=LOSSES[loss]())
    with pytest.raises(RuntimeError, match=r"no longer finite\. Lower `learning_rate`"):
        fit(make, datasets[0], None, **QUICK, callbacks=[spoil()])


@pytest.mark.parametrize("loss", LOSSES)
def test_the_best_model_before_comes_back_where_there_was_one(datasets, loss):
    make = tiny(datasets[0], loss=LOSSES[loss]())
    result = fit(make, *datasets, **QUICK, callbacks=[SpoilWeights(step=4)])

    assert result.stopped_by == "divergence"
    assert np.isfinite(result.validation_loss)
    assert all(torch.isfinite(p).all() for p in result.model.parameters())


@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_that_diverges_before_any_validation_says_so(datasets, loss):
    make = tiny(datasets[0], loss=LOSSES[loss]())
    with pytest.raises(RuntimeError, match=r"never reached a finite validation loss\. Lower"):
        fit(make, *datasets, **QUICK, callbacks=[SpoilWeights(step=1)])


class Worsen(Callback):
    """Spoils the weights after the first epoch, so that its validation is the best."""

    def on_train_epoch_start(self, trainer, model):
        if trainer.current_epoch >= 1:
            with torch.no_grad():
                for parameter in model.head.parameters():
                    parameter.add_(30.0)


def test_a_resumed_run_keeps_the_best_of_the_earlier_one(datasets, tmp_path):
    make = tiny(datasets[0])
    keep = ModelCheckpoint(tmp_path, filename="{epoch}", every_n_epochs=1, save_top_k=-1)
    first = fit(make, *datasets, **QUICK, callbacks=[keep, Worsen()])
    resumed = fit(
        make,
        *datasets,
        **{**QUICK, "max_epochs": 3},
        callbacks=[Worsen()],
        resume_from=tmp_path / "epoch=1.ckpt",
    )

    assert resumed.steps == 9
    assert resumed.validation_loss == first.validation_loss
    torch.testing.assert_close(resumed.model.state_dict(), first.model.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("validated", [True, False])
def test_a_finished_run_that_is_resumed_gives_its_model_again(datasets, tmp_path, validated):
    training, validation = datasets
    make, judged_by = tiny(training), validation if validated else None
    first = fit(make, training, judged_by, **QUICK, checkpoint=tmp_path / "run.ckpt")
    again = fit(tiny(training), training, judged_by, **QUICK, seed=5, resume_from=first.checkpoint)

    assert (again.steps, again.epochs) == (first.steps, first.epochs)
    assert again.validation_loss == pytest.approx(first.validation_loss, rel=0, nan_ok=True)
    torch.testing.assert_close(again.model.state_dict(), first.model.state_dict(), rtol=0, atol=0)


def test_a_resumed_run_has_its_own_budget_and_patience(datasets, tmp_path):
    make, options = tiny(datasets[0], learning_rate=1e-30), {**QUICK, "max_epochs": 9}
    first = fit(make, *datasets, **options, patience=2, checkpoint=tmp_path / "run.ckpt")
    more = fit(make, *datasets, **options, patience=4, resume_from=first.checkpoint)

    assert (first.stopped_by, more.stopped_by) == ("patience", "patience")
    assert more.epochs == first.epochs + 2

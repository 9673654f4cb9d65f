import itertools
import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Callback, seed_everything

from drnn_forecast import DilatedRNNForecaster
from drnn_forecast.training import pace
from drnn_forecast.training.fitting import fit
from drnn_forecast.training.pace import PROBE
from series import make_dataset, planted_frame

QUICK = {"progress": False, "max_epochs": 2, "steps_per_epoch": 4, "batch_size": 16}
RATE = 1e-2


@pytest.fixture(scope="module")
def datasets():
    frame = planted_frame(noise=0.1)
    training = make_dataset(frame[frame.time_idx < 160])
    validation = type(training).from_dataset(training, frame, min_prediction_idx=160)
    return training, validation


def build(training, **options):
    options = {"hidden_size": 8, "num_layers": 2, "learning_rate": RATE, **options}
    return partial(DilatedRNNForecaster.from_dataset, training, **options)


class Watch(Callback):
    """Notes learning rate and weights at every step, and writes a checkpoint after each epoch."""

    def __init__(self, folder=None):
        self.folder = folder
        self.rates = []
        self.weights = []

    def on_before_optimizer_step(self, trainer, model, optimizer):
        self.rates.append(optimizer.param_groups[0]["lr"])

    def on_train_batch_end(self, trainer, model, *_):
        self.weights.append([p.detach().clone() for p in model.parameters()])

    def on_train_epoch_end(self, trainer, model):
        if self.folder is not None:
            trainer.save_checkpoint(self.folder / f"{trainer.current_epoch}.ckpt")


class Validations(Callback):
    """Notes after how many steps the model is validated."""

    def __init__(self):
        self.steps = []

    def on_validation_end(self, trainer, model):
        self.steps.append(trainer.global_step)


def half_cosine(steps):
    return [RATE * (1 + math.cos(math.pi * step / steps)) / 2 for step in range(steps)]


@pytest.mark.parametrize("is_judged", [True, False])
def test_the_learning_rate_falls_along_half_a_cosine_to_the_end_of_the_budget(datasets, is_judged):
    watch = Watch()
    training, validation = datasets
    judge = validation if is_judged else None
    fit(build(training), training, judge, **QUICK, schedule="cosine", callbacks=[watch])

    assert watch.rates == pytest.approx(half_cosine(8), rel=1e-12)


@pytest.mark.slow
def test_a_run_by_seconds_has_the_rates_and_weights_of_one_by_as_many_steps(datasets, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: 0.01 * next(ticks)))
    by_time, by_steps = Watch(), Watch()
    options = {**QUICK, "max_epochs": 10_000, "patience": 10_000, "schedule": "cosine"}
    make = build(datasets[0])
    timed = fit(make, *datasets, **options, max_seconds=2, callbacks=[by_time])
    counted = fit(make, *datasets, **options, max_steps=timed.planned_steps, callbacks=[by_steps])

    assert timed.steps == counted.steps == timed.planned_steps == counted.planned_steps > PROBE
    assert (timed.stopped_by, counted.stopped_by) == ("max_seconds", "max_steps")
    assert by_time.rates == by_steps.rates
    assert set(by_time.rates[:PROBE]) == {RATE}
    assert by_time.rates[-1] < 0.1 * RATE
    torch.testing.assert_close(by_time.weights[-1], by_steps.weights[-1], rtol=0, atol=0)


@pytest.mark.parametrize(("steps", "validations"), [(8, 2), (60, 5), (300, 9)])
def test_checks_are_spread_over_the_steps_and_one_comes_before_the_first(
    datasets, steps, validations
):
    watch = Validations()
    options = {**QUICK, "patience": 10_000, "max_steps": steps, "checks": 8}
    result = fit(build(datasets[0]), *datasets, **options, callbacks=[watch])

    assert result.steps == steps
    assert watch.steps[0] == 0
    assert watch.steps[-1] == steps
    assert len(watch.steps) == validations
    assert result.best_step in watch.steps


def test_without_a_step_that_helps_the_model_is_as_it_began(datasets):
    make = build(datasets[0], learning_rate=100.0)
    options = {**QUICK, "max_steps": 5, "checks": 2}
    result = fit(make, *datasets, **options)
    seed_everything(0, workers=True, verbose=False)
    start = make()

    assert result.best_step == 0
    for name, weight in start.state_dict().items():
        torch.testing.assert_close(result.model.state_dict()[name], weight, rtol=0, atol=0)


def test_a_resumed_run_goes_on_along_its_cosine(datasets, tmp_path):
    whole, resumed = Watch(tmp_path), Watch()
    make, options = build(datasets[0]), {**QUICK, "max_epochs": 3, "schedule": "cosine"}
    fit(make, *datasets, **options, callbacks=[whole])
    fit(make, *datasets, **options, callbacks=[resumed], resume_from=tmp_path / "0.ckpt")

    assert resumed.rates == pytest.approx(whole.rates[4:], rel=1e-12)


def test_the_models_own_schedule_is_the_default(datasets):
    watch = Watch()
    make = build(datasets[0], reduce_on_plateau_patience=0, reduce_on_plateau_reduction=10.0)
    fit(make, *datasets, **{**QUICK, "max_epochs": 8, "patience": 8}, callbacks=[watch])

    assert watch.rates[0] == RATE
    assert set(watch.rates) <= {RATE / 10**n for n in range(9)}


def test_without_validation_the_whole_budget_is_spent_and_the_last_weights_are_kept(datasets):
    watch = Watch()
    result = fit(build(datasets[0]), datasets[0], None, **QUICK, callbacks=[watch])

    assert (result.steps, result.stopped_by) == (8, "max_epochs")
    assert math.isnan(result.validation_loss)
    assert not result.model.training
    torch.testing.assert_close(list(result.model.parameters()), watch.weights[-1], rtol=0, atol=0)


class Spoil(Callback):
    """Makes every weight NaN in the second epoch."""

    def on_train_epoch_start(self, trainer, model):
        if trainer.current_epoch == 1:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.fill_(torch.nan)


@pytest.mark.filterwarnings("ignore:Loss is not finite:UserWarning")
def test_a_run_that_diverges_without_validation_is_an_error_with_a_remedy(datasets):
    with pytest.raises(RuntimeError, match=r"no longer finite\. Lower `learning_rate`"):
        fit(build(datasets[0]), datasets[0], None, **QUICK, callbacks=[Spoil()])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "linear"}, "`schedule` must be one of model, cosine, got 'linear'"),
        ({"snapshots": 2}, "`snapshots` must be 0 without `validation`, .* got 2"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_before_any_work(datasets, options, message):
    def never():
        pytest.fail("the model was built")

    with pytest.raises(ValueError, match=message):
        fit(never, datasets[0], None, **options)

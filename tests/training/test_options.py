"""What is asked of the trainer in `trainer_kwargs` works, or is refused before any work."""

from datetime import timedelta

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, Timer

from drnn_forecast.training import fit
from series import first_batch, tiny, training_and_validation

QUICK = {"progress": False, "max_epochs": 3, "steps_per_epoch": 4, "batch_size": 16}


@pytest.fixture(scope="module")
def datasets():
    return training_and_validation(180)


class Count(Callback):
    """Counts the batches that it sees."""

    seen = 0

    def on_train_batch_end(self, *_):
        self.seen += 1


class LastWeights(Callback):
    """Notes the weights that the last step gave."""

    def on_train_batch_end(self, trainer, module, *_):
        self.weights = {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one], lambda one: (one,)])
def test_callbacks_of_the_trainer_join_those_of_the_run(datasets, here, wrap):
    counts = Count(), Count()
    result = fit(
        tiny(datasets[0]),
        *datasets,
        **QUICK,
        callbacks=[counts[0]],
        trainer_kwargs={"callbacks": wrap(counts[1])},
    )

    assert [count.seen for count in counts] == [12, 12]
    assert np.isfinite(result.validation_loss)
    assert result.stopped_by == "max_epochs"


def test_the_time_limit_holds_beside_callbacks_and_a_clock_of_the_users(datasets):
    options = {**QUICK, "max_epochs": 10_000, "max_seconds": 1.0, "patience": 10_000}
    result = fit(
        tiny(datasets[0]),
        *datasets,
        **options,
        trainer_kwargs={"callbacks": [Timer(timedelta(hours=1))]},
    )
    assert result.stopped_by == "max_seconds"


@pytest.mark.parametrize(
    ("options", "steps", "stopped_by"),
    [
        ({"max_steps": 2}, 2, "max_steps"),
        ({"max_steps": 6}, 6, "max_steps"),
        ({"check_val_every_n_epoch": 2}, 12, "max_epochs"),
        ({"check_val_every_n_epoch": 9}, 12, "max_epochs"),
        ({"check_val_every_n_epoch": 9, "max_steps": 5}, 5, "max_steps"),
        ({"check_val_every_n_epoch": None, "val_check_interval": 5}, 12, "max_epochs"),
        ({"check_val_every_n_epoch": None, "val_check_interval": 500}, 12, "max_epochs"),
        ({"val_check_interval": 0.5}, 12, "max_epochs"),
        ({"limit_val_batches": 1}, 12, "max_epochs"),
        ({"overfit_batches": 2}, 6, "max_epochs"),
        ({"accumulate_grad_batches": 2}, 6, "max_epochs"),
        ({"max_epochs": 1}, 4, "max_epochs"),
        ({"num_sanity_val_steps": 1}, 12, "max_epochs"),
        ({"enable_checkpointing": False}, 12, "max_epochs"),
        ({"enable_checkpointing": True}, 12, "max_epochs"),
        ({"min_epochs": 3}, 12, "max_epochs"),
        ({"reload_dataloaders_every_n_epochs": 1}, 12, "max_epochs"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:You requested to overfit")
def test_a_run_ends_with_a_judged_model_and_writes_nothing_under_every_option(
    datasets, here, options, steps, stopped_by
):
    own = {**QUICK, "steps_per_epoch": None if "overfit_batches" in options else 4}
    result = fit(tiny(datasets[0]), *datasets, **own, trainer_kwargs=options)

    assert (result.steps, result.stopped_by) == (steps, stopped_by)
    assert np.isfinite(result.validation_loss)
    assert not list(here.iterdir())


def test_the_last_weights_are_judged_where_a_run_ends_between_validations(datasets):
    last = LastWeights()
    options = {"check_val_every_n_epoch": 9, "callbacks": last}
    result = fit(tiny(datasets[0]), *datasets, **QUICK, trainer_kwargs=options)
    x, y = first_batch(datasets[1], batch_size=1000)

    torch.testing.assert_close(dict(result.model.state_dict()), last.weights, rtol=0, atol=0)
    with torch.no_grad():
        loss = result.model.loss(result.model(x)["prediction"], y)
    assert result.validation_loss == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fast_dev_run": True}, "must not have `fast_dev_run`, got True.*`max_epochs=1"),
        ({"fast_dev_run": 3}, "must not have `fast_dev_run`, got 3"),
        ({"max_time": "00:01:00:00"}, "must not have `max_time`.*`max_seconds`"),
        ({"barebones": True}, "must not have `barebones`"),
        ({"limit_val_batches": 0}, r"`limit_val_batches`.*above 0.*`validation=None`"),
        ({"limit_val_batches": 0.0}, "`limit_val_batches`.*above 0"),
        ({"limit_train_batches": 0}, "`limit_train_batches`.*above 0"),
        ({"max_steps": 0}, "`max_steps`.*above 0"),
        ({"max_epochs": 0}, "`max_epochs`.*above 0"),
        ({"callbacks": [ModelCheckpoint()]}, "ModelCheckpoint.*must have a `dirpath`"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_an_option_that_leaves_nothing_to_judge_is_refused_before_any_work(
    datasets, here, options, message
):
    def never():
        pytest.fail("the model was built")

    with pytest.raises(ValueError, match=message):
        fit(never, *datasets, **QUICK, trainer_kwargs=options)
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (ModelCheckpoint("kept", monitor="val_loss"), "must not wait for 'val_loss'"),
        (EarlyStopping("val_loss"), "must not wait for 'val_loss'"),
        (ModelCheckpoint(), "must have a `dirpath`"),
    ],
)
def test_a_callback_that_waits_for_what_does_not_come_is_refused(datasets, here, callback, message):
    with pytest.raises(ValueError, match=message):
        fit(None, datasets[0], None, **QUICK, callbacks=[callback])
    assert not list(here.iterdir())


def test_checkpoints_without_a_place_are_refused_where_nothing_is_validated(datasets, here):
    with pytest.raises(ValueError, match=r"`enable_checkpointing`.*pass `checkpoint=`"):
        fit(None, datasets[0], None, **QUICK, trainer_kwargs={"enable_checkpointing": True})


def test_what_is_no_callback_is_refused(datasets):
    with pytest.raises(TypeError, match="`callbacks` must hold callbacks of Lightning, got a str"):
        fit(None, *datasets, **QUICK, trainer_kwargs={"callbacks": ["early"]})


@pytest.mark.parametrize("is_judged", [True, False])
def test_a_checkpoint_callback_writes_where_it_was_told_and_nowhere_else(datasets, here, is_judged):
    training, validation = datasets
    keep = ModelCheckpoint(here / "kept", every_n_epochs=1, save_top_k=-1)
    fit(tiny(training), training, validation if is_judged else None, **QUICK, callbacks=[keep])

    assert len(list((here / "kept").iterdir())) == 3
    assert [path.name for path in here.iterdir()] == ["kept"]


def test_a_folder_of_the_trainer_holds_what_has_no_other_place(datasets, here):
    options = {"default_root_dir": here / "root", "callbacks": [ModelCheckpoint()]}
    fit(tiny(datasets[0]), *datasets, **QUICK, trainer_kwargs=options)
    assert [path.name for path in here.iterdir()] == ["root"]

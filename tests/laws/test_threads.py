"""Many threads may ask one model at once, and nothing that they share is changed by asking."""

import copy
import logging
import pickle
import random
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch

from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData, load
from drnn_forecast.host import quiet_lightning, view_of
from drnn_forecast.training import fit
from series import planted_frame

THREADS = 8
QUICK = {"progress": False, "max_epochs": 1, "steps_per_epoch": 2, "batch_size": 16}


@pytest.fixture(scope="module")
def data():
    frame = planted_frame(noise=0.1)
    frame["ds"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.pop("time_idx"), unit="h")
    roles = {"series": "name", "time": "ds", "target": "target", "observed": ["lever", "other"]}
    return ForecastData.from_frame(frame, **roles)


@pytest.fixture(scope="module")
def splits(data):
    return data.split(horizon=6, validation_windows=10, context_length=48)


def fitted(splits, seed=0, **options):
    """Return a model after two steps, with so much dropout that training mode would show."""
    build = partial(
        DilatedRNNForecaster.from_dataset,
        splits.training,
        hidden_size=8,
        num_layers=2,
        dropout=0.5,
        **options,
    )
    return fit(build, splits.training, splits.validation, seed=seed, **QUICK).model


@pytest.fixture(scope="module")
def model(splits):
    return fitted(splits)


def from_checkpoint(model, folder):
    trainer = pl.Trainer(logger=False, enable_progress_bar=False, enable_model_summary=False)
    trainer.strategy.connect(model)
    trainer.save_checkpoint(folder / "model.ckpt")
    return DilatedRNNForecaster.load_from_checkpoint(folder / "model.ckpt")


WAYS = {
    "fit": lambda model, folder: model,
    "load_from_checkpoint": from_checkpoint,
    "load": lambda model, folder: load(model.save(folder / "model")),
    "from_pretrained": lambda model, folder: DilatedRNNForecaster.from_pretrained(
        model.save_pretrained(folder / "model")
    ),
    "deepcopy": lambda model, folder: copy.deepcopy(model),
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "an ensemble": lambda model, folder: Ensemble([model, copy.deepcopy(model)]),
    "a loaded ensemble": lambda model, folder: load(
        Ensemble([model, model]).save(folder / "ensemble")
    ),
    "training mode": lambda model, folder: copy.deepcopy(model).train(),
}


def networks(model):
    """Return the networks that a model is made of."""
    return model.members if isinstance(model, Ensemble) else [model]


def shared_state(model):
    """Return what threads share: modes, trainers, weights, levels, gradients and randomness.

    Not the filters of warnings: pandas swaps them in every look-up of a dtype, and two threads that
    do so at once can swap each other's. That ours do not is a law of its own.
    """
    return {
        "modes": [[part.training for part in each.modules()] for each in networks(model)],
        "trainers": [each._trainer for each in networks(model)],
        "weights": [[p.detach().clone() for p in each.parameters()] for each in networks(model)],
        "levels": {
            name: logging.getLogger(name).level
            for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning")
        },
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "python": random.getstate(),
    }


def is_same(one, other):
    """Return whether two states are equal, tensors included."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return all(is_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple) and len(one) == len(other):
        return all(map(is_same, one, other))
    return one is other or one == other


def in_threads(ask, calls):
    """Return the answers of calls that eight threads begin at the same moment."""
    together = threading.Barrier(THREADS)

    def work(_):
        together.wait()
        return [ask() for _ in range(calls)]

    with ThreadPoolExecutor(THREADS) as pool:
        return [answer for answers in pool.map(work, range(THREADS)) for answer in answers]


@pytest.mark.parametrize(
    "calls", [pytest.param(4, id="few"), pytest.param(200, id="many", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("way", WAYS)
def test_threads_forecast_what_one_thread_does_and_change_nothing(
    data, model, way, calls, tmp_path
):
    made = WAYS[way](model, tmp_path)
    expected = model.forecast(data)
    before = shared_state(made)
    answers = in_threads(lambda: made.forecast(data), calls)

    assert is_same(before, shared_state(made))
    for answer in answers:
        pd.testing.assert_frame_equal(answer, expected)


def quantiles(model, dataset):
    return model.predict(dataset, mode="quantiles", batch_size=16)


def interpretation(model, dataset):
    raw = model.predict(dataset, mode="raw", return_x=True)
    return model.interpret_output(raw.output).saliency


@pytest.mark.parametrize(
    "calls", [pytest.param(1, id="few"), pytest.param(200, id="many", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("ask", [quantiles, interpretation])
@pytest.mark.parametrize("way", ["load_from_checkpoint", "an ensemble", "training mode"])
def test_threads_predict_what_one_thread_does_and_change_nothing(
    splits, model, way, ask, calls, tmp_path
):
    made = WAYS[way](model, tmp_path)
    if isinstance(made, Ensemble) and ask is interpretation:
        made = made.members[0]
    dataset = splits.validation.filter(lambda index: index.index < 20)
    expected = ask(model, dataset)
    before = shared_state(made)
    answers = in_threads(lambda: ask(made, dataset), calls)

    assert is_same(before, shared_state(made))
    for answer in answers:
        torch.testing.assert_close(answer, expected, rtol=0, atol=0)


@pytest.mark.parametrize("way", ["load_from_checkpoint", "load", "pickle", "fit"])
def test_a_model_is_in_evaluation_mode_however_it_comes(model, way, tmp_path):
    made = WAYS[way](model, tmp_path)
    assert not any(part.training for part in made.modules())


def test_a_loaded_model_trains_in_training_mode(model, splits, tmp_path):
    modes = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            modes.append([part.training for part in module.modules()])

    made = from_checkpoint(model, tmp_path)
    trainer = pl.Trainer(
        max_steps=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Watch()],
    )
    trainer.fit(made, splits.training.to_dataloader(train=True, batch_size=16, num_workers=0))
    assert all(modes[0])


class Asker(pl.Callback):
    """Asks the model that is being trained for forecasts, in its own thread and in others."""

    def __init__(self, data, dataset):
        self.data, self.dataset = data, dataset
        self.forecasts, self.expected = [], []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        still = copy.deepcopy(module).eval()
        self.expected.append(still.forecast(self.data))
        self.forecasts.append(module.forecast(self.data))
        module.predict(self.dataset)
        assert module.trainer is trainer


def test_a_forecast_in_the_middle_of_training_is_that_of_evaluation_and_leaves_the_training_alone(
    data, splits
):
    asker = Asker(data, splits.validation.filter(lambda index: index.index < 4))
    build = partial(
        DilatedRNNForecaster.from_dataset, splits.training, hidden_size=8, num_layers=2, dropout=0.5
    )
    disturbed = fit(build, splits.training, None, callbacks=[asker], **QUICK).model
    alone = fit(build, splits.training, None, **QUICK).model

    for forecast, expected in zip(asker.forecasts, asker.expected, strict=True):
        pd.testing.assert_frame_equal(forecast, expected)
    assert is_same(dict(alone.state_dict()), dict(disturbed.state_dict()))


def test_a_view_shares_the_weights_and_nothing_else(model):
    view = view_of(model)
    ours, theirs = set(map(id, model.modules())), set(map(id, view.modules()))
    pointers = [[p.data_ptr() for p in each.parameters()] for each in (model, view)]

    assert len(ours) == len(theirs)
    assert not ours & theirs
    assert pointers[0] == pointers[1]
    assert list(view.state_dict()) == list(model.state_dict())


def test_a_view_of_a_compiled_part_in_training_is_evaluated(model, data):
    made = copy.deepcopy(model)
    made.encoder.compile(backend="eager")
    expected = model.forecast(data)
    made.train()

    pd.testing.assert_frame_equal(made.forecast(data), expected)


def test_a_forecast_touches_no_filter_of_warnings(data, model, monkeypatch):
    model.forecast(data)
    callers = []
    enter = warnings.catch_warnings.__enter__

    def watched(self):
        callers.append(sys._getframe(1).f_code.co_filename)
        return enter(self)

    monkeypatch.setattr(warnings.catch_warnings, "__enter__", watched)
    model.forecast(data)
    assert callers
    assert not [name for name in callers if "drnn_forecast/" in name or "lightning" in name]


def test_overlapping_quiet_gives_back_levels_and_filters():
    logger, filters = logging.getLogger("lightning.pytorch"), list(warnings.filters)
    level = logger.level
    first, second = quiet_lightning(), quiet_lightning()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert logger.level == logging.WARNING
    second.__exit__(None, None, None)

    assert (logger.level, list(warnings.filters)) == (level, filters)

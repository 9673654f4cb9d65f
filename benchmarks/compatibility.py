"""Tries every feature on our model and on three of pytorch-forecasting's own, and says what holds.

    python benchmarks/compatibility.py

writes `docs/compatibility.md`. Each cell is the outcome of the function of that row: "yes" where
it ran and gave what it promises, otherwise the first error.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import pickle
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from pytorch_forecasting import (
    DeepAR,
    RecurrentNetwork,
    TemporalFusionTransformer,
    TimeSeriesDataSet,
)
from pytorch_forecasting.data import GroupNormalizer, MultiNormalizer, NaNLabelEncoder
from pytorch_forecasting.metrics import (
    MAE,
    SMAPE,
    CrossEntropy,
    MultiLoss,
    NormalDistributionLoss,
    QuantileLoss,
)

from drnn_forecast import DilatedRNNForecaster
from machine import markdown, setting

PAGE = Path(__file__).parents[1] / "docs/compatibility.md"
MODELS = (DilatedRNNForecaster, RecurrentNetwork, DeepAR, TemporalFusionTransformer)
QUIET = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
FEATURES: dict[str, Callable[[Any], None]] = {}


def feature(name: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Return a decorator that makes a function the test of a row."""

    def register(function: Callable[[Any], None]) -> Callable[[Any], None]:
        FEATURES[name] = function
        return function

    return register


def made_frame() -> pd.DataFrame:
    """Return three series with a season, a covariate and a label."""
    generator = np.random.default_rng(0)
    parts = []
    for number in range(3):
        time = np.arange(120)
        target = 10 * (number + 1) + np.sin(time * 2 * np.pi / 12) + generator.normal(size=120) / 9
        lever = generator.normal(size=120)
        label = np.where(lever > 0, "up", "down")
        parts.append(
            pd.DataFrame(
                {"name": f"s{number}", "time_idx": time, "target": target, "lever": lever}
            ).assign(label=label, second=2 * target)
        )
    return pd.concat(parts, ignore_index=True)


def made_dataset(**options: Any) -> TimeSeriesDataSet:
    """Return a dataset of the frame with everyday settings."""
    defaults = {
        "time_idx": "time_idx",
        "target": "target",
        "group_ids": ["name"],
        "max_encoder_length": 24,
        "max_prediction_length": 6,
        "time_varying_unknown_reals": ["target"],
        "target_normalizer": GroupNormalizer(groups=["name"]),
    }
    return TimeSeriesDataSet(made_frame(), **{**defaults, **options})


def trained(kind: Any, dataset: TimeSeriesDataSet, **options: Any) -> Any:
    """Return a model after three steps of training."""
    pl.seed_everything(0, verbose=False)
    size = {"num_layers": 2} if kind is DilatedRNNForecaster else {}
    model = kind.from_dataset(dataset, hidden_size=8, **size, **options)
    trainer = pl.Trainer(max_epochs=1, limit_train_batches=3, **QUIET)
    trainer.fit(model, dataset.to_dataloader(train=True, batch_size=16, num_workers=0))
    return model.eval()


def quietly(model: Any, data: Any, **options: Any) -> Any:
    """Return predictions of a model that would write logs."""
    return model.predict(data, trainer_kwargs=dict(QUIET), **options)


@feature("quantile loss")
def _(kind: Any) -> None:
    dataset = made_dataset()
    model = trained(kind, dataset, loss=QuantileLoss())
    assert quietly(model, dataset, mode="quantiles").shape == (len(dataset), 6, 7)


@feature("distribution loss")
def _(kind: Any) -> None:
    dataset = made_dataset()
    model = trained(kind, dataset, loss=NormalDistributionLoss())
    assert quietly(model, dataset, mode="quantiles").shape == (len(dataset), 6, 7)


@feature("quantiles without the median")
def _(kind: Any) -> None:
    dataset = made_dataset()
    quietly(trained(kind, dataset, loss=QuantileLoss([0.1, 0.9])), dataset)


@feature("sum of losses")
def _(kind: Any) -> None:
    trained(kind, made_dataset(), loss=MAE() + SMAPE())


@feature("categorical target")
def _(kind: Any) -> None:
    dataset = made_dataset(target="label", target_normalizer=NaNLabelEncoder())
    quietly(trained(kind, dataset, loss=CrossEntropy()), dataset)


@feature("several targets")
def _(kind: Any) -> None:
    dataset = made_dataset(
        target=["target", "second"],
        time_varying_unknown_reals=["target", "second"],
        target_normalizer=MultiNormalizer(
            [GroupNormalizer(groups=["name"]), GroupNormalizer(groups=["name"])]
        ),
    )
    loss = NormalDistributionLoss() if kind is DeepAR else MAE()
    quietly(trained(kind, dataset, loss=MultiLoss([loss, copy.deepcopy(loss)])), dataset)


@feature("covariates unknown in the future")
def _(kind: Any) -> None:
    trained(kind, made_dataset(time_varying_unknown_reals=["target", "lever"]))


@feature("cold start (encoder length 0)")
def _(kind: Any) -> None:
    dataset = made_dataset(min_encoder_length=0, min_prediction_idx=0)
    raw = quietly(trained(kind, dataset), dataset, mode="raw", return_x=True)
    assert (raw.x["encoder_lengths"] == 0).any()
    assert torch.isfinite(raw.output["prediction"]).all()


@feature("decoders of different lengths with `return_y`")
def _(kind: Any) -> None:
    dataset = made_dataset(min_prediction_length=2)
    quietly(trained(kind, dataset), dataset, return_y=True, batch_size=5)


@feature("`trainer_kwargs` used twice")
def _(kind: Any) -> None:
    dataset = made_dataset()
    model, options = trained(kind, dataset), dict(QUIET)
    model.predict(dataset, trainer_kwargs=options)
    assert len(model.predict(dataset, trainer_kwargs=options)) == len(dataset)


@feature("callbacks of the user in `predict`")
def _(kind: Any) -> None:
    dataset = made_dataset()
    options = {**QUIET, "callbacks": [pl.Callback()]}
    trained(kind, dataset).predict(dataset, trainer_kwargs=options)


@feature("`predict` writes nothing unasked")
def _(kind: Any) -> None:
    dataset = made_dataset()
    model = trained(kind, dataset)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        model.predict(dataset)
        assert not list(Path(folder).iterdir())


@feature("`mode='samples'`")
def _(kind: Any) -> None:
    dataset = made_dataset()
    model = trained(kind, dataset)
    assert quietly(model, dataset, mode="samples", n_samples=5).shape == (len(dataset), 6, 5)


@feature("pickle after a forward pass")
def _(kind: Any) -> None:
    dataset = made_dataset()
    pickle.loads(pickle.dumps(trained(kind, dataset)))


@feature("deepcopy after training")
def _(kind: Any) -> None:
    copy.deepcopy(trained(kind, made_dataset()))


@feature("no scheduler (`reduce_on_plateau_patience=None`)")
def _(kind: Any) -> None:
    trained(kind, made_dataset(), reduce_on_plateau_patience=None)


@feature("`predict_dependency` for several targets")
def _(kind: Any) -> None:
    dataset = made_dataset(
        target=["target", "second"],
        time_varying_known_reals=["lever"],
        time_varying_unknown_reals=["target", "second"],
        target_normalizer=MultiNormalizer(
            [GroupNormalizer(groups=["name"]), GroupNormalizer(groups=["name"])]
        ),
    )
    loss = NormalDistributionLoss() if kind is DeepAR else MAE()
    model = trained(kind, dataset, loss=MultiLoss([loss, copy.deepcopy(loss)]))
    model.predict_dependency(dataset, "lever", [0.0, 1.0], trainer_kwargs=dict(QUIET))


@feature("`trainer.predict(model, loader)`")
def _(kind: Any) -> None:
    dataset = made_dataset()
    model = trained(kind, dataset)
    loader = dataset.to_dataloader(train=False, batch_size=64, num_workers=0)
    batches = pl.Trainer(**QUIET).predict(model, loader)
    assert sum(len(model.to_prediction(batch)) for batch in batches) == len(dataset)


@feature('`interpret_output(raw.output, reduction="sum")`, and its plots')
def _(kind: Any) -> None:
    dataset = made_dataset()
    model = trained(kind, dataset)
    raw = quietly(model, dataset, mode="raw", return_x=True)
    interpretation = model.interpret_output(raw.output, reduction="sum")
    assert model.plot_interpretation(interpretation)


@feature("weights and settings without pickle")
def _(kind: Any) -> None:
    model = trained(kind, made_dataset())
    with tempfile.TemporaryDirectory() as folder:
        kind.from_pretrained(model.save_pretrained(folder))


def outcome(test: Callable[[Any], None], kind: Any) -> str:
    """Return "yes", or the first error in one line."""
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            test(kind)
    except Exception as error:
        return f"no: {type(error).__name__}"
    return "yes"


def main() -> None:
    for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)
    rows = [
        {"feature": name, **{kind.__name__: outcome(test, kind) for kind in MODELS}}
        for name, test in FEATURES.items()
    ]
    lines = [
        "# What works with which model",
        "",
        "`python benchmarks/compatibility.py` tries every row on every model and writes this page; "
        "a cell is what came out, by the name of the error where it failed. "
        + setting("lightning", "pytorch-forecasting"),
        "",
        *markdown(pd.DataFrame(rows)),
        "",
        "An interpretation of `DilatedRNNForecaster` is one of gradients with respect to the "
        "inputs, which the raw output has where `predict` has `return_x=True`; any other output is "
        "interpreted beside its `x`: `interpret_output(out, x=x)`. It is of saliency, lags, "
        "variables and dilations, where the temporal fusion transformer's is of attention. "
        "`plot_interpretation(x, out, idx)` draws one window, as `NHiTS` does.",
        "",
        "The rows of `DilatedRNNForecaster` are laws of its tests in `tests/model`: losses in "
        "`test_losses.py`, predictions in `test_collection.py`, copies in `test_life.py` and "
        "`test_saving.py`, interpretations and dependencies in `test_interpretation.py`, and "
        "pytorch-forecasting's own suite and grid in `test_host_suite.py`; processes in "
        "`tests/training/test_distributed.py`.",
    ]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

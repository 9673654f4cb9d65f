"""Times whole training steps, loader included, beside neuralforecast and pytorch-forecasting.

    OMP_NUM_THREADS=1 python benchmarks/training_step.py

128 windows of 168 + 48 steps, five layers of 64 units; results go to `benchmarks/results/`. Where
the forecaster cannot be imported its row is left out, and the page says so.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning.pytorch import Callback, Trainer
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MQLoss
from neuralforecast.models import DilatedRNN as PeerRNN
from pytorch_forecasting import MAE, GroupNormalizer, RecurrentNetwork, TimeSeriesDataSet
from pytorch_lightning import Callback as PeerCallback

from machine import RESULTS, markdown, setting

try:
    from drnn_forecast import BatchedTimeSeriesDataSet, DilatedRNNForecaster
except ImportError:
    DilatedRNNForecaster = None

ENCODER, HORIZON, WINDOWS, HIDDEN, LAYERS = 168, 48, 128, 64, 5
SERIES, LENGTH, WARM_UP = 64, 1000, 2
QUANTILE_LEVELS = [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98]
QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
OURS = "drnn_forecast"


class Clock:
    """Notes when each training batch begins; what lies between two is one whole step."""

    def __init__(self) -> None:
        self.starts: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        """Note the time."""
        self.starts.append(time.perf_counter())

    @property
    def milliseconds(self) -> list[float]:
        """The length of each step after the first few."""
        return [1e3 * float(step) for step in np.diff(self.starts)[WARM_UP:]]


class LightningClock(Clock, Callback):
    """A clock for `lightning`."""


class PeerClock(Clock, PeerCallback):
    """A clock for `pytorch_lightning`, which neuralforecast uses."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns of each model")
    parser.add_argument("--steps", type=int, default=8, help="steps timed in each turn")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in ("lightning.pytorch", "pytorch_lightning", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)
    frame = make_frame()
    models = {"neuralforecast DilatedRNN": peer, "pytorch-forecasting RecurrentNetwork": stack}
    if DilatedRNNForecaster is not None:
        models = {OURS: ours, **models}
    rows = []
    for cell_type in ("LSTM", "GRU"):
        times: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(arguments.rounds):
            for name, train in models.items():
                times[name] += train(frame, cell_type, arguments.steps + WARM_UP + 1)
        rows += [summary(cell_type, name, values) for name, values in times.items()]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    table.to_csv(RESULTS / "training_step.csv", index=False)
    (RESULTS / "training_step.md").write_text(page(table, arguments))


def make_frame() -> pd.DataFrame:
    """Return random walks of a day's season, one row per series and step."""
    generator = np.random.default_rng(0)
    steps = np.arange(LENGTH)
    y = np.sin(2 * np.pi * steps / 24) + 0.1 * generator.normal(size=(SERIES, LENGTH)).cumsum(1)
    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"s{n:02}" for n in range(SERIES)], LENGTH),
            "ds": np.tile(pd.date_range("2020-01-01", periods=LENGTH, freq="h"), SERIES),
            "time_idx": np.tile(steps, SERIES),
            "y": y.ravel().astype(np.float32),
        }
    )


def ours(frame: pd.DataFrame, cell_type: str, steps: int) -> list[float]:
    """Return the milliseconds of each of our training steps."""
    data = dataset(BatchedTimeSeriesDataSet, frame)
    model = DilatedRNNForecaster.from_dataset(
        data,
        cell_type=cell_type,
        hidden_size=HIDDEN,
        num_layers=LAYERS,
        dilation_base=2,
        head_size=None,
        dropout=0.1,
        logging_metrics=None,
    )
    return lightning_steps(model, data, steps)


def stack(frame: pd.DataFrame, cell_type: str, steps: int) -> list[float]:
    """Return the milliseconds of each training step of pytorch-forecasting's undilated stack."""
    data = dataset(TimeSeriesDataSet, frame)
    model = RecurrentNetwork.from_dataset(
        data, cell_type=cell_type, hidden_size=HIDDEN, rnn_layers=LAYERS, loss=MAE()
    )
    return lightning_steps(model, data, steps)


def peer(frame: pd.DataFrame, cell_type: str, steps: int) -> list[float]:
    """Return the milliseconds of each training step of neuralforecast's model."""
    model = PeerRNN(
        h=HORIZON,
        input_size=ENCODER,
        cell_type=cell_type,
        dilations=[[2**layer for layer in range(LAYERS)]],
        encoder_hidden_size=HIDDEN,
        loss=MQLoss(quantiles=QUANTILE_LEVELS),
        windows_batch_size=WINDOWS,
        batch_size=32,
        max_steps=steps,
        callbacks=[PeerClock()],
        accelerator="cpu",
        enable_checkpointing=False,
        **QUIET,
    )
    forecaster = NeuralForecast([model], freq="h")
    forecaster.fit(frame[["unique_id", "ds", "y"]])
    # It trains a copy of the model, and of the clock in it.
    clock = next(
        c for c in forecaster.models[0].trainer_kwargs["callbacks"] if isinstance(c, Clock)
    )
    return clock.milliseconds


def dataset(kind: Any, frame: pd.DataFrame) -> Any:
    """Return the training windows of the frame."""
    return kind(
        frame,
        time_idx="time_idx",
        target="y",
        group_ids=["unique_id"],
        max_encoder_length=ENCODER,
        max_prediction_length=HORIZON,
        time_varying_unknown_reals=["y"],
        target_normalizer=GroupNormalizer(groups=["unique_id"]),
    )


def lightning_steps(model: Any, data: Any, steps: int) -> list[float]:
    """Return the milliseconds of each training step, from batch to batch."""
    clock = LightningClock()
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        callbacks=[clock],
        gradient_clip_val=0.1,
        enable_checkpointing=False,
        **QUIET,
    )
    loader = data.to_dataloader(train=True, batch_size=WINDOWS, num_workers=0)
    trainer.fit(model, train_dataloaders=loader)
    return clock.milliseconds


def summary(cell_type: str, name: str, times: list[float]) -> dict[str, object]:
    return {
        "cell": cell_type,
        "model": name,
        "median_ms": round(statistics.median(times), 1),
        "fastest_ms": round(min(times), 1),
        "slowest_ms": round(max(times), 1),
        "steps": len(times),
    }


def page(table: pd.DataFrame, arguments: argparse.Namespace) -> str:
    """Return the results as a page of Markdown."""
    lines = [
        "# Whole training steps",
        "",
        f"`OMP_NUM_THREADS=1 python benchmarks/training_step.py --rounds {arguments.rounds} "
        f"--steps {arguments.steps}`, in turns, from batch to batch. "
        f"{setting('neuralforecast', 'pytorch-forecasting', 'lightning')} {WINDOWS} windows of "
        f"{ENCODER} + {HORIZON} steps, {LAYERS} layers of {HIDDEN} units; quantile loss, which "
        "RecurrentNetwork refuses: it learns the mean absolute error.",
        "",
        *markdown(table),
        "",
    ]
    for cell_type, group in table.groupby("cell", sort=False):
        medians = group.set_index("model")["median_ms"]
        if OURS not in medians:
            return "\n".join([*lines, "The forecaster could not be imported: no row for it.", ""])
        others = medians.drop(OURS) / medians[OURS]
        ratios = ", ".join(f"{ratio:.2f} times {name}" for name, ratio in others.items())
        lines.append(f"{cell_type}: as fast as {ratios}.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

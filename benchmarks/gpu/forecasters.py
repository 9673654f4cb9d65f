"""The forecaster on a GPU: its training step and its forecasts, with and without the kernels."""

from __future__ import annotations

import time
import warnings
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch

import drnn_forecast as drnn

ENCODER, HORIZON = 168, 48
TRAINER: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "gradient_clip_val": 1.0,
}


class Clock(pl.Callback):
    """When each step of a training was begun, in seconds, the device at rest."""

    def __init__(self, first: int) -> None:
        self.first, self.begun, self.ended = first, 0.0, 0.0

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        """Begin at the first step that counts."""
        if trainer.global_step == self.first:
            _rest()
            self.begun = time.perf_counter()

    def on_train_end(self, *_: Any) -> None:
        """End with the last one."""
        _rest()
        self.ended = time.perf_counter()


def series(number: int, length: int) -> drnn.ForecastData:
    """Return hourly series with a daily season."""
    generator = np.random.default_rng(0)
    hour = np.arange(length)
    frames = [
        pd.DataFrame(
            {
                "id": f"s{index}",
                "time": pd.date_range("2024-01-01", periods=length, freq="h"),
                "y": 10 + np.sin(hour * 2 * np.pi / 24) + 0.1 * generator.normal(size=length),
            }
        )
        for index in range(number)
    ]
    frame = pd.concat(frames, ignore_index=True)
    return drnn.ForecastData.from_frame(frame, series="id", time="time", target="y")


def built(data: drnn.ForecastData, backend: str, *, units: int, layers: int, horizon: int) -> Any:
    """Return a dataset and a new model of it, whose layers run on a backend."""
    context = ENCODER if horizon == HORIZON else 24
    splits = data.split(horizon=horizon, context_length=context, validation_windows=1)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dilations that a tiny window cannot use
        model = drnn.DilatedRNNForecaster.from_dataset(
            splits.training, hidden_size=units, num_layers=layers, cell_type="GRU"
        )
    for layer in model.encoder.layers:
        layer.backend = backend
    return splits.training, model


def training_rows(device: str, *, dry: bool) -> list[dict[str, Any]]:
    """Return windows a second of training, by backend and precision, data on the device."""
    data = series(1, 80) if dry else series(64, 2000)
    sizes = {"units": 4, "layers": 2, "horizon": 6} if dry else {}
    sizes = sizes or {"units": 64, "layers": 5, "horizon": HORIZON}
    batch, steps = (2, 1) if dry else (512, 120)
    rows = []
    for precision in ("32-true",) if dry else ("32-true", "bf16-mixed"):
        for backend in ("torch", "triton"):
            dataset, model = built(data, backend, **sizes)
            if device != "cpu":
                dataset.device = device
            clock = Clock(first=steps // 4)
            trainer = pl.Trainer(
                **TRAINER,
                accelerator="cpu" if device == "cpu" else "gpu",
                devices=1,
                max_steps=steps,
                precision=precision,
                callbacks=[clock],
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Lightning's advice
                trainer.fit(model, dataset.to_dataloader(True, batch, num_workers=0))
            windows = batch * (steps - clock.first) / (clock.ended - clock.begun)
            rows.append({"backend": backend, "precision": precision, "windows a second": windows})
    return rows


def forecast_rows(device: str, *, dry: bool) -> list[dict[str, Any]]:
    """Return milliseconds of `forecast`, by number of series and where the model is."""
    rows = []
    for number in (2,) if dry else (8, 1000):
        data = series(number, 80 if dry else 400)
        sizes = {"units": 4, "layers": 2, "horizon": 6} if dry else {}
        _, model = built(data, "torch", **sizes or {"units": 64, "layers": 5, "horizon": HORIZON})
        places = ["cpu"] if device == "cpu" else ["cpu", device]
        for place in places:
            model = model.to(place).eval()
            model.forecast(data)
            times = []
            for _ in range(1 if dry else 5):
                _rest()
                begin = time.perf_counter()
                model.forecast(data)
                times.append(1e3 * (time.perf_counter() - begin))
            rows.append({"series": number, "model on": place, "ms": float(np.median(times))})
    return rows


def _rest() -> None:
    """Wait for the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()

"""Times the forecast of one series by every way to ask for it: one window, one thread.

    python benchmarks/latency.py

writes `benchmarks/results/latency.md`. The window has 168 time steps and 48 to forecast, the
network five layers of 64 units.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import torch

from drnn_forecast import DilatedRNNForecaster, DilatedRNNLayer, ForecastData
from drnn_forecast.adapters.onnx import INPUTS, export_onnx, network_inputs
from machine import RESULTS, markdown, setting, taken_in_turns

CONTEXT, HORIZON = 168, 48


def made_frame(days: int = 60) -> pd.DataFrame:
    """Return one hourly series with a daily pattern."""
    hours = np.arange(24 * days)
    return pd.DataFrame(
        {
            "series": "a",
            "time": pd.date_range("2024-01-01", periods=len(hours), freq="h"),
            "load": 10 + np.sin(hours * 2 * np.pi / 24),
        }
    )


def prepared(cell_type: str) -> tuple[DilatedRNNForecaster, pd.DataFrame, dict[str, torch.Tensor]]:
    """Return a model, the recent rows of a series, and the batch of its one window."""
    data = ForecastData.from_frame(made_frame(), series="series", time="time", target="load")
    splits = data.split(horizon=HORIZON, context_length=CONTEXT, validation_windows=1)
    torch.manual_seed(0)
    model = DilatedRNNForecaster.from_dataset(
        splits.training,
        hidden_size=64,
        num_layers=5,
        dilation_base=2,
        cell_type=cell_type,
        head_size=None,
        season_length=(),
    ).eval()
    dataset = data.forecast_dataset(model.dataset_parameters)
    x, _ = next(iter(dataset.to_dataloader(train=False, batch_size=1, num_workers=0)))
    return model, made_frame().tail(CONTEXT), x


def ways(cell_type: str, folder: Path) -> dict[str, Callable[[], object]]:
    """Return every way to get the forecast, ready to be called."""
    model, frame, x = prepared(cell_type)
    data = ForecastData.from_frame(made_frame(), series="series", time="time", target="load")
    dataset = data.forecast_dataset(model.dataset_parameters)
    path = folder / f"{cell_type}.onnx"
    export_onnx(model, {name: _doubled(value) for name, value in x.items()}, path)
    session = onnxruntime.InferenceSession(str(path), _one_thread(), ["CPUExecutionProvider"])
    names = {entry.name for entry in session.get_inputs()}
    feed = {
        name: value.numpy()
        for name, value in zip(INPUTS, network_inputs(model, x), strict=True)
        if name in names
    }

    on_torch = copy.deepcopy(model)
    for layer in on_torch.modules():
        if isinstance(layer, DilatedRNNLayer):
            layer.backend = "torch"

    def forward(network: DilatedRNNForecaster) -> object:
        with torch.inference_mode():
            return network(x)

    return {
        "model.forward": lambda: forward(model),
        "model.forward on torch's cells": lambda: forward(on_torch),
        "onnxruntime": lambda: session.run(None, feed),
        "model.predict": lambda: model.predict(dataset, mode="quantiles"),
        "model.forecast": lambda: model.forecast(frame),
    }


def _doubled(value: object) -> object:
    """Return a tensor with its one row twice: an exporter takes a batch of one for fixed."""
    return torch.cat([value, value]) if isinstance(value, torch.Tensor) else value


def _one_thread() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return options


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for cell_type in ("LSTM", "GRU"):
            times = taken_in_turns(ways(cell_type, Path(folder)), arguments.repetitions, warm_ups=3)
            forward = statistics.median(times["model.forward"])
            for name, values in times.items():
                median = statistics.median(values)
                rows.append(
                    {
                        "cell": cell_type,
                        "way": name,
                        "median ms": median,
                        "fastest ms": min(values),
                        "slowest ms": max(values),
                        "times forward": median / forward,
                    }
                )
    lines = [
        "# Forecasting one series",
        "",
        f"`python benchmarks/latency.py --repetitions {arguments.repetitions}`: one window of "
        f"{CONTEXT} + {HORIZON} time steps, five layers of 64 units, M = 2, ways in turns. "
        + setting("lightning", "pytorch-forecasting", "onnxruntime"),
        "",
        *markdown(pd.DataFrame(rows)),
    ]
    (RESULTS / "latency.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

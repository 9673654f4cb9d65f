"""Shows how the layers' time and memory grow with time, batch, depth and the lowest dilation.

    OMP_NUM_THREADS=1 python benchmarks/layer_costs.py

Forward and backward of a GRU, and what each backend keeps for the backward pass; results go to
`benchmarks/results/`.
"""

from __future__ import annotations

import argparse
import statistics

import pandas as pd
import torch
from torch import Tensor

from drnn_forecast.layers.stack import DilatedRNN
from layer_speed import FEATURES, Work, training_pass
from machine import RESULTS, markdown, setting, taken_in_turns

LADDERS = {
    "time": [Work(steps, 32, 9, 20) for steps in (128, 256, 512, 1024, 2048, 4096, 8192)],
    "batch": [Work(512, batch, 9, 20) for batch in (8, 16, 32, 64, 128, 256, 512)],
    "layers": [Work(512, 64, layers, 20) for layers in (3, 5, 7, 9)],
    "l0": [Work(4096, 8, 9 - start, 20, start) for start in range(5)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=7)
    repetitions = parser.parse_args().repetitions
    torch.set_num_threads(1)
    times = pd.DataFrame(
        [
            row
            for name, works in LADDERS.items()
            for backend in (("numba", "torch") if name == "l0" else ("numba",))
            for row in time_rows(name, works, backend, repetitions)
        ]
    )
    kept = pd.DataFrame(
        [
            memory_row(cell_type, hidden)
            for cell_type in ("RNN", "GRU", "LSTM")
            for hidden in (20, 64)
        ]
    )
    times.to_csv(RESULTS / "layer_costs.csv", index=False)
    kept.to_csv(RESULTS / "layer_memory.csv", index=False)
    lines = [
        "# What the layers cost",
        "",
        f"`OMP_NUM_THREADS=1 python benchmarks/layer_costs.py --repetitions {repetitions}`. "
        f"{setting('numpy', 'numba')} GRU, float32, {FEATURES} input features, M = 2, forward + "
        f"backward, medians of {repetitions}. Serial steps cannot run side by side; raising l0 by "
        "one drops the lowest layer, which has half of them. The kernels fill a core with "
        "arithmetic, so that on one thread the arithmetic shows more than the serial steps; in "
        "torch's cells the serial steps show. Where what a layer keeps passes 32 MB (long times, "
        "large batches) the allocator asks the system for fresh pages on every pass, and they are "
        "what the cost per step rises by.",
        "",
        *markdown(times),
        "",
        "Bytes kept for the backward pass, per layer, sequence and time step (9 layers, T 512, "
        "batch 64); `checkpoint_layers` runs each layer once more instead.",
        "",
        *markdown(kept),
    ]
    (RESULTS / "layer_costs.md").write_text("\n".join(lines) + "\n")


def network(work: Work, cell_type: str, **options: object) -> DilatedRNN:
    """Return the stack of one shape."""
    torch.manual_seed(0)
    return DilatedRNN(
        FEATURES, work.hidden_size, dilations=work.dilations, cell_type=cell_type, **options
    )


def time_rows(
    ladder: str, works: list[Work], backend: str, repetitions: int
) -> list[dict[str, object]]:
    """Return the milliseconds of every rung of one ladder."""
    passes = {}
    for work in works:
        input = torch.randn(work.steps, work.batch, FEATURES)
        probe = torch.randn(work.steps, work.batch, work.hidden_size)
        passes[work] = training_pass(network(work, "GRU", backend=backend), input, probe)
    return [
        {
            "grows with": ladder,
            "backend": backend,
            "work": work.name,
            "serial steps": work.serial_steps,
            "median_ms": round(statistics.median(times), 2),
            "fastest_ms": round(min(times), 2),
            "slowest_ms": round(max(times), 2),
            "ns per layer, sequence and step": round(
                1e6 * statistics.median(times) / (work.steps * work.batch * work.num_layers), 1
            ),
        }
        for work, times in taken_in_turns(passes, repetitions).items()
    ]


def memory_row(cell_type: str, hidden: int) -> dict[str, object]:
    """Return the bytes that each way of running keeps."""
    work = Work(512, 64, 9, hidden)
    ways = {
        "torch cells": {"backend": "torch"},
        "numba": {"backend": "numba"},
        "checkpoint_layers": {"backend": "numba", "checkpoint_layers": True},
    }
    cells = work.steps * work.batch * work.num_layers
    kept = {
        name: round(kept_bytes(network(work, cell_type, **options), work) / cells)
        for name, options in ways.items()
    }
    return {"cell": cell_type, "units": hidden, **kept}


def kept_bytes(model: DilatedRNN, work: Work) -> int:
    """Return the bytes of all different tensors kept for the backward pass."""
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = model(torch.randn(work.steps, work.batch, FEATURES))
    del output
    return sum(storages.values())


if __name__ == "__main__":
    main()

"""Checks that `backend="auto"` picks the faster one: torch's cells or the compiled kernels.

    OMP_NUM_THREADS=1 python benchmarks/backend_rule.py

One layer, 96 steps, in turns, the fastest of each; results go to `benchmarks/results/`.
"""

from __future__ import annotations

import argparse

import pandas as pd
import torch

from drnn_forecast.layers.kernels.cpu.operator import is_faster
from drnn_forecast.layers.layer import DilatedRNNLayer
from layer_speed import inference_pass, training_pass
from machine import RESULTS, markdown, setting, taken_in_turns

STEPS = 96
HIDDEN_SIZES = (20, 64, 128, 256)
LANES = (1, 4, 8, 12, 16, 24, 32, 33, 64, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=7)
    repetitions = parser.parse_args().repetitions
    torch.set_num_threads(1)
    rows = [
        row(cell_type, hidden, lanes, repetitions)
        for cell_type in ("RNN", "GRU", "LSTM")
        for hidden in HIDDEN_SIZES
        for lanes in LANES
    ]
    table = pd.DataFrame(rows)
    table.to_csv(RESULTS / "backend_rule.csv", index=False)
    (RESULTS / "backend_rule.md").write_text(page(table, repetitions))


def row(cell_type: str, hidden: int, lanes: int, repetitions: int) -> dict[str, object]:
    """Return how many times faster the kernels are than torch's cells, and what auto picks."""
    torch.manual_seed(0)
    input, probe = torch.randn(STEPS, lanes, hidden), torch.randn(STEPS, lanes, hidden)
    layers = {
        backend: DilatedRNNLayer(hidden, hidden, dilation=1, cell_type=cell_type, backend=backend)
        for backend in ("torch", "numba")
    }
    ratios = {}
    for name, kind in (("training", training_pass), ("inference", inference_pass)):
        passes = {backend: kind(layer, input, probe) for backend, layer in layers.items()}
        times = taken_in_turns(passes, repetitions)
        ratios[name] = min(times["torch"]) / min(times["numba"])
    auto = {
        name: "numba"
        if is_faster(cell_type, lanes, hidden, input.dtype, training=name == "training")
        else "torch"
        for name in ratios
    }
    return {
        "cell": cell_type,
        "hidden": hidden,
        "lanes": lanes,
        **{name: round(ratio, 2) for name, ratio in ratios.items()},
        **{f"auto, {name}": choice for name, choice in auto.items()},
        "auto over other": round(
            min(r if auto[name] == "numba" else 1 / r for name, r in ratios.items()), 2
        ),
    }


def page(table: pd.DataFrame, repetitions: int) -> str:
    """Return the table as a page of Markdown, with what the rule loses."""
    slower = (table["auto over other"] < 0.95).sum()
    lines = [
        "# What `auto` picks",
        "",
        f"`OMP_NUM_THREADS=1 python benchmarks/backend_rule.py --repetitions {repetitions}`. "
        f"{setting('numpy', 'numba')} float32, {STEPS} steps, the fastest of {repetitions} runs "
        "each. Training and inference: torch's time over the kernels', above 1 the kernels win. "
        "Last, for the worse of training and inference: the time of what `auto` leaves over the "
        "time of what it picks.",
        "",
        f"In {slower} of {len(table)} shapes `auto` is more than 5 % slower than the other would "
        "be, in training or in inference.",
        "",
        *markdown(table),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

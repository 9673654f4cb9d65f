"""Times the dilated layers beside their peers: one process, one thread, interleaved repetitions.

    OMP_NUM_THREADS=1 python benchmarks/layer_speed.py

writes `benchmarks/results/layer_speed.csv` and `layer_speed.md`. Every contestant of a row holds
the same weights, and its output is compared with ours before it is timed.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch
from neuralforecast.models.dilated_rnn import DRNN
from torch import Tensor, nn

from drnn_forecast.layers.dilations import dilation_schedule
from drnn_forecast.layers.stack import DilatedRNN
from machine import RESULTS, setting, taken_in_turns

FEATURES = 8
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
OURS, TORCH = "drnn_forecast, numba", "drnn_forecast, torch cells"
PEER, UNDILATED = "neuralforecast layer", "undilated torch"


@dataclass(frozen=True)
class Work:
    """One shape of work: time steps, sequences, layers of one width, dilations from M^l0 on."""

    steps: int
    batch: int
    num_layers: int
    hidden_size: int
    start_exponent: int = 0

    @property
    def name(self) -> str:
        """The row's name in the tables."""
        name = f"T {self.steps}, batch {self.batch}, {self.num_layers} x {self.hidden_size}"
        return f"{name}, l0 {self.start_exponent}" if self.start_exponent else name

    @property
    def dilations(self) -> tuple[int, ...]:
        """The dilations with M = 2, lowest first."""
        return dilation_schedule(self.num_layers, start_exponent=self.start_exponent)

    @property
    def serial_steps(self) -> int:
        """Steps of the dilated stack that cannot run side by side."""
        return sum(-(-self.steps // dilation) for dilation in self.dilations)

    def gflop(self, cell_type: str, *, training: bool) -> float:
        """Arithmetic of the products, in 10^9; the backward pass has two for each forward one."""
        gates, hidden = GATES[cell_type], self.hidden_size
        tokens = 2 * self.steps * self.batch * gates * hidden
        from_input = [FEATURES] + [hidden] * (self.num_layers - 1)
        forward = tokens * sum(width + hidden for width in from_input)
        unused = tokens * FEATURES  # nobody asks for the gradient of the data
        return (3 * forward - unused if training else forward) / 1e9


SHAPES = (
    Work(512, 64, 9, 20),
    Work(512, 32, 6, 64),
    Work(4096, 8, 9, 20),
    Work(4096, 8, 12, 20),
)


def contestants(work: Work, cell_type: str) -> dict[str, nn.Module]:
    """Return the networks of one row, all with the same weights."""
    torch.manual_seed(0)
    ours, view = (
        DilatedRNN(
            FEATURES,
            work.hidden_size,
            dilations=work.dilations,
            cell_type=cell_type,
            backend=backend,
        )
        for backend in ("numba", "torch")
    )
    view.load_state_dict(ours.state_dict())
    peer = DRNN(
        FEATURES,
        work.hidden_size,
        work.num_layers,
        list(work.dilations),
        cell_type=cell_type,
        batch_first=False,
    )
    undilated = getattr(nn, cell_type)(FEATURES, work.hidden_size, work.num_layers)
    for index, layer in enumerate(ours.layers):
        peer.cells[index].load_state_dict(layer.state_dict())
        for name, value in layer.state_dict().items():
            getattr(undilated, name.replace("_l0", f"_l{index}")).data.copy_(value)
    return {OURS: ours, TORCH: view, PEER: peer, UNDILATED: undilated}


def training_pass(network: nn.Module, input: Tensor, probe: Tensor) -> Callable[[], None]:
    """Return one forward and backward pass to be timed."""

    def run() -> None:
        network.zero_grad(set_to_none=True)
        network(input)[0].backward(probe)

    return run


def inference_pass(network: nn.Module, input: Tensor, probe: Tensor) -> Callable[[], None]:
    """Return one forward pass without a graph, to be timed; it has no use for the probe."""

    def run() -> None:
        with torch.inference_mode():
            network(input)

    return run


def check_equal(networks: dict[str, nn.Module], input: Tensor) -> None:
    """Check that everyone with dilations computes the same thing.

    Raises:
        AssertionError: A contestant's output is another.
    """
    with torch.inference_mode():
        expected = networks[OURS](input)[0]
        for name, network in networks.items():
            if name != UNDILATED:
                torch.testing.assert_close(network(input)[0], expected, rtol=1e-4, atol=1e-5)


def layer_rows(work: Work, cell_type: str, repetitions: int) -> list[dict[str, object]]:
    """Return the rows of one shape and cell: training and inference, each contestant."""
    torch.manual_seed(1)
    input = torch.randn(work.steps, work.batch, FEATURES)
    probe = torch.randn(work.steps, work.batch, work.hidden_size)
    networks = contestants(work, cell_type)
    check_equal(networks, input)
    passes = {
        "forward + backward": {n: training_pass(m, input, probe) for n, m in networks.items()},
        "inference": {n: inference_pass(m, input, probe) for n, m in networks.items()},
    }
    rows = []
    for kind, runs in passes.items():
        gflop = work.gflop(cell_type, training=kind != "inference")
        for name, times in taken_in_turns(runs, repetitions).items():
            median = statistics.median(times)
            rows.append(
                {
                    "work": work.name,
                    "cell": cell_type,
                    "pass": kind,
                    "contestant": name,
                    "median_ms": round(median, 2),
                    "fastest_ms": round(min(times), 2),
                    "slowest_ms": round(max(times), 2),
                    "serial_steps": work.steps * work.num_layers
                    if name == UNDILATED
                    else work.serial_steps,
                    "gflop_per_s": round(1e3 * gflop / median, 1),
                }
            )
    return rows


def matmul_peak() -> float:
    """Return the best rate of a large float32 matrix product here, in 10^9 operations a second."""
    size = 1536
    left, right = torch.randn(size, size), torch.randn(size, size)
    times = taken_in_turns({"peak": lambda: left @ right}, 15)["peak"]
    return 2 * size**3 / min(times) / 1e6


def kernel_peak() -> float:
    """Return the best rate of the kernels' own product of a weight and a tile, as above."""
    from drnn_forecast.layers.kernels.cpu.products import multiply

    rows, columns, depth = 256, 32, 128
    a, b, c = (
        torch.randn(size).numpy() for size in (rows * depth, depth * columns, rows * columns)
    )

    def run() -> None:
        for _ in range(1000):
            multiply(c, 0, columns, a, 0, depth, 1, b, 0, columns, rows, columns, depth, False)

    times = taken_in_turns({"peak": run}, 15)["peak"]
    return 2 * rows * columns * depth / min(times) / 1e3


def page(table: pd.DataFrame, peak: float, repetitions: int) -> str:
    """Return the results as a page of Markdown."""
    lines = [
        "# The layers beside their peers",
        "",
        f"`OMP_NUM_THREADS=1 python benchmarks/layer_speed.py --repetitions {repetitions}`, "
        f"one process, one thread, contestants in turns, medians of "
        f"{repetitions} (fastest to slowest), milliseconds. "
        f"{setting('numpy', 'numba', 'neuralforecast')} float32, "
        f"{FEATURES} input features, M = 2, seed 0. Largest matrix product measured: "
        f"{peak:.0f} GFLOP/s by torch, {kernel_peak():.0f} by the block product of our kernels. "
        "A ratio above 1 says how many times faster our layer is; below 1 it loses.",
    ]
    for kind, rows in table.groupby("pass", sort=False):
        lines += ["", f"## {str(kind).capitalize()}", "", *ratio_table(rows)]
    return "\n".join(lines) + "\n"


def ratio_table(rows: pd.DataFrame) -> list[str]:
    """Return one line per shape and cell: the times of all, and how many times faster ours is."""
    names = list(rows["contestant"].unique())
    lines = [
        "| work | cell | "
        + " | ".join(names)
        + " | / peer | / undilated | serial steps | GFLOP/s |",
        "|---|---|" + "---|" * (len(names) + 4),
    ]
    for (work, cell), group in rows.groupby(["work", "cell"], sort=False):
        of = group.set_index("contestant")
        cells = [
            f"{r.median_ms:.0f} ({r.fastest_ms:.0f}-{r.slowest_ms:.0f})" for r in of.itertuples()
        ]
        ours = of.loc[OURS]
        ratios = [
            f"{of.loc[other, 'median_ms'] / ours['median_ms']:.2f}" for other in (PEER, UNDILATED)
        ]
        rates = [str(ours["serial_steps"]), f"{ours['gflop_per_s']:.0f}"]
        lines.append("| " + " | ".join([work, cell, *cells, *ratios, *rates]) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--only", type=int, default=None, help="run the first so many shapes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        row
        for work in SHAPES[: arguments.only]
        for cell_type in GATES
        for row in layer_rows(work, cell_type, arguments.repetitions)
    ]
    table = pd.DataFrame(rows)
    table.to_csv(RESULTS / "layer_speed.csv", index=False)
    (RESULTS / "layer_speed.md").write_text(page(table, matmul_peak(), arguments.repetitions))


if __name__ == "__main__":
    main()

"""Layers on a GPU: right, and how fast beside the fold, cuDNN's and neuralforecast's stacks."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from drnn_forecast.layers.dilations import dilation_schedule
from drnn_forecast.layers.recurrence import recurrence
from drnn_forecast.layers.stack import DilatedRNN

CELLS = ("RNN", "GRU", "LSTM")
FEATURES = 8
KERNEL, FOLD = "kernel", "fold"
UNDILATED, PEER = "undilated cuDNN", "neuralforecast"
BOUND = {torch.float32: 1e-3, torch.bfloat16: 2e-2, torch.float16: 3e-3}
"""The largest error of a value, of those that are below one, that rounding explains."""


@dataclass(frozen=True)
class Shape:
    """One stack: time steps, sequences, layers of one width, cell and type of the numbers."""

    steps: int
    batch: int
    num_layers: int
    units: int
    cell: str
    dtype: torch.dtype

    @property
    def row(self) -> dict[str, Any]:
        """What names the row of a table."""
        return {
            "work": f"T {self.steps}, batch {self.batch}, {self.num_layers} x {self.units}",
            "type": str(self.dtype).removeprefix("torch."),
            "cell": self.cell,
        }

    @property
    def dilations(self) -> tuple[int, ...]:
        """1, 2, 4, ..."""
        return dilation_schedule(self.num_layers)


@dataclass(frozen=True)
class Bench:
    """Where and how often things are timed."""

    device: torch.device
    repetitions: int

    def times(self, runs: dict[str, Callable[[], object]]) -> dict[str, float]:
        """Return the median milliseconds of every run, which take turns."""
        found: dict[str, list[float]] = {name: [] for name in runs}
        for run in runs.values():
            run()
        for _ in range(self.repetitions):
            for name, run in runs.items():
                found[name].append(self._milliseconds(run))
        return {name: statistics.median(each) for name, each in found.items()}

    def peak(self, run: Callable[[], object]) -> float:
        """Return the megabytes that a run takes at most; not a number away from a GPU."""
        if self.device.type != "cuda":
            return float("nan")
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        run()
        return float((torch.cuda.max_memory_allocated(self.device) - before) / 2**20)

    def _milliseconds(self, run: Callable[[], object]) -> float:
        if self.device.type != "cuda":
            return _clocked(run)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(self.device)
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize(self.device)
        return float(begin.elapsed_time(end))


def _clocked(run: Callable[[], object]) -> float:
    begin = perf_counter()
    run()
    return 1e3 * (perf_counter() - begin)


def law_rows(
    bench: Bench, checked: tuple[tuple[int, ...], ...], types: tuple[torch.dtype, ...]
) -> Iterator[dict[str, Any]]:
    """Yield the largest errors of the kernels against torch's cells in float64, by cell and type.

    Errors of gradients are relative to the largest entry of each.
    """
    for cell in CELLS:
        for dtype in types:
            bound = BOUND[dtype]
            errors = [_errors(cell, dtype, shape, bench.device) for shape in checked]
            value, gradient = (max(column) for column in zip(*errors, strict=True))
            yield {
                "cell": cell,
                "type": str(dtype).removeprefix("torch."),
                "value": value,
                "gradient": gradient,
                "is right": value <= bound and gradient <= 10 * bound,
            }


def layer_row(shape: Shape, bench: Bench) -> dict[str, Any]:
    """Return the milliseconds and megabytes of every contestant on one shape."""
    torch.manual_seed(0)
    x = torch.randn(shape.steps, shape.batch, FEATURES, device=bench.device, dtype=shape.dtype)
    networks = contestants(shape, bench.device)
    row: dict[str, Any] = dict(shape.row)
    passes = {"forward": _inference, "both": _training}
    for kind, make in passes.items():
        runs = {name: make(network, x) for name, network in networks.items()}
        runs = {name: run for name, run in runs.items() if _works(run)}
        row |= {f"{name}, {kind}, ms": time for name, time in bench.times(runs).items()}
    for name in (KERNEL, FOLD):
        row[f"{name}, MB"] = bench.peak(_training(networks[name], x))
    return row


def rule_rows(
    grid: list[tuple[str, torch.dtype, int, int, int]], bench: Bench, gpu: str
) -> Iterator[dict[str, Any]]:
    """Yield what `kernels.gpu.rule` reads: fold and kernel on single layers, and both passes.

    Args:
        grid: Cell, type, units, lanes and steps.
        bench: Where.
        gpu: Its name.
    """
    for cell, dtype, units, lanes, steps in grid:
        x = torch.randn(steps, lanes, units, device=bench.device, dtype=dtype)
        layers = {
            name: DilatedRNN(units, units, dilations=(1,), cell_type=cell, backend=backend).to(x)
            for name, backend in ((FOLD, "torch"), (KERNEL, "triton"))
        }
        for training, make in ((False, _inference), (True, _training)):
            times = bench.times({name: make(layer, x) for name, layer in layers.items()})
            yield {
                "gpu": gpu,
                "cell": cell,
                "dtype": str(dtype).removeprefix("torch."),
                "units": units,
                "lanes": lanes,
                "steps": steps,
                "training": training,
                **{name: round(time, 4) for name, time in times.items()},
            }


def contestants(shape: Shape, device: torch.device) -> dict[str, nn.Module]:
    """Return the networks of one shape; those with dilations hold the same weights."""
    torch.manual_seed(0)
    networks: dict[str, nn.Module] = {
        name: DilatedRNN(
            FEATURES,
            shape.units,
            dilations=shape.dilations,
            cell_type=shape.cell,
            backend=backend,
        )
        for name, backend in ((KERNEL, "triton"), (FOLD, "torch"))
    }
    networks[FOLD].load_state_dict(networks[KERNEL].state_dict())
    networks[UNDILATED] = getattr(nn, shape.cell)(FEATURES, shape.units, shape.num_layers)
    try:
        from neuralforecast.models.dilated_rnn import DRNN
    except ImportError:
        pass
    else:
        sizes = (FEATURES, shape.units, shape.num_layers, list(shape.dilations))
        networks[PEER] = DRNN(*sizes, cell_type=shape.cell, batch_first=False)
    return {name: each.to(device, shape.dtype) for name, each in networks.items()}


def _inference(network: nn.Module, x: Tensor) -> Callable[[], None]:
    def run() -> None:
        with torch.inference_mode():
            network(x)

    return run


def _training(network: nn.Module, x: Tensor) -> Callable[[], None]:
    def run() -> None:
        network.zero_grad(set_to_none=True)
        network(x)[0].sum().backward()

    return run


def _works(run: Callable[[], object]) -> bool:
    """Return whether a contestant takes this type and size."""
    try:
        run()
    except (RuntimeError, ValueError, NotImplementedError):
        return False
    return True


def _errors(
    cell: str, dtype: torch.dtype, shape: tuple[int, ...], device: torch.device
) -> tuple[float, float]:
    """Return the largest errors of values and gradients of one recurrence."""
    time, batch, features, hidden, dilation = shape
    torch.manual_seed(0)
    weights = [part.detach() for part in getattr(nn, cell)(features, hidden).parameters()]
    count = 2 if cell == "LSTM" else 1
    state = [0.5 * torch.randn(dilation, batch, hidden) for _ in range(count)]
    given = [
        part.to(device, dtype).requires_grad_()
        for part in (torch.randn(time, batch, features), *state, *weights)
    ]
    exact = [part.detach().double().requires_grad_() for part in given]
    results = []
    for backend, parts in (("triton", given), ("torch", exact)):
        x, *rest = parts
        states, own = tuple(rest[:count]), rest[count:]
        output, last = recurrence(cell, x, states, own, dilation=dilation, backend=backend)
        total = sum((each * (1 + each)).sum() for each in (output, *last))
        values = [each.detach() for each in (output, *last)]
        results.append((values, torch.autograd.grad(total, parts)))
    (values, gradients), (wanted, slopes) = results
    value = max(float((a - b).abs().max()) for a, b in zip(values, wanted, strict=True))
    pairs = zip(gradients, slopes, strict=True)
    return value, max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)

"""Time the ways in which the CPU recurrence could have been built, in one run.

    OMP_NUM_THREADS=1 python benchmarks/backend_candidates.py [--repetitions 5] [--inductor]

torch's own cells on the folded view; torch operations step by step with a hand-written backward
pass that forms the gradients of all weights in one product after the loop; the same with its
pointwise steps compiled by Inductor (needs a C++ compiler); and the compiled kernels.
One stack of dilated layers, forward and backward, float32. Writes
`benchmarks/results/backend_candidates.csv` and `.md`.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import pandas as pd
import torch
from torch import Tensor

from drnn_forecast import DilatedRNN, dilation_schedule
from machine import RESULTS, markdown, setting

WORK = {"T 512, batch 64, 9 x 20": (512, 64, 9, 20), "T 512, batch 32, 6 x 64": (512, 32, 6, 64)}
FEATURES = 8


def rnn_forward(gates, state):
    h = torch.tanh(gates)
    return (h,), (h,)


def rnn_backward(grad_h, grad_c, saved, before):
    return grad_h * (1 - saved[0] * saved[0]), grad_c


def lstm_forward(gates, state):
    i, f, g, o = gates.chunk(4, -1)
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    c = f * state[1] + i * g
    return (o * torch.tanh(c), c), (i, f, g, o, torch.tanh(c))


def lstm_backward(grad_h, grad_c, saved, before):
    i, f, g, o, tanh_c = saved
    grad_c = grad_c + grad_h * o * (1 - tanh_c * tanh_c)
    parts = (
        grad_c * g * i * (1 - i),
        grad_c * before[1] * f * (1 - f),
        grad_c * i * (1 - g * g),
        grad_h * tanh_c * o * (1 - o),
    )
    return torch.cat(parts, -1), grad_c * f


STEPS = {"RNN": (rnn_forward, rnn_backward), "LSTM": (lstm_forward, lstm_backward)}


class StepByStep(torch.autograd.Function):
    """One folded layer: a product and pointwise work a step, then one product for the weights."""

    @staticmethod
    def forward(ctx, x, weight_ih, weight_hh, bias, forward, backward):
        """Return the outputs, `(steps, lanes, hidden)`."""
        steps, lanes, _ = x.shape
        projected = torch.addmm(bias, x.flatten(0, 1), weight_ih.t()).view(steps, lanes, -1)
        zeros = x.new_zeros(lanes, weight_hh.shape[1])
        state = (zeros,) if len(weight_hh) == weight_hh.shape[1] else (zeros, zeros)
        outputs, kept = [], []
        for t in range(steps):
            gates = torch.addmm(projected[t], state[0], weight_hh.t())
            before, (state, saved) = state, forward(gates, state)
            outputs.append(state[0])
            kept.append((before, saved))
        ctx.kept, ctx.step = kept, backward
        ctx.save_for_backward(x, weight_ih, weight_hh)
        return torch.stack(outputs)

    @staticmethod
    def backward(ctx, grad_output):
        """Return the gradients of the input, the weights and the bias."""
        x, weight_ih, weight_hh = ctx.saved_tensors
        grad_h = grad_c = torch.zeros_like(grad_output[0])
        grads = []
        for t in range(len(grad_output) - 1, -1, -1):
            before, saved = ctx.kept[t]
            grad_gates, grad_c = ctx.step(grad_output[t] + grad_h, grad_c, saved, before)
            grad_h = grad_gates @ weight_hh
            grads.append(grad_gates)
        rows = torch.stack(grads[::-1]).flatten(0, 1)
        states = torch.stack([before[0] for before, _ in ctx.kept]).flatten(0, 1)
        grad_x = (rows @ weight_ih).view_as(x)
        return grad_x, rows.t() @ x.flatten(0, 1), rows.t() @ states, rows.sum(0), None, None


def step_by_step(model: DilatedRNN, x: Tensor, forward: Callable, backward: Callable) -> Tensor:
    """Return the output of the stack of `model`; every dilation has to divide the length."""
    for layer in model.layers:
        folded = x.reshape(len(x) // layer.dilation, layer.dilation * x.shape[1], -1)
        bias = layer.bias_ih_l0 + layer.bias_hh_l0
        weights = (layer.weight_ih_l0, layer.weight_hh_l0, bias)
        x = StepByStep.apply(folded, *weights, forward, backward).view(*x.shape[:2], -1)
    return x


def candidates(
    cell: str, shape: tuple[int, ...], inductor: bool
) -> dict[str, Callable[[], Tensor]]:
    """Return what is timed, by name, all with the same weights and input."""
    time_steps, batch, layers, hidden = shape
    torch.manual_seed(0)
    stacks = {
        backend: DilatedRNN(
            FEATURES, hidden, dilations=dilation_schedule(layers), cell_type=cell, backend=backend
        )
        for backend in ("torch", "numba")
    }
    stacks["numba"].load_state_dict(stacks["torch"].state_dict())
    x = torch.randn(time_steps, batch, FEATURES)
    ways = {
        "torch's cells": lambda: stacks["torch"](x)[0],
        "compiled kernels": lambda: stacks["numba"](x)[0],
    }
    if cell in STEPS:
        ways["torch, step by step"] = lambda: step_by_step(stacks["torch"], x, *STEPS[cell])
        if inductor:
            steps = [torch.compile(step, dynamic=True) for step in STEPS[cell]]
            ways["torch, steps by Inductor"] = lambda: step_by_step(stacks["torch"], x, *steps)
    expected = ways["torch's cells"]()
    for way in ways.values():
        torch.testing.assert_close(way(), expected, rtol=1e-4, atol=1e-5)
    return ways


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--inductor", action="store_true")
    args = parser.parse_args()
    rows = []
    for work, shape in WORK.items():
        for cell in ("RNN", "LSTM"):
            ways = candidates(cell, shape, args.inductor)
            times: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(args.repetitions + 1):  # the first round warms up
                for name, way in ways.items():
                    start = time.perf_counter()
                    way().sum().backward()
                    times[name].append(1e3 * (time.perf_counter() - start))
            medians = {name: median(values[1:]) for name, values in times.items()}
            rows.append({"work": work, "cell": cell, **medians})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(RESULTS / "backend_candidates.csv", index=False, float_format="%.4g")
    flag = " --inductor" if args.inductor else ""
    lines = [
        "# Ways to build the CPU recurrence",
        "",
        f"`OMP_NUM_THREADS=1 python benchmarks/backend_candidates.py --repetitions "
        f"{args.repetitions}{flag}`: forward and backward, medians in milliseconds, in turns. "
        f"{setting('numba')}",
        "",
        *markdown(table),
    ]
    (RESULTS / "backend_candidates.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

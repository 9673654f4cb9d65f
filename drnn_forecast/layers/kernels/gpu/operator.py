"""The fast recurrence on a GPU: kernels of Triton as an operator with its own backward pass.

The forward pass is one product of the whole input and one kernel that walks all steps. Between the
passes it keeps, beside the input and the output that are there anyway, c of an LSTM: H numbers for
each row, one time step of one sequence, and nothing for the other cells. The gates are a product
away, which needs no order of time: the backward pass computes them again, 4 H numbers a row for a
GRU and an LSTM (H for an RNN), which become their gradients in place and are freed with the layer.
With b bytes a number, a layer of H units over T steps of B sequences thus keeps T B H b bytes of
output and, for an LSTM, as many of c; for T 512, B 512, H 64 in float32 that is 67 and 67 MB, and
268 MB for the time of its backward pass. What the allocator says of it stands in `docs/gpu.md`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, List  # noqa: UP035  torch 2.6 takes no list[Tensor] from an operator

import torch
from torch import Tensor

from drnn_forecast.layers.kernels.cpu.operator import (
    CELLS,
    given_or_zero,
    keeps_graph,
    refuse_double_backward,
)
from drnn_forecast.layers.kernels.gpu.launch import IS_INTERPRETED, Launch

HAS_TRITON: Final = importlib.util.find_spec("triton") is not None
MOST_UNITS: Final = {torch.float32: 128, torch.bfloat16: 256, torch.float16: 256}
"""Types of the kernels, and the widest layer of each: one matrix of it is 64 or 128 KB."""

OLDEST: Final = (8, 0)
"""The compute capability from which on tensor cores take float32 and bfloat16."""


def gpu_obstacle(input: Tensor, state: tuple[Tensor, ...], weights: Sequence[Tensor]) -> str | None:
    """Return why the kernels cannot run on these tensors; None: they can."""
    if not HAS_TRITON:
        return "Triton is not installed (`pip install triton`)"
    tensors = (input, *state, *weights)
    reason = _obstacle_of_device(tensors)
    if reason:
        return reason
    dtype = dtype_of(input)
    if dtype not in MOST_UNITS:
        return f"the kernels have float32, bfloat16 and float16, got an input of {dtype}"
    for tensor in tensors:
        is_cast = dtype != input.dtype or torch.is_autocast_enabled(input.device.type)
        if tensor.dtype != dtype and not (is_cast and tensor.dtype in MOST_UNITS):
            return f"input, state and weights must share one dtype, got {dtype} and {tensor.dtype}"
    hidden, most = weights[1].shape[1] if weights else 1, MOST_UNITS[dtype]
    if hidden > most:
        return f"a layer must have at most {most} units in {dtype}, got {hidden}"
    return None


def dtype_of(input: Tensor) -> torch.dtype:
    """Return the type that the recurrence computes in: the input's, or what autocast asks for."""
    kind = input.device.type
    if input.dtype == torch.float64 or not torch.is_autocast_enabled(kind):
        return input.dtype
    return torch.get_autocast_dtype(kind)


def gpu_recurrence(
    cell_type: str,
    input: Tensor,
    state: tuple[Tensor, ...],
    weights: Sequence[Tensor],
    *,
    dilation: int,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the output `(time, batch, hidden)` and the state after the last step.

    Products of float32 are in tf32 where cuDNN's are, which is torch's default, and as exact as
    float32 where `torch.backends.cudnn.allow_tf32` is False. Weights and input in another type, as
    under autocast, are cast where they are read.
    """
    time, batch, features = input.shape
    hidden = weights[1].shape[1]
    parts = [part.reshape(dilation * batch, hidden) for part in state]
    output, *last, _ = gpu_forward(
        CELLS[cell_type],
        input.reshape(-1, features),
        list(weights),
        parts[0],
        parts[-1] if cell_type == "LSTM" else input.new_zeros(0, hidden),
        dtype_of(input),
        keeps_graph(input, *state, *weights),
    )
    return output.view(time, batch, hidden), tuple(
        new.view(dilation, batch, hidden) for new in last[: len(state)]
    )


@torch.library.custom_op("drnn_forecast::gpu_recurrence", mutates_args=())
def gpu_forward(
    cell: int,
    input: Tensor,
    weights: List[Tensor],  # noqa: UP006
    state_h: Tensor,
    state_c: Tensor,
    dtype: torch.dtype,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the output, the last h and c, and c of every row (empty: not kept)."""
    launch = Launch(cell, input, weights, state_h, dtype)
    output, last_h, last_c, cells = launch.empty_results(state_c, keep)
    weight_ih, weight_hh, bias_ih, bias_hh = (weight.contiguous() for weight in weights)
    with _device_of(input):
        gates = launch.empty(launch.rows, launch.gates * launch.hidden)
        launch.multiply(
            input.contiguous(), weight_ih, gates, bias=bias_ih, strides=(1, launch.features)
        )
        launch.recur_forward(
            gates, weight_hh, bias_hh, state_h, state_c, output, cells, last_h, last_c
        )
    return output, last_h, last_c, cells


@gpu_forward.register_fake
def _(
    cell: int,
    input: Tensor,
    weights: List[Tensor],  # noqa: UP006
    state_h: Tensor,
    state_c: Tensor,
    dtype: torch.dtype,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return Launch(cell, input, weights, state_h, dtype).empty_results(state_c, keep)


@torch.library.custom_op("drnn_forecast::gpu_recurrence_backward", mutates_args=())
def gpu_backward(
    cell: int,
    input: Tensor,
    weights: List[Tensor],  # noqa: UP006
    state_h: Tensor,
    state_c: Tensor,
    output: Tensor,
    cells: Tensor,
    grad_output: Tensor,
    grad_last_h: Tensor,
    grad_last_c: Tensor,
    needs_input: bool,
) -> tuple[Tensor, List[Tensor], Tensor, Tensor]:  # noqa: UP006
    """Return the gradients of the input (empty: not needed), the weights, h and c."""
    launch = Launch(cell, input, weights, state_h, output.dtype)
    input, state_h, state_c = input.contiguous(), state_h.contiguous(), state_c.contiguous()
    weight_ih, weight_hh, bias_ih, bias_hh = (weight.contiguous() for weight in weights)
    grad_h, grad_c = launch.empty(*state_h.shape), launch.empty(*state_c.shape)
    grad_input = launch.empty(*input.shape) if needs_input else launch.empty(0)
    with _device_of(input):
        blocks = launch.empty(launch.rows, launch.blocks * launch.hidden)
        if launch.blocks > 1:
            past = (output, state_h, weight_hh, bias_hh)
            strides = (1, launch.features)
            launch.multiply(input, weight_ih, blocks, bias=bias_ih, strides=strides, past=past)
        launch.recur_backward(
            blocks,
            weight_hh,
            state_h,
            state_c,
            output,
            cells,
            grad_output,
            grad_last_h,
            grad_last_c,
            grad_h,
            grad_c,
        )
        grads = launch.weight_gradients(blocks, input, output, state_h)
        if needs_input:
            launch.multiply(blocks, weight_ih, grad_input, strides=(launch.features, 1))
    return (
        grad_input.to(input.dtype),
        [grad.to(own.dtype) for grad, own in zip(grads, weights, strict=True)],
        grad_h.to(state_h.dtype),
        grad_c.to(state_c.dtype),
    )


@gpu_backward.register_fake
def _(
    cell: int,
    input: Tensor,
    weights: List[Tensor],  # noqa: UP006
    state_h: Tensor,
    state_c: Tensor,
    *given: Any,
) -> tuple[Tensor, List[Tensor], Tensor, Tensor]:  # noqa: UP006
    like = (input if given[-1] else input.new_empty(0), state_h, state_c)
    grad_input, grad_h, grad_c = (each.new_empty(each.shape) for each in like)
    return grad_input, [weight.new_empty(weight.shape) for weight in weights], grad_h, grad_c


def _keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.cell, input, weights, state_h, state_c, _, _ = inputs
    ctx.mark_non_differentiable(output[3])
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(input, *weights, state_h, state_c, output[0], output[3])


def _backward(ctx: Any, grad_output: Any, grad_h: Any, grad_c: Any, _: Any) -> tuple[Any, ...]:
    input, *weights, state_h, state_c, output, cells = ctx.saved_tensors
    grads = given_or_zero((grad_output, grad_h, grad_c), (output, state_h, state_c))
    needs_input = ctx.needs_input_grad[1]
    grad_input, *rest = gpu_backward(
        ctx.cell,
        input,
        weights,
        state_h,
        state_c,
        output,
        cells,
        *grads,
        needs_input,
    )
    return None, grad_input if needs_input else None, *rest, None, None


gpu_forward.register_autograd(_backward, setup_context=_keep_for_backward)
gpu_backward.register_autograd(refuse_double_backward)


def _obstacle_of_device(tensors: Sequence[Tensor]) -> str | None:
    """Return why the kernels cannot run where the tensors are; None: they can."""
    device = tensors[0].device
    for tensor in tensors:
        if tensor.device != device:
            return f"input, state and weights must share one device, got {device}, {tensor.device}"
    if device.type == "cpu" and IS_INTERPRETED:
        return None
    if device.type != "cuda":
        there = "" if torch.cuda.is_available() else ", and no GPU is there"
        return f"the kernels run on a GPU, got a tensor on {device}{there}"
    if torch.compiler.is_compiling():
        return None
    if not _is_capable(device):
        return f"the kernels need a GPU of compute capability 8.0 or later, got {device}"
    return None


@cache
def _is_capable(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device) >= OLDEST


def _device_of(tensor: Tensor) -> Any:
    """Return what makes a tensor's GPU the one that kernels are launched on."""
    untyped: Any = torch.cuda.device_of
    return untyped(tensor)

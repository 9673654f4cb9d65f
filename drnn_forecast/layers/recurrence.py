"""The recurrence h_t = f(W x_t + U h_(t-s) + b): the fold into phases, and who computes it.

torch's own cells run everywhere on the folded view; `kernels.cpu` has compiled ones, which need
numba, and `kernels.gpu` such for a GPU, which need Triton.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from drnn_forecast.layers.kernels.cpu import operator as cpu
from drnn_forecast.layers.kernels.gpu import operator as gpu, rule

BACKENDS: Final = ("auto", "torch", "numba", "triton")

TORCH_CELLS: Final[dict[str, Callable[..., Any]]] = {
    "RNN": torch.rnn_tanh,
    "GRU": torch.gru,
    "LSTM": torch.lstm,
}
"""torch's own recurrences, by pytorch-forecasting's spelling of the cell."""


def folded_recurrence(
    run: Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, tuple[Tensor, ...]]],
    input: Tensor,
    state: tuple[Tensor, ...],
    *,
    dilation: int,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the output `(time, batch, hidden)` and the state after the last step.

    The phases of a dilation never meet, so time-major steps fold into lanes: `time / s` steps
    of `s * batch` lanes are the same memory as `time` steps of `batch` (Chang et al., 2017,
    section 2.2 and figure 3). Whole blocks of s steps run first, as a view, then the remainder
    with the lanes that have it.

    Args:
        run: An undilated recurrence: from `(steps, lanes, features)` and the parts of a state,
            `(lanes, size)`, to outputs `(steps, lanes, hidden)` and the state after them.
        input: `(time, batch, features)`, at least one step.
        state: Parts `(dilation, batch, size)`, oldest first.
        dilation: s, time steps.
    """
    time, batch, features = input.shape
    blocks, rest = divmod(time, dilation)
    whole = blocks * dilation
    parts = tuple(part.reshape(dilation * batch, -1) for part in state)
    outputs = []
    if blocks:
        folded = input[:whole].reshape(blocks, dilation * batch, features)
        output, parts = run(folded, parts)
        outputs.append(output.view(whole, batch, -1))
    if rest:
        folded = input[whole:].reshape(1, rest * batch, features)
        oldest = tuple(part[: rest * batch] for part in parts)
        output, newest = run(folded, oldest)
        outputs.append(output.view(rest, batch, -1))
        parts = tuple(
            torch.cat([part[rest * batch :], new]) for part, new in zip(parts, newest, strict=True)
        )
    joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return joined, tuple(part.view(dilation, batch, -1) for part in parts)


def recurrence(
    cell_type: str,
    input: Tensor,
    state: tuple[Tensor, ...],
    weights: Sequence[Tensor],
    *,
    dilation: int,
    backend: str = "auto",
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the output `(time, batch, hidden)` and the state after the last step.

    Args:
        cell_type: `"RNN"`, `"GRU"` or `"LSTM"`.
        input: `(time, batch, features)`.
        state: h, and for an LSTM also c, each `(dilation, batch, hidden)`, oldest first.
        weights: `weight_ih (gates * hidden, features)`, `weight_hh (gates * hidden, hidden)` and
            the two biases `(gates * hidden,)`, in torch's order of gates.
        dilation: s, time steps.
        backend: `"torch"`: torch's own cells. `"numba"`: compiled CPU kernels. `"triton"`: those
            of a GPU. `"auto"`: the faster one of those that can run now: until the CPU's kernels
            have been compiled, once for a machine and beside the work, torch's cells. From the
            second process on the kernels are there from the first call; the first one differs from
            it by rounding, and may from run to run. On a GPU the kernels run where they were
            measured to be faster, torch's cells elsewhere. While a graph is exported torch's cells
            always run.

    Raises:
        ValueError: `backend` is `"numba"` or `"triton"`, which cannot run on these tensors.
    """
    if not input.numel():
        return input.new_zeros(*input.shape[:2], weights[1].shape[1]), state
    run_kernels = _kernels(cell_type, input, state, weights, dilation=dilation, backend=backend)
    if run_kernels is not None:
        return run_kernels(cell_type, input, state, weights, dilation=dilation)
    run = partial(torch_cells, cell_type, weights)
    return folded_recurrence(run, input, state, dilation=dilation)


def torch_cells(
    cell_type: str, weights: Sequence[Tensor], input: Tensor, state: tuple[Tensor, ...]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return outputs `(steps, lanes, hidden)` and the last state, parts of `(lanes, hidden)`."""
    hidden = tuple(part.unsqueeze(0) for part in state)
    output, *last = TORCH_CELLS[cell_type](
        input,
        hidden if cell_type == "LSTM" else hidden[0],
        list(weights),
        True,  # has_biases
        1,  # num_layers
        0.0,  # dropout
        torch.is_grad_enabled(),  # train: cuDNN keeps what the backward pass needs
        False,  # bidirectional
        False,  # batch_first
    )
    return output, tuple(part.squeeze(0) for part in last)


def compile_kernels() -> None:
    """Compile the CPU's kernels, and return when they are ready and kept for later processes.

    Nobody has to: `backend="auto"` does so beside the work. It makes the first run equal to later
    ones, in an image or before a measurement. It takes some fifteen seconds, or half a second
    where they have been kept.

    Raises:
        ImportError: numba is not installed.
    """
    checked_backend("numba")
    cpu.compile_for(*cpu.DTYPES)


def kernels_are_compiling() -> bool:
    """Return whether kernels are being compiled for this process, while torch's cells run."""
    return cpu.are_compiling()


def settle_backend(input: Tensor, backends: Collection[str]) -> None:
    """Wait for the kernels that `"auto"` may run on this input, `(time, batch, features)`.

    What is computed twice, as in checkpointing, has to be computed in the same way twice.
    """
    is_tracing = torch.compiler.is_compiling() or _is_exporting()
    if "auto" in backends and not is_tracing and not cpu.obstacle(input, (), ()):
        cpu.compile_for(input.dtype)


def checked_backend(backend: str) -> str:
    """Return `backend` if there is such a one and it is installed."""
    if backend not in BACKENDS:
        raise ValueError(f"`backend` must be one of {', '.join(BACKENDS)}, got {backend!r}.")
    if not {"numba": cpu.HAS_NUMBA, "triton": gpu.HAS_TRITON}.get(backend, True):
        raise ImportError(
            f'`backend="{backend}"` needs {backend}, which is not installed. '
            f"Run `pip install {backend}`."
        )
    return backend


def _kernels(
    cell_type: str,
    input: Tensor,
    state: tuple[Tensor, ...],
    weights: Sequence[Tensor],
    *,
    dilation: int,
    backend: str,
) -> Callable[..., tuple[Tensor, tuple[Tensor, ...]]] | None:
    """Return the kernels that are to run, as asked or as the faster ones; None: torch's cells."""
    if backend == "torch" or _is_exporting():
        return None
    if backend != "auto":
        of_gpu = backend == "triton"
        reason = (gpu.gpu_obstacle if of_gpu else cpu.obstacle)(input, state, weights)
        if reason:
            raise ValueError(
                f'`backend="{backend}"` cannot run here: {reason}. Pass `backend="auto"` or '
                '"torch".'
            )
        return gpu.gpu_recurrence if of_gpu else cpu.compiled_recurrence
    is_training = cpu.keeps_graph(input, *state, *weights)
    lanes, hidden = dilation * input.shape[1], weights[1].shape[1]
    if rule.MEASURED and not gpu.gpu_obstacle(input, state, weights):
        is_faster = rule.is_measured_faster(
            cell_type,
            input.device,
            gpu.dtype_of(input),
            lanes=lanes,
            steps=-(-len(input) // dilation),
            hidden=hidden,
            training=is_training,
        )
        return gpu.gpu_recurrence if is_faster else None
    if (
        not cpu.obstacle(input, state, weights)
        and cpu.is_faster(cell_type, lanes, hidden, input.dtype, training=is_training)
        and cpu.are_ready(input.dtype, training=is_training)
    ):
        return cpu.compiled_recurrence
    return None


def _is_exporting() -> bool:
    """Return whether a graph is being exported, which would not load without this package."""
    # torch 2.6 cannot tell export from compilation, which then run torch's cells alike.
    is_exporting = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    # torch gives this one no types, and means to give up its `jit`.
    is_tracing: Callable[[], bool] = getattr(torch.jit, "is_tracing", bool)
    return is_exporting() or is_tracing() or torch.onnx.is_in_onnx_export()

"""The recurrence h_t = f(W x_t + U h_(t-s) + b) over time-major sequences, and who computes it.

`reference` has torch's own cells, which run everywhere; `cpu` has compiled kernels, which need
numba (`pip install drnn-forecast[fast]`). On a GPU torch's cells run on the folded view; an
operator for it would be one more backend here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from drnn_forecast.recurrence import cpu
from drnn_forecast.recurrence.reference import torch_recurrence

BACKENDS: Final = ("auto", "torch", "numba")


def recurrence(
    cell_type: str,
    input: Tensor,
    state: tuple[Tensor, ...],
    weights: Sequence[Tensor],
    *,
    backend: str = "auto",
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the output `(time, batch, hidden)` and the state after the last step.

    Args:
        cell_type: `"RNN"`, `"GRU"` or `"LSTM"`.
        input: `(time, batch, features)`.
        state: h, and for an LSTM also c, each `(dilation, batch, hidden)`, oldest first.
        weights: `weight_ih (gates * hidden, features)`, `weight_hh (gates * hidden, hidden)` and
            the two biases `(gates * hidden,)`, in torch's order of gates.
        backend: `"torch"`: torch's own cells. `"numba"`: compiled CPU kernels. `"auto"`: the
            faster one of those that can run. While a graph is exported torch's cells always run.

    Raises:
        ValueError: `backend` is `"numba"`, which cannot run on these tensors.
    """
    if not input.numel():
        return input.new_zeros(*input.shape[:2], weights[1].shape[1]), state
    if backend == "torch" or _is_exporting():
        return torch_recurrence(cell_type, input, state, weights)
    reason = cpu.obstacle(input, state, weights)
    if backend == "numba" and reason:
        raise ValueError(
            f'`backend="numba"` cannot run here: {reason}. Pass `backend="auto"` or "torch".'
        )
    training = cpu.keeps_graph(input, *state, *weights)
    if backend == "auto" and (
        reason or not cpu.is_faster(cell_type, input, state, training=training)
    ):
        return torch_recurrence(cell_type, input, state, weights)
    return cpu.compiled_recurrence(cell_type, input, state, weights)


def checked_backend(backend: str) -> str:
    """Return `backend` if there is such a one and it is installed.

    Raises:
        ValueError: There is none.
        ImportError: It needs a package that is not installed.
    """
    if backend not in BACKENDS:
        raise ValueError(f"`backend` must be one of {', '.join(BACKENDS)}, got {backend!r}.")
    if backend == "numba" and not cpu.HAS_NUMBA:
        raise ImportError(
            '`backend="numba"` needs numba, which is not installed. '
            "Run `pip install drnn-forecast[fast]`."
        )
    return backend


def _is_exporting() -> bool:
    """Return whether a graph is being exported, which would not load without this package."""
    # torch 2.6 cannot tell export from compilation, which then run torch's cells alike.
    is_exporting = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return is_exporting() or torch.jit.is_tracing() or torch.onnx.is_in_onnx_export()

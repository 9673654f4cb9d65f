"""The fast recurrence on the CPU: compiled kernels as an operator with its own backward pass.

Chosen by measurement: `benchmarks/backend_candidates.py` has torch's operations step by step with
the weights' gradients in one product, and the same with steps compiled by Inductor, beside it.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from drnn_forecast.layers.kernels.cpu.arguments import Gradients, Run, Sizes

if TYPE_CHECKING:
    from drnn_forecast.layers.kernels.cpu.compilation import Compilation

logger = logging.getLogger("drnn_forecast.layers")

CELLS: Final = {"RNN": 0, "GRU": 1, "LSTM": 2}
HAS_NUMBA: Final = importlib.util.find_spec("numba") is not None
DTYPES: Final = {torch.float32: "float32", torch.float64: "float64"}


def obstacle(input: Tensor, state: tuple[Tensor, ...], weights: Sequence[Tensor]) -> str | None:
    """Return why the compiled kernels cannot run on these tensors; None: they can."""
    if not HAS_NUMBA:
        return "numba is not installed (`pip install numba`)"
    if torch.is_autocast_enabled("cpu"):
        return "autocast asks for a lower precision, and the kernels have float32 and float64"
    dtype = input.dtype
    if dtype not in DTYPES:
        return f"the kernels have float32 and float64, got an input of {dtype}"
    for tensor in (input, *state, *weights):
        if tensor.device.type != "cpu":
            return f"the kernels run on the CPU, got a tensor on {tensor.device}"
        if tensor.dtype != dtype:
            return f"input, state and weights must share one dtype, got {dtype} and {tensor.dtype}"
    return None if torch.compiler.is_compiling() else _import_error()


def is_faster(
    cell_type: str, lanes: int, hidden: int, dtype: torch.dtype, *, training: bool
) -> bool:
    """Return whether the compiled kernels beat torch's cells on sequences of this shape.

    Kernels run whole vectors of lanes, so that few lanes waste them; torch's LSTM in float32 is a
    compiled kernel itself, and wins where its product is all there is to do and vectors are not
    full. Torch's backward passes are slower than its forward ones. Measured by
    `benchmarks/backend_rule.py`.
    """
    if cell_type != "LSTM" or dtype == torch.float64:
        return hidden <= max(64, 32 * lanes) * (2 if training else 1)
    if hidden <= 32:
        return lanes >= 12
    vector = _vector_bytes() // dtype.itemsize
    is_full = lanes / (_tile_vectors(lanes, vector) * vector) >= 0.9
    return is_full and lanes >= (16 if training else 32)


def are_ready(dtype: torch.dtype, *, training: bool) -> bool:
    """Return whether the compiled kernels can run at once; if not, they will be compiled.

    A graph that is being compiled calls them by name and waits, as it waits for its own code.
    """
    if torch.compiler.is_compiling():
        return True
    return _compilation().is_ready(DTYPES[dtype], training=training)


def are_compiling() -> bool:
    """Return whether another process compiles kernels for this one."""
    module = sys.modules.get(f"{__package__}.compilation")
    return module is not None and bool(module.compilation.is_running())


def compile_for(*dtypes: torch.dtype) -> None:
    """Compile the kernels that numba's cache has not, and return when they are ready."""
    for dtype in dtypes:
        for name in ("forward", "backward"):
            _compilation().kernel(name, DTYPES[dtype])


def keeps_graph(*tensors: Tensor) -> bool:
    """Return whether a backward pass through a function of these tensors may follow."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def compiled_recurrence(
    cell_type: str,
    input: Tensor,
    state: tuple[Tensor, ...],
    weights: Sequence[Tensor],
    *,
    dilation: int,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the output `(time, batch, hidden)` and the state after the last step."""
    time, batch, features = input.shape
    hidden = weights[1].shape[1]
    parts = [part.reshape(dilation * batch, hidden) for part in state]
    output, *last, _ = recurrence_forward(
        CELLS[cell_type],
        input.reshape(-1, features),
        packed_weight(cell_type, weights),
        parts[0],
        parts[-1] if cell_type == "LSTM" else input.new_zeros(0, hidden),
        keeps_graph(input, *state, *weights),
    )
    count = len(state)
    return output.view(time, batch, hidden), tuple(
        new.view(dilation, batch, hidden) for new in last[:count]
    )


def packed_weight(cell_type: str, weights: Sequence[Tensor]) -> Tensor:
    """Return the weights as one matrix, whose columns read (x, 1, h, 1).

    `(gates * hidden, features + hidden + 2)`. A GRU's candidate n reads x and h apart, so its rows
    are n of x, r, z and n of h.
    """
    from_input = torch.cat([weights[0], weights[2].unsqueeze(1)], 1)
    from_state = torch.cat([weights[1], weights[3].unsqueeze(1)], 1)
    if cell_type == "GRU":
        hidden = weights[1].shape[1]
        gap_input = from_input.new_zeros(hidden, from_input.shape[1])
        gap_state = from_state.new_zeros(hidden, from_state.shape[1])
        from_input = torch.cat([from_input[2 * hidden :], from_input[: 2 * hidden], gap_input])
        from_state = torch.cat([gap_state, from_state])
    return torch.cat([from_input, from_state], 1)


@torch.library.custom_op("drnn_forecast::recurrence", mutates_args=(), device_types="cpu")
def recurrence_forward(
    cell: int, input: Tensor, weight: Tensor, state_h: Tensor, state_c: Tensor, keep: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the output, the last h and c, and what the backward pass reads (empty: not kept)."""
    forward = _compilation().kernel("forward", DTYPES[input.dtype])
    plan = _Plan(cell, input, state_h)
    output = input.new_empty(plan.rows, plan.hidden)
    last_h, last_c = torch.empty_like(state_h), torch.empty_like(state_c)
    saved = input.new_empty(plan.kept if keep else 0)
    given = [_flat(tensor) for tensor in (input, weight, state_h, state_c)]
    results = [_flat(tensor) for tensor in (output, last_h, last_c)]
    sizes = plan.sizes(keeps=len(saved) > 0)

    def run(first: int, stop: int) -> None:
        slots = saved if len(saved) else input.new_empty(plan.slot)
        work = input.new_empty((plan.features + 2 * plan.hidden + 2) * plan.width)
        arrays = Run._make([*given, *results, _flat(slots)])
        forward(cell, sizes, first, stop, arrays, _flat(work))

    plan.share_out(run)
    return output, last_h, last_c, saved


@recurrence_forward.register_fake
def _(
    cell: int, input: Tensor, weight: Tensor, state_h: Tensor, state_c: Tensor, keep: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    plan = _Plan(cell, input, state_h)
    return (
        input.new_empty(plan.rows, plan.hidden),
        torch.empty_like(state_h),
        torch.empty_like(state_c),
        input.new_empty(plan.kept if keep else 0),
    )


@torch.library.custom_op("drnn_forecast::recurrence_backward", mutates_args=(), device_types="cpu")
def recurrence_backward(
    cell: int,
    input: Tensor,
    weight: Tensor,
    state_h: Tensor,
    state_c: Tensor,
    output: Tensor,
    saved: Tensor,
    grad_output: Tensor,
    grad_last_h: Tensor,
    grad_last_c: Tensor,
    needs_input: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of the input (empty: not needed), the weight, h and c."""
    backward = _compilation().kernel("backward", DTYPES[input.dtype])
    plan = _Plan(cell, input, state_h)
    grad_input = torch.empty_like(input) if needs_input else input.new_empty(0)
    grad_h, grad_c = torch.empty_like(state_h), torch.empty_like(state_c)
    # The last state is not read again; the state's own arrays stand in for it.
    given = (input, weight, state_h, state_c, output, state_h, state_c, saved)
    arrays = Run._make(_flat(tensor) for tensor in given)
    above = [_flat(tensor) for tensor in (grad_output, grad_last_h, grad_last_c)]
    below = [_flat(tensor) for tensor in (grad_input, grad_h, grad_c)]
    partial: list[Tensor] = []

    def run(first: int, stop: int) -> None:
        grad_weight = input.new_zeros(len(weight), plan.padded_columns)
        partial.append(grad_weight)
        room = (3 + plan.gate_rows) * plan.block
        work = input.new_empty(room + plan.width * (plan.padded_columns + plan.features))
        grads = Gradients._make([*above, below[0], _flat(grad_weight), *below[1:]])
        backward(cell, plan.sizes(keeps=True), first, stop, arrays, grads, _flat(work))

    plan.share_out(run)
    grad_weight = partial[0] if len(partial) == 1 else torch.stack(partial).sum(0)
    return grad_input, grad_weight[:, : weight.shape[1]].contiguous(), grad_h, grad_c


@recurrence_backward.register_fake
def _(cell: int, *given: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    input, weight, state_h, state_c = given[:4]
    grad_input = torch.empty_like(input) if given[-1] else input.new_empty(0)
    return (
        grad_input,
        torch.empty_like(weight),
        torch.empty_like(state_h),
        torch.empty_like(state_c),
    )


def _keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    cell, input, weight, state_h, state_c, _ = inputs
    ctx.cell = cell
    ctx.mark_non_differentiable(output[3])
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(input, weight, state_h, state_c, output[0], output[3])


def _backward(ctx: Any, grad_output: Any, grad_h: Any, grad_c: Any, _: Any) -> tuple[Any, ...]:
    input, weight, state_h, state_c, output, saved = ctx.saved_tensors
    grads = given_or_zero((grad_output, grad_h, grad_c), (output, state_h, state_c))
    needs_input = ctx.needs_input_grad[1]
    grad_input, *rest = recurrence_backward(
        ctx.cell, input, weight, state_h, state_c, output, saved, *grads, needs_input
    )
    return None, grad_input if needs_input else None, *rest, None


def given_or_zero(grads: Sequence[Tensor | None], likes: Sequence[Tensor]) -> list[Tensor]:
    """Return gradients; zeros, shaped as what they are of, where nobody asks for it."""
    pairs = zip(grads, likes, strict=True)
    return [torch.zeros_like(like) if grad is None else grad for grad, like in pairs]


def refuse_double_backward(ctx: Any, *grads: Any) -> None:
    """Refuse to differentiate the backward pass of a kernel.

    Raises:
        RuntimeError: Always.
    """
    raise RuntimeError(
        "The recurrence of kernels has no second derivative. "
        'Build the layer with `backend="torch"` to differentiate twice.'
    )


recurrence_forward.register_autograd(_backward, setup_context=_keep_for_backward)
recurrence_backward.register_autograd(refuse_double_backward)


class _Plan:
    """How the rows of one sequence become tiles of lanes; the sizes of every array."""

    def __init__(self, cell: int, input: Tensor, state: Tensor) -> None:
        self.rows, self.features = input.shape
        self.lanes, self.hidden = state.shape
        vector = _vector_bytes() // input.element_size()
        vectors = _tile_vectors(self.lanes, vector)
        self.width = vector * (2 if vectors % 2 == 0 else 1)
        self.tiles = vectors * vector // self.width
        self.steps = -(-self.rows // self.lanes)
        self.block = self.hidden * self.width
        self.gate_rows = 1 if cell == CELLS["RNN"] else 4
        self.slot = (self.gate_rows + (cell == CELLS["LSTM"])) * self.block
        # An RNN's gate follows from its output.
        self.kept = 0 if cell == CELLS["RNN"] else self.tiles * self.steps * self.slot
        self.padded_columns = -(-(self.features + self.hidden + 2) // vector) * vector

    def sizes(self, *, keeps: bool) -> Sizes:
        """Return what the kernels need to know."""
        rest = self.rows - (self.steps - 1) * self.lanes
        slots = self.steps if keeps else 0
        return Sizes(
            self.rows,
            self.lanes,
            self.features,
            self.hidden,
            self.width,
            self.steps,
            rest,
            slots,
        )

    def share_out(self, run: Callable[[int, int], None]) -> None:
        """Call `run` on ranges of tiles, one per thread that torch may use."""
        threads = min(torch.get_num_threads(), self.tiles)
        if threads == 1:
            run(0, self.tiles)
            return
        bounds = [self.tiles * i // threads for i in range(threads + 1)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, bounds[:-1], bounds[1:]))


def _tile_vectors(lanes: int, vector: int) -> int:
    """Return how many vectors hold the lanes.

    Two vectors a tile read the weights half as often as one. Few odd vectors are left alone:
    to pad them to an even number would cost more.
    """
    vectors = -(-lanes // vector)
    return vectors if vectors <= 8 else vectors + vectors % 2


@cache
def _import_error() -> str | None:
    """Return why numba, which is installed, does not load; said once in the log as well."""
    try:
        import numba  # noqa: F401
    except ImportError as error:
        logger.warning("numba does not load, so that torch's cells run: %s", error)
        return f"numba does not load ({error})"
    return None


def _compilation() -> Compilation:
    from drnn_forecast.layers.kernels.cpu.compilation import compilation

    return compilation


def _vector_bytes() -> int:
    from drnn_forecast.layers.kernels.cpu.vectors import VECTOR_BYTES

    return VECTOR_BYTES


def _flat(tensor: Tensor) -> Any:
    """Return the elements as a flat array, copied only where they are not contiguous."""
    return tensor.detach().contiguous().view(-1).numpy()

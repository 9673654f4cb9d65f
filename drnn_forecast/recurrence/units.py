"""The units of one step of a tile: what the gates do to the state, and back; compiled by numba.

Each array holds blocks of `block` = hidden * lanes numbers, one gate after another, flat.
"""

from __future__ import annotations

from typing import Any, Final

import numba

from drnn_forecast.recurrence.vectors import sigmoid, tanh

compiled: Final = numba.njit(nogil=True, fastmath={"contract"}, error_model="numpy")


@compiled
def rnn_units(gates: Any, at: int, work: Any, h: int, block: int) -> None:
    """Set h to tanh of the gate."""
    for i in range(block):
        work[h + i] = tanh(gates[at + i])


@compiled
def rnn_gradients(work: Any, grads: int, dh: int, h: int, block: int) -> None:
    """Set the gate's gradient from that of h."""
    one = work.dtype.type(1)
    for i in range(block):
        work[grads + i] = work[dh + i] * (one - work[h + i] * work[h + i])


@compiled
def gru_units(gates: Any, at: int, work: Any, h: int, block: int) -> None:
    """Set h, and in place of the sums n, r and z; the sum n of h stays."""
    for i in range(at, at + block):
        reset = sigmoid(gates[i + block])
        update = sigmoid(gates[i + 2 * block])
        candidate = tanh(gates[i] + reset * gates[i + 3 * block])
        before = work[h + i - at]
        gates[i] = candidate
        gates[i + block] = reset
        gates[i + 2 * block] = update
        work[h + i - at] = candidate + update * (before - candidate)


@compiled
def gru_gradients(
    work: Any, grads: int, dh: int, saved: Any, at: int, before: int, block: int
) -> None:
    """Set the gates' gradients from that of h, which becomes what z passes on."""
    one = work.dtype.type(1)
    for i in range(block):
        candidate = saved[at + i]
        reset = saved[at + i + block]
        update = saved[at + i + 2 * block]
        from_h = saved[at + i + 3 * block]
        grad = work[dh + i]
        grad_n = grad * (one - update) * (one - candidate * candidate)
        grad_z = grad * (work[before + i] - candidate) * update * (one - update)
        work[grads + i] = grad_n
        work[grads + i + block] = grad_n * from_h * reset * (one - reset)
        work[grads + i + 2 * block] = grad_z
        work[grads + i + 3 * block] = grad_n * reset
        work[dh + i] = grad * update


@compiled
def lstm_units(gates: Any, at: int, work: Any, c: int, h: int, block: int) -> None:
    """Set h and c, and in place of the sums i, f, g and o, with c after them."""
    for i in range(at, at + block):
        input_gate = sigmoid(gates[i])
        forget = sigmoid(gates[i + block])
        cell = tanh(gates[i + 2 * block])
        output = sigmoid(gates[i + 3 * block])
        new = forget * work[c + i - at] + input_gate * cell
        gates[i] = input_gate
        gates[i + block] = forget
        gates[i + 2 * block] = cell
        gates[i + 3 * block] = output
        gates[i + 4 * block] = new
        work[c + i - at] = new
        work[h + i - at] = output * tanh(new)


@compiled
def lstm_gradients(
    work: Any, grads: int, dh: int, dc: int, saved: Any, at: int, earlier: Any, c: int, block: int
) -> None:
    """Set the gates' gradients from those of h and c, and c's to that of the c before."""
    one = work.dtype.type(1)
    for i in range(block):
        input_gate = saved[at + i]
        forget = saved[at + i + block]
        cell = saved[at + i + 2 * block]
        output = saved[at + i + 3 * block]
        squashed = tanh(saved[at + i + 4 * block])
        grad_h = work[dh + i]
        grad_c = work[dc + i] + grad_h * output * (one - squashed * squashed)
        work[grads + i] = grad_c * cell * input_gate * (one - input_gate)
        work[grads + i + block] = grad_c * earlier[c + i] * forget * (one - forget)
        work[grads + i + 2 * block] = grad_c * input_gate * (one - cell * cell)
        work[grads + i + 3 * block] = grad_h * squashed * output * (one - output)
        work[dc + i] = grad_c * forget

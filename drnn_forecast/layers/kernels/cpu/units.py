"""The units of one step of a tile: what the gates do to the state, and back."""

from __future__ import annotations

from drnn_forecast.layers.kernels.cpu.equations import (
    Numbers,
    elementwise,
    sigmoid_and_tanh,
    sigmoids,
    tanh,
)


@elementwise(reads=(1,), writes=(1,))
def rnn_units(total: Numbers) -> tuple[Numbers, ...]:
    """Return h from the sum."""
    return (tanh(total),)


@elementwise(reads=(1, 1), writes=(1,))
def rnn_gradients(h: Numbers, grad_h: Numbers) -> tuple[Numbers, ...]:
    """Return the sum's gradient."""
    return (grad_h * (h * h).complement(),)


@elementwise(reads=(4, 1), writes=(3, 1))
def gru_units(
    n_of_x: Numbers, r_sum: Numbers, z_sum: Numbers, n_of_h: Numbers, before: Numbers
) -> tuple[Numbers, ...]:
    """Return n, r, z and h from the sums and the h before."""
    r, z = sigmoids(r_sum, z_sum)
    n = tanh(n_of_x + r * n_of_h)
    return n, r, z, n + z * (before - n)


@elementwise(reads=(4, 1, 1), writes=(4, 1))
def gru_gradients(
    n: Numbers, r: Numbers, z: Numbers, n_of_h: Numbers, before: Numbers, grad_h: Numbers
) -> tuple[Numbers, ...]:
    """Return the gradients of the four sums, and what z passes on to the h before."""
    grad_n = grad_h * z.complement() * (n * n).complement()
    grad_r = grad_n * n_of_h * r * r.complement()
    grad_z = grad_h * (before - n) * z * z.complement()
    return grad_n, grad_r, grad_z, grad_n * r, grad_h * z


@elementwise(reads=(4, 1), writes=(5, 1, 1))
def lstm_units(
    i_sum: Numbers, f_sum: Numbers, g_sum: Numbers, o_sum: Numbers, before: Numbers
) -> tuple[Numbers, ...]:
    """Return i, f, g, o and c, c again and h from the sums and the c before."""
    f, o = sigmoids(f_sum, o_sum)
    i, g = sigmoid_and_tanh(i_sum, g_sum)
    c = f * before + i * g
    return i, f, g, o, c, c, o * tanh(c)


@elementwise(reads=(5, 1, 1, 1), writes=(4, 1))
def lstm_gradients(
    i: Numbers,
    f: Numbers,
    g: Numbers,
    o: Numbers,
    c: Numbers,
    before: Numbers,
    grad_h: Numbers,
    grad_c: Numbers,
) -> tuple[Numbers, ...]:
    """Return the gradients of the four sums and of the c before."""
    squashed = tanh(c)
    grad = grad_c + grad_h * o * (squashed * squashed).complement()
    grad_i = grad * g * i * i.complement()
    grad_f = grad * before * f * f.complement()
    grad_g = grad * i * (g * g).complement()
    grad_o = grad_h * squashed * o * o.complement()
    return grad_i, grad_f, grad_g, grad_o, grad * f


@elementwise(reads=(1, 1), writes=(1,))
def added(one: Numbers, other: Numbers) -> tuple[Numbers, ...]:
    """Return the sum."""
    return (one + other,)

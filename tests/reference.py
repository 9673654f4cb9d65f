"""The dilated recurrence written the slow, obvious way: one step at a time, one layer after another.

Everything fast in the package is held to these few lines. Nothing here folds, views or batches
over time, and the cells are written out from their equations.
"""

import torch
from torch import Tensor


def cell_step(cell_type: str, xs, state: tuple[Tensor, ...], weights) -> tuple[Tensor, ...]:
    """Return h (for an LSTM h and c) after one step; all `(batch, hidden)`.

    `xs` are the inputs x_t, x_(t - dilation), ... of the kernel, the missing ones None.
    """
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    from_input = bias_ih
    for x, weight in zip(xs, weight_ih.chunk(len(xs), 1), strict=True):
        if x is not None:
            from_input = from_input + x @ weight.T
    from_state = state[0] @ weight_hh.T + bias_hh
    if cell_type == "RNN":
        return (torch.tanh(from_input + from_state),)
    if cell_type == "GRU":
        (r_x, z_x, n_x), (r_h, z_h, n_h) = from_input.chunk(3, -1), from_state.chunk(3, -1)
        reset, update = torch.sigmoid(r_x + r_h), torch.sigmoid(z_x + z_h)
        candidate = torch.tanh(n_x + reset * n_h)
        return ((1 - update) * candidate + update * state[0],)
    i, f, g, o = (from_input + from_state).chunk(4, -1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def dilated_layer(cell_type: str, x: Tensor, weights, dilation: int, kernel: int = 1) -> Tensor:
    """Return h_t = f(x_t, h_(t - dilation)) for every t, `(time, batch, hidden)`.

    With a kernel, the input map of f is the sum over j of W_j x_(t - j dilation).
    """
    zeros = x.new_zeros(x.shape[1], weights[1].shape[1])
    start = (zeros, zeros) if cell_type == "LSTM" else (zeros,)
    states: list[tuple[Tensor, ...]] = []
    for t in range(len(x)):
        before = states[t - dilation] if t >= dilation else start
        sources = [t - j * dilation for j in range(kernel)]
        xs = [x[source] if source >= 0 else None for source in sources]
        states.append(cell_step(cell_type, xs, before, weights))
    return torch.stack([state[0] for state in states])


def dilated_stack(
    cell_type: str, x: Tensor, layers, dilations, residual: bool = False, kernel: int = 1
) -> Tensor:
    """Return the top layer's outputs; `layers` holds the four weights of each layer."""
    for index, (weights, dilation) in enumerate(zip(layers, dilations, strict=True)):
        output = dilated_layer(cell_type, x, weights, dilation, kernel)
        x = output + x if residual and index else output
    return x


def fused_outputs(outputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return y_t = b + sum over j of W_j h_(t - g + 1 + j), missing steps being zero."""
    width = weight.shape[-1]
    fused = []
    for t in range(len(outputs)):
        y = bias.expand(outputs.shape[1], -1)
        for j in range(width):
            source = t - width + 1 + j
            if source >= 0:
                y = y + outputs[source] @ weight[..., j].T
        fused.append(y)
    return torch.stack(fused)

"""The recurrence over a whole sequence, forward and backward, as kernels of Triton.

A program owns a tile of lanes, which never meet other lanes, and walks all their steps. Lane l
reads row k * lanes + l of the input at its step k; the last step may lack lanes. The state is
float32 whatever the type of the arrays, and the recurrent matrices stay on the chip where they fit.

Cells are numbered as in `operator.CELLS`. What the backward pass reads and writes is a row of
blocks of H numbers: h (RNN); n of h, r, z, n of x (GRU); i, f, g, o (LSTM).
"""

import triton
import triton.language as tl


@triton.jit
def recur_forward(
    x_gates,  # (rows, gates * H): the input's share, with its bias
    weight,  # (gates * H, H)
    bias,  # (gates * H,)
    state_h,  # (lanes, H)
    state_c,
    output,  # (rows, H)
    cells,  # (rows, H): c, where it is kept
    last_h,  # (lanes, H), oldest first
    last_c,
    rows,
    lanes,
    HIDDEN: tl.constexpr,
    UNITS: tl.constexpr,
    TILE: tl.constexpr,
    CELL: tl.constexpr,
    KEEPS: tl.constexpr,
    STREAMS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Write outputs, the last state and, for an LSTM's backward pass, c."""
    GATES: tl.constexpr = 1 if CELL == 0 else CELL + 2
    dtype = output.dtype.element_ty
    lane, unit, mask = _places(lanes, HIDDEN, UNITS, TILE)
    start = lane[:, None] * HIDDEN + unit[None, :]
    h = tl.load(state_h + start, mask=mask, other=0.0).to(tl.float32)
    c = h
    if CELL == 2:
        c = tl.load(state_c + start, mask=mask, other=0.0).to(tl.float32)
    b0, b1, b2, b3 = _biases(bias, unit, GATES, HIDDEN)
    w0, w1, w2, w3 = _matrices(weight, unit, dtype, GATES, HIDDEN, True, STREAMS)
    row = lane
    a0, a1, a2, a3 = _blocks(x_gates, row, rows, unit, mask, GATES, HIDDEN)
    for _ in range(0, (rows + lanes - 1) // lanes):
        # The next step's input is on its way while this one is computed.
        following = row + lanes
        n0, n1, n2, n3 = _blocks(x_gates, following, rows, unit, mask, GATES, HIDDEN)
        before = h.to(dtype)
        s0 = _times(before, w0, weight, 0, unit, HIDDEN, True, STREAMS, PRECISION) + b0
        new_c = c
        if CELL == 0:
            new_h = _tanh(a0 + s0)
        else:
            s1 = _times(before, w1, weight, 1, unit, HIDDEN, True, STREAMS, PRECISION) + b1
            s2 = _times(before, w2, weight, 2, unit, HIDDEN, True, STREAMS, PRECISION) + b2
            if CELL == 1:
                candidate = _tanh(a2 + _sigmoid(a0 + s0) * s2)
                new_h = candidate + _sigmoid(a1 + s1) * (h - candidate)
            else:
                s3 = _times(before, w3, weight, 3, unit, HIDDEN, True, STREAMS, PRECISION) + b3
                new_c = _sigmoid(a1 + s1) * c + _sigmoid(a0 + s0) * _tanh(a2 + s2)
                new_h = _sigmoid(a3 + s3) * _tanh(new_c)
        here = mask & (row < rows)[:, None]
        h = tl.where(here, new_h, h)
        c = tl.where(here, new_c, c)
        place = row[:, None] * HIDDEN + unit[None, :]
        tl.store(output + place, h.to(dtype), mask=here)
        if KEEPS:
            tl.store(cells + place, c.to(dtype), mask=here)
        row = following
        a0, a1, a2, a3 = n0, n1, n2, n3
    end = _end(lane, rows, lanes)[:, None] * HIDDEN + unit[None, :]
    tl.store(last_h + end, h.to(dtype), mask=mask)
    if CELL == 2:
        tl.store(last_c + end, c.to(dtype), mask=mask)


@triton.jit
def recur_backward(
    blocks,  # (rows, blocks * H): sums before the gates, which become their gradients
    weight,
    state_h,
    state_c,
    output,
    cells,
    grad_output,  # (rows, H)
    grad_last_h,  # (lanes, H), oldest first
    grad_last_c,
    grad_h,  # (lanes, H)
    grad_c,
    rows,
    lanes,
    HIDDEN: tl.constexpr,
    UNITS: tl.constexpr,
    TILE: tl.constexpr,
    CELL: tl.constexpr,
    STREAMS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Write the gradients of the state and of the sums before the gates."""
    GATES: tl.constexpr = 1 if CELL == 0 else CELL + 2
    BLOCKS: tl.constexpr = 1 if CELL == 0 else 4
    dtype = output.dtype.element_ty
    lane, unit, mask = _places(lanes, HIDDEN, UNITS, TILE)
    start = lane[:, None] * HIDDEN + unit[None, :]
    w0, w1, w2, w3 = _matrices(weight, unit, dtype, GATES, HIDDEN, False, STREAMS)
    end = _end(lane, rows, lanes)[:, None] * HIDDEN + unit[None, :]
    dh = tl.load(grad_last_h + end, mask=mask, other=0.0).to(tl.float32)
    row = (rows - 1) // lanes * lanes + lane
    dc = dh
    c = dh
    if CELL == 2:
        dc = tl.load(grad_last_c + end, mask=mask, other=0.0).to(tl.float32)
        c, _, _, _ = _blocks(cells, row, rows, unit, mask, 1, HIDDEN)
    a0, a1, a2, a3 = _blocks(blocks, row, rows, unit, mask, BLOCKS, HIDDEN)
    above, _, _, _ = _blocks(grad_output, row, rows, unit, mask, 1, HIDDEN)
    old = _known(output, cells, state_h, state_c, row, rows, lanes, unit, mask, CELL, HIDDEN)
    for _ in range(0, (rows + lanes - 1) // lanes):
        earlier = row - lanes
        n0, n1, n2, n3 = _blocks(blocks, earlier, rows, unit, mask, BLOCKS, HIDDEN)
        next_above, _, _, _ = _blocks(grad_output, earlier, rows, unit, mask, 1, HIDDEN)
        older = _known(
            output, cells, state_h, state_c, earlier, rows, lanes, unit, mask, CELL, HIDDEN
        )
        here = mask & (row < rows)[:, None]
        place = blocks + (row[:, None] * (BLOCKS * HIDDEN) + unit[None, :])
        total = dh + above
        new_dc = dc
        if CELL == 0:
            d0 = total * (1.0 - old * old)
            new_dh = _times(d0.to(dtype), w0, weight, 0, unit, HIDDEN, False, STREAMS, PRECISION)
        elif CELL == 1:
            reset = _sigmoid(a1)
            update = _sigmoid(a2)
            candidate = _tanh(a3 + reset * a0)
            d3 = total * (1.0 - update) * (1.0 - candidate * candidate)
            d0 = d3 * reset
            d1 = d3 * a0 * reset * (1.0 - reset)
            d2 = total * (old - candidate) * update * (1.0 - update)
            new_dh = total * update
            new_dh += _times(d1.to(dtype), w0, weight, 0, unit, HIDDEN, False, STREAMS, PRECISION)
            new_dh += _times(d2.to(dtype), w1, weight, 1, unit, HIDDEN, False, STREAMS, PRECISION)
            new_dh += _times(d0.to(dtype), w2, weight, 2, unit, HIDDEN, False, STREAMS, PRECISION)
        else:
            into = _sigmoid(a0)
            forget = _sigmoid(a1)
            candidate = _tanh(a2)
            out = _sigmoid(a3)
            shown = _tanh(c)
            held = dc + total * out * (1.0 - shown * shown)
            d0 = held * candidate * into * (1.0 - into)
            d1 = held * old * forget * (1.0 - forget)
            d2 = held * into * (1.0 - candidate * candidate)
            d3 = total * shown * out * (1.0 - out)
            new_dc = held * forget
            new_dh = _times(d0.to(dtype), w0, weight, 0, unit, HIDDEN, False, STREAMS, PRECISION)
            new_dh += _times(d1.to(dtype), w1, weight, 1, unit, HIDDEN, False, STREAMS, PRECISION)
            new_dh += _times(d2.to(dtype), w2, weight, 2, unit, HIDDEN, False, STREAMS, PRECISION)
            new_dh += _times(d3.to(dtype), w3, weight, 3, unit, HIDDEN, False, STREAMS, PRECISION)
        tl.store(place, d0.to(dtype), mask=here)
        if CELL > 0:
            tl.store(place + HIDDEN, d1.to(dtype), mask=here)
            tl.store(place + 2 * HIDDEN, d2.to(dtype), mask=here)
            tl.store(place + 3 * HIDDEN, d3.to(dtype), mask=here)
        dh = tl.where(here, new_dh, dh)
        dc = tl.where(here, new_dc, dc)
        c = old  # of an LSTM, the c before this step
        row = earlier
        a0, a1, a2, a3 = n0, n1, n2, n3
        above = next_above
        old = older
    tl.store(grad_h + start, dh.to(dtype), mask=mask)
    if CELL == 2:
        tl.store(grad_c + start, dc.to(dtype), mask=mask)


@triton.jit
def tile_product(a, b, PRECISION: tl.constexpr):
    """Return the product of two tiles, float32."""
    if PRECISION == "interpreted":
        # Triton's interpreter takes the bits of bfloat16 for integers.
        return tl.dot(a.to(tl.float32), b.to(tl.float32))
    else:  # noqa: RET505 - Triton compiles no second return after this one
        return tl.dot(a, b, input_precision=PRECISION)


@triton.jit
def _places(lanes, HIDDEN: tl.constexpr, UNITS: tl.constexpr, TILE: tl.constexpr):
    """Return the lanes of a program, the units, and which of both there are."""
    lane = (tl.program_id(0) * TILE + tl.arange(0, TILE)).to(tl.int64)
    unit = tl.arange(0, UNITS)
    return lane, unit, (lane < lanes)[:, None] & (unit < HIDDEN)[None, :]


@triton.jit
def _end(lane, rows, lanes):
    """Return where a lane stands in the last state: those that the last step lacks come first."""
    return (lane + lanes - rows % lanes) % lanes


@triton.jit
def _blocks(source, row, rows, unit, mask, COUNT: tl.constexpr, HIDDEN: tl.constexpr):
    """Return the blocks of a row, float32, zeros for a row that is not there; four of them."""
    here = mask & ((row >= 0) & (row < rows))[:, None]
    place = source + (row[:, None] * (COUNT * HIDDEN) + unit[None, :])
    b0 = tl.load(place, mask=here, other=0.0).to(tl.float32)
    b1 = b0
    b2 = b0
    b3 = b0
    if COUNT > 1:
        b1 = tl.load(place + HIDDEN, mask=here, other=0.0).to(tl.float32)
        b2 = tl.load(place + 2 * HIDDEN, mask=here, other=0.0).to(tl.float32)
    if COUNT > 3:
        b3 = tl.load(place + 3 * HIDDEN, mask=here, other=0.0).to(tl.float32)
    return b0, b1, b2, b3


@triton.jit
def _known(
    output,
    cells,
    state_h,
    state_c,
    row,
    rows,
    lanes,
    unit,
    mask,
    CELL: tl.constexpr,
    HIDDEN: tl.constexpr,
):
    """Return the h after a step of an RNN; before one, the h of a GRU and the c of an LSTM."""
    if CELL == 0:
        known, _, _, _ = _blocks(output, row, rows, unit, mask, 1, HIDDEN)
    elif CELL == 1:
        known, _, _, _ = _blocks(output, row - lanes, rows, unit, mask, 1, HIDDEN)
        first, _, _, _ = _blocks(state_h, row, lanes, unit, mask, 1, HIDDEN)
        known += first
    else:
        known, _, _, _ = _blocks(cells, row - lanes, rows, unit, mask, 1, HIDDEN)
        first, _, _, _ = _blocks(state_c, row, lanes, unit, mask, 1, HIDDEN)
        known += first
    return known


@triton.jit
def _biases(bias, unit, GATES: tl.constexpr, HIDDEN: tl.constexpr):
    """Return the biases of the gates, `(1, units)`, float32; four of them."""
    b0 = tl.load(bias + unit, mask=unit < HIDDEN, other=0.0).to(tl.float32)[None, :]
    b1 = b0
    b2 = b0
    b3 = b0
    if GATES > 1:
        b1 = tl.load(bias + HIDDEN + unit, mask=unit < HIDDEN, other=0.0).to(tl.float32)[None, :]
        b2 = tl.load(bias + 2 * HIDDEN + unit, mask=unit < HIDDEN, other=0.0)
        b2 = b2.to(tl.float32)[None, :]
    if GATES > 3:
        b3 = tl.load(bias + 3 * HIDDEN + unit, mask=unit < HIDDEN, other=0.0)
        b3 = b3.to(tl.float32)[None, :]
    return b0, b1, b2, b3


@triton.jit
def _matrices(
    weight,
    unit,
    dtype,
    GATES: tl.constexpr,
    HIDDEN: tl.constexpr,
    FORWARD: tl.constexpr,
    STREAMS: tl.constexpr,
):
    """Return the recurrent matrices, four; something else where they are read step by step."""
    w0 = unit
    w1 = unit
    w2 = unit
    w3 = unit
    if not STREAMS:
        w0 = _matrix(weight, 0, unit, dtype, HIDDEN, FORWARD)
        if GATES > 1:
            w1 = _matrix(weight, 1, unit, dtype, HIDDEN, FORWARD)
            w2 = _matrix(weight, 2, unit, dtype, HIDDEN, FORWARD)
        if GATES > 3:
            w3 = _matrix(weight, 3, unit, dtype, HIDDEN, FORWARD)
    return w0, w1, w2, w3


@triton.jit
def _matrix(weight, gate, unit, dtype, HIDDEN: tl.constexpr, FORWARD: tl.constexpr):
    """Return the matrix from h to a gate, or from the gradient of the gate to that of h."""
    if FORWARD:
        place = unit[None, :] * HIDDEN + unit[:, None]
    else:
        place = unit[:, None] * HIDDEN + unit[None, :]
    here = (unit < HIDDEN)[:, None] & (unit < HIDDEN)[None, :]
    return tl.load(weight + gate * HIDDEN * HIDDEN + place, mask=here, other=0.0).to(dtype)


@triton.jit
def _times(
    rows,
    matrix,
    weight,
    gate,
    unit,
    HIDDEN: tl.constexpr,
    FORWARD: tl.constexpr,
    STREAMS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Return rows times the matrix of a gate, which is read now where the chip cannot hold it."""
    if STREAMS:
        matrix = _matrix(weight, gate, unit, rows.dtype, HIDDEN, FORWARD)
    return tile_product(rows, matrix, PRECISION)


@triton.jit
def _sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def _tanh(x):
    return 2.0 / (1.0 + tl.exp(-2.0 * x)) - 1.0

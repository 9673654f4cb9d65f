"""The products that need no order of time, before and after the recurrence, as kernels of Triton.

They are here because their precision is that of the recurrence, which `cudnn`'s flag decides and no
argument of torch's own product can, and because they read h one step earlier without a copy of it.
Layouts are those of `passes`.
"""

import triton
import triton.language as tl

from drnn_forecast.layers.kernels.gpu.passes import tile_product


@triton.jit
def row_products(
    source,  # (rows, depth) within rows of `stride` numbers
    weight,  # element (k, n) at k * k_stride + n * n_stride
    bias,  # (columns,)
    target,  # (rows, columns)
    output,  # (rows, H), state_h (lanes, H), weight_hh and bias_hh: only with ADDS_STATE
    state_h,
    weight_hh,
    bias_hh,
    rows,
    lanes,
    depth,
    columns,
    stride,
    k_stride,
    n_stride,
    first,  # the column of `target` that belongs to the first row of `weight`
    wrap,  # how many columns read h, those of `weight_hh` turned by `first`
    HIDDEN: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    ADDS_STATE: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Write source times weight, plus a bias and what the h one step earlier adds to it."""
    dtype = target.dtype.element_ty
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    is_row = (row < rows)[:, None]
    own = column - first
    is_own = ((own >= 0) & (column < columns))[None, :]
    total = tl.full((ROWS, COLUMNS), 0.0, tl.float32)
    for k in range(0, depth, DEPTH):
        at = k + tl.arange(0, DEPTH)
        x = tl.load(
            source + row[:, None] * stride + at[None, :],
            mask=is_row & (at < depth)[None, :],
            other=0.0,
        )
        w = tl.load(
            weight + at[:, None] * k_stride + own[None, :] * n_stride,
            mask=(at < depth)[:, None] & is_own,
            other=0.0,
        )
        total += tile_product(x.to(dtype), w.to(dtype), PRECISION)
    if HAS_BIAS:
        total += tl.load(bias + own[None, :], mask=is_own, other=0.0).to(tl.float32)
    if ADDS_STATE:
        turned = (own + wrap) % wrap
        has_state = (column < wrap)[None, :]
        for k in range(0, HIDDEN, DEPTH):
            at = k + tl.arange(0, DEPTH)
            h = _h_before(output, state_h, row, rows, lanes, at, HIDDEN)
            w = tl.load(
                weight_hh + at[:, None] + turned[None, :] * HIDDEN,
                mask=(at < HIDDEN)[:, None] & has_state,
                other=0.0,
            )
            total += tile_product(h.to(dtype), w.to(dtype), PRECISION)
        total += tl.load(bias_hh + turned[None, :], mask=has_state, other=0.0).to(tl.float32)
    tl.store(
        target + row[:, None] * columns + column[None, :],
        total.to(dtype),
        mask=is_row & (column < columns)[None, :],
    )


@triton.jit
def weight_gradients(
    blocks,  # (rows, stride): gradients of the sums before the gates
    source,  # (rows, width): the input; or the output, read one step earlier
    state_h,  # (lanes, width)
    partial,  # (splits, columns, width + 1): of the weight, and last of the bias
    rows,
    lanes,
    width,
    columns,
    stride,
    first,  # the block's column of the first row of the weight
    wrap,
    SHIFTED: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    WIDTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Write the sums over some rows of each gradient times what its weight reads, and times 1."""
    dtype = blocks.dtype.element_ty
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    at = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    split = tl.program_id(2)
    total = tl.full((COLUMNS, WIDTH), 0.0, tl.float32)
    for begin in range(split * ROWS, rows, tl.num_programs(2) * ROWS):
        row = (begin + tl.arange(0, ROWS)).to(tl.int64)
        is_row = (row < rows)[:, None]
        d = tl.load(
            blocks + row[:, None] * stride + ((column + first) % wrap)[None, :],
            mask=is_row & (column < columns)[None, :],
            other=0.0,
        )
        if SHIFTED:
            x = _h_before(source, state_h, row, rows, lanes, at, width)
        else:
            x = tl.load(
                source + row[:, None] * width + at[None, :],
                mask=is_row & (at < width)[None, :],
                other=0.0,
            ).to(tl.float32)
        x = tl.where((at == width)[None, :], 1.0, x)
        total += tile_product(tl.trans(d), x.to(dtype), PRECISION)
    place = split.to(tl.int64) * columns * (width + 1)
    tl.store(
        partial + place + column[:, None] * (width + 1) + at[None, :],
        total,
        mask=(column < columns)[:, None] & (at <= width)[None, :],
    )


@triton.jit
def _h_before(output, state_h, row, rows, lanes, at, width):
    """Return some units of the h before each row, float32, zeros where there is none."""
    is_unit = (at < width)[None, :]
    earlier = row - lanes
    later = tl.load(
        output + earlier[:, None] * width + at[None, :],
        mask=((earlier >= 0) & (row < rows))[:, None] & is_unit,
        other=0.0,
    ).to(tl.float32)
    first = tl.load(
        state_h + row[:, None] * width + at[None, :],
        mask=((earlier < 0) & (row < rows))[:, None] & is_unit,
        other=0.0,
    ).to(tl.float32)
    return later + first

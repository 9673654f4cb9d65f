"""The vector instructions of the compiled CPU kernels: block products, transposes, moves.

numba turns loops over an array into vector code by itself, but cannot keep a block of sums in
registers. These few pieces are therefore written in LLVM's own terms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

HAS_512_BITS: Final = bool(llvmlite.binding.get_host_cpu_features().get("avx512f", False))
VECTOR_BYTES: Final = 64 if HAS_512_BITS else 32
BLOCK_ROWS: Final = 8 if HAS_512_BITS else 4  # 2 vectors a row: half of the registers there are
STRIP: Final = 4  # columns that are transposed together
CONTRACT: Final = ("contract",)  # a product and a sum become one instruction where there is one


def block_product(rows: int, vectors: int) -> Callable[..., None]:
    """Return `product(c, c_at, c_row, a, a_at, a_row, a_column, b, b_at, b_row, depth, add)`.

    It sets C = A B, or adds A B to C, for a block of C of `rows` rows and `vectors` vectors that
    is held in registers. The arrays are flat; `_at` is where the block begins, `_row` and
    `_column` are strides, all in elements.
    """

    @intrinsic
    def product(  # type: ignore[no-untyped-def]
        typing_context, c, c_at, c_row, a, a_at, a_row, a_column, b, b_at, b_row, depth, add
    ):
        places = (types.intp,) * 2
        signature = types.void(
            c, *places, a, *places, types.intp, b, *places, types.intp, types.boolean
        )

        def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
            c_at, c_row, a_at, a_row, a_column, b_at, b_row, depth, add = (
                values[i] for i in (1, 2, 4, 5, 6, 8, 9, 10, 11)
            )
            c, a, b = (data_of(context, builder, signature.args[i], values[i]) for i in (0, 3, 7))
            vector, lanes = vector_of(c.type.pointee)
            zero = ir.Constant(vector, None)
            sums = [
                [cgutils.alloca_once_value(builder, zero) for _ in range(vectors)]
                for _ in range(rows)
            ]
            with cgutils.for_range(builder, depth) as loop:
                k = loop.index
                right = builder.add(b_at, builder.mul(k, b_row))
                loaded = [fetch(builder, b, right, vector, lanes * v) for v in range(vectors)]
                left = builder.add(a_at, builder.mul(k, a_column))
                for row in sums:
                    factor = _splat(builder, builder.load(builder.gep(a, [left])), vector)
                    left = builder.add(left, a_row)
                    for total, part in zip(row, loaded, strict=True):
                        sum_ = fused(builder, factor, part, builder.load(total))
                        builder.store(sum_, total)
            place = c_at
            for row in sums:
                for v, total in enumerate(row):
                    before = fetch(builder, c, place, vector, lanes * v)
                    before = builder.select(add, before, zero)
                    after = builder.fadd(before, builder.load(total))
                    store(builder, after, c, place, lanes * v)
                place = builder.add(place, c_row)
            return context.get_dummy_value()

        return signature, generate

    made: Callable[..., None] = product
    return made


@intrinsic
def transpose_in(typing_context, c, c_at, c_row, rows, at, stride):  # type: ignore[no-untyped-def]
    """Set STRIP vectors of `c`, `c_row` apart, to that many columns of as many rows as lanes."""
    signature = types.void(c, types.intp, types.intp, rows, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        _, place, c_row, _, row, stride = values
        c, rows = (data_of(context, builder, signature.args[i], values[i]) for i in (0, 3))
        vector, lanes = vector_of(c.type.pointee)
        strip = ir.VectorType(vector.element, STRIP)
        groups = []
        for _ in range(lanes):
            groups.append(fetch(builder, rows, row, strip))
            row = builder.add(row, stride)
        while len(groups) > STRIP:
            joined = range(2 * groups[0].type.count)
            pairs = zip(groups[::2], groups[1::2], strict=True)
            groups = [_shuffle(builder, one, other, joined) for one, other in pairs]
        half, per_group = lanes // 2, lanes // STRIP
        first, second = list(range(half)), list(range(half, lanes))
        for column in range(0, STRIP, 2):
            mask = [STRIP * lane + j for j in (column, column + 1) for lane in range(2 * per_group)]
            low = _shuffle(builder, groups[0], groups[1], mask)
            high = _shuffle(builder, groups[2], groups[3], mask)
            for part in (first, second):
                whole = _shuffle(builder, low, high, [*part, *(lanes + i for i in part)])
                store(builder, whole, c, place)
                place = builder.add(place, c_row)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def transpose_out(typing_context, rows, at, stride, c, c_at, c_row):  # type: ignore[no-untyped-def]
    """Set STRIP columns of as many rows as lanes to that many vectors of `c`, `c_row` apart."""
    signature = types.void(rows, types.intp, types.intp, c, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        _, row, stride, _, place, c_row = values
        rows, c = (data_of(context, builder, signature.args[i], values[i]) for i in (0, 3))
        vector, lanes = vector_of(c.type.pointee)
        columns = []
        for _ in range(STRIP):
            columns.append(fetch(builder, c, place, vector))
            place = builder.add(place, c_row)
        half, quarter = lanes // 2, lanes // STRIP
        for first in (0, half):
            mask = [i for lane in range(first, first + half) for i in (lane, lanes + lane)]
            low = _shuffle(builder, columns[0], columns[1], mask)
            high = _shuffle(builder, columns[2], columns[3], mask)
            for lane in range(2 * quarter):
                pair = [2 * lane, 2 * lane + 1]
                strip = _shuffle(builder, low, high, [*pair, *(lanes + i for i in pair)])
                store(builder, strip, rows, row)
                row = builder.add(row, stride)
        return context.get_dummy_value()

    return signature, generate


def mover(strip: bool) -> Callable[..., None]:
    """Return `move(target, at, source, place)`, which copies STRIP numbers or else a vector."""

    @intrinsic
    def move(typing_context, target, at, source, place):  # type: ignore[no-untyped-def]
        def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
            target, source = (
                data_of(context, builder, signature.args[i], values[i]) for i in (0, 2)
            )
            kind, _ = vector_of(source.type.pointee)
            if strip:
                kind = ir.VectorType(kind.element, STRIP)
            store(builder, fetch(builder, source, values[3], kind), target, values[1])
            return context.get_dummy_value()

        return types.void(target, types.intp, source, types.intp), generate

    made: Callable[..., None] = move
    return made


def fused(builder: Any, one: Any, other: Any, term: Any) -> Any:
    """Return one * other + term, in one instruction where there is one."""
    return builder.fadd(builder.fmul(one, other, flags=CONTRACT), term, flags=CONTRACT)


def data_of(context: Any, builder: Any, array_type: Any, value: Any) -> Any:
    """Return the pointer to the elements of an array."""
    return cgutils.create_struct_proxy(array_type)(context, builder, value).data


def vector_of(kind: Any) -> tuple[Any, int]:
    """Return the vector type of an element type, and how many it holds."""
    lanes = VECTOR_BYTES // (4 if isinstance(kind, ir.FloatType) else 8)
    return ir.VectorType(kind, lanes), lanes


def _pointer(builder: Any, base: Any, place: Any, vector: Any, offset: int) -> Any:
    place = builder.add(place, place.type(offset))
    return builder.bitcast(builder.gep(base, [place]), vector.as_pointer())


def fetch(builder: Any, base: Any, place: Any, vector: Any, offset: int = 0) -> Any:
    """Return the vector that begins `offset` elements behind `place`, at any alignment."""
    return builder.load(_pointer(builder, base, place, vector, offset), align=4)


def store(builder: Any, value: Any, base: Any, place: Any, offset: int = 0) -> None:
    """Write a vector to `offset` elements behind `place`, at any alignment."""
    builder.store(value, _pointer(builder, base, place, value.type, offset), align=4)


def _splat(builder: Any, scalar: Any, vector: Any) -> Any:
    """Return the vector that holds `scalar` in every place."""
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.IntType(32)(0))
    return _shuffle(builder, one, undefined, [0] * vector.count)


def _shuffle(builder: Any, one: Any, other: Any, places: Sequence[int]) -> Any:
    """Return the elements at `places` of two vectors that are counted through."""
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))
    return builder.shuffle_vector(one, other, mask)

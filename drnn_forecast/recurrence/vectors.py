"""The vector instructions of the compiled CPU kernels: block products, transposes, exponentials.

numba turns loops over an array into vector code by itself, but cannot keep a block of sums in
registers. These few pieces are therefore written in LLVM's own terms. They need numba, and are
imported by `kernels` alone.
"""

from __future__ import annotations

import math
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

TAYLOR_TERMS: Final = {
    32: 7,
    64: 13,
}  # what is left out is below half a unit in the last place
LARGEST_EXPONENT: Final = {32: 43.0, 64: 354.0}  # the product of two such powers is a number
LOG2_HIGH: Final = {32: 0.693359375, 64: 0.6931471803691238}  # few bits, so n * LOG2_HIGH is exact
LOG2_LOW: Final = {32: math.log(2) - 0.693359375, 64: 1.9082149292705877e-10}
MANTISSA_BITS: Final = {32: 23, 64: 52}


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
            c, a, b = (_data(context, builder, signature.args[i], values[i]) for i in (0, 3, 7))
            vector, lanes = _vector_of(c.type.pointee)
            zero = ir.Constant(vector, None)
            sums = [
                [cgutils.alloca_once_value(builder, zero) for _ in range(vectors)]
                for _ in range(rows)
            ]
            with cgutils.for_range(builder, depth) as loop:
                k = loop.index
                right = builder.add(b_at, builder.mul(k, b_row))
                loaded = [_load(builder, b, right, vector, lanes * v) for v in range(vectors)]
                left = builder.add(a_at, builder.mul(k, a_column))
                for row in sums:
                    factor = _splat(builder, builder.load(builder.gep(a, [left])), vector)
                    left = builder.add(left, a_row)
                    for total, part in zip(row, loaded, strict=True):
                        sum_ = _fused(builder, factor, part, builder.load(total))
                        builder.store(sum_, total)
            place = c_at
            for row in sums:
                for v, total in enumerate(row):
                    before = _load(builder, c, place, vector, lanes * v)
                    before = builder.select(add, before, zero)
                    after = builder.fadd(before, builder.load(total))
                    _store(builder, after, c, place, lanes * v)
                place = builder.add(place, c_row)
            return context.get_dummy_value()

        return signature, generate

    return product


@intrinsic
def transpose_in(typing_context, c, c_at, c_row, rows, at, stride):  # type: ignore[no-untyped-def]
    """Set STRIP vectors of `c`, `c_row` apart, to that many columns of as many rows as lanes."""
    signature = types.void(c, types.intp, types.intp, rows, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        _, place, c_row, _, row, stride = values
        c, rows = (_data(context, builder, signature.args[i], values[i]) for i in (0, 3))
        vector, lanes = _vector_of(c.type.pointee)
        strip = ir.VectorType(vector.element, STRIP)
        groups = []
        for _ in range(lanes):
            groups.append(_load(builder, rows, row, strip))
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
                _store(builder, whole, c, place)
                place = builder.add(place, c_row)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def transpose_out(typing_context, rows, at, stride, c, c_at, c_row):  # type: ignore[no-untyped-def]
    """Set STRIP columns of as many rows as lanes to that many vectors of `c`, `c_row` apart."""
    signature = types.void(rows, types.intp, types.intp, c, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        _, row, stride, _, place, c_row = values
        rows, c = (_data(context, builder, signature.args[i], values[i]) for i in (0, 3))
        vector, lanes = _vector_of(c.type.pointee)
        columns = []
        for _ in range(STRIP):
            columns.append(_load(builder, c, place, vector))
            place = builder.add(place, c_row)
        half, quarter = lanes // 2, lanes // STRIP
        for first in (0, half):
            mask = [i for lane in range(first, first + half) for i in (lane, lanes + lane)]
            low = _shuffle(builder, columns[0], columns[1], mask)
            high = _shuffle(builder, columns[2], columns[3], mask)
            for lane in range(2 * quarter):
                pair = [2 * lane, 2 * lane + 1]
                strip = _shuffle(builder, low, high, [*pair, *(lanes + i for i in pair)])
                _store(builder, strip, rows, row)
                row = builder.add(row, stride)
        return context.get_dummy_value()

    return signature, generate


class Numbers:
    """A vector of numbers of one step, while its code is being written: use +, -, * and /."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder = builder
        self.value = value

    def __add__(self, other: Numbers) -> Numbers:
        return self._combined("fadd", other)

    def __sub__(self, other: Numbers) -> Numbers:
        return self._combined("fsub", other)

    def __mul__(self, other: Numbers) -> Numbers:
        return self._combined("fmul", other)

    def __truediv__(self, other: Numbers) -> Numbers:
        return self._combined("fdiv", other)

    def __neg__(self) -> Numbers:
        return Numbers(self.builder, self.builder.fneg(self.value))

    def all(self, number: float) -> Numbers:
        """Return a vector of the same kind that holds `number` in every place."""
        return Numbers(self.builder, _number(self.value.type, number))

    def complement(self) -> Numbers:
        """Return 1 - self."""
        return self.all(1) - self

    def _combined(self, operation: str, other: Numbers) -> Numbers:
        write = getattr(self.builder, operation)
        return Numbers(self.builder, write(self.value, other.value, flags=CONTRACT))


def tanh(x: Numbers) -> Numbers:
    """Return tanh x = (e^2x - 1) / (e^2x + 1), to about two units in the last place."""
    grown = _grown(x + x)
    return grown / (grown + x.all(2))


def sigmoids(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """Return 1 / (1 + e^-x) and 1 / (1 + e^-y).

    Divisions cost more than all the rest here, so that the two share one: 1 / ab is b / ab of a.
    """
    two = x.all(2)
    one, other = _grown(-x) + two, _grown(-y) + two
    inverse = x.all(1) / (one * other)
    return other * inverse, one * inverse


def sigmoid_and_tanh(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """Return 1 / (1 + e^-x) and tanh y, which share one division."""
    two = x.all(2)
    one, grown = _grown(-x) + two, _grown(y + y)
    other = grown + two
    inverse = x.all(1) / (one * other)
    return other * inverse, grown * (one * inverse)


def _grown(x: Numbers) -> Numbers:
    """Return e^x - 1."""
    return Numbers(x.builder, _expm1(x.builder, x.value))


def elementwise(
    *, reads: Sequence[int], writes: Sequence[int]
) -> Callable[[Callable[..., tuple[Numbers, ...]]], Callable[..., None]]:
    """Return a decorator that makes of equations on `Numbers` a loop over blocks of an array.

    The loop is called with the length of a block, a tuple (array, place, array, place, ...) to
    read and one to write: from each place on, so many blocks one after another as `reads` and
    `writes` say. Blocks are whole vectors.
    """

    def decorate(equations: Callable[..., tuple[Numbers, ...]]) -> Callable[..., None]:
        @intrinsic
        def loop(typing_context, block, sources, targets):  # type: ignore[no-untyped-def]
            def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
                block, *pairs = values

                def places(group: int, counts: Sequence[int]) -> list[tuple[Any, Any]]:
                    found = []
                    for i, count in enumerate(counts):
                        value = builder.extract_value(pairs[group], 2 * i)
                        kind = signature.args[1 + group].types[2 * i]
                        base = _data(context, builder, kind, value)
                        place = builder.extract_value(pairs[group], 2 * i + 1)
                        for _ in range(count):
                            found.append((base, place))
                            place = builder.add(place, block)
                    return found

                inputs, outputs = places(0, reads), places(1, writes)
                vector, lanes = _vector_of(inputs[0][0].type.pointee)
                stop = builder.udiv(block, block.type(lanes))
                with cgutils.for_range(builder, stop) as each:
                    offset = builder.mul(each.index, block.type(lanes))
                    loaded = [
                        Numbers(builder, _load(builder, base, builder.add(at, offset), vector))
                        for base, at in inputs
                    ]
                    for (base, at), result in zip(outputs, equations(*loaded), strict=True):
                        _store(builder, result.value, base, builder.add(at, offset))
                return context.get_dummy_value()

            return types.void(types.intp, sources, targets), generate

        return loop

    return decorate


def mover(strip: bool) -> Callable[..., None]:
    """Return `move(target, at, source, place)`, which copies STRIP numbers or else a vector."""

    @intrinsic
    def move(typing_context, target, at, source, place):  # type: ignore[no-untyped-def]
        def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
            target, source = (_data(context, builder, signature.args[i], values[i]) for i in (0, 2))
            kind, _ = _vector_of(source.type.pointee)
            if strip:
                kind = ir.VectorType(kind.element, STRIP)
            _store(builder, _load(builder, source, values[3], kind), target, values[1])
            return context.get_dummy_value()

        return types.void(target, types.intp, source, types.intp), generate

    return move


def _expm1(builder: Any, value: Any) -> Any:
    """Return e^value - 1 to about one unit in the last place.

    With value = n log 2 + r and |r| <= log(2) / 2: 2^n (e^r - 1) + (2^n - 1), and Taylor's series
    for e^r - 1. A NaN stays one. Beyond LARGEST_EXPONENT, where tanh and sigmoid are flat, the
    value is held at that end.
    """
    kind = value.type
    bits = 32 if isinstance(kind.element, ir.FloatType) else 64
    integer = ir.VectorType(ir.IntType(bits), kind.count)
    for end, relation in ((LARGEST_EXPONENT[bits], ">"), (-LARGEST_EXPONENT[bits], "<")):
        beyond = builder.fcmp_ordered(relation, value, _number(kind, end))
        value = builder.select(beyond, _number(kind, end), value)
    nearest = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind]), f"llvm.rint.v{kind.count}f{bits}"
    )
    n = builder.call(nearest, [builder.fmul(value, _number(kind, 1 / math.log(2)))])
    r = _fused(builder, n, _number(kind, -LOG2_HIGH[bits]), value)
    r = _fused(builder, n, _number(kind, -LOG2_LOW[bits]), r)
    series = _number(kind, 1 / math.factorial(TAYLOR_TERMS[bits]))
    for term in range(TAYLOR_TERMS[bits] - 1, 0, -1):
        series = _fused(builder, series, r, _number(kind, 1 / math.factorial(term)))
    series = builder.fmul(series, r)
    mantissa = MANTISSA_BITS[bits]
    bias = _number(integer, 2 ** (bits - mantissa - 2) - 1)
    exponent = builder.add(builder.fptosi(n, integer), bias)
    power = builder.bitcast(builder.shl(exponent, _number(integer, mantissa)), kind)
    return _fused(builder, power, series, builder.fsub(power, _number(kind, 1)))


def _number(vector: Any, number: float) -> Any:
    """Return the vector that holds a known number in every place."""
    return ir.Constant(vector, [number] * vector.count)


def _fused(builder: Any, one: Any, other: Any, term: Any) -> Any:
    """Return one * other + term, in one instruction where there is one."""
    return builder.fadd(builder.fmul(one, other, flags=CONTRACT), term, flags=CONTRACT)


def _data(context: Any, builder: Any, array_type: Any, value: Any) -> Any:
    """Return the pointer to the elements of an array."""
    return cgutils.create_struct_proxy(array_type)(context, builder, value).data


def _vector_of(kind: Any) -> tuple[Any, int]:
    """Return the vector type of an element type, and how many it holds."""
    lanes = VECTOR_BYTES // (4 if isinstance(kind, ir.FloatType) else 8)
    return ir.VectorType(kind, lanes), lanes


def _pointer(builder: Any, base: Any, place: Any, vector: Any, offset: int) -> Any:
    place = builder.add(place, place.type(offset))
    return builder.bitcast(builder.gep(base, [place]), vector.as_pointer())


def _load(builder: Any, base: Any, place: Any, vector: Any, offset: int = 0) -> Any:
    return builder.load(_pointer(builder, base, place, vector, offset), align=4)


def _store(builder: Any, value: Any, base: Any, place: Any, offset: int = 0) -> None:
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

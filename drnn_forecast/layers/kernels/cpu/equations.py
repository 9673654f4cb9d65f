"""Equations of vectors that become loops of the compiled kernels.

A function of `Numbers` is run once, while numba compiles, and writes the code of its operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from drnn_forecast.layers.kernels.cpu.vectors import (
    CONTRACT,
    data_of,
    fetch,
    fused,
    store,
    vector_of,
)

TAYLOR_TERMS: Final = {32: 7, 64: 13}  # what is left out is below half a unit in the last place
LARGEST_EXPONENT: Final = {32: 43.0, 64: 354.0}  # the product of two such powers is a number
LOG2_HIGH: Final = {32: 0.693359375, 64: 0.6931471803691238}  # few bits, so n * LOG2_HIGH is exact
LOG2_LOW: Final = {32: math.log(2) - 0.693359375, 64: 1.9082149292705877e-10}
MANTISSA_BITS: Final = {32: 23, 64: 52}


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
                        base = data_of(context, builder, kind, value)
                        place = builder.extract_value(pairs[group], 2 * i + 1)
                        for _ in range(count):
                            found.append((base, place))
                            place = builder.add(place, block)
                    return found

                inputs, outputs = places(0, reads), places(1, writes)
                vector, lanes = vector_of(inputs[0][0].type.pointee)
                stop = builder.udiv(block, block.type(lanes))
                with cgutils.for_range(builder, stop) as each:
                    offset = builder.mul(each.index, block.type(lanes))
                    loaded = [
                        Numbers(builder, fetch(builder, base, builder.add(at, offset), vector))
                        for base, at in inputs
                    ]
                    for (base, at), result in zip(outputs, equations(*loaded), strict=True):
                        store(builder, result.value, base, builder.add(at, offset))
                return context.get_dummy_value()

            return types.void(types.intp, sources, targets), generate

        made: Callable[..., None] = loop
        return made

    return decorate


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
    r = fused(builder, n, _number(kind, -LOG2_HIGH[bits]), value)
    r = fused(builder, n, _number(kind, -LOG2_LOW[bits]), r)
    series = _number(kind, 1 / math.factorial(TAYLOR_TERMS[bits]))
    for term in range(TAYLOR_TERMS[bits] - 1, 0, -1):
        series = fused(builder, series, r, _number(kind, 1 / math.factorial(term)))
    series = builder.fmul(series, r)
    mantissa = MANTISSA_BITS[bits]
    bias = _number(integer, 2 ** (bits - mantissa - 2) - 1)
    exponent = builder.add(builder.fptosi(n, integer), bias)
    power = builder.bitcast(builder.shl(exponent, _number(integer, mantissa)), kind)
    return fused(builder, power, series, builder.fsub(power, _number(kind, 1)))


def _number(vector: Any, number: float) -> Any:
    """Return the vector that holds a known number in every place."""
    return ir.Constant(vector, [number] * vector.count)

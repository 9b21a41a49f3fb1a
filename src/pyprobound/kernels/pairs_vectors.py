"""Vector operations of the loops over pairs of windows, see ``vectors``.

The values of a tile of ``TILE_ROWS`` rows lie window by window, the rows of a window
next to each other. The loops work on *blocks*: the pairs of two windows of one mode
with four windows of the other, as eight numbers that a row's windows are multiplied
with or summed to. A ``Sums`` value holds eight vectors of rows: the sums for two
vectors of rows and four windows, or those of the eight numbers of a block.
"""

# The arguments of an operation are their types, which do not all matter.
# ruff: noqa: ARG001

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import models, register_model

from .arguments import LANES
from .vectors import Typed, Vector
from .vectors import _Code as Code
from .vectors import _operation as operation

TILE_ROWS = 64
"""Rows that are handled together; their values stay in the first-level caches."""
COLUMNS = 4
"""Windows of a block along one of its sides."""
DEPTH = 2
"""Windows of a block along its other side; also vectors of rows in ``Sums``."""
STEP = DEPTH * LANES
"""Rows that the sums of a block are formed for at once."""
BLOCK = DEPTH * COLUMNS
"""Numbers of a block."""

_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)


class Sums(types.Type):
    """The numba type of ``BLOCK`` vectors of ``LANES`` values."""

    def __init__(self, element: Any) -> None:
        self.element = element
        super().__init__(name=f"Sums({element})")


@register_model(Sums)
class _SumsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Sums) -> None:
        element = manager.lookup(kind.element).get_value_type()
        vectors = ir.ArrayType(ir.VectorType(element, LANES), BLOCK)
        super().__init__(  # type: ignore[no-untyped-call]
            manager, kind, vectors
        )


def _multiply_add(code: Code, first: Any, second: Any, added: Any) -> Any:
    """``first * second + added``, fused where the processor can."""
    bits = 64 if isinstance(first.type.element, ir.DoubleType) else 32
    name = f"llvm.fmuladd.v{first.type.count}f{bits}"
    kind = ir.FunctionType(first.type, [first.type] * 3)
    function = code.builder.module.declare_intrinsic(name, fnty=kind)
    return code.builder.call(function, [first, second, added])


def _spread(code: Code, value: Any) -> Any:
    """A vector whose lanes are all the same."""
    kind = ir.VectorType(value.type, LANES)
    vector = code.builder.insert_element(
        ir.Constant(kind, ir.Undefined), value, _INT32(0)
    )
    return code.pick(vector, None, [0] * LANES)


def _unpack(code: Code, sums: Any) -> list[Any]:
    return [code.builder.extract_value(sums, i) for i in range(BLOCK)]


def _pack(code: Code, vectors: list[Any]) -> Any:
    packed = ir.Constant(ir.ArrayType(vectors[0].type, len(vectors)), ir.Undefined)
    for i, vector in enumerate(vectors):
        packed = code.builder.insert_value(packed, vector, i)
    return packed


def _read(code: Code, argument: int, array: Any, index: Any) -> Any:
    pointer = code.address(argument, array, index)
    return code.read(pointer, code.element(argument), LANES)


def _write(code: Code, argument: int, array: Any, index: Any, vector: Any) -> None:
    code.write(code.address(argument, array, index), vector)


# --- vectors -------------------------------------------------------------------------


@operation
def spread(value: Any) -> Typed:
    """Vector of ``LANES`` times the same number."""

    def write_code(code: Code, value: Any) -> Any:
        return _spread(code, value)

    return Vector(value, LANES)(value), write_code


@operation
def subtract(left: Any, right: Any) -> Typed:
    """Difference of two vectors."""

    def write_code(code: Code, left: Any, right: Any) -> Any:
        return code.builder.fsub(left, right)

    return left(left, left), write_code


@operation
def larger(left: Any, right: Any) -> Typed:
    """The larger one in each lane; ``left`` where one is not a number."""

    def write_code(code: Code, left: Any, right: Any) -> Any:
        is_less = code.builder.fcmp_ordered("<", left, right)
        return code.builder.select(is_less, right, left)

    return left(left, left), write_code


_SINGLE = {
    "terms": 8,
    "round": 1.5 * 2**23,
    "upper": 0.693359375,
    "lower": -2.12194440e-4,
    "fraction": 23,
    "bias": 127,
    "least": -87.0,
}
_DOUBLE = {
    "terms": 14,
    "round": 1.5 * 2**52,
    "upper": 6.93147180369123816490e-01,
    "lower": 1.90821492927058770002e-10,
    "fraction": 52,
    "bias": 1023,
    "least": -708.0,
}


@operation
def exponential(vector: Any) -> Typed:
    """Exponentials of numbers up to 0; 0 where they would be subnormal.

    With the integer k nearest to x / log(2), the exponential is 2^k times that of the
    remainder, whose magnitude is at most log(2) / 2; that one is a Taylor series.
    """
    is_double = vector.element == types.float64
    numbers = _DOUBLE if is_double else _SINGLE
    word = _INT64 if is_double else _INT32

    def write_code(code: Code, x: Any) -> Any:
        builder = code.builder

        def constant(value: float) -> Any:
            return ir.Constant(x.type, [value] * LANES)

        def whole(value: int) -> Any:
            return ir.Constant(ir.VectorType(word, LANES), [value] * LANES)

        # Adding a large number rounds, and leaves the integer in the last bits.
        shifted = _multiply_add(
            code, x, constant(1 / math.log(2)), constant(numbers["round"])
        )
        integer = builder.fsub(shifted, constant(numbers["round"]))
        rest = _multiply_add(code, integer, constant(-numbers["upper"]), x)
        rest = _multiply_add(code, integer, constant(-numbers["lower"]), rest)
        terms = int(numbers["terms"])
        series = constant(1 / math.factorial(terms - 1))
        for i in reversed(range(terms - 1)):
            series = _multiply_add(code, series, rest, constant(1 / math.factorial(i)))
        bits = builder.bitcast(shifted, ir.VectorType(word, LANES))
        bits = builder.add(bits, whole(int(numbers["bias"])))
        bits = builder.shl(bits, whole(int(numbers["fraction"])))
        power = builder.bitcast(bits, x.type)
        vanishes = builder.fcmp_ordered("<", x, constant(numbers["least"]))
        return builder.select(vanishes, constant(0.0), builder.fmul(series, power))

    return vector(vector), write_code


# --- sums ----------------------------------------------------------------------------


@operation
def no_sums(array: Any) -> Typed:
    """Sums of nothing, of the type of an array's elements."""
    kind = Sums(array.dtype)

    def write_code(code: Code, array: Any) -> Any:
        zero = ir.Constant(ir.VectorType(code.element(0), LANES), [0.0] * LANES)
        return _pack(code, [zero] * BLOCK)

    return kind(array), write_code


@operation
def add_products(sums: Any, tile: Any, place: Any, blocks: Any, index: Any) -> Typed:
    """Adds a block's numbers times the values of its rows.

    The sums are those of ``COLUMNS`` windows for the rows of one vector, then the same
    for the next vector; ``tile[place]`` is the first window of the block's depth.
    """

    def write_code(
        code: Code, sums: Any, tile: Any, place: Any, blocks: Any, index: Any
    ) -> Any:
        found = _unpack(code, sums)
        for window in range(DEPTH):
            rows = [
                _read(code, 1, tile, code.plus(place, window * TILE_ROWS + v * LANES))
                for v in range(DEPTH)
            ]
            for column in range(COLUMNS):
                number = code.plus(index, window * COLUMNS + column)
                pointer = code.address(3, blocks, number)
                factor = _spread(code, code.builder.load(pointer))
                for v in range(DEPTH):
                    i = v * COLUMNS + column
                    found[i] = _multiply_add(code, rows[v], factor, found[i])
        return _pack(code, found)

    return sums(sums, tile, types.intp, blocks, types.intp), write_code


@operation
def add_row_products(sums: Any, tile: Any, place: Any, other: Any, start: Any) -> Typed:
    """Adds the products of ``DEPTH`` windows with ``COLUMNS`` windows of some rows."""

    def write_code(
        code: Code, sums: Any, tile: Any, place: Any, other: Any, start: Any
    ) -> Any:
        found = _unpack(code, sums)
        columns = [
            _read(code, 3, other, code.plus(start, column * TILE_ROWS))
            for column in range(COLUMNS)
        ]
        for window in range(DEPTH):
            rows = _read(code, 1, tile, code.plus(place, window * TILE_ROWS))
            for column in range(COLUMNS):
                i = window * COLUMNS + column
                found[i] = _multiply_add(code, rows, columns[column], found[i])
        return _pack(code, found)

    return sums(sums, tile, types.intp, other, types.intp), write_code


@operation
def total_of_rows(sums: Any) -> Typed:
    """A vector of the sums over the lanes of each vector."""
    kind = Vector(sums.element, LANES)

    def write_code(code: Code, sums: Any) -> Any:
        vectors = _unpack(code, sums)
        width = 1
        while len(vectors) > 1:
            # Neighbouring groups of lanes are added, and two vectors become one.
            low = [i for i in range(2 * LANES) if i // width % 2 == 0]
            low = _woven(low, width)
            high = [i + width for i in low]
            vectors = [
                code.builder.fadd(code.pick(u, v, low), code.pick(u, v, high))
                for u, v in zip(vectors[::2], vectors[1::2], strict=True)
            ]
            width *= 2
        return vectors[0]

    return kind(sums), write_code


def _woven(lanes: list[int], width: int) -> list[int]:
    """Takes ``width`` lanes of the first half, then of the second, and so on."""
    first, second = lanes[: LANES // 2], lanes[LANES // 2 :]
    woven = []
    for i in range(0, LANES // 2, width):
        woven += first[i : i + width] + second[i : i + width]
    return woven


@operation
def weigh_sums(
    sums: Any, weights: Any, place: Any, target: Any, start: Any, totals: Any, row: Any
) -> Typed:
    """Writes sums of ``add_products`` times weights, and adds them to totals of rows.

    Args:
        sums: The sums.
        weights: A tile.
        place: The weights of the first window for the first row.
        target: A tile.
        start: The same place in it.
        totals: A number for each row.
        row: The first row.
    """

    def write_code(
        code: Code,
        sums: Any,
        weights: Any,
        place: Any,
        target: Any,
        start: Any,
        totals: Any,
        row: Any,
    ) -> Any:
        found = _unpack(code, sums)
        for v in range(DEPTH):
            first = code.plus(row, v * LANES)
            total = _read(code, 5, totals, first)
            for column in range(COLUMNS):
                shift = column * TILE_ROWS + v * LANES
                weight = _read(code, 1, weights, code.plus(place, shift))
                product = code.builder.fmul(found[v * COLUMNS + column], weight)
                _write(code, 3, target, code.plus(start, shift), product)
                total = code.builder.fadd(total, product)
            _write(code, 5, totals, first, total)
        return code.nothing()

    kinds = (sums, weights, types.intp, target, types.intp, totals, types.intp)
    return types.void(*kinds), write_code


# --- tiles ---------------------------------------------------------------------------


def _transposed(code: Code, vectors: list[Any]) -> list[Any]:
    """Exchanges the lanes and the numbers of ``LANES`` vectors."""
    width = LANES // 2
    while width:
        lanes = range(LANES)
        low = [i if i & width == 0 else i - width + LANES for i in lanes]
        high = [i + width if i & width == 0 else i + LANES for i in lanes]
        result = list(vectors)
        for i in range(LANES):
            if i & width == 0:
                u, v = vectors[i], vectors[i | width]
                result[i] = code.pick(u, v, low)
                result[i | width] = code.pick(u, v, high)
        vectors = result
        width //= 2
    return vectors


def _address_in_row(
    code: Code, argument: int, array: Any, starts: Any, row: Any, column: Any
) -> Any:
    """Pointer into a flat array whose row ``row`` starts at ``starts[row]``."""
    start = code.builder.load(code.address(argument + 1, starts, row))
    return code.address(argument, array, code.builder.add(start, column))


@operation
def load_square(
    rows: Any, starts: Any, first: Any, column: Any, tile: Any, place: Any
) -> Typed:
    """Copies ``LANES`` windows of ``LANES`` rows to a tile."""

    def write_code(
        code: Code, rows: Any, starts: Any, first: Any, column: Any, tile: Any, at: Any
    ) -> Any:
        vectors = [
            code.read(
                _address_in_row(code, 0, rows, starts, code.plus(first, i), column),
                code.element(0),
                LANES,
            )
            for i in range(LANES)
        ]
        for i, vector in enumerate(_transposed(code, vectors)):
            _write(code, 4, tile, code.plus(at, i * TILE_ROWS), vector)
        return code.nothing()

    kinds = (rows, starts, types.intp, types.intp, tile, types.intp)
    return types.void(*kinds), write_code


@operation
def store_square(
    rows: Any, starts: Any, first: Any, column: Any, tile: Any, place: Any
) -> Typed:
    """Copies ``LANES`` windows of ``LANES`` rows from a tile, see ``load_square``."""

    def write_code(
        code: Code, rows: Any, starts: Any, first: Any, column: Any, tile: Any, at: Any
    ) -> Any:
        vectors = [
            _read(code, 4, tile, code.plus(at, i * TILE_ROWS)) for i in range(LANES)
        ]
        for i, vector in enumerate(_transposed(code, vectors)):
            pointer = _address_in_row(
                code, 0, rows, starts, code.plus(first, i), column
            )
            code.write(pointer, vector)
        return code.nothing()

    kinds = (rows, starts, types.intp, types.intp, tile, types.intp)
    return types.void(*kinds), write_code

"""Short vectors inside compiled code: numba types and the operations on them.

A compiler finds vectors in simple loops by itself, but not in the loops of
``pyprobound.kernels.walks``, where the values of one vector belong to different blocks
of a motif and move on by one block at a time. So these loops spell their vectors out.
The vectors are those of LLVM, which maps them to the registers of any processor.

A *lane* is one value of a vector. A ``Walkers`` value is one vector of ``LANES`` lanes
for each of ``ROWS`` rows that are handled together. Lengths that must be known when
compiling are passed as the length of a tuple of integers: its type carries it.
"""

# The arguments of an operation are their types, which do not all matter.
# ruff: noqa: ARG001

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, TypeAlias, cast

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic, models, register_model

from .arguments import LANES, ROWS

Typed: TypeAlias = tuple[Any, Callable[..., Any]]
"""The types of an operation's result and arguments, and what writes its code."""

_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)


class Vector(types.Type):
    """The numba type of a vector of numbers."""

    def __init__(self, element: Any, lanes: int) -> None:
        self.element = element
        self.lanes = lanes
        super().__init__(name=f"Vector({element} x {lanes})")


class Walkers(types.Type):
    """The numba type of one vector of ``LANES`` values for each of ``ROWS`` rows."""

    def __init__(self, element: Any) -> None:
        self.element = element
        super().__init__(name=f"Walkers({element})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        element = manager.lookup(kind.element).get_value_type()
        super().__init__(  # type: ignore[no-untyped-call]
            manager, kind, ir.VectorType(element, kind.lanes)
        )


@register_model(Walkers)
class _WalkersModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Walkers) -> None:
        element = manager.lookup(kind.element).get_value_type()
        vectors = ir.ArrayType(ir.VectorType(element, LANES), ROWS)
        super().__init__(  # type: ignore[no-untyped-call]
            manager, kind, vectors
        )


class _Code:
    """Writes the instructions of one operation."""

    def __init__(self, context: Any, builder: Any, kinds: Any) -> None:
        self.context = context
        self.builder = builder
        self.kinds = kinds

    def element(self, argument: int) -> Any:
        """Element type of an array argument."""
        return self.context.get_value_type(self.kinds[argument].dtype)

    def address(self, argument: int, array: Any, index: Any) -> Any:
        """Pointer to an element; unlike numba's, indices never wrap around."""
        kind = self.kinds[argument]
        data = self.context.make_array(kind)(self.context, self.builder, array).data
        return self.builder.gep(data, [index])

    def read(self, pointer: Any, element: Any, lanes: int) -> Any:
        """Reads consecutive values that may lie at any address."""
        kind = ir.VectorType(element, lanes)
        value = self.builder.load(self.builder.bitcast(pointer, kind.as_pointer()))
        value.align = self.context.get_abi_sizeof(element)
        return value

    def write(self, pointer: Any, value: Any) -> None:
        """Writes consecutive values to any address."""
        pointer = self.builder.bitcast(pointer, value.type.as_pointer())
        stored = self.builder.store(value, pointer)
        stored.align = self.context.get_abi_sizeof(value.type.element)

    def pick(self, low: Any, high: Any | None, lanes: list[int]) -> Any:
        """The given lanes of one vector or of two joined."""
        mask = ir.Constant(ir.VectorType(_INT32, len(lanes)), lanes)
        if high is None:
            high = ir.Constant(low.type, ir.Undefined)
        return self.builder.shuffle_vector(low, high, mask)

    def plus(self, value: Any, constant: int) -> Any:
        """Adds a constant to an index."""
        return self.builder.add(value, _INT64(constant))

    def word(self, table: Any, words: Any, base: Any, index: Any) -> Any:
        """Pointer to the table's row that a word names (arguments 0 to 3)."""
        word = self.builder.load(self.address(1, words, index))
        place = self.builder.add(base, self.builder.zext(word, _INT64))
        return self.address(0, table, place)

    def rows(self, walkers: Any) -> list[Any]:
        """The vectors of the rows."""
        return [self.builder.extract_value(walkers, row) for row in range(ROWS)]

    def pack(self, vectors: list[Any]) -> Any:
        """Joins the vectors of the rows to one value."""
        kind = ir.ArrayType(vectors[0].type, ROWS)
        packed = ir.Constant(kind, ir.Undefined)
        for row, vector in enumerate(vectors):
            packed = self.builder.insert_value(packed, vector, row)
        return packed

    def nothing(self) -> Any:
        """The value of an operation without result."""
        return self.context.get_dummy_value()


def _operation(typed: Callable[..., Typed]) -> Callable[..., Any]:
    """Makes an operation of compiled code from a function of its arguments' types.

    The function returns the types of the result and the arguments, and a function that
    writes the code; that one gets a ``_Code`` and the arguments' values.
    """

    def with_code(typing: Any, *arguments: Any) -> tuple[Any, Callable[..., Any]]:
        kinds, write_code = typed(*arguments)

        def generate(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
            return write_code(_Code(context, builder, kinds.args), *values)

        return kinds, generate

    own = signature(typed)
    first = Parameter("typing", Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [first, *own.parameters.values()]
    with_code.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_code.__name__ = typed.__name__
    with_code.__doc__ = typed.__doc__
    return cast("Callable[..., Any]", intrinsic(with_code))


@_operation
def read(array: Any, index: Any, lanes: Any) -> Typed:
    """Vector of ``len(lanes)`` consecutive values of a flat array."""
    vector = Vector(array.dtype, len(lanes))

    def write_code(code: _Code, array: Any, index: Any, lanes: Any) -> Any:
        return code.read(code.address(0, array, index), code.element(0), vector.lanes)

    return vector(array, types.intp, lanes), write_code


@_operation
def write(array: Any, index: Any, vector: Any) -> Typed:
    """Stores a vector in consecutive values of a flat array."""

    def write_code(code: _Code, array: Any, index: Any, vector: Any) -> Any:
        code.write(code.address(0, array, index), vector)
        return code.nothing()

    return types.void(array, types.intp, vector), write_code


@_operation
def add(left: Any, right: Any) -> Typed:
    """Sum of two vectors."""

    def write_code(code: _Code, left: Any, right: Any) -> Any:
        return code.builder.fadd(left, right)

    return left(left, left), write_code


@_operation
def multiply(left: Any, right: Any) -> Typed:
    """Product of two vectors."""

    def write_code(code: _Code, left: Any, right: Any) -> Any:
        return code.builder.fmul(left, right)

    return left(left, left), write_code


@_operation
def walkers(array: Any) -> Typed:
    """The first ``LANES`` values of a flat array, the same for each row."""
    kind = Walkers(array.dtype)

    def write_code(code: _Code, array: Any) -> Any:
        pointer = code.address(0, array, _INT64(0))
        return code.pack([code.read(pointer, code.element(0), LANES)] * ROWS)

    return kind(array), write_code


@_operation
def enter(state: Any, array: Any, index: Any, channels: Any) -> Typed:
    """Moves all lanes down by ``len(channels)``; values of an array enter at the top.

    Row ``r`` reads its values at ``array[index + r * len(channels)]``.
    """
    count = len(channels)
    widened = [min(lane, count - 1) for lane in range(LANES)]
    moved = [lane + count for lane in range(LANES)]

    def write_code(
        code: _Code, state: Any, array: Any, index: Any, channels: Any
    ) -> Any:
        rows = []
        for row, vector in enumerate(code.rows(state)):
            pointer = code.address(1, array, code.plus(index, row * count))
            few = code.read(pointer, code.element(1), count)
            rows.append(code.pick(vector, code.pick(few, None, widened), moved))
        return code.pack(rows)

    return state(state, array, types.intp, channels), write_code


@_operation
def enter_same(state: Any, entering: Any, channels: Any) -> Typed:
    """Moves all lanes down by ``len(channels)``; the first of ``entering`` enter."""
    count = len(channels)
    moved = [lane + count for lane in range(LANES)]

    def write_code(code: _Code, state: Any, entering: Any, channels: Any) -> Any:
        pairs = zip(code.rows(state), code.rows(entering), strict=True)
        return code.pack([code.pick(low, high, moved) for low, high in pairs])

    return state(state, state, channels), write_code


@_operation
def leave(array: Any, index: Any, state: Any, channels: Any) -> Typed:
    """Stores the lowest ``len(channels)`` lanes of each row, row after row."""
    count = len(channels)

    def write_code(
        code: _Code, array: Any, index: Any, state: Any, channels: Any
    ) -> Any:
        for row, vector in enumerate(code.rows(state)):
            pointer = code.address(0, array, code.plus(index, row * count))
            code.write(pointer, code.pick(vector, None, list(range(count))))
        return code.nothing()

    return types.void(array, types.intp, state, channels), write_code


@_operation
def apply_words(
    table: Any, words: Any, base: Any, index: Any, state: Any, summed: Any
) -> Typed:
    """Multiplies each row by its entry of a table, or adds it if ``summed`` has values.

    Row ``r`` uses the vector at ``table[base + words[index + r]]``.
    """
    added = len(summed) > 0

    def write_code(
        code: _Code, table: Any, words: Any, base: Any, index: Any, state: Any, _: Any
    ) -> Any:
        combine = code.builder.fadd if added else code.builder.fmul
        rows = []
        for row, vector in enumerate(code.rows(state)):
            pointer = code.word(table, words, base, code.plus(index, row))
            rows.append(combine(vector, code.read(pointer, code.element(0), LANES)))
        return code.pack(rows)

    return state(table, words, types.intp, types.intp, state, summed), write_code


@_operation
def count_words(table: Any, words: Any, base: Any, index: Any, state: Any) -> Typed:
    """Adds each row to its entry of a table, the reverse of ``apply_words``."""

    def write_code(
        code: _Code, table: Any, words: Any, base: Any, index: Any, state: Any
    ) -> Any:
        for row, vector in enumerate(code.rows(state)):
            pointer = code.word(table, words, base, code.plus(index, row))
            old = code.read(pointer, code.element(0), LANES)
            code.write(pointer, code.builder.fadd(old, vector))
        return code.nothing()

    return types.void(table, words, types.intp, types.intp, state), write_code


@_operation
def interleave(
    source: Any, index: Any, distance: Any, target: Any, place: Any
) -> Typed:
    """Writes eight letters of each of ``ROWS`` rows, letter by letter.

    ``source[index + row * distance + i]`` goes to ``target[place + ROWS * i + row]``.
    """
    letters = 8
    order = [row * letters + i for i in range(letters) for row in range(ROWS)]

    def write_code(
        code: _Code, source: Any, index: Any, distance: Any, target: Any, place: Any
    ) -> Any:
        parts = []
        for _ in range(ROWS):
            pointer = code.address(0, source, index)
            parts.append(code.read(pointer, code.element(0), letters))
            index = code.builder.add(index, distance)
        joined = list(range(2 * letters))
        low = code.pick(parts[0], parts[1], joined)
        high = code.pick(parts[2], parts[3], joined)
        code.write(code.address(3, target, place), code.pick(low, high, order))
        return code.nothing()

    kinds = (source, types.intp, types.intp, target, types.intp)
    return types.void(*kinds), write_code

"""Tables of words: their numbers, and the way back from gradients.

The logarithm of a table's entry is the sum of the features of the word. Entries are
stored as exponentials relative to the greatest of their block and channel, so none
exceeds 1; what was taken away goes to the constant of the channel. The constants start
at a large power of 2 instead of 1: as products of entries only become smaller, this
doubles the range of scores that single precision can hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from .arguments import LANES, ROWS
from .compiling import compiled
from .plan import MOST_ENTRIES, Motif, Plan, make_plan
from .tiles import Scorer
from .vectors import add, read, write

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]

_FULL = (0,) * LANES

_HEADROOM = {np.dtype(np.float32): 100, np.dtype(np.float64): 900}
"""Exponent of the power of 2 at which the greatest constant starts."""
_KEPT_TABLES = 16
"""Number of tables that are kept for the gradient, and for further rows."""


@dataclass(frozen=True, eq=False)
class Parameters:
    """Everything a score depends on but the sequence, in double precision.

    Two are equal if all their values are.
    """

    monomer: Doubles  # (C, n, k)
    pairs: tuple[Doubles, ...]  # each (C, n, n, k - d)
    constants: Doubles  # (G, C, 1 or W): bias and position bias
    hill: float

    def arrays(self) -> list[Doubles]:
        """All that the Hill coefficient multiplies."""
        return [self.monomer, *self.pairs, self.constants]

    def times_hill(self) -> Parameters:
        """The same scores with a Hill coefficient of 1."""
        return Parameters(
            self.hill * self.monomer,
            tuple(self.hill * values for values in self.pairs),
            self.hill * self.constants,
            1.0,
        )

    @cached_property
    def _values(self) -> tuple[object, ...]:
        contents = [(values.shape, values.tobytes()) for values in self.arrays()]
        return self.hill, *contents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parameters) and self._values == other._values

    def __hash__(self) -> int:
        return hash(self._values)


@dataclass(frozen=True)
class Tables:
    """Tables for the compiled loops.

    Attributes:
        plan: How the motif is cut.
        extended: Whether words spell the wildcard and the zero code, too.
        scorer: The numbers.
        shift: What to add to the logarithm of a sum of products.
        floor: Sums up to here may have lost terms to underflow.
    """

    plan: Plan
    extended: bool
    scorer: Scorer
    shift: float = 0.0
    floor: float = 0.0


@compiled
def _spread(values: Any, terms: Any, table: Any) -> None:
    """Adds the values of all terms to the words that they are part of."""
    for part in range(len(values)):
        source = values[part]
        target = table[part]
        for base, before, firsts, between, seconds, after, start in terms:
            place = base
            for _ in range(before):
                for first in range(firsts):
                    for _ in range(between):
                        for second in range(seconds):
                            value = start + (first * seconds + second) * LANES
                            term = read(source, value, _FULL)
                            for _ in range(after):
                                word = read(target, place, _FULL)
                                write(target, place, add(word, term))
                                place += LANES


@compiled
def _gather(table: Any, terms: Any, values: Any) -> None:
    """Adds all words to the values of the terms they have; reverse of ``_spread``."""
    for part in range(len(values)):
        source = table[part]
        target = values[part]
        for base, before, firsts, between, seconds, after, start in terms:
            place = base
            for _ in range(before):
                for first in range(firsts):
                    for _ in range(between):
                        for second in range(seconds):
                            value = start + (first * seconds + second) * LANES
                            term = read(target, value, _FULL)
                            for _ in range(after):
                                term = add(term, read(source, place, _FULL))
                                place += LANES
                            write(target, value, term)


def extend(values: Doubles, axis: int) -> Doubles:
    """Appends the mean over the letters and 0 to a letter axis."""
    mean = values.mean(axis, keepdims=True, dtype=np.float64)
    return np.concatenate([values, mean, np.zeros_like(mean)], axis)


def fold(gradient: Doubles, axis: int) -> Doubles:
    """Gradient of ``values`` from that of ``extend(values, axis)``."""
    letters = gradient.shape[axis] - 2
    direct, mean, _ = np.split(gradient, [letters, letters + 1], axis)
    folded: Doubles = direct + mean / letters
    return folded


def _plan(
    parameters: Parameters,
    distances: Sequence[int],
    windows: int,
    dilation: int,
    extended: bool,
    most_entries: int,
) -> Plan:
    channels, letters, size = parameters.monomer.shape
    symbols = letters + 2 if extended else letters
    motif = Motif(symbols, size, channels, windows, dilation, tuple(distances))
    return make_plan(motif, most_entries)


def _log_table(plan: Plan, parameters: Parameters, extended: bool) -> Doubles:
    """Scores of all words, times the Hill coefficient, (parts, values)."""
    filters = [parameters.monomer, *parameters.pairs]
    if extended:
        filters = [extend(values, 1) for values in filters]
        filters[1:] = [extend(values, 2) for values in filters[1:]]
    flat = np.concatenate([*(values.ravel() for values in filters), [0.0]])
    table = np.zeros((plan.parts, plan.values))
    _spread((parameters.hill * flat)[plan.index], plan.terms, table)
    return table


def _by_group(plan: Plan, constants: Doubles, padding: float) -> Doubles:
    """Constants (G, C, W) as (parts, G, W, channels of a group)."""
    absent = plan.parts * plan.group - plan.motif.channels
    padded = np.pad(constants, ((0, 0), (0, absent), (0, 0)), constant_values=padding)
    lengths, _, windows = constants.shape
    split = padded.reshape(lengths, plan.parts, plan.group, windows)
    return np.ascontiguousarray(split.transpose(1, 0, 3, 2))


def _from_groups(plan: Plan, gradient: Doubles) -> Doubles:
    """Reverse of ``_by_group``."""
    parts, lengths, windows, group = gradient.shape
    joined = gradient.transpose(1, 0, 3, 2).reshape(lengths, parts * group, windows)
    return joined[:, : plan.motif.channels]


def _scorer(plan: Plan, table: Doubles, entry: Doubles, kind: npt.DTypeLike) -> Scorer:
    return Scorer(
        spellings=plan.spellings,
        passes=plan.passes,
        tables=table.astype(kind),
        entry=entry.astype(kind),
        channels=(0,) * plan.group,
        wide=(0,) * (plan.group * ROWS),
        reach=plan.reach,
    )


@lru_cache(_KEPT_TABLES)
def additive_tables(
    parameters: Parameters,
    distances: tuple[int, ...],
    windows: int,
    dilation: int,
    kind: npt.DTypeLike,
    extended: bool,
    most_entries: int = MOST_ENTRIES,
) -> Tables:
    """Tables of scores, to be added."""
    plan = _plan(parameters, distances, windows, dilation, extended, most_entries)
    table = _log_table(plan, parameters, extended)
    entry = _by_group(plan, parameters.constants, 0.0)
    return Tables(plan, extended, _scorer(plan, table, entry, kind))


def _relative_to_greatest(plan: Plan, table: Doubles) -> Doubles:
    """Subtracts the greatest entry of each block and channel; returns their sums.

    Returns:
        The sum over the blocks of what was subtracted, (parts, channels of a group).
    """
    total = np.zeros((plan.parts, plan.group))
    start = 0
    for size in plan.pass_sizes():
        entries = table[:, start : start + size].reshape(plan.parts, -1, LANES)
        greatest = entries.max(1)
        greatest[~np.isfinite(greatest)] = 0.0
        entries -= greatest[:, None, :]
        total += greatest.reshape(plan.parts, -1, plan.group).sum(1)
        start += size
    return total


@lru_cache(_KEPT_TABLES)
def multiplicative_tables(
    parameters: Parameters,
    distances: tuple[int, ...],
    windows: int,
    dilation: int,
    kind: npt.DTypeLike,
    extended: bool,
    most_entries: int = MOST_ENTRIES,
) -> Tables:
    """Tables of exponentials of scores, to be multiplied."""
    plan = _plan(parameters, distances, windows, dilation, extended, most_entries)
    table = _log_table(plan, parameters, extended)
    moved = _relative_to_greatest(plan, table)
    entry = _by_group(plan, parameters.hill * parameters.constants, -np.inf)
    entry += moved[:, None, None, :]
    top = entry.max()
    top = float(top) if np.isfinite(top) else 0.0

    limits = np.finfo(kind)
    headroom = _HEADROOM[np.dtype(kind)]
    # Relative error of a sum if terms up to the smallest number are lost.
    floor = float(limits.tiny / limits.eps) * windows * plan.motif.channels
    lost = (table < np.log(limits.tiny)) & (table > -np.inf)
    if lost.any():
        floor *= 2.0**headroom
    entry = np.ldexp(np.exp(entry - top), headroom)
    return Tables(
        plan,
        extended,
        _scorer(plan, np.exp(table), entry, kind),
        shift=top - headroom * float(np.log(2.0)),
        floor=floor,
    )


def parameter_gradient(
    tables: Tables, gradient: Doubles, entry_gradient: Doubles, parameters: Parameters
) -> list[Doubles]:
    """Gradient with respect to the parameters times the Hill coefficient.

    Args:
        tables: The tables.
        gradient: With respect to logs of tables, (parts, values).
        entry_gradient: With respect to logs of constants, (parts, G, W, channels of a
            group), or empty if the constants are one value for each channel.
        parameters: What the tables were made of.

    Returns:
        Gradients of the monomer filters, each pairwise filter, and the constants.
    """
    plan = tables.plan
    values = np.zeros(plan.index.shape)
    _gather(gradient, plan.terms, values)
    flat: Doubles = np.bincount(
        plan.index.ravel(), values.ravel(), minlength=plan.motif.offsets[-1] + 1
    ).astype(np.float64)
    results: list[Doubles] = []
    for i, filters in enumerate(parameters.arrays()[:-1]):
        letter_axes = range(1, filters.ndim - 1)
        shape = [
            plan.motif.symbols if axis in letter_axes else length
            for axis, length in enumerate(filters.shape)
        ]
        start, stop = plan.motif.offsets[i : i + 2]
        result = flat[start:stop].reshape(shape)
        if tables.extended:
            for axis in letter_axes:
                result = fold(result, axis)
        results.append(result)
    if entry_gradient.size == 0:
        # Every window reads one word of every block: take the first block's.
        words = gradient[:, : plan.pass_sizes()[0]].reshape(plan.parts, -1, LANES)
        entry_gradient = words.sum(1)[:, None, None, LANES - plan.group :]
    results.append(_from_groups(plan, entry_gradient))
    return results

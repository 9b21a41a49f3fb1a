"""The compiled loops of mixtures and likelihoods, over rows in blocks.

Inputs are vectors with a value for each row that lie anywhere in memory. Every function
works on some rows and writes only to their places, so that threads can share the work,
and returns sums over them in double precision. The loops within a block are simple
enough for the compiler to find vectors in them.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, cast

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from .compiling import Function, compiled, inner
from .elementary import exponential, logarithm

_BLOCK = 256
"""Rows whose values stay in the fastest cache while they are worked on."""


# Names of numba that its type annotations leave out.
_array_at: Any = cast("Any", numba).carray
_pointer_type: Any = types.CPointer

_LEAST = 1e-30
"""A sum of terms up to 1 is exact if it is not less: what is lost is below 1e-38."""


def _reordered(function: Function) -> Function:
    """Compiles a function in which the compiler may change the order of sums.

    Only so does it use vectors for them. The order depends on nothing but the machine.
    """
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    fast = {"reassoc", "nsz"}
    compiler: Any = partial(numba.njit, nogil=True, error_model="numpy", fastmath=fast)
    return cast("Function", compiler(**options)(function))


class Vectors(NamedTuple):
    """Vectors of one type, with a value for each row.

    Attributes:
        addresses: Where each starts, shape (vectors,).
        steps: 1, or 0 if all rows share one value, shape (vectors,).
    """

    addresses: Any
    steps: Any


def _write_pointer(typing: Any, address: Any, like: Any) -> Any:
    """An address as a pointer to values of the type of an array."""
    del typing, address

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = context.get_value_type(signature.return_type)
        return builder.inttoptr(values[0], kind)

    return _pointer_type(like.dtype)(types.int64, like), generate


_pointer: Any = intrinsic(_write_pointer)


@inner
def _load(vectors: Any, number: Any, start: Any, shift: Any, target: Any) -> None:
    """Copies the values of some rows, plus a constant, from one of several vectors."""
    count = len(target)
    step = vectors.steps[number]
    if step == 0:
        source = _array_at(_pointer(vectors.addresses[number], target), (1,))
        target[:] = source[0] + shift
    else:
        address = vectors.addresses[number] + start * target.itemsize
        source = _array_at(_pointer(address, target), (count,))
        for i in range(count):
            target[i] = source[i] + shift


@_reordered
def _sum(values: Any) -> Any:
    """The sum of an array, in an order that lets the compiler use vectors."""
    total = 0.0
    for i in range(len(values)):
        total += values[i]
    return total


@inner
def _log_sum(values: Any, top: Any, total: Any, result: Any) -> None:
    """The log of the sum of exponentials over the first axis; -inf if all are."""
    count = len(result)
    infinity = result.dtype.type(np.inf)
    zero = result.dtype.type(0)
    top[:] = -infinity
    total[:] = zero
    for number in range(len(values)):
        part = values[number, :count]
        for i in range(count):
            top[i] = part[i] if part[i] > top[i] else top[i]
    for number in range(len(values)):
        part = values[number, :count]
        for i in range(count):
            base = top[i] if top[i] > -infinity else zero
            total[i] += exponential(part[i] - base)
    for i in range(count):
        finite = top[i] + logarithm(total[i])
        finite = top[i] if top[i] == -infinity else finite
        result[i] = total[i] if total[i] != total[i] else finite


@inner
def _column(counts: Any, start: Any, number: Any, target: Any) -> None:
    """Copies the counts of some rows in one round."""
    source = counts[start : start + len(target), number]
    for i in range(len(target)):
        target[i] = source[i]


@_reordered
def _dot(first: Any, second: Any) -> Any:
    """The sum of products of two arrays, as ``_sum``."""
    total = 0.0
    for i in range(len(first)):
        total += np.float64(first[i] * second[i])
    return total


@inner
def _affinities(terms: Any, peaks: Any, start: Any, values: Any, top: Any) -> None:
    """Terms of some rows as multiples of the greatest of a row, whose log is ``top``."""
    count = len(top)
    infinity = top.dtype.type(np.inf)
    top[:] = -infinity
    for number in range(len(peaks)):
        part = values[number, :count]
        _load(terms, number, start, peaks[number], part)
        for i in range(count):
            top[i] = part[i] if part[i] > top[i] else top[i]
    for number in range(len(peaks)):
        part = values[number, :count]
        for i in range(count):
            part[i] = exponential(part[i] - top[i])


@inner
def _weigh(values: Any, weights: Any, total: Any) -> Any:
    """Sums weighted affinities; whether all sums are exact to the precision."""
    count = len(total)
    total[:] = total.dtype.type(0)
    for number in range(len(weights)):
        part = values[number, :count]
        weight = weights[number]
        for i in range(count):
            total[i] += weight * part[i]
    least = total.dtype.type(_LEAST)
    exact = 0
    for i in range(count):
        exact += 1 if total[i] >= least else 0
    return exact == count


@compiled
def log_sums(
    terms: Any,
    shifts: Any,
    peaks: Any,
    weights: Any,
    first: Any,
    last: Any,
    results: Any,
) -> None:
    """The logs of sums of terms, for rows ``first`` to ``last``.

    Exponentials are computed once for all sums, relative to the greatest term of a row.
    Where a sum is so small in comparison that terms may be missing, and where a row has
    infinite terms only, the sum is computed from logs of its own.

    Args:
        terms: The logs of the terms.
        shifts: What is added to them in each sum, shape (sums, terms).
        peaks: The greatest finite shift of each term, shape (terms,).
        weights: The exponentials of shifts relative to peaks, shape (sums, terms).
        first: The first row.
        last: The row after the last.
        results: The logs of the sums, shape (sums, rows); written.
    """
    dtype = results.dtype
    n_sums, n_terms = shifts.shape
    values = np.empty((n_terms, _BLOCK), dtype)
    own = np.empty((n_terms, _BLOCK), dtype)
    top = np.empty(_BLOCK, dtype)
    total = np.empty(_BLOCK, dtype)
    other = np.empty(_BLOCK, dtype)
    for start in range(first, last, _BLOCK):
        count = min(_BLOCK, last - start)
        _affinities(terms, peaks, start, values, top[:count])
        for number in range(n_sums):
            result = results[number, start : start + count]
            if _weigh(values, weights[number], total[:count]):
                for i in range(count):
                    result[i] = top[i] + logarithm(total[i])
            else:
                for term in range(n_terms):
                    shift = shifts[number, term]
                    _load(terms, term, start, shift, own[term, :count])
                _log_sum(own, other[:count], total[:count], result)


@compiled
def log_sums_gradient(
    terms: Any,
    shifts: Any,
    peaks: Any,
    weights: Any,
    first: Any,
    last: Any,
    results: Any,
    upstream: Any,
    places: Any,
    gradients: Any,
    sums: Any,
) -> None:
    """The gradient of ``log_sums`` with respect to terms and shifts.

    Args:
        terms: As in ``log_sums``.
        shifts: As in ``log_sums``.
        peaks: As in ``log_sums``.
        weights: As in ``log_sums``.
        first: The first row.
        last: The row after the last.
        results: The results of ``log_sums``.
        upstream: Their gradients.
        places: For each term the row of ``gradients``, -1 if there is none.
        gradients: The gradients of terms, shape (wanted terms, rows); written.
        sums: The gradients of shifts, shape (sums, terms); written.
    """
    dtype = results.dtype
    infinity = dtype.type(np.inf)
    zero = dtype.type(0)
    n_sums, n_terms = shifts.shape
    values = np.empty((n_terms, _BLOCK), dtype)
    wide = np.empty((n_terms, _BLOCK), dtype)
    above = np.empty(_BLOCK, dtype)
    top = np.empty(_BLOCK, dtype)
    total = np.empty(_BLOCK, dtype)
    sums[:] = 0.0
    for start in range(first, last, _BLOCK):
        count = min(_BLOCK, last - start)
        _affinities(terms, peaks, start, values, top[:count])
        wide[:] = zero
        for number in range(n_sums):
            _load(upstream, number, start, zero, above[:count])
            if _weigh(values, weights[number], total[:count]):
                for i in range(count):
                    above[i] /= total[i]
                for term in range(n_terms):
                    weight = weights[number, term]
                    part, target = values[term, :count], wide[term, :count]
                    sums[number, term] += weight * _dot(part, above[:count])
                    if places[term] >= 0:
                        for i in range(count):
                            target[i] += weight * above[i] * part[i]
            else:
                whole = results[number, start : start + count]
                for term in range(n_terms):
                    target = wide[term, :count]
                    _load(terms, term, start, shifts[number, term], total[:count])
                    for i in range(count):
                        share = exponential(total[i] - whole[i])
                        total[i] = zero if whole[i] == -infinity else share
                        target[i] += above[i] * total[i]
                    sums[number, term] += _dot(total[:count], above[:count])
        for term in range(n_terms):
            if places[term] >= 0:
                gradients[places[term], start : start + count] = wide[term, :count]


@compiled
def log_likelihood(
    log_counts: Any,
    log_depths: Any,
    counts: Any,
    first: Any,
    last: Any,
    log_totals: Any,
) -> Any:
    """The log-likelihood of counts, for rows ``first`` to ``last``.

    Args:
        log_counts: The logs of the relative counts of each round at a depth of 1.
        log_depths: The logs of the depths, shape (rounds,).
        counts: The counts, shape (rows, rounds).
        first: The first row.
        last: The row after the last.
        log_totals: The logs of the sums over rounds, shape (rows,); written.

    Returns:
        The sum over rows and rounds.
    """
    dtype = log_totals.dtype
    infinity = dtype.type(np.inf)
    n_rounds = counts.shape[1]
    values = np.empty((n_rounds, _BLOCK), dtype)
    top = np.empty(_BLOCK, dtype)
    total = np.empty(_BLOCK, dtype)
    reads = np.empty(_BLOCK, counts.dtype)
    products = np.empty(_BLOCK, np.float64)
    result = 0.0
    for start in range(first, last, _BLOCK):
        count = min(_BLOCK, last - start)
        for number in range(n_rounds):
            _load(log_counts, number, start, log_depths[number], values[number, :count])
        whole = log_totals[start : start + count]
        _log_sum(values, top[:count], total[:count], whole)
        for number in range(n_rounds):
            _column(counts, start, number, reads[:count])
            part = values[number, :count]
            for i in range(count):
                log_share = part[i] - whole[i]
                log_share = -infinity if whole[i] == -infinity else log_share
                product = np.float64(reads[i]) * np.float64(log_share)
                # A round without reads does not matter, even if it is impossible.
                products[i] = product if reads[i] != 0 else 0.0
            result += _sum(products[:count])
    return result


@compiled
def log_likelihood_gradient(
    log_counts: Any,
    log_depths: Any,
    counts: Any,
    first: Any,
    last: Any,
    log_totals: Any,
    factor: Any,
    places: Any,
    gradients: Any,
    sums: Any,
) -> None:
    """The gradient of ``log_likelihood`` with respect to its logs.

    Args:
        log_counts: As in ``log_likelihood``.
        log_depths: As in ``log_likelihood``.
        counts: As in ``log_likelihood``.
        first: The first row.
        last: The row after the last.
        log_totals: The result of ``log_likelihood``.
        factor: The gradient of the log-likelihood.
        places: For each round the row of ``gradients``, -1 if there is none.
        gradients: The gradients of ``log_counts``, shape (wanted rounds, rows);
            written.
        sums: The gradients of ``log_depths``, shape (rounds,); written.
    """
    dtype = log_totals.dtype
    infinity = dtype.type(np.inf)
    zero = dtype.type(0)
    factor = dtype.type(factor)
    n_rounds = counts.shape[1]
    values = np.empty(_BLOCK, dtype)
    reads = np.empty((n_rounds, _BLOCK), dtype)
    total = np.empty(_BLOCK, dtype)
    sums[:] = 0.0
    for start in range(first, last, _BLOCK):
        count = min(_BLOCK, last - start)
        whole = log_totals[start : start + count]
        total[:count] = zero
        for number in range(n_rounds):
            column = reads[number, :count]
            _column(counts, start, number, column)
            for i in range(count):
                total[i] += column[i]
        for number in range(n_rounds):
            _load(log_counts, number, start, log_depths[number], values[:count])
            column = reads[number, :count]
            for i in range(count):
                expected = total[i] * exponential(values[i] - whole[i])
                excess = factor * (column[i] - expected)
                values[i] = zero if whole[i] == -infinity else excess
            sums[number] += _sum(values[:count])
            if places[number] >= 0:
                gradients[places[number], start : start + count] = values[:count]

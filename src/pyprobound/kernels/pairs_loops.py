"""The compiled loops over pairs of windows: window scores in, sums of products out.

With the windows' affinities relative to the largest of a row, a row's sum over all
pairs is the product of a vector, a matrix and a vector. The matrix, the affinities of
pairs, is the same for many rows; it is cut into blocks, and blocks in which all pairs
are forbidden are left out. Every function works on some rows and writes only to their
places and to the buffers it is given.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .arguments import LANES
from .compiling import compiled, inner
from .pairs_vectors import (
    BLOCK,
    COLUMNS,
    DEPTH,
    STEP,
    TILE_ROWS,
    add_products,
    add_row_products,
    exponential,
    larger,
    load_square,
    no_sums,
    spread,
    store_square,
    subtract,
    total_of_rows,
    weigh_sums,
)
from .vectors import add, multiply, read, write

_EIGHT = (0,) * LANES
_FLUSH_ROWS = 512
"""Rows after which the gradient goes to the wide buffer; more for many blocks."""


class Windows(NamedTuple):
    """Window scores of both modes, strand after strand, and the order of rows."""

    first: Any  # shape (N * A,)
    second: Any  # shape (N * B,)
    size_a: int  # A, strands times windows of the first mode
    size_b: int  # B
    order: Any  # shape (N,): rows by their energies
    hill: Any  # shape (1,), in the precision of the windows


class Blocks(NamedTuple):
    """A matrix as blocks of ``DEPTH`` rows and ``COLUMNS`` columns.

    Blocks with the same columns follow each other.
    """

    starts: Any  # shape (columns / COLUMNS + 1,): the first block of some columns
    depths: Any  # shape (blocks,): the first row of each block by DEPTH
    numbers: Any  # shape (blocks * BLOCK,)


class _Tile(NamedTuple):
    """Buffers for some rows; the values of a window lie next to each other."""

    first: Any  # (A, TILE_ROWS): affinities, padded with windows of 0
    second: Any  # (B, TILE_ROWS)
    by_first: Any  # (A, TILE_ROWS): terms of the gradient
    by_second: Any  # (B, TILE_ROWS)
    starts_a: Any  # (TILE_ROWS,): where the rows' windows start
    starts_b: Any  # (TILE_ROWS,)
    tops_a: Any  # (TILE_ROWS,): the largest scores of windows
    tops_b: Any  # (TILE_ROWS,)
    totals: Any  # (TILE_ROWS,)
    factors: Any  # (TILE_ROWS,)


@inner
def _new_tile(windows: Windows) -> _Tile:
    kind = windows.first.dtype
    padded_a = -(-windows.size_a // COLUMNS) * COLUMNS
    padded_b = -(-windows.size_b // COLUMNS) * COLUMNS
    return _Tile(
        np.zeros(padded_a * TILE_ROWS, kind),
        np.zeros(padded_b * TILE_ROWS, kind),
        np.zeros(padded_a * TILE_ROWS, kind),
        np.zeros(padded_b * TILE_ROWS, kind),
        np.zeros(TILE_ROWS, np.int64),
        np.zeros(TILE_ROWS, np.int64),
        np.zeros(TILE_ROWS, kind),
        np.zeros(TILE_ROWS, kind),
        np.zeros(TILE_ROWS, kind),
        np.zeros(TILE_ROWS, kind),
    )


@inner
def _squares(size: int, count: int) -> int:
    """How many rows are copied in squares of ``LANES`` rows and windows."""
    return count // LANES * LANES if size >= LANES else 0


@inner
def _load(rows: Any, starts: Any, size: int, tile: Any, count: int, space: int) -> None:
    """Copies rows to a tile; those that do not exist score 0."""
    whole = _squares(size, count)
    for row in range(0, whole, LANES):
        for start in range(0, size, LANES):
            window = min(start, size - LANES)
            place = window * TILE_ROWS + row
            load_square(rows, starts, row, window, tile, place)
    for row in range(whole, space):
        for window in range(size):
            value = tile.dtype.type(0)
            if row < count:
                value = rows[starts[row] + window]
            tile[window * TILE_ROWS + row] = value


@inner
def _store(rows: Any, starts: Any, size: int, tile: Any, count: int) -> None:
    """Copies the rows of a tile to their places."""
    whole = _squares(size, count)
    for row in range(0, whole, LANES):
        for start in range(0, size, LANES):
            window = min(start, size - LANES)
            place = window * TILE_ROWS + row
            store_square(rows, starts, row, window, tile, place)
    for row in range(whole, count):
        for window in range(size):
            rows[starts[row] + window] = tile[window * TILE_ROWS + row]


@inner
def _to_affinities(tile: Any, size: int, hill: Any, tops: Any, space: int) -> None:
    """Turns scores into affinities relative to the largest of each row."""
    coefficient = spread(hill[0])
    least = spread(np.finfo(tile.dtype).min)
    for row in range(0, space, LANES):
        top = read(tile, row, _EIGHT)
        for window in range(1, size):
            top = larger(top, read(tile, window * TILE_ROWS + row, _EIGHT))
        write(tops, row, top)
        top = larger(top, least)
        for window in range(size):
            place = window * TILE_ROWS + row
            score = subtract(read(tile, place, _EIGHT), top)
            write(tile, place, exponential(multiply(coefficient, score)))


@inner
def _load_tile(windows: Windows, tile: _Tile, start: int, count: int) -> int:
    """Loads rows, and returns how many rows the loops handle."""
    space = -(-count // STEP) * STEP
    for row in range(count):
        tile.starts_a[row] = windows.order[start + row] * windows.size_a
        tile.starts_b[row] = windows.order[start + row] * windows.size_b
    _load(windows.first, tile.starts_a, windows.size_a, tile.first, count, space)
    _load(windows.second, tile.starts_b, windows.size_b, tile.second, count, space)
    _to_affinities(tile.first, windows.size_a, windows.hill, tile.tops_a, space)
    _to_affinities(tile.second, windows.size_b, windows.hill, tile.tops_b, space)
    return space


@inner
def _apply(
    blocks: Blocks, left: Any, right: Any, terms: Any, totals: Any, space: int
) -> None:
    """Multiplies the rows ``left`` with the matrix, and the result with ``right``.

    The products of every window of ``right`` are the terms, their sums the totals.
    """
    totals[:] = 0
    for column in range(len(blocks.starts) - 1):
        for row in range(0, space, STEP):
            sums = no_sums(left)
            for block in range(blocks.starts[column], blocks.starts[column + 1]):
                place = blocks.depths[block] * (DEPTH * TILE_ROWS) + row
                sums = add_products(sums, left, place, blocks.numbers, block * BLOCK)
            place = column * (COLUMNS * TILE_ROWS) + row
            weigh_sums(sums, right, place, terms, place, totals, row)


@compiled
def pair_sums(
    windows: Windows, blocks: Blocks, first: int, last: int, sums: Any, tops: Any
) -> None:
    """Sums of products over all pairs of windows, relative to the largest windows.

    Args:
        windows: The rows.
        blocks: Affinities of pairs, those of the first mode in rows.
        first: First row, by the order of rows.
        last: Row after the last.
        sums: Written to, shape (N,), by the order of rows.
        tops: Written to, shape (N,): the sum of both largest scores of windows.
    """
    tile = _new_tile(windows)
    for start in range(first, last, TILE_ROWS):
        count = min(TILE_ROWS, last - start)
        space = _load_tile(windows, tile, start, count)
        _apply(blocks, tile.first, tile.second, tile.by_second, tile.totals, space)
        for row in range(count):
            sums[start + row] = tile.totals[row]
            tops[start + row] = np.float64(tile.tops_a[row]) + tile.tops_b[row]


@inner
def _add_outer(blocks: Blocks, tile: _Tile, histogram: Any, space: int) -> None:
    """Adds the products of all pairs of windows of the rows."""
    for column in range(len(blocks.starts) - 1):
        start = column * (COLUMNS * TILE_ROWS)
        for block in range(blocks.starts[column], blocks.starts[column + 1]):
            place = blocks.depths[block] * (DEPTH * TILE_ROWS)
            sums = no_sums(tile.first)
            for row in range(0, space, LANES):
                sums = add_row_products(
                    sums, tile.first, place + row, tile.second, start + row
                )
            known = read(histogram, block * BLOCK, _EIGHT)
            write(histogram, block * BLOCK, add(known, total_of_rows(sums)))


@inner
def _multiply_rows(tile: Any, size: int, factors: Any, space: int) -> None:
    """Multiplies all values of each row by a factor."""
    for row in range(0, space, LANES):
        factor = read(factors, row, _EIGHT)
        for window in range(size):
            place = window * TILE_ROWS + row
            write(tile, place, multiply(factor, read(tile, place, _EIGHT)))


@inner
def _flush(histogram: Any, gradient: Any) -> None:
    """Moves sums to the wide buffer, before their rounding errors add up."""
    for i in range(len(histogram)):
        gradient[i] += histogram[i]
        histogram[i] = 0


@compiled
def pair_gradient(
    windows: Windows,
    blocks: Blocks,
    across: Blocks,
    first: int,
    last: int,
    floor: float,
    upstream: Any,
    scale: Any,
    by_first: Any,
    by_second: Any,
    gradient: Any,
    sums: Any,
    tops: Any,
) -> None:
    """Gradient of the logs of ``pair_sums``.

    Args:
        windows: The rows.
        blocks: Affinities of pairs, those of the first mode in rows.
        across: The same, those of the second mode in rows.
        first: First row, by the order of rows.
        last: Row after the last.
        floor: Rows with sums up to this have a gradient of zero.
        upstream: Gradient of the logs, shape (N,), at most about 1.
        scale: A factor of the gradients by windows, shape (1,).
        by_first: Written to, gradient by the scores of the first mode, shape (N * A,).
        by_second: Written to, the same for the second mode.
        gradient: Added to, gradient by the affinities of pairs, without the scale; it
            has the shape of ``blocks.numbers``; not touched if empty.
        sums: Written to, see ``pair_sums``.
        tops: Written to.
    """
    tile = _new_tile(windows)
    histogram = np.zeros(len(gradient), windows.first.dtype)
    pending = 0
    for start in range(first, last, TILE_ROWS):
        count = min(TILE_ROWS, last - start)
        space = _load_tile(windows, tile, start, count)
        _apply(blocks, tile.first, tile.second, tile.by_second, tile.totals, space)
        tile.factors[:] = 0
        for row in range(count):
            sums[start + row] = tile.totals[row]
            tops[start + row] = np.float64(tile.tops_a[row]) + tile.tops_b[row]
            if not tile.totals[row] <= floor:
                weight = windows.hill[0] * upstream[windows.order[start + row]]
                tile.factors[row] = weight / tile.totals[row]
        _multiply_rows(tile.second, windows.size_b, tile.factors, space)
        if len(gradient) > 0:
            _add_outer(blocks, tile, histogram, space)
        _apply(across, tile.second, tile.first, tile.by_first, tile.totals, space)
        tile.totals[:] = scale[0]
        _multiply_rows(tile.by_first, windows.size_a, tile.totals, space)
        for row in range(TILE_ROWS):
            tile.factors[row] *= scale[0]
        _multiply_rows(tile.by_second, windows.size_b, tile.factors, space)
        _store(by_first, tile.starts_a, windows.size_a, tile.by_first, count)
        _store(by_second, tile.starts_b, windows.size_b, tile.by_second, count)
        pending += count
        if pending >= max(_FLUSH_ROWS, len(histogram) // 16):
            _flush(histogram, gradient)
            pending = 0
    _flush(histogram, gradient)


@compiled
def sum_of_products(gradients: Any, values: Any) -> float:
    """The sum of products of two matrices, without values that have no gradient."""
    total = 0.0
    for row in range(len(values)):
        of_row = 0.0
        for i in range(values.shape[1]):
            if gradients[row, i] != 0:
                of_row += np.float64(gradients[row, i]) * values[row, i]
        total += of_row
    return total


@compiled
def exact_sums(
    windows: Windows, energies: Any, rows: Any, members: Any, scores: Any
) -> None:
    """Log sums of rows whose pairs lie far below their best windows.

    Args:
        windows: The rows, in double precision.
        energies: Energies of pairs, shape (G, A, B).
        rows: The rows to be summed.
        members: The energies of each row, shape (N,).
        scores: Written to, shape (N,).
    """
    for row in rows:
        scores[row] = _exact_sum(windows, energies[members[row]], row)


@inner
def _exact_sum(windows: Windows, energies: Any, row: int) -> float:
    first = windows.first[row * windows.size_a : (row + 1) * windows.size_a]
    second = windows.second[row * windows.size_b : (row + 1) * windows.size_b]
    top = -np.inf
    for m in range(len(first)):
        for n in range(len(second)):
            top = max(top, energies[m, n] + first[m] + second[n])
    if top == -np.inf:
        return top
    total = 0.0
    for m in range(len(first)):
        for n in range(len(second)):
            score = energies[m, n] + first[m] + second[n] - top
            total += np.exp(windows.hill[0] * score)
    return float(windows.hill[0] * top + np.log(total))


@compiled
def exact_gradient(
    windows: Windows,
    energies: Any,
    rows: Any,
    members: Any,
    upstream: Any,
    by_first: Any,
    by_second: Any,
    gradient: Any,
) -> None:
    """Gradient of ``exact_sums``.

    Args:
        windows: The rows, in double precision.
        energies: Energies of pairs, shape (G, A, B).
        rows: The rows to be summed.
        members: The energies of each row, shape (N,).
        upstream: Gradient of the scores, shape (N,).
        by_first: Written to, gradient by the scores of the first mode, shape (N * A,).
        by_second: Written to, the same for the second mode.
        gradient: Added to, gradient by the energies, shape (G, A, B).
    """
    for row in rows:
        matrix = energies[members[row]]
        score = _exact_sum(windows, matrix, row)
        if score == -np.inf:
            continue
        for m in range(windows.size_a):
            one = row * windows.size_a + m
            for n in range(windows.size_b):
                other = row * windows.size_b + n
                pair = matrix[m, n] + windows.first[one] + windows.second[other]
                share = np.exp(windows.hill[0] * pair - score)
                weight = windows.hill[0] * upstream[row] * share
                by_first[one] += weight
                by_second[other] += weight
                gradient[members[row], m, n] += weight

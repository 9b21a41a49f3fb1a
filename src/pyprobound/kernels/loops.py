"""The compiled kernels: codes of rows in, sums of products of table entries out.

Every function works on some rows and writes only to their places and to the buffers it
is given, and nothing depends on how rows are shared among threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .arguments import ROWS
from .compiling import compiled, inner
from .tiles import (
    FINE,
    UNDERFLOW,
    Rows,
    Scorer,
    load_tile,
    new_tile,
)
from .walks import (
    NO,
    YES,
    add_entry_gradient,
    add_up,
    count_windows,
    read_windows,
    score_windows,
    weigh,
    write_windows,
)

_FLUSH_ROWS = 512
"""Rows after which counts go to the wide buffer; more for large tables."""


@inner
def _flush(histogram: Any, gradient: Any) -> None:
    """Moves counts to the wide buffer, before their rounding errors add up."""
    for part in range(histogram.shape[0]):
        for i in range(histogram.shape[1]):
            gradient[part, i] += histogram[part, i]
            histogram[part, i] = 0


@compiled
def row_sums(
    rows: Rows,
    scorer: Scorer,
    first: int,
    last: int,
    floor: float,
    status: Any,
    sums: Any,
) -> None:
    """Sums of window products over windows and channels, for rows ``first..last``.

    Sums not above ``floor`` are marked, because terms of theirs may have underflowed.
    """
    tile = new_tile(
        rows,
        scorer.spellings,
        scorer.tables.dtype,
        len(scorer.channels),
        scorer.reach,
    )
    step = tile.groups * ROWS
    for start in range(first, last, step):
        count = min(step, last - start)
        groups, masked = load_tile(
            rows, scorer.spellings, tile, start, count, scorer.entry.shape[1]
        )
        tile.totals[:] = 0
        for part in range(len(scorer.tables)):
            score_windows(rows, scorer, tile, groups, part, masked, NO)
            add_up(rows, scorer, tile, groups)
        for row in range(count):
            sums[start + row] = tile.totals[row]
            state = tile.status[row]
            if state == FINE and tile.totals[row] <= floor:
                state = np.uint8(UNDERFLOW)
            status[start + row] = state


@compiled
def row_gradient(
    rows: Rows,
    scorer: Scorer,
    first: int,
    last: int,
    gradient: Any,
    entry_gradient: Any,
    status: Any,
    upstream: Any,
    scale: float,
    sums: Any,
) -> None:
    """Gradient of the log of the sums with respect to the logs of all table entries.

    Args:
        rows: The sequences.
        scorer: The tables of ``row_sums``.
        first: First row.
        last: Row after the last.
        gradient: Added to, shape of the tables.
        entry_gradient: Added to, shape (channel groups, G, W, channels); not touched
            if empty.
        status: Result of ``row_sums``; only fine rows count.
        upstream: Gradient of the logs of the sums, shape (N,).
        scale: Multiplies the gradient: to about 1, so that its quotients with sums
            do not underflow.
        sums: Result of ``row_sums``, shape (N,).
    """
    tile = new_tile(
        rows,
        scorer.spellings,
        scorer.tables.dtype,
        len(scorer.channels),
        scorer.reach,
    )
    histogram = np.zeros_like(scorer.tables)
    factors = np.zeros(tile.groups * ROWS, scorer.tables.dtype)
    step = tile.groups * ROWS
    pending = 0
    for start in range(first, last, step):
        count = min(step, last - start)
        groups, masked = load_tile(
            rows, scorer.spellings, tile, start, count, scorer.entry.shape[1]
        )
        factors[:] = 0
        for row in range(count):
            if status[start + row] == FINE:
                factors[row] = upstream[start + row] * scale / sums[start + row]
        for part in range(len(scorer.tables)):
            score_windows(rows, scorer, tile, groups, part, masked, NO)
            weigh(rows, scorer, tile, groups, factors)
            count_windows(rows, scorer, tile, groups, histogram[part])
            if entry_gradient.size > 0:
                add_entry_gradient(
                    rows, scorer, tile, groups, masked, entry_gradient[part]
                )
        pending += count
        if pending >= max(_FLUSH_ROWS, histogram.size // 16):
            _flush(histogram, gradient)
            pending = 0
    _flush(histogram, gradient)


@compiled
def window_values(
    rows: Rows, scorer: Scorer, first: int, last: int, status: Any, output: Any
) -> None:
    """Sums of table entries of every window, output of shape (N, C, W)."""
    tile = new_tile(
        rows,
        scorer.spellings,
        scorer.tables.dtype,
        len(scorer.channels),
        scorer.reach,
    )
    step = tile.groups * ROWS
    for start in range(first, last, step):
        count = min(step, last - start)
        groups, masked = load_tile(
            rows, scorer.spellings, tile, start, count, scorer.entry.shape[1]
        )
        for row in range(count):
            status[start + row] = tile.status[row]
        for part in range(len(scorer.tables)):
            score_windows(rows, scorer, tile, groups, part, masked, YES)
            target = output[start : start + count]
            write_windows(rows, scorer, tile, part, masked, target)


@compiled
def window_gradient(
    rows: Rows,
    scorer: Scorer,
    first: int,
    last: int,
    gradient: Any,
    entry_gradient: Any,
    status: Any,
    upstream: Any,
) -> None:
    """Gradient of ``window_values``; see ``row_gradient``."""
    tile = new_tile(
        rows,
        scorer.spellings,
        scorer.tables.dtype,
        len(scorer.channels),
        scorer.reach,
    )
    histogram = np.zeros_like(scorer.tables)
    step = tile.groups * ROWS
    pending = 0
    for start in range(first, last, step):
        count = min(step, last - start)
        groups, masked = load_tile(
            rows, scorer.spellings, tile, start, count, scorer.entry.shape[1]
        )
        for part in range(len(scorer.tables)):
            read_windows(
                rows,
                scorer,
                tile,
                part,
                masked,
                upstream[start : start + count],
                status[start : start + count],
            )
            count_windows(rows, scorer, tile, groups, histogram[part])
            if entry_gradient.size > 0:
                add_entry_gradient(
                    rows, scorer, tile, groups, masked, entry_gradient[part]
                )
        pending += count
        if pending >= max(_FLUSH_ROWS, histogram.size // 16):
            _flush(histogram, gradient)
            pending = 0
    _flush(histogram, gradient)

"""The compiled loops: codes of rows in, sums of products of table entries out.

A motif is cut into blocks of a few letters. For every block a table holds the score of
each of its words (or its exponential); the *spelled* word of a row at a position is
the place of the word's entry in the table. One entry is a vector that holds the blocks
of the motif side by side, for one or several channels each. Walking along a row with
the stride of the blocks, the vector of unfinished windows moves down by one block at
each step, a new window enters at the top, the vector is multiplied by the table's
entry, and a finished window leaves at the bottom. So one load and one multiplication
serve all blocks of all channels. The gradient takes the same walk: the weights of the
windows enter, and the vector is added to a histogram of the shape of the table.

Rows are handled in tiles that stay in the first-level cache, four of them interleaved
so that they hide each other's latency. Every function writes only to the rows and
buffers it is given, and no result depends on how rows are shared among threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyprobound.kernels.arguments import LANES, ROWS
from pyprobound.kernels.compiling import compiled
from pyprobound.kernels.tiles import (
    FINE,
    UNDERFLOW,
    Rows,
    Scorer,
    Tile,
    load_tile,
    new_tile,
)
from pyprobound.kernels.vectors import (
    add,
    apply_words,
    count_words,
    enter,
    enter_same,
    leave,
    multiply,
    read,
    walkers,
    write,
)

_FLUSH_ROWS = 512
"""Rows after which counts go to the wide buffer; more for large tables."""
_YES = (0,)
_NO = ()


@compiled
def _tile(rows: Rows, scorer: Scorer) -> Tile:
    """Buffers of the right sizes."""
    channels = len(scorer.channels)
    reach = 0
    for i in range(len(scorer.passes)):
        _, first, stride, _ = scorer.passes[i]
        reach = max(reach, first + (LANES // channels - 1) * stride)
    kind = scorer.tables.dtype
    return new_tile(rows, scorer.spellings, kind, channels, reach)


@compiled
def _load(
    rows: Rows, scorer: Scorer, tile: Tile, start: int, count: int
) -> tuple[int, bool]:
    """Fills a tile; returns its groups and whether windows are masked."""
    lengths = scorer.entry.shape[1]
    return load_tile(rows, scorer.spellings, tile, start, count, lengths)


@compiled
def _start(rows: Rows, scorer: Scorer, tile: Tile, part: int, groups: int) -> None:
    """Fills the scores of a tile with the constant of every window, or 0."""
    channels = len(scorer.channels)
    varies = scorer.entry.shape[2] > 1
    for row in range(groups * ROWS):
        index = tile.lengths[row]
        first = row // ROWS * rows.windows * ROWS + row % ROWS
        for x in range(rows.windows):
            place = first + x * ROWS
            valid = tile.valid[place] != 0
            for c in range(channels):
                value = scorer.entry[part, index, x if varies else 0, c]
                if not valid:
                    value = tile.scores.dtype.type(0)
                tile.scores[place * channels + c] = value


@compiled
def _walk(
    rows: Rows,
    tile: Tile,
    groups: int,
    step: Any,
    words: Any,
    table: Any,
    chained: Any,
    summed: Any,
    channels: Any,
) -> None:
    """Applies one pass to all windows of a tile.

    Windows start with the values in the tile if the tuple `chained` is not empty, else
    with the tile's constant; blocks are added if `summed` is not empty, else
    multiplied.
    """
    first, stride, base = step
    places = ROWS * len(channels)
    ahead = LANES // len(channels) - 1
    constant = walkers(tile.constant)
    for group in range(groups):
        for phase in range(min(stride, rows.windows)):
            y = (group * rows.length + first + phase) * ROWS
            x = (group * rows.windows + phase) * places
            stop = (group + 1) * rows.windows * places
            state = constant
            for _ in range(ahead):
                if len(chained) > 0:
                    state = enter(state, tile.scores, x, channels)
                else:
                    state = enter_same(state, constant, channels)
                state = apply_words(table, words, base, y, state, summed)
                x += stride * places
                y += stride * ROWS
            delay = ahead * stride * places
            while x < stop + delay:
                if len(chained) > 0:
                    state = enter(state, tile.scores, x, channels)
                else:
                    state = enter_same(state, constant, channels)
                state = apply_words(table, words, base, y, state, summed)
                leave(tile.scores, x - delay, state, channels)
                x += stride * places
                y += stride * ROWS


@compiled
def _walk_back(
    rows: Rows,
    tile: Tile,
    groups: int,
    step: Any,
    words: Any,
    histogram: Any,
    channels: Any,
) -> None:
    """Adds the weights of all windows of a tile to the words they read in a pass."""
    first, stride, base = step
    places = ROWS * len(channels)
    ahead = LANES // len(channels) - 1
    nothing = walkers(tile.constant)
    for group in range(groups):
        for phase in range(min(stride, rows.windows)):
            y = (group * rows.length + first + phase) * ROWS
            x = (group * rows.windows + phase) * places
            stop = (group + 1) * rows.windows * places
            state = nothing
            while x < stop:
                state = enter(state, tile.scores, x, channels)
                count_words(histogram, words, base, y, state)
                x += stride * places
                y += stride * ROWS
            for _ in range(ahead):
                state = enter_same(state, nothing, channels)
                count_words(histogram, words, base, y, state)
                y += stride * ROWS


@compiled
def _score(
    rows: Rows,
    scorer: Scorer,
    tile: Tile,
    groups: int,
    part: int,
    masked: bool,
    summed: Any,
) -> None:
    """Scores the windows of a tile for one group of channels."""
    chained = masked or scorer.entry.shape[1] > 1 or scorer.entry.shape[2] > 1
    if chained:
        _start(rows, scorer, tile, part, groups)
    for c in range(len(scorer.channels)):
        tile.constant[c] = scorer.entry[part, 0, 0, c]
    table = scorer.tables[part]
    channels = scorer.channels
    for i in range(len(scorer.passes)):
        spelling, first, stride, base = scorer.passes[i]
        step = (first, stride, base)
        words = tile.words[spelling]
        if chained or i > 0:
            _walk(rows, tile, groups, step, words, table, _YES, summed, channels)
        else:
            _walk(rows, tile, groups, step, words, table, _NO, summed, channels)


@compiled
def _count(rows: Rows, scorer: Scorer, tile: Tile, groups: int, histogram: Any) -> None:
    """Adds the weights of a tile's windows to the histogram of all passes."""
    tile.constant[:] = 0
    for i in range(len(scorer.passes)):
        spelling, first, stride, base = scorer.passes[i]
        step = (first, stride, base)
        words = tile.words[spelling]
        _walk_back(rows, tile, groups, step, words, histogram, scorer.channels)


@compiled
def _add_up(rows: Rows, scorer: Scorer, tile: Tile, groups: int) -> None:
    """Adds the windows and channels of each row to its total."""
    channels = len(scorer.channels)
    width = ROWS * channels
    for group in range(groups):
        place = group * rows.windows * width
        total = read(tile.scores, place, scorer.wide)
        for x in range(1, rows.windows):
            total = add(total, read(tile.scores, place + x * width, scorer.wide))
        write(tile.factors, 0, total)
        for lane in range(ROWS):
            for c in range(channels):
                tile.totals[group * ROWS + lane] += tile.factors[lane * channels + c]


@compiled
def _weigh(rows: Rows, scorer: Scorer, tile: Tile, groups: int, factors: Any) -> None:
    """Multiplies the windows of each row by the row's factor."""
    channels = len(scorer.channels)
    width = ROWS * channels
    for group in range(groups):
        for lane in range(ROWS):
            for c in range(channels):
                tile.factors[lane * channels + c] = factors[group * ROWS + lane]
        factor = read(tile.factors, 0, scorer.wide)
        for x in range(rows.windows):
            place = (group * rows.windows + x) * width
            value = multiply(read(tile.scores, place, scorer.wide), factor)
            write(tile.scores, place, value)


@compiled
def _add_entry_gradient(
    rows: Rows, scorer: Scorer, tile: Tile, count: int, gradient: Any
) -> None:
    """Adds the weights of windows to the gradient of their constants."""
    channels = len(scorer.channels)
    for row in range(count):
        first = row // ROWS * rows.windows * ROWS + row % ROWS
        for x in range(rows.windows):
            place = (first + x * ROWS) * channels
            for c in range(channels):
                gradient[tile.lengths[row], x, c] += tile.scores[place + c]


@compiled
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
    """Sums of window products over windows and channels, for rows `first..last`.

    Sums not above `floor` are marked, because terms of theirs may have underflowed.
    """
    tile = _tile(rows, scorer)
    step = tile.groups * ROWS
    for start in range(first, last, step):
        count = min(step, last - start)
        groups, masked = _load(rows, scorer, tile, start, count)
        tile.totals[:] = 0
        for part in range(len(scorer.tables)):
            _score(rows, scorer, tile, groups, part, masked, _NO)
            _add_up(rows, scorer, tile, groups)
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
    sums: Any,
) -> None:
    """Gradient of the log of the sums with respect to the logs of all table entries.

    Args:
        rows: The sequences.
        scorer: The tables of `row_sums`.
        first: First row.
        last: Row after the last.
        gradient: Added to, shape of the tables.
        entry_gradient: Added to, shape (channel groups, G, W, channels); not touched
            if empty.
        status: Result of `row_sums`; only fine rows count.
        upstream: Gradient of the logs of the sums, shape (N,), at most about 1 so
            that its quotients with sums do not underflow.
        sums: Result of `row_sums`, shape (N,).
    """
    tile = _tile(rows, scorer)
    histogram = np.zeros_like(scorer.tables)
    factors = np.zeros(tile.groups * ROWS, scorer.tables.dtype)
    step = tile.groups * ROWS
    pending = 0
    for start in range(first, last, step):
        count = min(step, last - start)
        groups, masked = _load(rows, scorer, tile, start, count)
        factors[:] = 0
        for row in range(count):
            if status[start + row] == FINE:
                factors[row] = upstream[start + row] / sums[start + row]
        for part in range(len(scorer.tables)):
            _score(rows, scorer, tile, groups, part, masked, _NO)
            _weigh(rows, scorer, tile, groups, factors)
            if entry_gradient.size > 0:
                _add_entry_gradient(rows, scorer, tile, count, entry_gradient[part])
            _count(rows, scorer, tile, groups, histogram[part])
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
    tile = _tile(rows, scorer)
    channels = len(scorer.channels)
    step = tile.groups * ROWS
    for start in range(first, last, step):
        count = min(step, last - start)
        groups, masked = _load(rows, scorer, tile, start, count)
        status[start : start + count] = tile.status[:count]
        for part in range(len(scorer.tables)):
            _score(rows, scorer, tile, groups, part, masked, _YES)
            for row in range(count):
                place = row // ROWS * rows.windows * ROWS + row % ROWS
                for c in range(min(channels, output.shape[1] - part * channels)):
                    for x in range(rows.windows):
                        value = tile.scores[(place + x * ROWS) * channels + c]
                        if tile.valid[place + x * ROWS] == 0:
                            value = tile.scores.dtype.type(-np.inf)
                        output[start + row, part * channels + c, x] = value


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
    """Gradient with respect to the tables of `window_values`; see `row_gradient`."""
    tile = _tile(rows, scorer)
    histogram = np.zeros_like(scorer.tables)
    channels = len(scorer.channels)
    step = tile.groups * ROWS
    pending = 0
    for start in range(first, last, step):
        count = min(step, last - start)
        groups, _ = _load(rows, scorer, tile, start, count)
        for part in range(len(scorer.tables)):
            tile.scores[:] = 0
            for row in range(count):
                if status[start + row] != FINE:
                    continue
                place = row // ROWS * rows.windows * ROWS + row % ROWS
                for c in range(min(channels, upstream.shape[1] - part * channels)):
                    for x in range(rows.windows):
                        if tile.valid[place + x * ROWS] != 0:
                            value = upstream[start + row, part * channels + c, x]
                            tile.scores[(place + x * ROWS) * channels + c] = value
            if entry_gradient.size > 0:
                _add_entry_gradient(rows, scorer, tile, count, entry_gradient[part])
            _count(rows, scorer, tile, groups, histogram[part])
        pending += count
        if pending >= max(_FLUSH_ROWS, histogram.size // 16):
            _flush(histogram, gradient)
            pending = 0
    _flush(histogram, gradient)

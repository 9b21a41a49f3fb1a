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
from pyprobound.kernels.compiling import compiled, inner
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


@inner
def _fill_row(rows: Rows, scorer: Scorer, tile: Tile, part: int, row: int) -> None:
    """Starts the windows of one row with their constants."""
    channels = len(scorer.channels)
    width = ROWS * channels
    first = row // ROWS * rows.windows * width + row % ROWS * channels
    target = tile.scores[first:]
    source = scorer.entry[part, tile.lengths[row]]
    varies = len(source) > 1
    for x in range(rows.windows):
        for c in range(channels):
            target[x * width + c] = source[x if varies else 0, c]


@inner
def _start(
    rows: Rows, scorer: Scorer, tile: Tile, part: int, groups: int, masked: bool
) -> None:
    """Starts the windows of a tile with their constants, masked ones with 0."""
    channels = len(scorer.channels)
    size = rows.windows * ROWS * channels
    if masked and scorer.entry.shape[1] > 1:
        for row in range(groups * ROWS):
            _fill_row(rows, scorer, tile, part, row)
    else:  # all rows are of one length
        for row in range(ROWS):
            _fill_row(rows, scorer, tile, part, row)
        for group in range(1, groups):
            copy = tile.scores[group * size :]
            for i in range(size):
                copy[i] = tile.scores[i]
    if masked:
        for group in range(groups):
            scores = tile.scores[group * size :]
            valid = tile.valid[group * rows.length * ROWS :]
            for i in range(rows.windows * ROWS):
                for c in range(channels):
                    scores[i * channels + c] *= valid[i]


@inner
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


@inner
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


@inner
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
        _start(rows, scorer, tile, part, groups, masked)
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


@inner
def _count(rows: Rows, scorer: Scorer, tile: Tile, groups: int, histogram: Any) -> None:
    """Adds the weights of a tile's windows to the histogram of all passes."""
    tile.constant[:] = 0
    for i in range(len(scorer.passes)):
        spelling, first, stride, base = scorer.passes[i]
        step = (first, stride, base)
        words = tile.words[spelling]
        _walk_back(rows, tile, groups, step, words, histogram, scorer.channels)


@inner
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


@inner
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


@inner
def _add_row_weights(rows: Rows, tile: Tile, row: int, gradient: Any) -> None:
    """Adds the weights of the windows of one row to the gradient of its constants."""
    channels = gradient.shape[2]
    width = ROWS * channels
    first = row // ROWS * rows.windows * width + row % ROWS * channels
    source = tile.scores[first:]
    target = gradient[tile.lengths[row]]
    for x in range(rows.windows):
        for c in range(channels):
            target[x, c] += source[x * width + c]


@inner
def _add_entry_gradient(
    rows: Rows, tile: Tile, groups: int, masked: bool, gradient: Any
) -> None:
    """Adds the weights of windows to the gradient of their constants (G, W, C)."""
    if masked and len(gradient) > 1:
        for row in range(groups * ROWS):
            _add_row_weights(rows, tile, row, gradient)
        return
    size = rows.windows * ROWS * gradient.shape[2]
    total = tile.window_totals
    for i in range(size):
        total[i] = tile.scores[i]
    for group in range(1, groups):
        scores = tile.scores[group * size :]
        for i in range(size):
            total[i] += scores[i]
    target = gradient[tile.lengths[0]]
    for x in range(rows.windows):
        for lane in range(ROWS):
            for c in range(gradient.shape[2]):
                place = (x * ROWS + lane) * gradient.shape[2] + c
                target[x, c] += total[place]


@inner
def _write_windows(
    rows: Rows, tile: Tile, channels: int, row: int, masked: bool, output: Any
) -> None:
    """Writes the windows of a row to an array (channels of a group or fewer, W)."""
    group = row // ROWS
    lane = row % ROWS
    first = (group * rows.windows * ROWS + lane) * channels
    valid = tile.valid[group * rows.length * ROWS + lane :]
    for c in range(min(channels, len(output))):
        source = tile.scores[first + c :]
        target = output[c]
        for x in range(rows.windows):
            target[x] = source[x * ROWS * channels]
        if masked:
            for x in range(rows.windows):
                if valid[x * ROWS] == 0:
                    target[x] = -np.inf


@inner
def _read_windows(
    rows: Rows, tile: Tile, channels: int, row: int, masked: bool, weights: Any
) -> None:
    """Reverse of `_write_windows`; windows with missing positions get no weight."""
    group = row // ROWS
    lane = row % ROWS
    first = (group * rows.windows * ROWS + lane) * channels
    valid = tile.valid[group * rows.length * ROWS + lane :]
    for c in range(min(channels, len(weights))):
        target = tile.scores[first + c :]
        source = weights[c]
        for x in range(rows.windows):
            target[x * ROWS * channels] = source[x]
            if masked and valid[x * ROWS] == 0:
                target[x * ROWS * channels] = 0


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
    """Sums of window products over windows and channels, for rows `first..last`.

    Sums not above `floor` are marked, because terms of theirs may have underflowed.
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
                factors[row] = upstream[start + row] / sums[start + row]
        for part in range(len(scorer.tables)):
            _score(rows, scorer, tile, groups, part, masked, _NO)
            _weigh(rows, scorer, tile, groups, factors)
            if entry_gradient.size > 0:
                _add_entry_gradient(rows, tile, groups, masked, entry_gradient[part])
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
    tile = new_tile(
        rows,
        scorer.spellings,
        scorer.tables.dtype,
        len(scorer.channels),
        scorer.reach,
    )
    channels = len(scorer.channels)
    step = tile.groups * ROWS
    for start in range(first, last, step):
        count = min(step, last - start)
        groups, masked = load_tile(
            rows, scorer.spellings, tile, start, count, scorer.entry.shape[1]
        )
        for row in range(count):
            status[start + row] = tile.status[row]
        for part in range(len(scorer.tables)):
            _score(rows, scorer, tile, groups, part, masked, _YES)
            for row in range(count):
                target = output[start + row, part * channels :]
                _write_windows(rows, tile, channels, row, masked, target)


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
    tile = new_tile(
        rows,
        scorer.spellings,
        scorer.tables.dtype,
        len(scorer.channels),
        scorer.reach,
    )
    histogram = np.zeros_like(scorer.tables)
    channels = len(scorer.channels)
    step = tile.groups * ROWS
    pending = 0
    for start in range(first, last, step):
        count = min(step, last - start)
        groups, masked = load_tile(
            rows, scorer.spellings, tile, start, count, scorer.entry.shape[1]
        )
        for part in range(len(scorer.tables)):
            tile.scores[:] = 0
            for row in range(count):
                if status[start + row] == FINE:
                    weights = upstream[start + row, part * channels :]
                    _read_windows(rows, tile, channels, row, masked, weights)
            if entry_gradient.size > 0:
                _add_entry_gradient(rows, tile, groups, masked, entry_gradient[part])
            _count(rows, scorer, tile, groups, histogram[part])
        pending += count
        if pending >= max(_FLUSH_ROWS, histogram.size // 16):
            _flush(histogram, gradient)
            pending = 0
    _flush(histogram, gradient)

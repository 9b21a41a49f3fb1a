"""Walks along the rows of a tile: scores of windows, and the way back.

A motif is cut into blocks of a few letters. For every block a table holds the score of
each of its words (or its exponential); the *spelled* word of a row at a position is
the place of the word's entry in the table. One entry is a vector that holds the blocks
of the motif side by side, for one or several channels each. Walking along a row with
the stride of the blocks, the vector of unfinished windows moves down by one block at
each step, a new window enters at the top, the vector is multiplied by the table's
entry, and a finished window leaves at the bottom. So one load and one multiplication
serve all blocks of all channels. The gradient takes the same walk: the weights of the
windows enter, and the vector is added to a histogram of the shape of the table.

The rows of a tile are interleaved by four so that they hide each other's latency.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .arguments import LANES, ROWS
from .compiling import inner
from .tiles import FINE, Rows, Scorer, Tile
from .vectors import (
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

YES = (0,)
NO = ()
"""Truth values that are types, so that each makes code of its own."""


@inner
def _start(
    rows: Rows, scorer: Scorer, tile: Tile, part: int, groups: int, masked: bool
) -> None:
    """Starts the windows of a tile with their constants, masked ones with 0."""
    channels = len(scorer.channels)
    size = rows.windows * ROWS * channels
    same_length = not masked or scorer.entry.shape[1] == 1
    step = channels if scorer.entry.shape[2] > 1 else 0
    entry = scorer.entry[part].reshape(-1)
    for row in range(ROWS if same_length else groups * ROWS):
        source = tile.lengths[row] * scorer.entry.shape[2] * channels
        place = row // ROWS * size + row % ROWS * channels
        for _ in range(rows.windows):
            write(tile.scores, place, read(entry, source, scorer.channels))
            place += ROWS * channels
            source += step
    if same_length:
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

    Windows start with the values in the tile if the tuple ``chained`` is not empty,
    else with the tile's constant; blocks are added if ``summed`` is not empty, else
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
def score_windows(
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
            _walk(rows, tile, groups, step, words, table, YES, summed, channels)
        else:
            _walk(rows, tile, groups, step, words, table, NO, summed, channels)


@inner
def count_windows(
    rows: Rows, scorer: Scorer, tile: Tile, groups: int, histogram: Any
) -> None:
    """Adds the weights of a tile's windows to the histogram of all passes."""
    tile.constant[:] = 0
    for i in range(len(scorer.passes)):
        spelling, first, stride, base = scorer.passes[i]
        step = (first, stride, base)
        words = tile.words[spelling]
        _walk_back(rows, tile, groups, step, words, histogram, scorer.channels)


@inner
def add_up(rows: Rows, scorer: Scorer, tile: Tile, groups: int) -> None:
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
def weigh(rows: Rows, scorer: Scorer, tile: Tile, groups: int, factors: Any) -> None:
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
def add_entry_gradient(
    rows: Rows, scorer: Scorer, tile: Tile, groups: int, masked: bool, gradient: Any
) -> None:
    """Adds the weights of windows to the gradient of their constants (G, W, C).

    The weights in the tile are lost.
    """
    channels = len(scorer.channels)
    size = rows.windows * ROWS * channels
    same_length = not masked or len(gradient) == 1
    if same_length:
        for group in range(1, groups):
            scores = tile.scores[group * size :]
            for i in range(size):
                tile.scores[i] += scores[i]
    flat = gradient.reshape(-1)
    for row in range(ROWS if same_length else groups * ROWS):
        place = row // ROWS * size + row % ROWS * channels
        target = tile.lengths[row] * rows.windows * channels
        for _ in range(rows.windows):
            for c in range(channels):
                flat[np.uintp(target + c)] += tile.scores[np.uintp(place + c)]
            place += ROWS * channels
            target += channels


@inner
def write_windows(
    rows: Rows, scorer: Scorer, tile: Tile, part: int, masked: bool, output: Any
) -> None:
    """Writes the windows of the tile's rows to an array (rows, C, W)."""
    channels = len(scorer.channels)
    total = output.shape[1]
    flat = output.reshape(-1)
    for row in range(len(output)):
        group, lane = divmod(row, ROWS)
        valid = group * rows.length * ROWS + lane
        for c in range(min(channels, total - part * channels)):
            place = (group * rows.windows * ROWS + lane) * channels + c
            target = (row * total + part * channels + c) * rows.windows
            for x in range(rows.windows):
                value = tile.scores[np.uintp(place + x * ROWS * channels)]
                if masked and tile.valid[np.uintp(valid + x * ROWS)] == 0:
                    value = tile.scores.dtype.type(-np.inf)
                flat[np.uintp(target + x)] = value


@inner
def read_windows(
    rows: Rows,
    scorer: Scorer,
    tile: Tile,
    part: int,
    masked: bool,
    weights: Any,
    status: Any,
) -> None:
    """Reverse of ``_write_windows``; windows with missing positions get no weight."""
    channels = len(scorer.channels)
    total = weights.shape[1]
    flat = weights.reshape(-1)
    tile.scores[:] = 0
    for row in range(len(weights)):
        if status[row] != FINE:
            continue
        group, lane = divmod(row, ROWS)
        valid = group * rows.length * ROWS + lane
        for c in range(min(channels, total - part * channels)):
            place = (group * rows.windows * ROWS + lane) * channels + c
            source = (row * total + part * channels + c) * rows.windows
            for x in range(rows.windows):
                if not masked or tile.valid[np.uintp(valid + x * ROWS)] != 0:
                    value = flat[np.uintp(source + x)]
                    tile.scores[np.uintp(place + x * ROWS * channels)] = value

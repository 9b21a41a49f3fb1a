"""Rows of codes brought into the form that the compiled loops walk along.

A tile holds some groups of rows that stay in the first-level caches. The rows of a
group are interleaved, the row moving fastest. Codes that cannot be spelled with the
letters of the tables are replaced, and the windows on them are marked; what the loops
need to know of a row afterwards is its status.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pyprobound.kernels.arguments import LANES, MISSING, ROWS, ZERO
from pyprobound.kernels.compiling import compiled
from pyprobound.kernels.vectors import interleave

FINE, EMPTY, SPECIAL, UNDERFLOW, INVALID, TOO_LONG = range(6)
"""What became of a row. `SPECIAL` rows need the extended alphabet."""

_TILE_VALUES = 8192
_MOST_GROUPS = 64


class Rows(NamedTuple):
    """Sequences, and how windows lie on them."""

    codes: Any  # shape (N * L,), int8
    length: int  # L
    letters: int  # n
    extended: bool  # whether words spell the wildcard and the zero code, too
    size: int  # k
    dilation: int  # D
    windows: int  # W


class Scorer(NamedTuple):
    """Tables of words, and the passes in which they are applied.

    A pass is (spelling, place of its first block, stride of its blocks, place of its
    table); places and strides of blocks are positions along the row.
    """

    spellings: Any  # shape (spellings, 1 + most letters): number, places of letters
    passes: Any  # shape (passes, 4)
    tables: Any  # shape (channel groups, values)
    entry: Any  # constants of windows, shape (channel groups, G, 1 or W, channels)
    channels: Any  # a tuple as long as the channels of a group
    wide: Any  # a tuple as long as the channels of a group in all interleaved rows


class Tile(NamedTuple):
    """Buffers for some groups of interleaved rows; the last axis moves fastest."""

    groups: int
    letters: Any  # (groups, L, ROWS)
    words: Any  # (spellings, [groups, L, ROWS])
    scores: Any  # (groups, W, ROWS, channels)
    valid: Any  # (groups, W, ROWS)
    status: Any  # (groups, ROWS)
    lengths: Any  # (groups, ROWS): index of the position bias
    totals: Any  # (groups, ROWS)
    run: Any  # (L,)
    constant: Any  # (LANES,): values of a starting window
    factors: Any  # (ROWS, channels)


@compiled
def new_tile(rows: Rows, spellings: Any, kind: Any, channels: int, reach: int) -> Tile:
    """Empty buffers.

    Args:
        rows: The rows to be loaded.
        spellings: The spellings of `Scorer`.
        kind: The type of scores.
        channels: Channels of a group.
        reach: Greatest distance from a window's start to a word that it reads.
    """
    per_group = rows.windows * ROWS * channels
    groups = max(1, min(_MOST_GROUPS, _TILE_VALUES // per_group))
    positions = groups * rows.length + reach
    spelled = np.max(spellings[:, 1:])
    return Tile(
        groups,
        np.zeros((positions + spelled) * ROWS, np.uint8),
        np.zeros((len(spellings), positions * ROWS), np.uint16),
        np.zeros(groups * per_group + reach * ROWS * channels, kind),
        np.zeros(groups * rows.windows * ROWS, np.uint8),
        np.zeros(groups * ROWS, np.uint8),
        np.zeros(groups * ROWS, np.int64),
        np.zeros(groups * ROWS, kind),
        np.zeros(rows.length, np.int32),
        np.zeros(LANES, kind),
        np.zeros(ROWS * channels, kind),
    )


@compiled
def _copy_letters(rows: Rows, letters: Any, start: int, count: int) -> None:
    """Copies rows, interleaved; rows that do not exist read as the first letter."""
    length = rows.length
    whole = count // ROWS if length >= 8 else 0
    for group in range(whole):
        source = (start + group * ROWS) * length
        target = group * length * ROWS
        for y in range(0, length - 8, 8):
            interleave(rows.codes, source + y, length, letters, target + y * ROWS)
        y = length - 8
        interleave(rows.codes, source + y, length, letters, target + y * ROWS)
    for row in range(whole * ROWS, -(-count // ROWS) * ROWS):
        target = row // ROWS * length * ROWS + row % ROWS
        for y in range(length):
            code = np.uint8(0)
            if row < count:
                code = np.uint8(rows.codes[(start + row) * length + y])
            letters[target + y * ROWS] = code


@compiled
def _spell_specials(rows: Rows, letters: Any, values: int) -> bool:
    """Whether all codes can be spelled; if need be maps them to the alphabet's end."""
    missing = np.uint8(rows.letters + MISSING)
    greatest = np.uint8(0)
    for i in range(values):
        greatest = max(greatest, letters[i])
    if greatest < missing:
        return True
    if not rows.extended or greatest > rows.letters + ZERO:
        return False
    found = False
    for i in range(values):
        found |= letters[i] == missing
    if found:
        return False
    for i in range(values):
        letters[i] -= np.uint8(letters[i] > missing)
    return True


@compiled
def _clean_row(rows: Rows, tile: Tile, group: int, lane: int) -> None:
    """Replaces codes that cannot be spelled and marks the windows without them."""
    state = EMPTY
    known = 0
    reach = (rows.size - 1) * rows.dilation
    for y in range(rows.length):
        place = (group * rows.length + y) * ROWS + lane
        code = np.int64(tile.letters[place])
        run = 0
        if code != rows.letters + MISSING:
            known += 1
            run = 1 + (tile.run[y - rows.dilation] if y >= rows.dilation else 0)
        tile.run[y] = run
        if code >= rows.letters:
            letter = np.int64(0)
            if code > rows.letters + ZERO:
                state = INVALID
            elif code != rows.letters + MISSING:
                if rows.extended:
                    letter = code - 1
                elif state != INVALID:
                    state = SPECIAL
            tile.letters[place] = letter
        if y >= reach:
            valid = run >= rows.size
            tile.valid[(group * rows.windows + y - reach) * ROWS + lane] = valid
            if valid and state == EMPTY:
                state = FINE
    if state in (SPECIAL, INVALID):
        for x in range(rows.windows):
            tile.valid[(group * rows.windows + x) * ROWS + lane] = 0
    tile.status[group * ROWS + lane] = state
    tile.lengths[group * ROWS + lane] = known


@compiled
def _spell(letters: Any, words: Any, symbols: int, values: int, spelling: Any) -> None:
    """Place in a table of the word that starts at every position."""
    # Slices, because indices that could be negative keep loops from being vectorised.
    letter = spelling[0]
    source = letters[spelling[letter] * ROWS :]
    for y in range(values):
        words[y] = source[y] * LANES
    weight = LANES
    for i in range(letter - 1, 0, -1):
        weight *= symbols
        source = letters[spelling[i] * ROWS :]
        for y in range(values):
            words[y] += source[y] * weight


@compiled
def load_tile(
    rows: Rows, spellings: Any, tile: Tile, start: int, count: int, lengths: int
) -> tuple[int, bool]:
    """Fills a tile.

    Args:
        rows: All rows.
        spellings: The spellings of `Scorer`.
        tile: The tile.
        start: First row.
        count: Number of rows.
        lengths: Number of lengths that the constants of windows distinguish.

    Returns:
        The number of groups, and whether some windows are masked.
    """
    groups = -(-count // ROWS)
    values = groups * rows.length * ROWS
    _copy_letters(rows, tile.letters, start, count)
    masked = not _spell_specials(rows, tile.letters, values)
    if masked:
        for row in range(groups * ROWS):
            _clean_row(rows, tile, row // ROWS, row % ROWS)
    else:
        tile.status[:] = FINE
        tile.valid[:] = 1
        tile.lengths[:] = rows.length
    for row in range(groups * ROWS):
        if lengths == 1:
            tile.lengths[row] = 0
        elif tile.lengths[row] >= lengths:
            tile.lengths[row] = 0
            tile.status[row] = TOO_LONG
    symbols = rows.letters + (2 if rows.extended else 0)
    for i in range(len(spellings)):
        _spell(tile.letters, tile.words[i], symbols, values, spellings[i])
    return groups, masked

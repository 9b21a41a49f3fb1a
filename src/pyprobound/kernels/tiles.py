"""Rows of codes brought into the form that the compiled loops walk along.

A tile holds some groups of rows that stay in the first-level caches. The rows of a
group are interleaved, the row moving fastest. Codes that cannot be spelled with the
letters of the tables are replaced, and the windows on them are marked; what the loops
need to know of a row afterwards is its status.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .arguments import LANES, MISSING, ROWS, ZERO
from .compiling import inner
from .vectors import interleave

FINE, EMPTY, SPECIAL, UNDERFLOW, INVALID, TOO_LONG = range(6)
"""What became of a row. ``SPECIAL`` rows need the extended alphabet."""

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
    reach: int  # greatest distance from a window's start to a word that it reads


class Tile(NamedTuple):
    """Buffers for some groups of interleaved rows; the last axis moves fastest."""

    groups: int
    letters: Any  # (groups, L, ROWS)
    words: Any  # (spellings, [groups, L, ROWS])
    scores: Any  # (groups, W, ROWS, channels)
    valid: Any  # (groups, L, ROWS): whether windows have no missing position
    flags: Any  # (groups, L, ROWS)
    buffer: Any  # (groups, L, ROWS)
    status: Any  # (groups, ROWS)
    lengths: Any  # (groups, ROWS): index of the position bias
    totals: Any  # (groups, ROWS)
    constant: Any  # (LANES,): values of a starting window
    factors: Any  # (ROWS, channels)


@inner
def new_tile(rows: Rows, spellings: Any, kind: Any, channels: int, reach: int) -> Tile:
    """Empty buffers.

    Args:
        rows: The rows to be loaded.
        spellings: The spellings of ``Scorer``.
        kind: The type of scores.
        channels: Channels of a group.
        reach: Greatest distance from a window's start to a word that it reads.
    """
    per_group = rows.windows * ROWS * channels
    groups = max(1, min(_MOST_GROUPS, _TILE_VALUES // per_group))
    positions = groups * rows.length + reach
    spelled = 0
    for spelling in range(len(spellings)):
        for place in spellings[spelling, 1:]:
            spelled = max(spelled, place)
    return Tile(
        groups,
        np.zeros((positions + spelled) * ROWS, np.uint8),
        np.zeros((len(spellings), positions * ROWS), np.uint16),
        np.zeros(groups * per_group + reach * ROWS * channels, kind),
        np.zeros(groups * rows.length * ROWS, np.uint8),
        np.zeros(groups * rows.length * ROWS, np.uint8),
        np.zeros(groups * rows.length * ROWS, np.uint8),
        np.zeros(groups * ROWS, np.uint8),
        np.zeros(groups * ROWS, np.int64),
        np.zeros(groups * ROWS, kind),
        np.zeros(LANES, kind),
        np.zeros(ROWS * channels, kind),
    )


@inner
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


@inner
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


@inner
def _all_along(flags: Any, buffer: Any, values: int, count: int, distance: int) -> None:
    """Replaces flags by whether ``count`` of them at a distance are all set."""
    span = 1
    while span < count:
        more = min(span, count - span)
        ahead = flags[more * distance :]
        for i in range(values - more * distance):
            buffer[i] = flags[i] & ahead[i]
        for i in range(values - more * distance):
            flags[i] = buffer[i]
        span += more


@inner
def _mark_windows(rows: Rows, tile: Tile, values: int) -> None:
    """Marks the windows without missing positions."""
    missing = np.uint8(rows.letters + MISSING)
    for i in range(values):
        tile.valid[i] = tile.letters[i] != missing
    _all_along(tile.valid, tile.buffer, values, rows.size, rows.dilation * ROWS)


@inner
def _find_status(rows: Rows, tile: Tile, values: int) -> None:
    """Finds the status of all rows."""
    missing = np.uint8(rows.letters + MISSING)
    last = np.uint8(rows.letters + (ZERO if rows.extended else -1))
    flags = tile.flags
    for i in range(values):
        flags[i] = tile.valid[i] ^ 1
    _all_along(flags, tile.buffer, values, rows.windows, ROWS)
    stride = rows.length * ROWS
    for row in range(values // rows.length):
        empty = flags[row // ROWS * stride + row % ROWS] != 0
        tile.status[row] = EMPTY if empty else FINE
    for i in range(values):
        code = tile.letters[i]
        flags[i] = np.uint8(code <= last) | np.uint8(code == missing)
    _all_along(flags, tile.buffer, values, rows.length, ROWS)
    for row in range(values // rows.length):
        first = row // ROWS * stride + row % ROWS
        if flags[first] != 0:
            continue
        tile.status[row] = SPECIAL
        for y in range(rows.length):
            if tile.letters[first + y * ROWS] > rows.letters + ZERO:
                tile.status[row] = INVALID
        for x in range(rows.windows):
            tile.valid[first + x * ROWS] = 0


@inner
def _count_letters(rows: Rows, tile: Tile, values: int) -> None:
    """Counts the positions of all rows that are not missing."""
    missing = np.uint8(rows.letters + MISSING)
    for row in range(values // rows.length):
        letters = tile.letters[row // ROWS * rows.length * ROWS + row % ROWS :]
        known = 0
        for y in range(rows.length):
            known += letters[y * ROWS] != missing
        tile.lengths[row] = known


@inner
def _replace_specials(rows: Rows, letters: Any, values: int) -> None:
    """Maps codes to what words are spelled with; what cannot be spelled is masked."""
    missing = np.uint8(rows.letters + MISSING)
    last = np.uint8(rows.letters + (ZERO if rows.extended else -1))
    for i in range(values):
        code = letters[i]
        code = np.uint8(0) if code == missing or code > last else code
        letters[i] = code - np.uint8(code > missing)


@inner
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


@inner
def load_tile(
    rows: Rows, spellings: Any, tile: Tile, start: int, count: int, lengths: int
) -> tuple[int, bool]:
    """Fills a tile.

    Args:
        rows: All rows.
        spellings: The spellings of ``Scorer``.
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
        _mark_windows(rows, tile, values)
        _find_status(rows, tile, values)
    else:
        tile.status[:] = FINE
    tile.lengths[:] = rows.length if lengths > 1 else 0
    if masked and lengths > 1:
        _count_letters(rows, tile, values)
    for row in range(groups * ROWS):
        if tile.lengths[row] >= lengths:
            tile.lengths[row] = 0
            tile.status[row] = TOO_LONG
    if masked:
        _replace_specials(rows, tile.letters, values)
    symbols = rows.letters + (2 if rows.extended else 0)
    for i in range(len(spellings)):
        _spell(tile.letters, tile.words[i], symbols, values, spellings[i])
    return groups, masked

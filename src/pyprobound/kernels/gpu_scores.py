"""Device code for NVIDIA GPUs: scores of windows and rows.

A program handles a tile: all windows of some rows, a block of windows at a time. Each
lane holds one window, and a block of channels. Its score is the sum of one entry of a
small table for each feature of the motif: the letter at a position, or the letters at
two positions. The tables fit in the innermost cache, and those of one feature of
single letters in one line of it, so that a gather takes one step.

Symbols number the entries of a letter axis: the letters, the wildcard's mean, and zero.
Sums of single precision carry their rounding error along (Kahan's summation), because
an error of a score is a relative error of its exponential.
"""

# ruff: noqa: N803, N806 - capitals are constants when a kernel is compiled
from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl


class Rows(NamedTuple):
    """The sequences.

    Attributes:
        codes: Pointer to the codes, (rows, length), letter by letter.
        lengths: Pointer to the position bias's entry of each row.
        rows: Number of rows.
        length: Number of positions.
        windows: Number of windows.
    """

    codes: Any
    lengths: Any
    rows: Any
    length: Any
    windows: Any


class Motif(NamedTuple):
    """What the sequences are scored with.

    Attributes:
        table: Pointer to the scores of letters, (size, symbols, padded).
        pair_table: Pointer to those of pairs, (pairs, symbols, symbols, padded).
        places: Pointer to the first and second position of pairs, (pairs, 2).
        constants: Pointer to bias and position bias.
        length_stride: Distance of the constants of two lengths.
        channel_stride: Distance of the constants of two channels.
        window_stride: Distance of the constants of two windows.
        letters: Number of letters.
        size: Number of positions.
        dilation: Spacing of the positions.
        pairs: Number of pairs of positions.
        channels: Number of channels.
        padded: Number of channels, a multiple of a block of them.
    """

    table: Any
    pair_table: Any
    places: Any
    constants: Any
    length_stride: Any
    channel_stride: Any
    window_stride: Any
    letters: Any
    size: Any
    dilation: Any
    pairs: Any
    channels: Any
    padded: Any


NUMBERS = [
    "rows",
    "length",
    "windows",
    "length_stride",
    "channel_stride",
    "window_stride",
    "letters",
    "size",
    "dilation",
    "pairs",
    "channels",
    "padded",
]
"""Arguments for whose special values no code of its own is compiled."""


@triton.jit  # type: ignore[untyped-decorator]
def load_codes(
    codes: tl.tensor, places: tl.tensor, inside: tl.tensor, letters: tl.tensor
) -> Any:
    """Codes at some places; a missing position where there is none."""
    code = tl.load(codes + places, mask=inside, other=letters).to(tl.int32)
    return tl.minimum(tl.maximum(code, 0), letters + 2)


@triton.jit  # type: ignore[untyped-decorator]
def symbols_of(code: tl.tensor, letters: tl.tensor) -> Any:
    """Symbols of codes that are not missing."""
    return code - (code > letters).to(tl.int32)


@triton.jit  # type: ignore[untyped-decorator]
def add(total: tl.tensor, error: tl.tensor, term: tl.tensor) -> Any:
    """Adds a term to a sum whose true value is ``total + error``."""
    if total.dtype == tl.float32:
        wanted = term + error
        new = total + wanted
        # The difference of infinities is no number.
        error = tl.where(tl.abs(new) < float("inf"), wanted - (new - total), 0.0)
        total = new
    else:
        total += term
    return total, error


@triton.jit  # type: ignore[untyped-decorator]
def score_tile(
    rows: tl.tensor,
    motif: tl.tensor,
    row: tl.tensor,
    window: tl.tensor,
    inside: tl.tensor,
    channel: tl.tensor,
    TILE: tl.constexpr,
    CHANNELS: tl.constexpr,
    CONSTANTS: tl.constexpr,
    BY_LENGTH: tl.constexpr,
) -> Any:
    """Scores (tile, channels), their errors, and which windows have a missing letter.

    Args:
        rows: The sequences.
        motif: What to score with.
        row: Row of each lane.
        window: Window of each lane.
        inside: Whether the lane has a window.
        channel: The channels.
        TILE: Number of lanes.
        CHANNELS: Number of channels.
        CONSTANTS: Whether there are constants.
        BY_LENGTH: Whether the constants depend on the row's length.
    """
    letters = motif.letters
    symbols = letters + 2
    start = row * rows.length + window
    columns = channel[None, :]
    total = tl.zeros([TILE, CHANNELS], motif.table.dtype.element_ty)
    error = tl.zeros([TILE, CHANNELS], motif.table.dtype.element_ty)
    touched = tl.zeros([TILE], tl.int1)
    for i in range(motif.size):
        code = load_codes(rows.codes, start + i * motif.dilation, inside, letters)
        touched = touched | (code == letters)
        entry = (i * symbols + symbols_of(code, letters)) * motif.padded
        entry = tl.multiple_of(entry, CHANNELS)
        term = tl.load(motif.table + (entry[:, None] + columns))
        total, error = add(total, error, term)
    for pair in range(motif.pairs):
        first = tl.load(motif.places + 2 * pair)
        second = tl.load(motif.places + 2 * pair + 1)
        one = load_codes(rows.codes, start + first, inside, letters)
        two = load_codes(rows.codes, start + second, inside, letters)
        entry = pair * symbols + symbols_of(one, letters)
        entry = (entry * symbols + symbols_of(two, letters)) * motif.padded
        entry = tl.multiple_of(entry, CHANNELS)
        term = tl.load(motif.pair_table + (entry[:, None] + columns))
        total, error = add(total, error, term)
    if CONSTANTS:
        place = window * motif.window_stride
        if BY_LENGTH:
            entry = tl.load(rows.lengths + row, mask=inside, other=0)
            place += entry * motif.length_stride
        places = place[:, None] + columns * motif.channel_stride
        present = inside[:, None] & (columns < motif.channels)
        term = tl.load(motif.constants + places, mask=present, other=0.0)
        total, error = add(total, error, term)
    return total, error, touched


@triton.jit(do_not_specialize=NUMBERS)  # type: ignore[untyped-decorator]
def row_kernel(
    codes: tl.tensor,
    lengths: tl.tensor,
    rows: tl.tensor,
    length: tl.tensor,
    windows: tl.tensor,
    table: tl.tensor,
    pair_table: tl.tensor,
    places: tl.tensor,
    constants: tl.tensor,
    length_stride: tl.tensor,
    channel_stride: tl.tensor,
    window_stride: tl.tensor,
    letters: tl.tensor,
    size: tl.tensor,
    dilation: tl.tensor,
    pairs: tl.tensor,
    channels: tl.tensor,
    padded: tl.tensor,
    hills: tl.tensor,
    scores: tl.tensor,
    logarithms: tl.tensor,
    ROWS: tl.constexpr,
    WINDOWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    CONSTANTS: tl.constexpr,
    BY_LENGTH: tl.constexpr,
) -> None:
    """Logarithms of sums over channels and windows, also in double precision.

    The sum is relative to the greatest term so far, and is adjusted when a greater one
    appears.
    """
    sequences = Rows(codes, lengths, rows, length, windows)
    motif = Motif(
        table,
        pair_table,
        places,
        constants,
        length_stride,
        channel_stride,
        window_stride,
        letters,
        size,
        dilation,
        pairs,
        channels,
        padded,
    )
    TILE: tl.constexpr = ROWS * WINDOWS
    COLUMNS: tl.constexpr = WINDOWS * CHANNELS
    first_row = tl.program_id(0).to(tl.int64) * ROWS
    lane = tl.arange(0, TILE)
    row = first_row + lane // WINDOWS
    hill = tl.load(hills)
    top = tl.full([ROWS], float("-inf"), table.dtype.element_ty)
    sums = tl.zeros([ROWS], table.dtype.element_ty)
    for first_window in range(0, windows, WINDOWS):
        window = first_window + lane % WINDOWS
        inside = (row < rows) & (window < windows)
        for first_channel in range(0, padded, CHANNELS):
            channel = first_channel + tl.arange(0, CHANNELS)
            total, error, touched = score_tile(
                sequences,
                motif,
                row,
                window,
                inside,
                channel,
                TILE,
                CHANNELS,
                CONSTANTS,
                BY_LENGTH,
            )
            absent = touched[:, None] | (total == float("-inf"))
            absent = absent | (channel >= channels)[None, :]
            scaled = tl.where(absent, float("-inf"), hill * total)
            new = tl.maximum(top, tl.max(tl.reshape(scaled, [ROWS, COLUMNS]), 1))
            level = tl.where(new == float("-inf"), 0.0, new)
            levels = tl.broadcast_to(level[:, None], [ROWS, COLUMNS])
            levels = tl.reshape(levels, [TILE, CHANNELS])
            # One rounding: the product may be much greater than the difference.
            exponent = tl.fma(tl.broadcast_to(hill, total.shape), total, -levels)
            values = tl.where(absent, 0.0, tl.exp(exponent + hill * error))
            values = tl.sum(tl.reshape(values, [ROWS, COLUMNS]), 1)
            sums = sums * tl.exp(top - level) + values
            top = new
    row = first_row + tl.arange(0, ROWS)
    known = row < rows
    level = tl.where(top == float("-inf"), 0.0, top)
    logarithm = tl.log(sums.to(tl.float64)) + level.to(tl.float64)
    logarithm = tl.where(sums == 0.0, float("-inf"), logarithm)
    tl.store(logarithms + row, logarithm, mask=known)
    tl.store(scores + row, logarithm.to(sums.dtype), mask=known)


@triton.jit(do_not_specialize=NUMBERS)  # type: ignore[untyped-decorator]
def window_kernel(
    codes: tl.tensor,
    lengths: tl.tensor,
    rows: tl.tensor,
    length: tl.tensor,
    windows: tl.tensor,
    table: tl.tensor,
    pair_table: tl.tensor,
    places: tl.tensor,
    constants: tl.tensor,
    length_stride: tl.tensor,
    channel_stride: tl.tensor,
    window_stride: tl.tensor,
    letters: tl.tensor,
    size: tl.tensor,
    dilation: tl.tensor,
    pairs: tl.tensor,
    channels: tl.tensor,
    padded: tl.tensor,
    scores: tl.tensor,
    ROWS: tl.constexpr,
    WINDOWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    CONSTANTS: tl.constexpr,
    BY_LENGTH: tl.constexpr,
) -> None:
    """Scores of windows, (rows, channels, windows)."""
    sequences = Rows(codes, lengths, rows, length, windows)
    motif = Motif(
        table,
        pair_table,
        places,
        constants,
        length_stride,
        channel_stride,
        window_stride,
        letters,
        size,
        dilation,
        pairs,
        channels,
        padded,
    )
    TILE: tl.constexpr = ROWS * WINDOWS
    lane = tl.arange(0, TILE)
    row = tl.program_id(0).to(tl.int64) * ROWS + lane // WINDOWS
    for first_window in range(0, windows, WINDOWS):
        window = first_window + lane % WINDOWS
        inside = (row < rows) & (window < windows)
        for first_channel in range(0, padded, CHANNELS):
            channel = first_channel + tl.arange(0, CHANNELS)
            total, error, touched = score_tile(
                sequences,
                motif,
                row,
                window,
                inside,
                channel,
                TILE,
                CHANNELS,
                CONSTANTS,
                BY_LENGTH,
            )
            values = tl.where(touched[:, None], float("-inf"), total + error)
            target = (row[:, None] * channels + channel[None, :]) * windows
            present = inside[:, None] & (channel < channels)[None, :]
            tl.store(scores + (target + window[:, None]), values, mask=present)

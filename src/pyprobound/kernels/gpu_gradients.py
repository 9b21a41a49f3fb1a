"""Device code for NVIDIA GPUs: the gradient of scores of windows and rows.

The gradient is a histogram of the windows' shares by the entries of the tables. Each
program adds up the tiles that fall to it in a buffer of its own, one after the other,
in double precision. The buffers are added up in a fixed order. So results are the same
each time, and do not get worse with the number of rows.
"""

# ruff: noqa: N803, N806 - capitals are constants when a kernel is compiled
from __future__ import annotations

import triton
import triton.language as tl

from .gpu_scores import NUMBERS, Motif, Rows, load_codes, score_tile, symbols_of


@triton.jit  # type: ignore[untyped-decorator]
def add_to_entries(
    buffer: tl.tensor,
    entry: tl.tensor,
    entries: tl.tensor,
    share: tl.tensor,
    channel: tl.tensor,
    padded: tl.tensor,
    ENTRIES: tl.constexpr,
) -> None:
    """Adds the shares (tile, channels) of lanes by the entry that each lane has.

    Args:
        buffer: Pointer to the sums, (entries, padded).
        entry: Entry of each lane; lanes with any other number are left out.
        entries: Number of entries.
        share: The shares.
        channel: The channels.
        padded: Number of channels of the sums.
        ENTRIES: Number of entries that are handled at once.
    """
    for first in range(0, entries, ENTRIES):
        known = first + tl.arange(0, ENTRIES)
        matches = (entry[:, None] == known[None, :])[:, :, None]
        sums = tl.sum(tl.where(matches, share[:, None, :], 0.0), 0)
        target = (known * padded)[:, None] + channel[None, :]
        # Nobody else adds to this buffer, so the order is that of the program.
        tl.atomic_add(
            buffer + target,
            sums.to(tl.float64),
            mask=(known < entries)[:, None] & (channel < padded)[None, :],
            sem="relaxed",
        )


@triton.jit  # type: ignore[untyped-decorator]
def add_features(
    buffer: tl.tensor,
    rows: tl.tensor,
    motif: tl.tensor,
    start: tl.tensor,
    inside: tl.tensor,
    share: tl.tensor,
    channel: tl.tensor,
    LETTERS: tl.constexpr,
    PAIRS: tl.constexpr,
) -> None:
    """Adds the shares of windows to the letters and pairs of letters they have."""
    letters = motif.letters
    counted = letters + 1  # the letters and the wildcard
    for i in range(motif.size):
        code = load_codes(rows.codes, start + i * motif.dilation, inside, letters)
        add_to_entries(
            buffer + i * counted * motif.padded,
            symbols_of(code, letters),
            counted,
            share,
            channel,
            motif.padded,
            LETTERS,
        )
    buffer += motif.size * counted * motif.padded
    entries = counted * counted
    for pair in range(motif.pairs):
        first = tl.load(motif.places + 2 * pair)
        second = tl.load(motif.places + 2 * pair + 1)
        one = load_codes(rows.codes, start + first, inside, letters)
        two = load_codes(rows.codes, start + second, inside, letters)
        one = symbols_of(one, letters)
        two = symbols_of(two, letters)
        both = (one <= letters) & (two <= letters)
        add_to_entries(
            buffer + pair * entries * motif.padded,
            tl.where(both, one * counted + two, -1),
            entries,
            share,
            channel,
            motif.padded,
            PAIRS,
        )


@triton.jit  # type: ignore[untyped-decorator]
def add_constants(
    buffer: tl.tensor,
    rows: tl.tensor,
    row: tl.tensor,
    window: tl.tensor,
    inside: tl.tensor,
    share: tl.tensor,
    channel: tl.tensor,
    padded: tl.tensor,
    ROWS: tl.constexpr,
    WINDOWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BY_LENGTH: tl.constexpr,
) -> None:
    """Adds the shares of windows to their constants, (lengths, windows, padded)."""
    length = tl.zeros([ROWS * WINDOWS], tl.int32)
    first = 0
    last = 0
    if BY_LENGTH:
        length = tl.load(rows.lengths + row, mask=inside, other=-1)
        last = tl.max(length, 0)
        first = tl.min(tl.where(inside, length, last), 0)
    # The first row of the tile has all windows of the tile.
    first_window = tl.min(window, 0) + tl.arange(0, WINDOWS)
    for known in range(first, last + 1):
        chosen = tl.where((length == known)[:, None], share, 0.0)
        sums = tl.sum(tl.reshape(chosen, [ROWS, WINDOWS, CHANNELS]), 0)
        target = (known * rows.windows + first_window) * padded
        tl.atomic_add(
            buffer + (target[:, None] + channel[None, :]),
            sums.to(tl.float64),
            mask=(first_window < rows.windows)[:, None] & (channel < padded)[None, :],
            sem="relaxed",
        )


@triton.jit(do_not_specialize=[*NUMBERS, "tiles", "features", "values"])  # type: ignore[untyped-decorator]
def gradient_kernel(
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
    upstream: tl.tensor,
    logarithms: tl.tensor,
    buffers: tl.tensor,
    tiles: tl.tensor,
    features: tl.tensor,
    values: tl.tensor,
    ROWS: tl.constexpr,
    WINDOWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    LETTERS: tl.constexpr,
    PAIRS: tl.constexpr,
    CONSTANTS: tl.constexpr,
    BY_LENGTH: tl.constexpr,
    OF_ROWS: tl.constexpr,
    TO_CONSTANTS: tl.constexpr,
) -> None:
    """Gradient with respect to the parameters times the Hill coefficient.

    Each of the ``buffers`` holds ``values``: first those of the ``features``, then the
    constants. ``upstream`` has the shape of the scores, of rows or of windows.
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
    program = tl.program_id(0).to(tl.int64)
    buffer = buffers + program * values
    lane = tl.arange(0, TILE)
    if OF_ROWS:
        hill = tl.load(hills)
    tile_rows = tl.full([TILE], ROWS, tl.int64)
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        row = tile * tile_rows + lane // WINDOWS
        for first_window in range(0, windows, WINDOWS):
            window = first_window + lane % WINDOWS
            inside = (row < rows) & (window < windows)
            start = row * length + window
            for first_channel in range(0, padded, CHANNELS):
                channel = first_channel + tl.arange(0, CHANNELS)
                present = (channel < channels)[None, :]
                if OF_ROWS:
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
                    weight = tl.load(upstream + row, mask=inside, other=0.0)
                    # The logarithm of the row's sum is rounded, and the rest kept.
                    exact = tl.load(logarithms + row, mask=inside, other=0.0)
                    level = exact.to(total.dtype)
                    rest = (exact - level.to(tl.float64)).to(total.dtype)
                    levels = tl.broadcast_to(level[:, None], [TILE, CHANNELS])
                    hills_wide = tl.broadcast_to(hill, [TILE, CHANNELS])
                    exponent = tl.fma(hills_wide, total, -levels)
                    exponent += hill * error - rest[:, None]
                    share = weight[:, None] * tl.exp(exponent)
                    # Also all windows of a row that scores -inf.
                    absent = touched[:, None] | (total == float("-inf"))
                    share = tl.where(absent, 0.0, share)
                    share = tl.where(present, share, 0.0)
                else:
                    touched = tl.zeros([TILE], tl.int1)
                    for i in range(size):
                        place = start + i * dilation
                        code = load_codes(codes, place, inside, letters)
                        touched = touched | (code == letters)
                    target = (row[:, None] * channels + channel[None, :]) * windows
                    counted = (inside & (touched == 0))[:, None] & present
                    share = tl.load(
                        upstream + (target + window[:, None]), mask=counted, other=0.0
                    )
                add_features(
                    buffer,
                    sequences,
                    motif,
                    start,
                    inside,
                    share,
                    channel,
                    LETTERS,
                    PAIRS,
                )
                if TO_CONSTANTS:
                    add_constants(
                        buffer + features,
                        sequences,
                        row,
                        window,
                        inside,
                        share,
                        channel,
                        padded,
                        ROWS,
                        WINDOWS,
                        CHANNELS,
                        BY_LENGTH,
                    )

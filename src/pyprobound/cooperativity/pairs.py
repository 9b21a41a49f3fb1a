"""The position bias of pairs of windows, which is stored by offset.

A bias of every pair of a window of one mode and a window of another is a matrix. It
is stored as the list of its diagonals, from the offset ``1 - n_windows_a`` on; the
position along a diagonal is the smaller one of both windows, and neighbouring
positions may share a value (a bin).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..layers.lengths import LengthChange

Sources = list[np.ndarray]
_NEW = -1


def diagonal_lengths(n_windows_a: int, n_windows_b: int) -> list[int]:
    """The number of pairs on each diagonal."""
    count = n_windows_a + n_windows_b - 1
    return [
        min(d + 1, count - d, n_windows_a, n_windows_b) for d in range(max(count, 0))
    ]


def bin_counts(n_windows_a: int, n_windows_b: int, size: int) -> list[int]:
    """The number of bins of each diagonal."""
    lengths = diagonal_lengths(n_windows_a, n_windows_b)
    return [_n_bins(length, size) for length in lengths]


def _n_bins(length: int, size: int) -> int:
    return -(-length // size)


def bin_index(
    n_windows_a: int, n_windows_b: int, size: int, backwards: bool = False
) -> Tensor:
    """Where the bin of each pair of windows lies if all diagonals are joined.

    Args:
        n_windows_a: The number of windows of the first mode.
        n_windows_b: The number of windows of the second mode.
        size: The number of neighbouring pairs of a bin.
        backwards: Whether each diagonal is read from its end.

    Returns:
        Integers of shape (n_windows_a, n_windows_b).
    """
    lengths = np.array(diagonal_lengths(n_windows_a, n_windows_b))
    counts = np.array(bin_counts(n_windows_a, n_windows_b, size))
    starts = np.cumsum(counts) - counts
    first, second = np.indices((n_windows_a, n_windows_b))
    diagonal = second - first + n_windows_a - 1
    place = np.minimum(first, second)
    if backwards:
        place = lengths[diagonal] - 1 - place
    return torch.from_numpy(starts[diagonal] + place // size)


def mirrored_index(index: Tensor, n_finite_a: int, n_finite_b: int) -> Tensor:
    """The bins of the pairs that the windows of a row are mirrored to.

    Args:
        index: The bin of each pair of windows.
        n_finite_a: The number of windows of the first mode that the row has.
        n_finite_b: The number of windows of the second mode that the row has.

    Returns:
        Integers of the same shape; the values of windows that the row has not are
        of no meaning.
    """
    first, second = (
        (count - 1 - torch.arange(size)).clamp(0)
        for count, size in zip((n_finite_a, n_finite_b), index.shape, strict=True)
    )
    return index[first][:, second]


def resized(
    values: Sequence[Tensor],
    windows: tuple[int, int],
    size: int,
    changes: tuple[LengthChange, LengthChange],
) -> list[Tensor]:
    """Keeps the bias of each pair of windows when windows come or go.

    Args:
        values: The bias of each diagonal, of shape (lengths of a, lengths of b,
            strands, strands, bins).
        windows: The numbers of windows of both modes before.
        size: The number of neighbouring pairs of a bin.
        changes: The changes of the windows and lengths of both modes.

    Returns:
        The new values without gradients; new pairs and new lengths have zeros.
    """
    joined = torch.cat([value.detach() for value in values], dim=-1)
    change_a, change_b = changes
    padding = (-change_b.minimum, change_b.maximum, -change_a.minimum, change_a.maximum)
    # The lengths are the first axes, and new entries read a zero at the very end.
    joined = torch.nn.functional.pad(joined, (0, 1, 0, 0, 0, 0, *padding))
    sources = _new_sources(windows, size, changes)
    return [
        joined[..., torch.from_numpy(source).to(joined.device)] for source in sources
    ]


def _new_sources(
    windows: tuple[int, int], size: int, changes: tuple[LengthChange, LengthChange]
) -> Sources:
    """Where the bins of each diagonal come from, for windows added one by one."""
    counts = bin_counts(*windows, size)
    starts = np.cumsum(counts) - counts
    sources = [
        np.arange(start, start + count)
        for start, count in zip(starts, counts, strict=True)
    ]
    n = list(windows)
    for on_left in (True, False):
        for is_b, change in enumerate(changes):
            shift = change.left if on_left else change.right
            for _ in range(abs(shift)):
                sources = _step(sources, n, bool(is_b), on_left, shift > 0, size)
    return sources


def _step(
    sources: Sources, n: list[int], is_b: bool, on_left: bool, gains: bool, size: int
) -> Sources:
    """One mode gains or loses one window on one side; ``n`` is updated."""
    # The new pairs lie on the diagonals at one end of the list. There, the outermost
    # one appears or vanishes.
    at_end = is_b != on_left
    after = list(n)
    after[is_b] += 1 if gains else -1
    longer, count = (after, after[not is_b]) if gains else (n, n[not is_b])
    if gains:
        empty = [np.empty(0, dtype=np.int64)]
        sources = [*sources, *empty] if at_end else [*empty, *sources]
    lengths = diagonal_lengths(*longer)
    touched = range(len(sources) - count, len(sources)) if at_end else range(count)
    result = list(sources)
    for d in touched:
        bins = _n_bins(lengths[d], size) - _n_bins(lengths[d] - 1, size)
        result[d] = _end_changed(sources[d], bins if gains else -bins, on_left)
    if not gains:
        del result[-1 if at_end else 0]
    n[:] = after
    return result


def _end_changed(source: np.ndarray, bins: int, in_front: bool) -> np.ndarray:
    """Adds bins without a source in front or behind, or removes some if negative."""
    if bins >= 0:
        new = np.full(bins, _NEW)
        return np.concatenate([new, source] if in_front else [source, new])
    return source[-bins:] if in_front else source[:bins]

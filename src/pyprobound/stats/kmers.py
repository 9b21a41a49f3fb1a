"""The k-mers that a motif binds most tightly, and their affinities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .best import (
    MAX_SEQUENCES,
    MAX_TABLE_ENTRIES,
    Codes,
    FloatArray,
    MotifScores,
    RankedSequences,
    best_sequences,
)
from .gauges import mismatch_gauge

_MAX_KMERS = 1 << 24


def top_kmers(
    scores: MotifScores,
    length: int,
    count: int = 10,
    *,
    both_strands: bool = True,
) -> RankedSequences:
    r"""Finds the k-mers with the greatest affinities, exactly.

    The affinity of a k-mer as long as the motif, or longer, is that of all its
    windows on one or both strands, :math:`\sum_w e^{E(w)}`. That of a shorter one is
    the sum over its places in the motif of the mean affinity over all letters around
    it, each equally frequent.

    With both strands a k-mer and its reverse complement are one molecule; the strand
    that the motif binds more tightly is listed.

    Args:
        scores: The motif.
        length: The number of letters of the k-mers.
        count: How many; all of them if there are fewer.
        both_strands: Whether both strands are bound. The complement of letter `a` is
            letter `n - 1 - a`.

    Returns:
        The k-mers and the logs of their affinities, sorted; of equally good ones the
        first in the order of the alphabet comes first.

    Raises:
        InputError: There are too many k-mers of this length, or pairs reach too far.
    """
    if length < 1:
        raise InputError(f"k-mers need at least 1 letter, not {length}")
    if not 1 <= count <= MAX_SEQUENCES:
        raise InputError(
            f"cannot list {count:,} k-mers; choose between 1 and {MAX_SEQUENCES:,}"
        )
    if length != scores.n_positions:
        forward = kmer_affinities(scores, length)
        return _ranked(forward, count, both_strands)
    if not both_strands:
        return best_sequences(scores, count)
    return _certified(scores, count)


def kmer_affinities(scores: MotifScores, length: int) -> FloatArray:
    """The logs of the affinities of all k-mers on the forward strand.

    Args:
        scores: The motif.
        length: The number of letters of the k-mers.

    Returns:
        An array of shape (letters, ..., letters), one axis for each letter; see
        ``top_kmers`` for the definition.

    Raises:
        InputError: There are too many k-mers, or too many windows they are part of.
    """
    size, n_letters = scores.n_positions, scores.n_letters
    _check_length(scores, length)
    # Relative to the best window, so that exponentials stay within range.
    relative, best = mismatch_gauge(scores)
    total = np.zeros((n_letters,) * length)
    if length < size:
        for start in range(size - length + 1):
            total += _window_affinities(relative, start, length)
    else:
        window = _window_affinities(relative, 0, size)
        for start in range(length - size + 1):
            after = length - size - start
            total += window.reshape((1,) * start + window.shape + (1,) * after)
    with np.errstate(divide="ignore"):
        np.log(total, out=total)
    total += best
    return total


def reverse_complement(codes: Codes, n_letters: int) -> Codes:
    """The letters of the other strand, of which letter `a` is `n - 1 - a`."""
    return (n_letters - 1 - codes)[:, ::-1]


def _check_length(scores: MotifScores, length: int) -> None:
    n_letters, size, reach = scores.n_letters, scores.n_positions, scores.reach
    if n_letters**length > _MAX_KMERS:
        longest = int(np.log(_MAX_KMERS) / np.log(n_letters) + 1e-9)
        raise InputError(
            f"there are {n_letters}^{length} k-mers of {length} letters, too many to"
            f" compare all; choose at most {longest} letters, or exactly {size}, the"
            " size of the motif"
        )
    if length < size and n_letters ** min(size, length + reach + 1) > MAX_TABLE_ENTRIES:
        raise InputError(
            f"pairs of letters up to {reach} positions apart make too many windows"
            f" around k-mers of {length} letters; choose fewer letters, or exactly"
            f" {size}, the size of the motif"
        )


def _window_affinities(scores: MotifScores, start: int, length: int) -> FloatArray:
    """The mean affinity of the windows with given letters at some positions.

    Letters are added from left to right; others than those asked for are averaged
    over as soon as no pair connects them to letters still to come.

    Args:
        scores: The motif, relative to its best sequence.
        start: The first of these positions.
        length: How many there are.
    """
    kept = range(start, start + length)
    table = np.ones(())
    axes: list[int] = []
    for place in range(scores.n_positions):
        table = table[..., None] * np.exp(scores.letters[place])
        axes.append(place)
        for distance, block in scores.pairs.items():
            if distance <= place and block[place - distance].any():
                shape = [1] * table.ndim
                shape[axes.index(place - distance)] = shape[-1] = scores.n_letters
                table = table * np.exp(block[place - distance]).reshape(shape)
        last = place == scores.n_positions - 1
        done = [
            each
            for each in axes
            if each not in kept and (last or each <= place - scores.reach)
        ]
        table = table.mean(axis=tuple(axes.index(each) for each in done))
        axes = [each for each in axes if each not in done]
    return table


def _ranked(forward: FloatArray, count: int, both_strands: bool) -> RankedSequences:
    """Ranks all k-mers by the affinities of one or of both strands."""
    shape = forward.shape
    total = forward.ravel()
    chosen: npt.NDArray[np.int64] | None = None
    if both_strands:
        reverse = forward[(slice(None, None, -1),) * forward.ndim].transpose().ravel()
        preferred = total > reverse
        equal = np.flatnonzero(total == reverse)
        preferred[equal] = equal <= _reversed_places(equal, shape)
        chosen = np.flatnonzero(preferred)
        total = np.logaddexp(total[chosen], reverse[chosen])
    if count < len(total):
        least = np.partition(total, len(total) - count)[len(total) - count]
        found = np.flatnonzero(total >= least)
    else:
        found = np.arange(len(total))
    order = found[np.argsort(-total[found], kind="stable")][:count]
    places = order if chosen is None else chosen[order]
    codes = np.stack(np.unravel_index(places, shape), axis=1).astype(np.int16)
    return RankedSequences(codes, total[order])


def _reversed_places(
    places: npt.NDArray[np.int64], shape: tuple[int, ...]
) -> npt.NDArray[np.int64]:
    """The places of reverse complements in the order of all k-mers."""
    digits = np.stack(np.unravel_index(places, shape))
    reverse = (shape[0] - 1 - digits)[::-1]
    return np.asarray(np.ravel_multi_index(tuple(reverse), shape), dtype=np.int64)


def _certified(scores: MotifScores, count: int) -> RankedSequences:
    """Ranks sequences as long as the motif by the affinities of both strands.

    The sum of both strands is at most twice the better one. So once the last sequence
    that was looked at has less than half the affinity of the last one that is listed,
    none is missing.
    """
    n_looked = min(2 * count + 16, MAX_SEQUENCES)
    while True:
        found = best_sequences(scores, n_looked)
        reverse = reverse_complement(found.codes, scores.n_letters)
        energies = scores.score(reverse)
        kept = found.energies > energies
        # Sequences as good as their reverse complements: the first of the alphabet.
        for row in np.flatnonzero(np.isclose(found.energies, energies, 1e-12, 1e-12)):
            kept[row] = tuple(found.codes[row]) <= tuple(reverse[row])
        total = np.logaddexp(found.energies[kept], energies[kept])
        order = np.argsort(-total, kind="stable")[:count]
        complete = len(found.codes) < n_looked
        cut = found.energies[-1] + np.log(2)
        if complete or (len(order) == count and total[order[-1]] >= cut):
            return RankedSequences(found.codes[kept][order], total[order])
        if n_looked == MAX_SEQUENCES:
            raise InputError(
                f"more than {MAX_SEQUENCES:,} sequences bind about as tightly as the"
                f" first {count:,}; ask for fewer"
            )
        n_looked = min(4 * n_looked, MAX_SEQUENCES)

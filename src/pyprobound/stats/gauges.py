"""Gauges: forms of a motif that differ in what no data determine.

A constant may move from the letters of a position to the activity of a mode, and from
a row of pairs to single letters, without any change of a prediction. Comparing values
needs a form in which nothing is left to move.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from .best import FloatArray, MotifScores, best_sequences

Gauge = Literal["mean", "mismatch"]


def to_gauge(scores: MotifScores, gauge: Gauge) -> tuple[MotifScores, float]:
    """Brings a motif into a gauge.

    Args:
        scores: The motif.
        gauge: ``mean`` or ``mismatch``.

    Returns:
        The motif, and the energy in RT that its energies have lost: it belongs to the
        log activity.

    Raises:
        ValueError: There is no such gauge.
    """
    if gauge == "mean":
        return mean_gauge(scores)
    if gauge == "mismatch":
        return mismatch_gauge(scores)
    raise ValueError(f"the gauge must be 'mean' or 'mismatch', not {gauge!r}")


def mean_gauge(scores: MotifScores) -> tuple[MotifScores, float]:
    """Gives the letters of each position, and rows and columns of pairs, mean zero.

    Args:
        scores: The motif.

    Returns:
        The motif, and the mean energy of all sequences, which its energies have lost.
    """
    letters = scores.letters.copy()
    pairs = {}
    for distance, block in scores.pairs.items():
        first = block.mean(axis=2, keepdims=True)
        second = (block - first).mean(axis=1, keepdims=True)
        letters[:-distance] += first[:, :, 0]
        letters[distance:] += second[:, 0, :]
        pairs[distance] = block - first - second
    means = letters.mean(axis=1, keepdims=True)
    return MotifScores(letters - means, pairs), float(means.sum())


def mismatch_gauge(scores: MotifScores) -> tuple[MotifScores, float]:
    r"""Writes a motif as the changes of its best sequence `t`.

    .. math::
        m'_{i,a} &= E(t_{i \to a}) - E(t) \\
        D'^{(d)}_{i,a,b} &= E(t_{i \to a, i+d \to b}) - E(t) - m'_{i,a} - m'_{i+d,b}

    so that :math:`E' = E - E(t)` for every sequence, every single letter costs what it
    costs in the best sequence, and all values of that sequence itself are 0. It is
    found exactly, see ``best_sequences``.

    Args:
        scores: The motif.

    Returns:
        The motif, and :math:`E(t)`, which its energies have lost.

    Raises:
        InputError: The pairs reach too far, see ``best_sequences``.
    """
    best = best_sequences(scores)
    codes = best.codes[0].astype(np.int64)
    places = np.arange(scores.n_positions)
    letters = scores.letters - scores.letters[places, codes][:, None]
    pairs = {}
    for distance, block in scores.pairs.items():
        left, right, here = codes[:-distance], codes[distance:], places[:-distance]
        # The values of pairs with one letter of the best sequence, and of both.
        by_first = block[here, :, right]
        by_second = block[here, left, :]
        both = block[here, left, right]
        letters[:-distance] += by_first - both[:, None]
        letters[distance:] += by_second - both[:, None]
        pairs[distance] = (
            block - by_first[:, :, None] - by_second[:, None, :] + both[:, None, None]
        )
    return MotifScores(letters, pairs), float(best.energies[0])


def information(scores: MotifScores) -> FloatArray:
    r"""The information of each position, in bits.

    :math:`\log_2 n + \sum_a p_a \log_2 p_a`, where :math:`p` is the softmax of the
    values of the position relative to the best sequence, see ``mismatch_gauge``.

    Args:
        scores: The motif.
    """
    letters = mismatch_gauge(scores)[0].letters
    letters = letters - letters.max(axis=1, keepdims=True)
    shares = np.exp(letters)
    shares /= shares.sum(axis=1, keepdims=True)
    logs = np.log2(np.where(shares > 0, shares, 1))
    result: FloatArray = np.log2(scores.n_letters) + (shares * logs).sum(axis=1)
    return result

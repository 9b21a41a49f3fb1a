"""The sequences that a motif binds most tightly, found exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from ..errors import InputError
from ..layers import PSAM

FloatArray = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int16]

MAX_TABLE_ENTRIES = 1 << 26
"""The most numbers that the search may keep, 512 MB of them."""
MAX_SEQUENCES = 1_000_000
"""The most sequences that are listed."""


@dataclass(frozen=True, eq=False)
class MotifScores:
    r"""The values of a motif as arrays, of which its energies are sums.

    .. math:: E(S) = \sum_i m_{i, s_i} + \sum_d \sum_i D^{(d)}_{i, s_i, s_{i+d}}

    in units of RT, :math:`-\Delta\Delta G/RT`, larger for tighter binding.

    Attributes:
        letters: The values of single letters, of shape (positions, letters).
        pairs: The values of pairs by distance, of shape (positions - distance,
            letters, letters); the letter of the left position comes first.
    """

    letters: FloatArray
    pairs: Mapping[int, FloatArray] = field(default_factory=dict)

    @classmethod
    def from_psam(cls, psam: PSAM, motif: int = 0) -> MotifScores:
        """Reads the forward strand of one motif of a PSAM, without its bias.

        Args:
            psam: The motifs.
            motif: Which one of them, from 0.
        """
        with torch.no_grad():
            blocks = [
                np.moveaxis(
                    psam.forward_filter(distance)[motif].double().cpu().numpy(), -1, 0
                )
                for distance in range(psam.pairwise_distance + 1)
            ]
        return cls(blocks[0], dict(enumerate(blocks[1:], start=1)))

    @property
    def n_positions(self) -> int:
        """The number of positions."""
        return int(self.letters.shape[0])

    @property
    def n_letters(self) -> int:
        """The number of letters of the alphabet."""
        return int(self.letters.shape[1])

    @property
    def reach(self) -> int:
        """The greatest distance of a pair whose value is not zero."""
        return max((d for d, block in self.pairs.items() if block.any()), default=0)

    def score(self, codes: npt.NDArray[np.integer]) -> FloatArray:
        """The energies of sequences.

        Args:
            codes: The indices of the letters, of shape (sequences, positions).
        """
        places = np.arange(self.n_positions)
        total: FloatArray = self.letters[places, codes].sum(axis=1)
        for distance, block in self.pairs.items():
            before, after = codes[:, :-distance], codes[:, distance:]
            total += block[places[:-distance], before, after].sum(axis=1)
        return total

    def reversed(self) -> MotifScores:
        """The motif of the other strand: letter `a` becomes letter `n - 1 - a`."""
        return MotifScores(
            self.letters[::-1, ::-1],
            {
                distance: block[::-1, ::-1, ::-1].transpose(0, 2, 1)
                for distance, block in self.pairs.items()
            },
        )


@dataclass(frozen=True, eq=False)
class RankedSequences:
    """Sequences from the best one down.

    Attributes:
        codes: The indices of their letters, of shape (sequences, positions).
        energies: Their energies in RT, of shape (sequences,).
    """

    codes: Codes
    energies: FloatArray


def best_sequences(scores: MotifScores, count: int = 1) -> RankedSequences:
    r"""Finds the sequences with the greatest energies, exactly.

    Dynamic programming from the right end gives, for each choice of the last `d`
    letters before a position, the best energy that what follows can add; `d` is the
    greatest distance of a pair. Then sequences are extended from the left, and at
    each position the ``count`` beginnings whose best endings are best are kept: each
    beginning that is dropped is beaten by ``count`` sequences. Of equally good ones
    the first in the order of the alphabet is preferred.

    Args:
        scores: The motif.
        count: How many sequences; all of them if there are fewer.

    Returns:
        The sequences, sorted.

    Raises:
        InputError: ``count`` is not within 1 and ``MAX_SEQUENCES``, or the pairs reach
            so far that there are too many combinations of letters to tell apart.
    """
    if not 1 <= count <= MAX_SEQUENCES:
        raise InputError(
            f"cannot list {count:,} sequences; choose between 1 and {MAX_SEQUENCES:,}"
        )
    futures = _best_endings(scores)
    codes: Codes = np.zeros((1, 0), dtype=np.int16)
    energies = np.zeros(1)
    n_letters, reach = scores.n_letters, scores.reach
    for place in range(scores.n_positions):
        energies = (energies[:, None] + _gains(scores, place, codes)).ravel()
        rows, added = np.divmod(np.arange(len(energies)), n_letters)
        future = futures[place + 1]
        state = _state(codes[rows], added, min(place + 1, reach), n_letters)
        bounds = energies + future.ravel()[state]
        # Sorting the places again keeps beginnings in the order of the alphabet.
        kept = np.sort(np.argsort(-bounds, kind="stable")[:count])
        codes = np.concatenate(
            [codes[rows[kept]], added[kept, None].astype(np.int16)], axis=1
        )
        energies = energies[kept]
    energies = scores.score(codes)
    order = np.argsort(-energies, kind="stable")
    return RankedSequences(codes[order], energies[order])


def check_reach(n_letters: int, n_positions: int, reach: int) -> None:
    """Checks that the pairs of a motif leave few enough combinations of letters.

    Args:
        n_letters: The number of letters of the alphabet.
        n_positions: The number of positions.
        reach: The greatest distance of a pair.

    Raises:
        InputError: There are too many.
    """
    entries = sum(n_letters ** min(i, reach) for i in range(n_positions + 1))
    if entries <= MAX_TABLE_ENTRIES:
        return
    possible = max(
        d
        for d in range(reach)
        if sum(n_letters ** min(i, d) for i in range(n_positions + 1))
        <= MAX_TABLE_ENTRIES
    )
    raise InputError(
        f"pairs of letters up to {reach} positions apart leave {n_letters}^{reach} ="
        f" {n_letters**reach:,} combinations to be told apart, which takes"
        f" {entries * 8 / 2**30:.1f} GiB for {n_positions} positions; the limit is"
        f" {MAX_TABLE_ENTRIES * 8 / 2**30:.1f} GiB, for a distance of {possible} at most."
        " Fit the motif with a smaller pairwise_distance, or set to zero the pairs that"
        " are further apart"
    )


def _best_endings(scores: MotifScores) -> list[FloatArray]:
    """For each position, by the letters before it, the best that may follow.

    Of shape (letters, ..., letters), one axis for each of the last ``reach`` letters.
    """
    n_letters, n_positions, reach = scores.n_letters, scores.n_positions, scores.reach
    check_reach(n_letters, n_positions, reach)
    futures = [np.zeros((n_letters,) * min(n_positions, reach))]
    for place in reversed(range(n_positions)):
        before = min(place, reach)
        best = np.full((n_letters,) * before, -np.inf)
        for letter in range(n_letters):
            total = futures[-1][..., letter] if reach else futures[-1]
            total = np.broadcast_to(total, best.shape) + scores.letters[place, letter]
            for distance, block in scores.pairs.items():
                if distance <= before:
                    axes = (n_letters,) + (1,) * (distance - 1)
                    total = total + block[place - distance, :, letter].reshape(axes)
            np.maximum(best, total, out=best)
        futures.append(best)
    return futures[::-1]


def _gains(scores: MotifScores, place: int, codes: Codes) -> FloatArray:
    """What each letter at a place adds to each beginning."""
    gains = np.tile(scores.letters[place], (len(codes), 1))
    for distance, block in scores.pairs.items():
        if distance <= place:
            gains += block[place - distance, codes[:, place - distance]]
    return gains


def _state(
    codes: Codes, added: npt.NDArray[np.int64], length: int, n_letters: int
) -> npt.NDArray[np.int64]:
    """The number of the last letters, read as digits."""
    number = np.zeros(len(codes), dtype=np.int64)
    if not length:
        return number
    for column in range(codes.shape[1] - length + 1, codes.shape[1]):
        number = number * n_letters + codes[:, column]
    return number * n_letters + added

"""What a motif prefers: its best sequence, and the price of every change of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ..layers import PSAM

Array = npt.NDArray[np.float64]

# With more states than this the search for the best sequence keeps the best ones.
_MAX_STATES = 1 << 14


class MotifEnergies:
    r"""The energies of one motif of a PSAM.

    Args:
        psam: The motifs.
        motif: Which one of them, from 0.

    Attributes:
        best: The index of the letter at each position of the sequence that is bound
            most tightly by one window.
        matrix: For each position and letter :math:`-\Delta\Delta G/RT` of replacing
            that letter of the best sequence, of shape (positions, letters): 0 at the
            best letter, negative elsewhere. Without pair features it is the matrix
            of the PSAM, relative to the best letter of each position.
    """

    def __init__(self, psam: PSAM, motif: int = 0) -> None:
        with torch.no_grad():
            self._monomer: Array = _array(psam.forward_filter(0)[motif]).T
            self._pairs = {
                distance: np.moveaxis(
                    _array(psam.forward_filter(distance)[motif]), -1, 0
                )
                for distance in range(1, psam.pairwise_distance + 1)
            }
        self.best = self._find_best()
        self.matrix = self._single_changes()

    def score(self, letters: npt.NDArray[np.int64]) -> Array:
        """The energies of sequences, of shape (sequences, positions)."""
        places = np.arange(letters.shape[1])
        total: Array = self._monomer[places, letters].sum(axis=1)
        for distance, block in self._pairs.items():
            first, second = letters[:, :-distance], letters[:, distance:]
            total += block[places[:-distance], first, second].sum(axis=1)
        return total

    def _find_best(self) -> npt.NDArray[np.int64]:
        """Extends sequences letter by letter, keeping the best with equal ends."""
        n_positions, n_letters = self._monomer.shape
        reach = max(self._pairs, default=0)
        kept = np.zeros((1, 0), dtype=np.int64)
        scores = np.zeros(1)
        for position in range(n_positions):
            letters = np.tile(np.arange(n_letters), len(kept))
            kept = np.repeat(kept, n_letters, axis=0)
            scores = np.repeat(scores, n_letters) + self._monomer[position, letters]
            for distance, block in self._pairs.items():
                if distance <= position:
                    before = kept[:, position - distance]
                    scores += block[position - distance, before, letters]
            kept = np.concatenate([kept, letters[:, None]], axis=1)
            # Only the last letters count for what is to come.
            order = np.argsort(-scores, kind="stable")
            ends = kept[order, position + 1 - min(reach, position + 1) :]
            _, first = np.unique(ends, axis=0, return_index=True)
            order = order[np.sort(first)][:_MAX_STATES] if reach else order[:1]
            kept, scores = kept[order], scores[order]
        best: npt.NDArray[np.int64] = kept[0]
        return best

    def _single_changes(self) -> Array:
        n_positions, n_letters = self._monomer.shape
        changed = np.tile(self.best, (n_positions * n_letters, 1))
        rows = np.arange(len(changed))
        changed[rows, rows // n_letters] = rows % n_letters
        energies = self.score(changed) - self.score(self.best[None, :])
        return energies.reshape(n_positions, n_letters)


def consensus(psam: PSAM, motif: int = 0) -> str:
    """The sequence that one window of a motif binds most tightly.

    Args:
        psam: The motifs.
        motif: Which one of them, from 0.

    Raises:
        ValueError: The PSAM has no alphabet.
    """
    if psam.alphabet is None:
        raise ValueError("a PSAM without alphabet has no consensus")
    letters = psam.alphabet.alphabet
    return "".join(letters[i] for i in MotifEnergies(psam, motif).best)


def _array(values: torch.Tensor) -> Array:
    array: Array = values.detach().cpu().double().numpy()
    return array

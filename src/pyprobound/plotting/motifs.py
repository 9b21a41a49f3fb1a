"""The numbers of a motif that its figures show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ..alphabets import Alphabet
from ..layers import PSAM
from .style import FloatArray


class Features(NamedTuple):
    """The forward filter of a motif.

    Attributes:
        letters: Of shape (letters, positions).
        pairs: By distance, of shape (letters, letters, positions - distance).
        labels: The symmetry id of each position.
    """

    letters: FloatArray
    pairs: dict[int, FloatArray]
    labels: tuple[str, ...]


def motif_features(psam: PSAM) -> Features:
    """The forward filter, without gradients."""
    if psam.n_motifs != 1:
        raise ValueError(
            f"Only a motif with one user channel can be drawn, not {psam.n_motifs}:"
            " draw each in a PSAM of its own"
        )
    alphabet_of(psam)
    with torch.no_grad():
        filters = [
            psam.forward_filter(distance)[0].double().cpu().numpy()
            for distance in range(psam.pairwise_distance + 1)
        ]
    labels = tuple(map(str, psam.symmetry.tolist()))
    return Features(filters[0], dict(enumerate(filters[1:], 1)), labels)


def fixed_gauge(features: Features) -> Features:
    """The same motif with all means of pairs moved to their letters.

    Unlike ``PSAM.fix_gauge`` it acts on the filter, in which no positions are tied, so
    there is a result for every symmetry.
    """
    letters = features.letters.copy()
    pairs = {}
    for distance, values in features.pairs.items():
        values = values - (first := values.mean(axis=1, keepdims=True))
        values = values - (second := values.mean(axis=0, keepdims=True))
        size = values.shape[-1]
        letters[:, :size] += first[:, 0]
        letters[:, distance:] += second[0]
        pairs[distance] = values
    letters -= letters.mean(axis=0)
    return features._replace(letters=letters, pairs=pairs)


def pair_map(features: Features) -> FloatArray:
    """The pairs as one symmetric matrix, not a number where there is no pair."""
    n_letters, n_positions = features.letters.shape
    # shape: (position, letter, position, letter); each letter axis belongs to the
    # position before it.
    result = np.full((n_positions, n_letters, n_positions, n_letters), np.nan)
    for distance, values in features.pairs.items():
        for start in range(values.shape[-1]):
            result[start, :, start + distance, :] = values[:, :, start]
            result[start + distance, :, start, :] = values[:, :, start].T
    size = n_positions * n_letters
    return result.reshape(size, size)


def alphabet_of(psam: PSAM) -> Alphabet:
    """The alphabet of a motif.

    Raises:
        ValueError: It has none.
    """
    alphabet = psam.alphabet
    if alphabet is None:
        raise ValueError("Only a motif with an alphabet can be drawn, to name letters")
    return alphabet

"""Sums over the k-mers of sequences."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..alphabets import Alphabet
from ..experiment import Experiment
from ..table import CountBatch, Table
from .style import FloatArray

CodeArray = npt.NDArray[np.signedinteger]


def sum_over_kmers(
    codes: CodeArray,
    values: FloatArray,
    kmer_length: int,
    n_letters: int,
) -> tuple[CodeArray, FloatArray]:
    """Adds values of sequences up over the places of each k-mer.

    Args:
        codes: Codes of shape (rows, length); those of letters are below ``n_letters``.
        values: Values of shape (rows, columns).
        kmer_length: The number of letters of a k-mer.
        n_letters: The number of letters.

    Returns:
        The codes of the k-mers that occur, of shape (k-mers, kmer_length), in the order
        of the alphabet, and the sums, of shape (k-mers, columns).

    Raises:
        ValueError: ``kmer_length`` is below 1 or too large for 64 bits, or no row has a
            k-mer.
    """
    if not 1 <= kmer_length <= 62 / np.log2(max(n_letters, 2)):
        raise ValueError(
            f"kmer_length must be from 1 to {int(62 / np.log2(max(n_letters, 2)))} with"
            f" {n_letters} letters, not {kmer_length}"
        )
    n_rows, length = codes.shape
    n_places = length - kmer_length + 1
    if n_places < 1:
        raise ValueError(f"No row has {kmer_length} letters")
    number = np.zeros((n_rows, n_places), np.int64)
    is_kmer = np.ones((n_rows, n_places), bool)
    for offset in range(kmer_length):
        letters = codes[:, offset : offset + n_places]
        number = number * n_letters + letters
        is_kmer &= (letters >= 0) & (letters < n_letters)
    rows = np.nonzero(is_kmer)[0]
    numbers, group = np.unique(number[is_kmer], return_inverse=True)
    if not len(numbers):
        raise ValueError(f"No row has {kmer_length} successive letters")
    sums: FloatArray = np.stack(
        [np.bincount(group, weights=column[rows]) for column in values.T], axis=1
    )
    powers = n_letters ** np.arange(kmer_length - 1, -1, -1)
    return numbers[:, None] // powers % n_letters, sums


def n_letters_of(experiment: Experiment, batch: CountBatch) -> int:
    """The number of letters, by the table or else by the motifs.

    Args:
        experiment: The experiment.
        batch: A table, or rows without an alphabet.

    Raises:
        ValueError: Neither has an alphabet.
    """
    holders = [batch] if isinstance(batch, Table) else list(experiment.modules())
    for holder in holders:
        alphabet = getattr(holder, "alphabet", None)
        if isinstance(alphabet, Alphabet):
            return len(alphabet.alphabet)
    raise ValueError(
        "The alphabet is not known, so letters and paddings cannot be told apart; give"
        " the count table as batch"
    )

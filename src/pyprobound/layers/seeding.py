"""First values of a motif that prefer a given sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from ..alphabets import Alphabet

if TYPE_CHECKING:
    from .psam import PSAM


@torch.no_grad()
def write_seeds(psam: PSAM, seeds: Sequence[Sequence[str]], scale: float) -> None:
    """Sets the single letters of a motif so that they prefer given sequences.

    Args:
        psam: The motif, changed in place.
        seeds: One sequence for each motif.
        scale: Multiplies the values.

    Raises:
        ValueError: The seeds do not fit the motif, or it has no alphabet.
    """
    if psam.alphabet is None:
        raise ValueError("A seed needs an alphabet")
    if len(seeds) != psam.n_motifs:
        raise ValueError(
            f"Expected one seed for each of {psam.n_motifs} motifs, found {len(seeds)}"
        )
    for channel, text in enumerate(seeds):
        columns = seed_values(psam.alphabet, text, psam.kernel_size, scale)
        for position, column in zip(psam.ids, columns, strict=True):
            if column is not None:
                values = torch.from_numpy(column)
                own = values if position > 0 else values.flip(0)
                psam.betas[str(abs(position))][channel] = own


def seed_values(
    alphabet: Alphabet, text: Sequence[str], kernel_size: int, scale: float
) -> list[npt.NDArray[np.float32] | None]:
    r"""The values of each position that prefer the letters of a sequence.

    Of :math:`n` letters the :math:`m` that a code stands for get
    :math:`\sigma\sqrt{(n-m)/m}` and the others :math:`-\sigma\sqrt{m/(n-m)}`, with
    :math:`\sigma = s / \sqrt{3nk}`: mean zero, and the variance of random values.

    Args:
        alphabet: The letters and degenerate codes.
        text: The sequence, as a string or as a list of codes.
        kernel_size: The number of positions :math:`k`.
        scale: The factor :math:`s`.

    Returns:
        One array of shape (letters,) for each position; None for the zero code,
        which prefers nothing.

    Raises:
        ValueError: The sequence does not have one code for each position.
    """
    codes = split_codes(alphabet, text)
    if len(codes) != kernel_size:
        raise ValueError(
            f"A seed must have one letter for each of {kernel_size} positions, not"
            f" {len(codes)}: {''.join(codes)!r}"
        )
    n = len(alphabet.alphabet)
    spread = scale * math.sqrt(1 / (3 * n * kernel_size))
    return [_column(alphabet.get_encoding[code], n, spread) for code in codes]


def split_codes(alphabet: Alphabet, text: Sequence[str]) -> list[str]:
    """Splits a string into the codes of an alphabet; a list is taken as it is."""
    if not isinstance(text, str):
        return list(text)
    size = alphabet.monomer_length
    return [text[i : i + size] for i in range(0, len(text), size)]


def _column(
    chosen: Sequence[int], n: int, spread: float
) -> npt.NDArray[np.float32] | None:
    m = len(chosen)
    if m == 0:
        return None
    if m == n:
        return np.zeros(n, dtype=np.float32)
    ratio = math.sqrt((n - m) / m)
    column = np.full(n, -spread / ratio, dtype=np.float32)
    column[list(chosen)] = spread * ratio
    return column

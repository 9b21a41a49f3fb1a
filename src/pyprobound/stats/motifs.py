"""The built-in motif, and how two motifs are laid over each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..alphabets import DNA
from ..layers import PSAM

FloatArray = npt.NDArray[np.float64]

# A made-up motif in the range of real ones: a core of six positions where a wrong
# letter costs 2 to 3 RT, one of which tolerates a second letter, and flanks that
# matter less. Rows are positions, columns A, C, G, T; the best letter is 0.
_BUILTIN = (
    (0.0, -0.5, -0.3, -0.6),
    (-1.2, -1.5, -1.4, 0.0),
    (-2.6, -3.1, 0.0, -2.9),
    (0.0, -2.9, -1.9, -3.0),
    (-2.4, 0.0, -3.2, -1.3),
    (-3.0, -2.8, 0.0, -3.3),
    (-1.8, -2.2, 0.0, -2.0),
    (0.0, -1.1, -0.6, -1.0),
    (0.0, -0.9, -1.0, -0.3),
    (-0.2, -0.6, -0.7, 0.0),
)


def builtin_motif() -> PSAM:
    r"""The motif of simulations without a model: ATGACGGAAT, 10 positions.

    Returns:
        A PSAM of DNA that scores both strands. Its values are
        :math:`-\Delta\Delta G/RT` relative to the best letter of each position.
    """
    psam = PSAM(kernel_size=len(_BUILTIN), alphabet=DNA(), name="builtin")
    with torch.no_grad():
        for place, row in enumerate(_BUILTIN, start=1):
            psam.betas[str(place)].copy_(torch.tensor([row]))
    return psam


@dataclass(frozen=True)
class Alignment:
    """Two motifs laid over each other.

    Attributes:
        offset: The position of the first motif at which the second one starts, after
            it was reversed, if it was; it may be negative.
        reverse: Whether the second motif was replaced by its reverse complement.
        correlation: Pearson's r of the values of both motifs over the positions they
            share, each position centred at mean zero.
        first: The centred values of the first motif at these positions, of shape
            (letters, shared positions).
        second: Those of the second motif.
        start: The first of these positions in the first motif, from 0.
    """

    offset: int
    reverse: bool
    correlation: float
    first: FloatArray
    second: FloatArray
    start: int

    @property
    def n_positions(self) -> int:
        """The number of positions that both motifs have."""
        return int(self.first.shape[1])


def align_motifs(
    first: FloatArray, second: FloatArray, *, complement: bool = True
) -> Alignment:
    r"""Finds the shift and the strand at which two motifs agree best.

    Each position is centred at mean zero over the letters, since a constant there
    means nothing. Where a motif ends it says nothing about letters, which is a column
    of zeros; so the best placement is the one with the greatest

    .. math:: r = \frac{\sum_{a,i} x_{a,i} \, y_{a,i-o}}{\lVert x \rVert \, \lVert y
        \rVert}

    over whole motifs, which does not favour small overlaps.

    Args:
        first: Energies :math:`-\Delta\Delta G/RT` of shape (letters, positions).
        second: The same for the other motif, with the same letters.
        complement: Whether the reverse complement of ``second`` is tried too: letter
            `i` becomes letter `n - 1 - i`, and positions are reversed.

    Returns:
        The best placement.

    Raises:
        ValueError: The motifs do not have the same number of letters.
    """
    if first.shape[0] != second.shape[0]:
        raise ValueError(
            f"Motifs of {first.shape[0]} and of {second.shape[0]} letters cannot be"
            " aligned"
        )
    first = first - first.mean(axis=0)
    second = second - second.mean(axis=0)
    best: tuple[float, int, bool] = (-np.inf, 0, False)
    for reverse in (False, True) if complement else (False,):
        oriented = second[::-1, ::-1] if reverse else second
        for offset in range(1 - second.shape[1], first.shape[1]):
            start, x, y = _shared(first, oriented, offset)
            score = float((x * y).sum())
            if score > best[0]:
                best = (score, offset, reverse)
    _, offset, reverse = best
    oriented = second[::-1, ::-1] if reverse else second
    start, x, y = _shared(first, oriented, offset)
    return Alignment(
        offset=offset,
        reverse=reverse,
        correlation=_pearson(x, y),
        first=x,
        second=y,
        start=start,
    )


def _shared(
    first: FloatArray, second: FloatArray, offset: int
) -> tuple[int, FloatArray, FloatArray]:
    """The positions that both have if the second starts at an offset of the first."""
    start = max(offset, 0)
    stop = min(first.shape[1], offset + second.shape[1])
    return start, first[:, start:stop], second[:, start - offset : stop - offset]


def _pearson(x: FloatArray, y: FloatArray) -> float:
    """Pearson's r; not a number if one of the motifs has no preferences."""
    norm = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float((x * y).sum()) / norm if norm > 0 else float("nan")

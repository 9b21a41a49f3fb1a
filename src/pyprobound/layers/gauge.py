"""Removing the freedoms of a motif that no data determine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .symmetry import has_plain_pairs

if TYPE_CHECKING:
    from .psam import PSAM


@torch.no_grad()
def fix(psam: PSAM) -> None:
    """Gives all letters of a position, and all rows and columns of a pair, mean zero.

    A constant of a column of pairs moves to the single letters, a constant of the
    letters to the bias, so that scores stay as they are.

    Args:
        psam: The motif, changed in place.

    Raises:
        ValueError: There are pair features and repeated or negative ids.
    """
    if psam.pairwise_distance > 0 and not has_plain_pairs(psam.ids):
        raise ValueError(
            "The gauge of a motif with pair features can only be fixed if its ids are"
            f" distinct and positive, not {list(psam.ids)}"
        )
    for distance in range(psam.pairwise_distance, 0, -1):
        for part in psam.plan(distance).classes:
            _move_to_letters(psam, psam.betas[part.key], part.ids)
    for part in psam.plan(0).classes:
        values = psam.betas[part.key]
        mean = values.mean(dim=1, keepdim=True)
        values -= mean
        psam.bias.add_(mean * sum(abs(i) == part.ids[0] for i in psam.ids))


def _move_to_letters(psam: PSAM, pairs: Tensor, ids: tuple[int, ...]) -> None:
    """Moves the means of rows, then of columns, to the letters of either position."""
    for axis, position in ((2, ids[0]), (1, ids[1])):
        mean = pairs.mean(dim=axis, keepdim=True)
        pairs -= mean
        psam.betas[str(position)].add_(mean.squeeze(axis))

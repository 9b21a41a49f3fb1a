"""The scores of all pairs of windows of two modes."""

from __future__ import annotations

from torch import Tensor


def pair_windows(windows_a: Tensor, windows_b: Tensor, energies: Tensor) -> Tensor:
    """The score of each pair of windows.

    Args:
        windows_a: Scores of shape (rows, strands of a, windows of a).
        windows_b: Scores of shape (rows, strands of b, windows of b).
        energies: Energies of pairs, of shape (1 or rows, strands of a, strands of b,
            windows of a, windows of b).

    Returns:
        A tensor of the same shape as the energies, for all rows.
    """
    return energies + windows_a[:, :, None, :, None] + windows_b[:, None, :, None, :]

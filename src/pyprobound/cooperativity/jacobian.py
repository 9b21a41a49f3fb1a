"""Derivatives of the scores of single rows with respect to the energies of pairs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..layers.jacobian import linear_map


def energies_jacobian(
    weights: Tensor,
    energies: Tensor,
    groups: Tensor | None,
    parameters: Sequence[Tensor],
) -> Tensor:
    """Derivatives through the energies of pairs of windows.

    Args:
        weights: Derivatives of the score of each row with respect to the energies, of
            shape (rows, strands, strands, windows of a, windows of b).
        energies: The energies, of the shape of those of a row; or of several groups of
            rows, with one more axis in front.
        groups: The group of each row, if there are several.
        parameters: The parameters.

    Returns:
        Derivatives of shape (rows, values of all parameters).
    """
    matrix = linear_map(energies, parameters).to(weights.dtype)
    flat = weights.flatten(1)
    if groups is None:
        return flat @ matrix
    by_group = matrix.view(len(energies), flat.shape[1], -1)
    result = flat.new_zeros(len(flat), matrix.shape[1])
    for group in torch.unique(groups).tolist():
        rows = groups == group
        result[rows] = flat[rows] @ by_group[group]
    return result


def hill_derivative(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Derivatives with respect to the log of the Hill coefficient, of shape (rows,).

    Args:
        pairs: Derivatives of the scores of the rows with respect to terms that are
            multiplied by the coefficient, with the terms.
    """
    parts = [
        (by * value.masked_fill(value == -torch.inf, 0.0)).flatten(1).sum(1)
        for by, value in pairs
    ]
    return torch.stack(parts).sum(0)

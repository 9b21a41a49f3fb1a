"""Derivatives of the scores of single rows with respect to parameters.

A window score is a linear function of a few small tensors (filters, biases), and these
are linear functions of the parameters. So the derivatives of all rows are known from
the letters of the windows and from one small matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..kernels import features

Parameters = Sequence[Tensor]


def linear_map(values: Tensor, parameters: Parameters) -> Tensor:
    """The matrix of a linear function of parameters.

    Args:
        values: What was computed from the parameters, by linear operations.
        parameters: The parameters; others count as constants.

    Returns:
        The derivatives, of shape (values, values of all parameters).
    """
    total = sum(parameter.numel() for parameter in parameters)
    if total == 0 or not values.requires_grad:
        return values.new_zeros(values.numel(), total)
    # A derivative is a linear function of what it is multiplied with from the left.
    probe = torch.zeros_like(values, requires_grad=True)
    gradients = torch.autograd.grad(
        values, list(parameters), probe, create_graph=True, materialize_grads=True
    )
    joined = torch.cat([gradient.reshape(-1) for gradient in gradients])
    if not joined.requires_grad:
        return values.new_zeros(values.numel(), total)
    (matrix,) = torch.autograd.grad(
        joined,
        probe,
        torch.eye(total, dtype=joined.dtype, device=joined.device),
        is_grads_batched=True,
    )
    return matrix.reshape(total, -1).T


def columns_of(matrix: Tensor) -> Tensor | None:
    """The parameter that each value is a copy of, -1 for constants.

    Args:
        matrix: The result of ``linear_map``.

    Returns:
        The numbers of the parameters, of shape (values,); None if some values are not
        copies.
    """
    used = matrix != 0
    if bool((used.sum(1) > 1).any()) or bool((matrix[used] != 1).any()):
        return None
    numbers = torch.arange(matrix.shape[1], device=matrix.device)
    place = (used * numbers).sum(1)
    return place.masked_fill(~used.any(1), -1)


def filters_jacobian(
    seqs: Tensor,
    weights: Tensor,
    filters: Sequence[Tensor],
    distances: Sequence[int],
    dilation: int,
    parameters: Parameters,
) -> Tensor:
    """Derivatives through the filters of a motif.

    Args:
        seqs: Codes of shape (rows, length).
        weights: Derivatives with respect to the window scores, of shape (rows,
            channels, windows).
        filters: The filter of single letters and those of pairs.
        distances: The distances of the pairs.
        dilation: The spacing of the positions of the motif.
        parameters: The parameters.

    Returns:
        Derivatives of shape (rows, values of all parameters).
    """
    _, letters, size = filters[0].shape
    maps = [linear_map(values, parameters) for values in filters]
    copies = [columns_of(matrix) for matrix in maps]
    shaped = [
        place.view(values.shape)
        for place, values in zip(copies, filters, strict=True)
        if place is not None
    ]
    total = maps[0].shape[1]
    if len(shaped) == len(filters):
        return features.window_jacobian_columns(
            seqs,
            weights,
            tuple(shaped),
            total,
            letters,
            size,
            tuple(distances),
            dilation=dilation,
        )
    parts = features.window_jacobian(
        seqs, weights, letters, size, tuple(distances), dilation=dilation
    )
    result = weights.new_zeros(len(seqs), total)
    for part, matrix in zip(parts, maps, strict=True):
        result += part.flatten(1) @ matrix.to(part.dtype)
    return result


def bias_jacobian(weights: Tensor, bias: Tensor, parameters: Parameters) -> Tensor:
    """Derivatives through the constant of each channel.

    Args:
        weights: See ``filters_jacobian``.
        bias: The constants, of shape (channels, 1).
        parameters: The parameters.
    """
    return weights.sum(2) @ linear_map(bias, parameters).to(weights.dtype)


def posbias_jacobian(
    weights: Tensor, lengths: Tensor, posbias: Tensor, parameters: Parameters
) -> Tensor:
    """Derivatives through a position bias.

    Args:
        weights: See ``filters_jacobian``.
        lengths: The number of positions of each row that are not missing.
        posbias: The bias, of shape (lengths, channels or 1, windows); the first axis is
            1 if it does not depend on the length.
        parameters: The parameters.
    """
    matrix = linear_map(posbias, parameters).to(weights.dtype)
    by_length = matrix.view(*posbias.shape, -1)
    if posbias.shape[1] == 1:
        weights = weights.sum(1, keepdim=True)
    flat = weights.flatten(1)
    if len(by_length) == 1:
        return flat @ by_length.flatten(0, 2)
    result = weights.new_zeros(len(weights), matrix.shape[1])
    for length in torch.unique(lengths).tolist():
        rows = lengths == length
        result[rows] = flat[rows] @ by_length[length].flatten(0, 1)
    return result


def add_column(
    matrix: Tensor, parameters: Parameters, parameter: Tensor, values: Tensor
) -> None:
    """Adds derivatives with respect to one number, if it is among the parameters.

    Args:
        matrix: Derivatives of shape (rows, values of all parameters), changed in place.
        parameters: The parameters.
        parameter: The number.
        values: Its derivatives, of shape (rows,).
    """
    column = 0
    for other in parameters:
        if other is parameter:
            matrix[:, column] += values
        column += other.numel()

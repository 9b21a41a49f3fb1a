"""The sum over all pairs of windows of two modes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..layers.windows import log_sum_windows

# The most values that the exact sum over pairs holds at once.
_MAX_PAIR_VALUES = 1 << 22


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


def log_sum_pairs(
    windows_a: Tensor, windows_b: Tensor, energies: Tensor, log_hill: Tensor
) -> Tensor:
    r"""The log of the sum of :math:`\exp(h (G + w_a + w_b))` over all pairs of windows.

    The sum is the product of a vector of affinities of each mode with the matrix of
    :math:`e^{hG}` between them, so that no value is stored for the pairs of a row.
    It is computed with 64 bits and relative to the largest terms. Rows in which only
    pairs far below those contribute are summed pair by pair.

    Args:
        windows_a: Scores of shape (rows, strands of a, windows of a).
        windows_b: Scores of shape (rows, strands of b, windows of b).
        energies: Energies of pairs, of shape (strands of a, strands of b, windows of
            a, windows of b).
        log_hill: The log of the Hill coefficient :math:`h`.

    Returns:
        Scores of shape (rows,), in RT. Pairs of -inf have no part in values nor in
        gradients.
    """
    total, vanished = _PairSum.apply(  # type: ignore[no-untyped-call]
        windows_a, windows_b, energies, log_hill.exp()
    )
    if not bool(vanished.any()):
        return total  # type: ignore[no-any-return]
    allowed = _has_pair(windows_a, windows_b, energies) & vanished
    rows = allowed.nonzero().squeeze(1)
    step = max(1, _MAX_PAIR_VALUES // energies.numel())
    exact = [
        log_sum_windows(
            pair_windows(windows_a[part], windows_b[part], energies.unsqueeze(0)),
            log_hill,
        )
        for part in rows.split(step)
    ]
    if not exact:
        return total  # type: ignore[no-any-return]
    return total.index_put((rows,), torch.cat(exact))  # type: ignore[no-any-return]


def _has_pair(windows_a: Tensor, windows_b: Tensor, energies: Tensor) -> Tensor:
    """Whether each row has a pair of windows that is not -inf."""
    finite_a, finite_b, allowed = (
        (values != -torch.inf).float() for values in (windows_a, windows_b, energies)
    )
    reached = finite_a.flatten(1) @ _as_matrix(allowed)
    return (reached * finite_b.flatten(1)).sum(1) > 0


def _as_matrix(values: Tensor) -> Tensor:
    """Energies with the strands and windows of a in rows, those of b in columns."""
    strands_a, strands_b, n_a, n_b = values.shape
    return values.transpose(1, 2).reshape(strands_a * n_a, strands_b * n_b)


def _affinities(scores: Tensor, hill: Tensor, top: Tensor) -> Tensor:
    """The exponential of scores relative to their largest, without NaN."""
    return (scores * hill - top.where(top != -torch.inf, 0)).exp_()


class _PairSum(torch.autograd.Function):
    """See ``log_sum_pairs``; also tells in which rows the sum is too small."""

    @staticmethod
    def forward(
        ctx: Any, windows_a: Tensor, windows_b: Tensor, energies: Tensor, hill: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(windows_a, windows_b, energies, hill)
        first, second, matrix, tops = _terms(windows_a, windows_b, energies, hill)
        product = ((first @ matrix) * second).sum(1)
        vanished = product < _least(product)
        total = (product.log() + tops).to(windows_a.dtype)
        total = total.masked_fill(vanished, -torch.inf)
        ctx.mark_non_differentiable(vanished)
        return total, vanished

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        windows_a, windows_b, energies, hill = ctx.saved_tensors
        first, second, matrix, _tops = _terms(windows_a, windows_b, energies, hill)
        reached = first @ matrix
        product = (reached * second).sum(1, keepdim=True)
        share = gradient.to(product.dtype).unsqueeze(1) / product
        share = share.masked_fill(product < _least(product), 0.0)
        second *= share
        by_a = (second @ matrix.T).mul_(first).view(windows_a.shape)
        by_b = reached.mul_(second).view(windows_b.shape)
        parts = [(by_a, windows_a), (by_b, windows_b)]
        if ctx.needs_input_grad[2] or ctx.needs_input_grad[3]:
            strands_a, strands_b, n_a, n_b = energies.shape
            by_pair = (first.T @ second).mul_(matrix)
            by_pair = by_pair.view(strands_a, n_a, strands_b, n_b).transpose(1, 2)
            parts.append((by_pair, energies))
        gradients = [(by * hill).to(value.dtype) for by, value in parts]
        by_hill = None
        if ctx.needs_input_grad[3]:
            # A share of zero times -inf would be NaN.
            terms = [
                (by * value.masked_fill(value == -torch.inf, 0)).sum()
                for by, value in parts
            ]
            by_hill = torch.stack(terms).sum().to(hill.dtype)
        by_energies = gradients[2] if len(gradients) > 2 else None
        return gradients[0], gradients[1], by_energies, by_hill


def _terms(
    windows_a: Tensor, windows_b: Tensor, energies: Tensor, hill: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The affinities of both modes and of their pairs, and the log of their scale."""
    dtype = torch.float32 if windows_a.device.type == "mps" else torch.float64
    hill = hill.to(dtype)
    scaled = []
    scale = torch.zeros((), dtype=dtype, device=windows_a.device)
    for windows in (windows_a, windows_b):
        flat = windows.flatten(1).to(dtype)
        top = flat.amax(1, keepdim=True) * hill
        scaled.append(_affinities(flat, hill, top))
        scale = scale + top.squeeze(1)
    matrix = _as_matrix(energies).to(dtype)
    top = matrix.amax() * hill
    return scaled[0], scaled[1], _affinities(matrix, hill, top), scale + top


def _least(values: Tensor) -> Tensor | float:
    """Below this, terms that were lost might matter."""
    return torch.finfo(values.dtype).tiny * 1e15

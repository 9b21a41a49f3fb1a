"""The definition of the kernels: plain PyTorch, any device, twice differentiable.

The fast implementations are tested against this module. It knows arrays only; the
meaning of the arguments is documented in ``pyprobound.kernels``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .arguments import (
    MISSING,
    SPECIAL_CODES,
    Pair,
    check_arguments,
    check_length_index,
    number_of_windows,
)

_HISTOGRAM_CHUNK = 1 << 22
"""Greatest number of values converted to float64 at a time in a histogram."""


class _Lookup(torch.autograd.Function):
    """``scores[n, c, w] = table[c, index[n, w]]``; linear in the table."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.columns = table.shape[1]
        rows, windows = index.shape
        wide_table = table.expand(rows, *table.shape)
        wide_index = index.unsqueeze(1).expand(rows, len(table), windows)
        return wide_table.gather(2, wide_index)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        values = gradients[0]
        total = _Histogram.apply(values, index, ctx.columns)  # type: ignore[no-untyped-call]
        return total, None


class _Histogram(torch.autograd.Function):
    """Sum of values by index, the transpose of ``_Lookup``; linear in the values."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor, columns: int) -> Tensor:
        ctx.save_for_backward(index)
        rows, channels, windows = values.shape
        wide = torch.float32 if values.device.type == "mps" else torch.float64
        total = torch.zeros(channels, columns, dtype=wide, device=values.device)
        step = max(1, _HISTOGRAM_CHUNK // max(1, channels * windows))
        for start in range(0, rows, step):
            part = values[start : start + step].transpose(0, 1).flatten(1).to(wide)
            total += _add_up(part, index[start : start + step].flatten(), columns)
        return total.to(values.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        return _lookup(gradients[0], index), None, None


def _add_up(values: Tensor, index: Tensor, columns: int) -> Tensor:
    """Sums (C, M) values by their index (M,) to (C, columns)."""
    if values.device.type == "cpu":
        return torch.stack([index.bincount(row, columns) for row in values])
    # Reproducible, unlike sums by atomic additions.
    total: Tensor = torch.ops.aten.embedding_dense_backward(
        values.t(), index, columns, -1, False
    )
    return total.t()


def _lookup(table: Tensor, index: Tensor) -> Tensor:
    """Entries of a table (C, columns) by index (N, W), shape (N, C, W)."""
    entries: Tensor = _Lookup.apply(table, index)  # type: ignore[no-untyped-call]
    return entries


def extend_letters(table: Tensor, axis: int) -> Tensor:
    """Appends the special codes to a letter axis.

    Args:
        table: Scores with ``n`` letters on ``axis``.
        axis: The letter axis.

    Returns:
        The table with ``n + 3`` entries on ``axis``: the letters, then 0 for a missing
        position (its windows are masked by the caller), the mean over the letters
        for the wildcard, and 0 for the zero code.
    """
    mean = table.mean(axis, keepdim=True)
    zero = torch.zeros_like(mean)
    return torch.cat([table, zero, mean, zero], axis)


def _touches_missing(missing: Tensor, size: int, dilation: int, windows: int) -> Tensor:
    """Whether any of the positions of each window is missing, shape (N, W)."""
    touched = torch.zeros_like(missing[:, :windows])
    for i in range(size):
        touched |= missing[:, i * dilation : i * dilation + windows]
    return touched


def _position_bias(codes: Tensor, letters: int, posbias: Tensor) -> Tensor:
    """Position bias of each row, shape (N or 1, C or 1, W)."""
    if len(posbias) == 1:
        return posbias
    lengths = (codes != letters + MISSING).sum(1)
    if len(lengths) > 0:
        check_length_index(int(lengths.max()), len(posbias))
    table = posbias.flatten(1).t()
    return _lookup(table, lengths.unsqueeze(1)).reshape(-1, *posbias.shape[1:])


def window_scores(
    codes: Tensor,
    monomer: Tensor,
    pairs: Sequence[Pair] = (),
    bias: Tensor | None = None,
    posbias: Tensor | None = None,
    *,
    dilation: int = 1,
) -> Tensor:
    """Scores of every window; see ``pyprobound.kernels.window_scores``."""
    check_arguments(codes, monomer, pairs, bias, posbias, dilation)
    channels, letters, size = monomer.shape
    windows = number_of_windows(codes.shape[1], size, dilation)
    extended = letters + SPECIAL_CODES
    index = codes.long()

    scores = monomer.new_zeros(len(codes), channels, windows)
    table = extend_letters(monomer, 1)
    for i in range(size):
        start = i * dilation
        scores = scores + _lookup(table[:, :, i], index[:, start : start + windows])
    for distance, filters in pairs:
        table = extend_letters(extend_letters(filters, 1), 2).flatten(1, 2)
        pair_index = index[:, :-distance] * extended + index[:, distance:]
        for i in range(size - distance):
            scores = scores + _lookup(table[:, :, i], pair_index[:, i : i + windows])
    if bias is not None:
        scores = scores + bias.reshape(-1, 1)
    if posbias is not None:
        scores = scores + _position_bias(codes, letters, posbias)

    touched = _touches_missing(codes == letters + MISSING, size, dilation, windows)
    return scores.masked_fill(touched.unsqueeze(1), -math.inf)


def row_scores(
    codes: Tensor,
    monomer: Tensor,
    pairs: Sequence[Pair] = (),
    bias: Tensor | None = None,
    posbias: Tensor | None = None,
    log_hill: Tensor | None = None,
    *,
    dilation: int = 1,
) -> Tensor:
    """Log-sum-exp over channels and windows; see ``pyprobound.kernels.row_scores``."""
    scores = window_scores(codes, monomer, pairs, bias, posbias, dilation=dilation)
    scores = scores.flatten(1)
    absent = scores == -math.inf
    scores = scores.masked_fill(absent, 0.0)
    if log_hill is not None:
        scores = scores * log_hill.reshape(()).exp()
    scores = scores.masked_fill(absent, -math.inf)

    empty = absent.all(1)
    greatest = scores.detach().amax(1).masked_fill(empty, 0.0)
    total = (scores - greatest.unsqueeze(1)).exp().sum(1)
    logarithm = total.masked_fill(empty, 1.0).log() + greatest
    return logarithm.masked_fill(empty, -math.inf)

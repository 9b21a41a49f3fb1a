"""The definition of the kernels: plain PyTorch, any device, twice differentiable.

The fast implementations are tested against this module. It knows arrays only; the
meaning of the arguments is documented in `pyprobound.kernels`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pyprobound.kernels.arguments import (
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
    """Rows of a table by index, `table[index]`; linear in the table."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.rows = len(table)
        return torch.nn.functional.embedding(index, table)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        values = gradients[0]
        total = _Histogram.apply(values, index, ctx.rows)  # type: ignore[no-untyped-call]
        return total, None


class _Histogram(torch.autograd.Function):
    """Sum of values by index, the transpose of `_Lookup`; linear in the values."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor, rows: int) -> Tensor:
        ctx.save_for_backward(index)
        columns = values.shape[-1]
        wide = torch.float32 if values.device.type == "mps" else torch.float64
        flat_values = values.reshape(-1, columns)
        flat_index = index.reshape(-1)
        total = torch.zeros(rows, columns, dtype=wide, device=values.device)
        step = max(1, _HISTOGRAM_CHUNK // max(1, columns))
        for start in range(0, len(flat_index), step):
            total += torch.ops.aten.embedding_dense_backward(
                flat_values[start : start + step].to(wide),
                flat_index[start : start + step],
                rows,
                -1,
                False,
            )
        return total.to(values.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        return _lookup(gradients[0], index), None, None


def _lookup(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a table, differentiable with respect to the table."""
    rows: Tensor = _Lookup.apply(table, index)  # type: ignore[no-untyped-call]
    return rows


def extend_letters(table: Tensor, axis: int) -> Tensor:
    """Appends the special codes to a letter axis.

    Args:
        table: Scores with `n` letters on `axis`.
        axis: The letter axis.

    Returns:
        The table with `n + 3` entries on `axis`: the letters, then 0 for a missing
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
    return _lookup(posbias.flatten(1), lengths).reshape(-1, *posbias.shape[1:])


def window_scores(
    codes: Tensor,
    monomer: Tensor,
    pairs: Sequence[Pair] = (),
    bias: Tensor | None = None,
    posbias: Tensor | None = None,
    *,
    dilation: int = 1,
) -> Tensor:
    """Scores of every window; see `pyprobound.kernels.window_scores`."""
    check_arguments(codes, monomer, pairs, bias, posbias, dilation)
    channels, letters, size = monomer.shape
    windows = number_of_windows(codes.shape[1], size, dilation)
    extended = letters + SPECIAL_CODES
    index = codes.to(torch.int32)

    scores = monomer.new_zeros(len(codes), windows, channels)
    table = extend_letters(monomer, 1).permute(2, 1, 0)
    for i in range(size):
        start = i * dilation
        scores = scores + _lookup(table[i], index[:, start : start + windows])
    for distance, filters in pairs:
        table = extend_letters(extend_letters(filters, 1), 2).permute(3, 1, 2, 0)
        pair_index = index[:, :-distance] * extended + index[:, distance:]
        for i in range(size - distance):
            scores = scores + _lookup(
                table[i].flatten(0, 1), pair_index[:, i : i + windows]
            )
    scores = scores.transpose(1, 2)
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
    """Log-sum-exp over channels and windows; see `pyprobound.kernels.row_scores`."""
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

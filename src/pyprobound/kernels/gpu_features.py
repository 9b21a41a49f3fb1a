"""Jacobians of window scores on NVIDIA GPUs.

A program adds up the windows' weights for a few columns of some rows, feature by
feature, so that the order of additions is always the same.
"""

# ruff: noqa: N803 - capitals are constants when a kernel is compiled
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .arguments import MISSING
from .gpu_launch import ceil_divide, check_codes, start, window_block

_LANES = 512
_COLUMNS = 8
"""Columns of a program."""


@triton.jit  # type: ignore[untyped-decorator]
def _share(
    code: tl.tensor, letter: tl.tensor, letters: tl.tensor, whole: tl.tensor
) -> Any:
    """How much of a letter a code stands for: a part of each for the wildcard."""
    none = tl.zeros_like(whole)
    of_wildcard = tl.where(code == letters + 1, whole / letters.to(whole.dtype), none)
    return tl.where(code == letter, whole, of_wildcard)


@triton.jit(  # type: ignore[untyped-decorator]
    do_not_specialize=[
        "rows",
        "length",
        "windows",
        "channels",
        "letters",
        "columns",
        "columns_of_program",
    ]
)
def jacobian_kernel(
    codes: tl.tensor,
    weights: tl.tensor,
    features: tl.tensor,
    order: tl.tensor,
    offsets: tl.tensor,
    results: tl.tensor,
    rows: tl.tensor,
    length: tl.tensor,
    windows: tl.tensor,
    channels: tl.tensor,
    letters: tl.tensor,
    columns: tl.tensor,
    columns_of_program: tl.tensor,
    ROWS: tl.constexpr,
    WINDOWS: tl.constexpr,
) -> None:
    """Sums of the windows' weights by the columns of the features they have.

    The features of a column are those in ``order`` from its entry of ``offsets`` to the
    next. A feature is a channel, two positions (the second -1 if there is none), and
    the letter at each.
    """
    groups = (columns + columns_of_program - 1) // columns_of_program
    program = tl.program_id(0)
    first_column = (program % groups) * columns_of_program
    row = (program // groups).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    lane = tl.arange(0, WINDOWS)[None, :]
    start = row[:, None] * length + lane
    target = row[:, None] * channels * windows + lane
    kind = weights.dtype.element_ty
    whole = tl.full([1, 1], 1.0, kind)
    for column in range(
        first_column, tl.minimum(first_column + columns_of_program, columns)
    ):
        total = tl.zeros([ROWS, WINDOWS], kind)
        for place in range(tl.load(offsets + column), tl.load(offsets + column + 1)):
            feature = features + tl.load(order + place) * 5
            channel = tl.load(feature)
            first = tl.load(feature + 1)
            second = tl.load(feature + 2)
            one = tl.load(feature + 3)
            two = tl.load(feature + 4)
            for window in range(0, windows, WINDOWS):
                inside = (row < rows)[:, None] & (window + lane < windows)
                weight = tl.load(
                    weights + (target + channel * windows + window),
                    mask=inside,
                    other=0.0,
                )
                code = tl.load(
                    codes + (start + window + first), mask=inside, other=0
                ).to(tl.int32)
                share = _share(code, one, letters, whole)
                if second >= 0:
                    code = tl.load(
                        codes + (start + window + second), mask=inside, other=0
                    ).to(tl.int32)
                    share *= _share(code, two, letters, whole)
                # Weights of windows that do not count may be any numbers.
                total += tl.where(share > 0, weight * share, 0.0)
        tl.store(results + row * columns + column, tl.sum(total, 1), mask=row < rows)


@lru_cache(maxsize=64)
def _features(
    channels: int,
    letters: int,
    size: int,
    distances: tuple[int, ...],
    dilation: int,
    device: torch.device,
) -> Tensor:
    """Channel, two positions and two letters of each feature, (features, 5)."""

    def numbers(*extents: int) -> list[Tensor]:
        grid = torch.meshgrid(*map(torch.arange, extents), indexing="ij")
        return [axis.reshape(-1) for axis in grid]

    channel, letter, place = numbers(channels, letters, size)
    none = torch.full_like(place, -1)
    parts = [torch.stack([channel, place * dilation, none, letter, none], 1)]
    for distance in distances:
        channel, one, two, place = numbers(channels, letters, letters, size - distance)
        parts.append(torch.stack([channel, place, place + distance, one, two], 1))
    return torch.cat(parts).int().to(device)


def _counting(
    codes: Tensor, weights: Tensor, letters: int, size: int, dilation: int
) -> Tensor:
    """Weights, zero for windows that touch a missing position."""
    span = dilation * (size - 1) + 1
    missing = (codes == letters + MISSING).unfold(1, span, 1)
    touched = missing[..., ::dilation].any(-1)
    return weights.masked_fill(touched.unsqueeze(1), 0.0).contiguous()


def window_jacobian(
    codes: Tensor,
    weights: Tensor,
    columns: Tensor | None,
    n_columns: int,
    letters: int,
    size: int,
    distances: Sequence[int],
    dilation: int,
) -> Tensor:
    """See ``pyprobound.kernels.features_reference.window_jacobian``."""
    check_codes(codes, letters)
    rows, channels, windows = weights.shape
    device = codes.device
    key = (channels, letters, size, tuple(distances), dilation, device)
    features = _features(*key)
    if columns is None:
        columns = torch.arange(len(features), device=device)
    by_column, order = columns.sort(stable=True)
    # Features that belong to no column, -1, come first and are left out.
    bounds = torch.arange(n_columns + 1, device=device, dtype=by_column.dtype)
    offsets = torch.searchsorted(by_column, bounds)
    results = weights.new_empty(rows, n_columns)
    if results.numel() == 0:
        return results
    block = window_block(windows)
    rows_of_program = max(1, _LANES // block)
    programs = ceil_divide(rows, rows_of_program) * ceil_divide(n_columns, _COLUMNS)
    start(
        jacobian_kernel,
        programs,
        device,
        codes.contiguous(),
        _counting(codes, weights, letters, size, dilation),
        features,
        order,
        offsets,
        results,
        rows,
        codes.shape[1],
        windows,
        channels,
        letters,
        n_columns,
        _COLUMNS,
        ROWS=rows_of_program,
        WINDOWS=block,
    )
    return results

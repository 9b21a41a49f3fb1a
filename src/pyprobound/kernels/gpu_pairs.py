"""Sums over pairs of windows of two modes on NVIDIA GPUs.

The terms of a row are added up relative to the greatest so far, all in the logarithmic
domain, so that no range of scores is too wide and no pair of windows is stored. Window
scores are taken relative to the best of their row: terms that matter are then small
numbers, and exact. A program handles some rows and a block of the second mode's
windows, with the first mode's windows one after the other.
"""

# ruff: noqa: N803 - capitals are constants when a kernel is compiled
from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .gpu_launch import ceil_divide, power_above, programs_for, start

_BYTES = 4096
"""Size of the scores that a program handles at once."""
_MOST_COLUMNS = 64


@triton.jit  # type: ignore[untyped-decorator]
def _greatest(
    scores: tl.tensor,
    row: tl.tensor,
    known: tl.tensor,
    windows: tl.tensor,
    COLUMNS: tl.constexpr,
) -> Any:
    """The greatest score of each row (rows, 1); 0 if there is none."""
    lane = tl.arange(0, COLUMNS)[None, :]
    least = float("-inf")
    greatest = tl.zeros(row.shape, scores.dtype.element_ty) + least
    for first in range(0, windows, COLUMNS):
        inside = known & (first + lane < windows)
        values = tl.load(scores + (row * windows + first + lane), inside, other=least)
        greatest = tl.maximum(greatest, tl.max(values, 1)[:, None])
    return tl.where(greatest == least, 0.0, greatest)


@triton.jit  # type: ignore[untyped-decorator]
def _terms(
    first: tl.tensor,
    second: tl.tensor,
    energies: tl.tensor,
    group: tl.tensor,
    row: tl.tensor,
    known: tl.tensor,
    inside: tl.tensor,
    i: tl.tensor,
    column: tl.tensor,
    top: tl.tensor,
    hill: tl.tensor,
    n_first: tl.tensor,
    n_second: tl.tensor,
) -> Any:
    """Terms of one window of the first mode, relative to the best windows."""
    least = float("-inf")
    one = tl.load(first + (row * n_first + i), mask=known, other=least) - top
    energy = tl.load(
        energies + ((group * n_first + i) * n_second + column), mask=inside, other=least
    )
    total = (one + second) + energy
    return tl.where(total == least, least, hill * total)


@triton.jit(do_not_specialize=["rows", "n_first", "n_second"])  # type: ignore[untyped-decorator]
def pair_kernel(
    first: tl.tensor,
    second: tl.tensor,
    energies: tl.tensor,
    groups: tl.tensor,
    order: tl.tensor,
    hills: tl.tensor,
    scores: tl.tensor,
    logarithms: tl.tensor,
    rows: tl.tensor,
    n_first: tl.tensor,
    n_second: tl.tensor,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    GROUPED: tl.constexpr,
) -> None:
    """Logarithms of the sums of rows; ``logarithms`` are relative to the best."""
    least = float("-inf")
    kind = first.dtype.element_ty
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    known = row < rows
    group = tl.zeros([ROWS, 1], tl.int64)
    if GROUPED:
        row = tl.load(order + row, mask=known, other=0)
        group = tl.load(groups + row, mask=known, other=0)
    hill = tl.load(hills)
    top_one = _greatest(first, row, known, n_first, COLUMNS)
    top_two = _greatest(second, row, known, n_second, COLUMNS)
    tops = tl.zeros([ROWS, COLUMNS], kind) + least
    sums = tl.zeros([ROWS, COLUMNS], kind)
    for first_column in range(0, n_second, COLUMNS):
        column = first_column + tl.arange(0, COLUMNS)[None, :]
        inside = known & (column < n_second)
        two = tl.load(second + (row * n_second + column), mask=inside, other=least)
        two -= top_two
        for i in range(n_first):
            value = _terms(
                first,
                two,
                energies,
                group,
                row,
                known,
                inside,
                i,
                column,
                top_one,
                hill,
                n_first,
                n_second,
            )
            small = tl.exp(-tl.abs(value - tops))
            new = tl.where(value <= tops, sums + small, sums * small + 1.0)
            sums = tl.where(value == least, sums, new)
            tops = tl.maximum(tops, value)
    top = tl.max(tops, 1)[:, None]
    level = tl.where(top == least, 0.0, top)
    total = tl.sum(sums * tl.exp(tops - level), 1)[:, None]
    logarithm = tl.log(total.to(tl.float64)) + level.to(tl.float64)
    logarithm = tl.where(total == 0.0, least, logarithm)
    best = hill.to(tl.float64) * (top_one.to(tl.float64) + top_two.to(tl.float64))
    tl.store(logarithms + row, logarithm, mask=known)
    tl.store(scores + row, (logarithm + best).to(kind), mask=known)


@triton.jit(do_not_specialize=["rows", "n_first", "n_second", "tiles", "values"])  # type: ignore[untyped-decorator]
def pair_gradient_kernel(
    first: tl.tensor,
    second: tl.tensor,
    energies: tl.tensor,
    groups: tl.tensor,
    order: tl.tensor,
    hills: tl.tensor,
    upstream: tl.tensor,
    logarithms: tl.tensor,
    by_first: tl.tensor,
    by_second: tl.tensor,
    buffers: tl.tensor,
    rows: tl.tensor,
    n_first: tl.tensor,
    n_second: tl.tensor,
    tiles: tl.tensor,
    values: tl.tensor,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    GROUPED: tl.constexpr,
    TO_ENERGIES: tl.constexpr,
) -> None:
    """Gradients by window scores, and by energies in each program's buffer.

    ``by_first`` must be zero: the blocks of columns are added up in it.
    """
    least = float("-inf")
    kind = first.dtype.element_ty
    buffer = buffers + tl.program_id(0).to(tl.int64) * values
    hill = tl.load(hills)
    lane = tl.arange(0, ROWS)[:, None]
    tile_rows = tl.full([ROWS, 1], ROWS, tl.int64)
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        row = tile * tile_rows + lane
        known = row < rows
        group = tl.zeros([ROWS, 1], tl.int64)
        if GROUPED:
            row = tl.load(order + row, mask=known, other=0)
            group = tl.load(groups + row, mask=known, other=0)
        top_one = _greatest(first, row, known, n_first, COLUMNS)
        top_two = _greatest(second, row, known, n_second, COLUMNS)
        weight = hill * tl.load(upstream + row, mask=known, other=0.0)
        # The logarithm of the row's sum is rounded, and the rest kept.
        exact = tl.load(logarithms + row, mask=known, other=0.0)
        level = exact.to(kind)
        rest = (exact - level.to(tl.float64)).to(kind)
        for first_column in range(0, n_second, COLUMNS):
            column = first_column + tl.arange(0, COLUMNS)[None, :]
            inside = known & (column < n_second)
            two = tl.load(second + (row * n_second + column), mask=inside, other=least)
            two -= top_two
            sums = tl.zeros([ROWS, COLUMNS], kind)
            for i in range(n_first):
                value = _terms(
                    first,
                    two,
                    energies,
                    group,
                    row,
                    known,
                    inside,
                    i,
                    column,
                    top_one,
                    hill,
                    n_first,
                    n_second,
                )
                # Also all terms of a row that scores -inf.
                share = weight * tl.exp((value - level) - rest)
                share = tl.where(value == least, 0.0, share)
                sums += share
                # One program alone adds to a row, in the order of the columns.
                tl.atomic_add(
                    by_first + (row * n_first + i),
                    tl.sum(share, 1)[:, None],
                    mask=known,
                    sem="relaxed",
                )
                if TO_ENERGIES:
                    target = buffer + (i * n_second + column)
                    size = n_first.to(tl.int64) * n_second
                    lowest = tl.min(tl.where(known, group, 1 << 60))
                    highest = tl.max(tl.where(known, group, 0))
                    for member in range(lowest, highest + 1):
                        chosen = tl.where(group == member, share, 0.0)
                        tl.atomic_add(
                            target + member * size,
                            tl.sum(chosen, 0)[None, :].to(tl.float64),
                            mask=column < n_second,
                            sem="relaxed",
                        )
            tl.store(by_second + (row * n_second + column), sums, mask=inside)


class _Problem:
    """Arguments of the kernels on a device."""

    def __init__(
        self,
        windows_a: Tensor,
        windows_b: Tensor,
        energies: Tensor,
        groups: Tensor | None,
        log_hill: Tensor | None,
    ) -> None:
        self.first = windows_a.detach().flatten(1).contiguous()
        self.second = windows_b.detach().flatten(1).contiguous()
        # Strands and windows of the first mode in rows, those of the second in columns.
        ordered = energies.detach().transpose(2, 3)
        self.shape = ordered.shape
        self.matrices = ordered.reshape(
            len(energies), self.first.shape[1], self.second.shape[1]
        ).contiguous()
        self.groups = None if groups is None else groups.long()
        self.hill = self.first.new_ones(())
        if log_hill is not None:
            self.hill = log_hill.detach().reshape(()).to(self.first.dtype).exp()
        self.columns = min(_MOST_COLUMNS, max(8, power_above(self.second.shape[1])))
        self.rows_of_tile = _BYTES // self.first.element_size() // self.columns

    @property
    def tiles(self) -> int:
        return ceil_divide(len(self.first), self.rows_of_tile)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of rows and of both modes' windows."""
        return len(self.first), self.first.shape[1], self.second.shape[1]

    def pointers(self) -> tuple[Tensor, ...]:
        """The arguments that all kernels begin with."""
        if self.groups is None:
            members = order = self.first
        else:
            # Rows of a group side by side, so that a tile has few groups.
            members, order = self.groups, self.groups.argsort(stable=True)
        return self.first, self.second, self.matrices, members, order, self.hill

    def constants(self) -> dict[str, Any]:
        return {
            "ROWS": self.rows_of_tile,
            "COLUMNS": self.columns,
            "GROUPED": self.groups is not None,
        }

    def score(self, pointers: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Scores, and logarithms of sums relative to the best windows."""
        scores = self.first.new_empty(len(self.first))
        logarithms = scores.new_empty(len(scores), dtype=torch.float64)
        if len(scores) > 0:
            start(
                pair_kernel,
                self.tiles,
                scores.device,
                *pointers,
                scores,
                logarithms,
                *self.sizes,
                **self.constants(),
            )
        return scores, logarithms


def pair_scores(*values: Any) -> Tensor:
    """Scores of rows, shape (N,); takes ``pairs_ops.Arguments``."""
    problem = _Problem(*values)
    return problem.score(problem.pointers())[0]


def pair_gradient(upstream: Tensor, *values: Any) -> list[Tensor]:
    """Gradients by window scores, energies and the logarithm of the Hill coefficient.

    Args:
        upstream: Gradient of the scores, shape (N,).
        *values: Those of ``pairs_ops.Arguments``, and whether gradients by the energies
            and the Hill coefficient are wanted; they are zero otherwise.
    """
    *arguments, of_energies = values
    windows_a, windows_b, energies, _, log_hill = arguments
    problem = _Problem(*arguments)
    pointers = problem.pointers()
    by_first = torch.zeros_like(problem.first)
    by_second = torch.zeros_like(problem.second)
    entries = problem.matrices.numel() if of_energies else 0
    programs = programs_for(problem.tiles, entries)
    buffers = by_first.new_zeros(programs, entries, dtype=torch.float64)
    if len(by_first) > 0:
        _, logarithms = problem.score(pointers)
        start(
            pair_gradient_kernel,
            programs,
            by_first.device,
            *pointers,
            upstream.contiguous(),
            logarithms,
            by_first,
            by_second,
            buffers,
            *problem.sizes,
            problem.tiles,
            entries,
            **problem.constants(),
            TO_ENERGIES=of_energies,
        )
    by_matrices = torch.zeros_like(problem.matrices, dtype=torch.float64)
    if of_energies:
        by_matrices = buffers.sum(0).view_as(by_matrices)
    by_energies = by_matrices.view(problem.shape).transpose(2, 3)
    results = [
        by_first.view_as(windows_a),
        by_second.view_as(windows_b),
        by_energies.to(energies.dtype, memory_format=torch.contiguous_format),
    ]
    if log_hill is not None:
        terms = [
            # Where nothing arrives, the score may be infinite.
            torch.where(by == 0, 0.0, values.double() * by).sum()
            for by, values in (
                (by_first.double(), problem.first),
                (by_second.double(), problem.second),
                (by_matrices, problem.matrices),
            )
        ]
        by_hill = torch.stack(terms).sum() * of_energies
        results.append(by_hill.to(log_hill.dtype).expand_as(log_hill).clone())
    return results

"""Sums over pairs of windows by the compiled loops: which rows go which way.

Rows are summed in the precision of the window scores. Those whose sum is so far below
their best windows that it may lack precision are summed in double precision, and if
that does not help, pair by pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from . import pairs_loops as loops
from .pairs_reference import check_arguments, check_groups
from .pairs_vectors import COLUMNS, DEPTH, TILE_ROWS
from .threads import run_all

Floats: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Doubles: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.int64]
Piece: TypeAlias = tuple[int, int, int]
"""A group, and its first row and the row after its last by the order of rows."""

_LEAST_CHUNK = 1024
_MOST_CHUNKS = 64
_MOST_GRADIENT_VALUES = 1 << 22
"""Greatest number of values in the gradient buffers of all chunks together."""

_FLOORS: dict[Any, float] = {
    # Errors of the scores, which are the larger the smaller the sum, stay below 1e-5.
    np.dtype(np.float32): 1e-16,
    # Terms that are too small for the precision have no weight.
    np.dtype(np.float64): 1e15 * float(np.finfo(np.float64).tiny),
}


@dataclass(frozen=True)
class Grid:
    """Which blocks of a matrix are not zero, and their affinities for each group.

    Attributes:
        starts: The first block of each ``COLUMNS`` columns.
        depths: The first row of each block by ``DEPTH``.
        numbers: Affinities of shape (groups, blocks * BLOCK).
        shape: Rows and columns of the matrix.
    """

    starts: Indices
    depths: Indices
    numbers: Floats
    shape: tuple[int, int]

    @classmethod
    def of(cls, affinities: Doubles, allowed: npt.NDArray[np.bool_], kind: Any) -> Grid:
        """Cuts matrices (groups, rows, columns) with the same zeros into blocks."""
        groups, rows, columns = affinities.shape
        padding = [(0, 0), (0, -rows % DEPTH), (0, -columns % COLUMNS)]
        whole = np.pad(affinities, padding)
        wanted = np.pad(allowed, padding[1:])
        split = (whole.shape[1] // DEPTH, DEPTH, whole.shape[2] // COLUMNS, COLUMNS)
        column, depth = np.nonzero(wanted.reshape(split).any(axis=(1, 3)).T)
        starts = np.searchsorted(column, np.arange(split[2] + 1))
        numbers = whole.reshape(groups, *split)[:, depth, :, column]
        # Indices that NumPy keeps apart come first: (blocks, groups, ...).
        numbers = numbers.swapaxes(0, 1).reshape(groups, -1)
        numbers = np.where(numbers < np.finfo(kind).tiny, 0, numbers)
        return cls(
            starts.astype(np.int64),
            depth.astype(np.int64),
            np.ascontiguousarray(numbers, kind),
            (rows, columns),
        )

    def blocks(self, group: int) -> loops.Blocks:
        """The blocks of one group for the compiled loops."""
        return loops.Blocks(self.starts, self.depths, self.numbers[group])

    def dense(self, numbers: Doubles) -> Doubles:
        """Matrices (groups, rows, columns) from blocks (groups, blocks * BLOCK)."""
        rows, columns = self.shape
        depths, widths = -(-rows // DEPTH), -(-columns // COLUMNS)
        whole = np.zeros((len(numbers), depths, DEPTH, widths, COLUMNS))
        column = np.repeat(np.arange(widths), np.diff(self.starts))
        values = numbers.reshape(len(numbers), -1, DEPTH, COLUMNS)
        whole[:, self.depths, :, column] = values.swapaxes(0, 1)
        return whole.reshape(-1, depths * DEPTH, widths * COLUMNS)[:, :rows, :columns]


@dataclass(frozen=True)
class Problem:
    """The arguments of the kernel as arrays.

    Attributes:
        windows_a: Scores of shape (N, A), all strands side by side.
        windows_b: Scores of shape (N, B), of the same type.
        energies: Energies of shape (G, A, B).
        groups: The energies of each row, shape (N,); ``None`` if there are one.
        hill: The Hill coefficient.
    """

    windows_a: Floats
    windows_b: Floats
    energies: Doubles
    groups: Indices | None
    hill: float

    @property
    def kind(self) -> Any:
        """The type of window scores."""
        return self.windows_a.dtype

    def __len__(self) -> int:
        return len(self.windows_a)

    def members(self) -> Indices:
        """The energies of each row."""
        return np.zeros(len(self), np.int64) if self.groups is None else self.groups

    def in_double(self, rows: Indices) -> Problem:
        """Some rows in double precision."""
        return Problem(
            self.windows_a[rows].astype(np.float64),
            self.windows_b[rows].astype(np.float64),
            self.energies,
            None if self.groups is None else self.groups[rows],
            self.hill,
        )

    def windows(self, order: Indices) -> loops.Windows:
        """Window scores for the compiled loops."""
        return loops.Windows(
            self.windows_a.reshape(-1),
            self.windows_b.reshape(-1),
            self.windows_a.shape[1],
            self.windows_b.shape[1],
            order,
            np.array([self.hill], self.kind),
        )


class _Work:
    """Rows by their energies, and the affinities of pairs, made ready for the loops."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        allowed = problem.energies != -np.inf
        tops = np.where(allowed, problem.energies, -np.inf).max((1, 2), initial=-np.inf)
        self.tops = problem.hill * np.where(tops == -np.inf, 0.0, tops)
        # Energies that are no numbers give scores that are none, either.
        with np.errstate(all="ignore"):
            affinities = np.exp(
                problem.hill * problem.energies - self.tops[:, None, None]
            )
        self.affinities, self.allowed = affinities, allowed.any(0)
        self.grid = Grid.of(affinities, self.allowed, problem.kind)
        self.floor = _FLOORS[problem.kind]
        count = len(problem)
        if problem.groups is None:
            self.order = np.arange(count)
            sizes = np.array([count])
        else:
            # Short numbers are sorted many times faster.
            few = len(problem.energies) <= np.iinfo(np.uint16).max
            groups = problem.groups.astype(np.uint16) if few else problem.groups
            self.order = np.argsort(groups, kind="stable")
            sizes = np.bincount(problem.groups, minlength=len(problem.energies))
        self.pieces = self._cut(sizes)
        self.windows = problem.windows(self.order)
        self.sums = np.empty(count, problem.kind)
        self.tops_of_rows = np.empty(count)

    def _cut(self, sizes: Indices) -> list[Piece]:
        """Cuts the rows of each group into pieces that depend on sizes alone."""
        values = max(1, self.grid.numbers.shape[1])
        most = max(1, min(_MOST_CHUNKS, _MOST_GRADIENT_VALUES // values))
        rows = max(_LEAST_CHUNK, -(-int(sizes.sum()) // most), values // 2)
        rows = -(-rows // TILE_ROWS) * TILE_ROWS
        stops = np.cumsum(sizes)
        return [
            (group, first, min(first + rows, int(stop)))
            for group, stop in enumerate(stops)
            for first in range(int(stop) - int(sizes[group]), int(stop), rows)
        ]

    def lost(self) -> Indices:
        """Rows whose sums may lack precision."""
        found = (self.sums <= self.floor) & (self.tops_of_rows != -np.inf)
        return np.sort(self.order[found])

    def score(self) -> Floats:
        """Scores of all rows; those of lost rows have no meaning."""
        scores = np.empty(len(self.problem), self.problem.kind)

        def run(piece: int) -> None:
            group, first, last = self.pieces[piece]
            loops.pair_sums(
                self.windows,
                self.grid.blocks(group),
                first,
                last,
                self.sums,
                self.tops_of_rows,
            )
            with np.errstate(divide="ignore", invalid="ignore"):
                logarithms = np.log(self.sums[first:last], dtype=np.float64)
                tops = self.problem.hill * self.tops_of_rows[first:last]
                scores[self.order[first:last]] = logarithms + tops + self.tops[group]

        run_all(run, len(self.pieces))
        return scores

    def gradient(
        self, upstream: Floats, of_energies: bool
    ) -> tuple[Floats, Floats, Doubles]:
        """Gradients of all rows; those of lost rows are zero."""
        problem, grid = self.problem, self.grid
        across = Grid.of(
            self.affinities.swapaxes(1, 2), self.allowed.T, self.problem.kind
        )
        scale = _power_above(upstream)
        upstream = upstream / upstream.dtype.type(scale)
        by_a, by_b = np.empty_like(problem.windows_a), np.empty_like(problem.windows_b)
        values = grid.numbers.shape[1] if of_energies else 0
        parts = np.zeros((len(self.pieces), values))

        def run(piece: int) -> None:
            group, first, last = self.pieces[piece]
            loops.pair_gradient(
                self.windows,
                grid.blocks(group),
                across.blocks(group),
                first,
                last,
                self.floor,
                upstream,
                np.array([scale], problem.kind),
                by_a.reshape(-1),
                by_b.reshape(-1),
                parts[piece],
                self.sums,
                self.tops_of_rows,
            )

        run_all(run, len(self.pieces))
        if not of_energies:
            return by_a, by_b, np.zeros_like(problem.energies)
        numbers = np.zeros(grid.numbers.shape)
        for (group, _, _), part in zip(self.pieces, parts, strict=True):
            numbers[group] += part
        numbers *= scale * grid.numbers.astype(np.float64)
        return by_a, by_b, grid.dense(numbers)


def _power_above(values: Floats) -> float:
    """The least power of 2 above the magnitudes of some values."""
    greatest = float(np.abs(values).max(initial=0.0))
    if greatest == 0.0 or not np.isfinite(greatest):
        return 1.0
    return float(np.ldexp(1.0, np.frexp(greatest)[1]))


def score(problem: Problem) -> Floats:
    """Scores of all rows, shape (N,)."""
    work = _Work(problem)
    scores = work.score()
    lost = work.lost()
    if len(lost) > 0 and problem.kind != np.float64:
        scores[lost] = score(problem.in_double(lost))
    elif len(lost) > 0:
        windows = problem.windows(lost)
        members = problem.members()
        loops.exact_sums(windows, problem.energies, lost, members, scores)
    return scores


def gradient(
    problem: Problem, upstream: Floats, of_energies: bool
) -> tuple[Floats, Floats, Doubles]:
    """Gradients by window scores and energies.

    Args:
        problem: The arguments of the kernel.
        upstream: Gradient of the scores, shape (N,), in their precision.
        of_energies: Whether the gradient by energies is wanted; zeros otherwise.
    """
    work = _Work(problem)
    by_a, by_b, by_energies = work.gradient(upstream, of_energies)
    lost = work.lost()
    if len(lost) > 0 and problem.kind != np.float64:
        weights = upstream[lost].astype(np.float64)
        rest = gradient(problem.in_double(lost), weights, of_energies)
        by_a[lost], by_b[lost] = rest[0], rest[1]
        by_energies += rest[2]
    elif len(lost) > 0:
        loops.exact_gradient(
            problem.windows(lost),
            problem.energies,
            lost,
            problem.members(),
            upstream,
            by_a.reshape(-1),
            by_b.reshape(-1),
            by_energies,
        )
    return by_a, by_b, by_energies


# --- the operators -------------------------------------------------------------------


def _array(tensor: Tensor) -> Any:
    return tensor.detach().numpy()


def _problem(
    windows_a: Tensor,
    windows_b: Tensor,
    energies: Tensor,
    groups: Tensor | None,
    log_hill: Tensor | None,
) -> Problem:
    """The arguments of the operators as arrays."""
    check_arguments(windows_a, windows_b, energies, groups, log_hill)
    if groups is not None:
        check_groups(groups, len(energies))
    first, second = (
        np.ascontiguousarray(_array(windows.flatten(1)))
        for windows in (windows_a, windows_b)
    )
    matrices = _array(energies).swapaxes(2, 3).astype(np.float64)
    return Problem(
        first,
        second,
        matrices.reshape(len(energies), first.shape[1], second.shape[1]),
        None if groups is None else _array(groups).astype(np.int64),
        1.0 if log_hill is None else float(np.exp(float(log_hill))),
    )


def pair_scores(*values: Any) -> Tensor:
    """The operator of scores, see ``pairs_ops.implement``."""
    return torch.from_numpy(score(_problem(*values)))


def pair_gradient(upstream: Tensor, *values: Any) -> list[Tensor]:
    """The operator of the gradient, see ``pairs_ops.implement``."""
    *arguments, of_energies = values
    problem = _problem(*arguments)
    windows_a, windows_b, energies, _, log_hill = arguments
    weights = np.ascontiguousarray(_array(upstream))
    by_a, by_b, by_matrix = gradient(problem, weights, of_energies)
    groups, strands_a, strands_b, n_a, n_b = energies.shape
    by_energies = by_matrix.reshape(groups, strands_a, n_a, strands_b, n_b)
    by_energies = by_energies.swapaxes(2, 3).astype(problem.kind)
    results = [
        torch.from_numpy(by_a).view(windows_a.shape),
        torch.from_numpy(by_b).view(windows_b.shape),
        torch.from_numpy(np.ascontiguousarray(by_energies)),
    ]
    if log_hill is not None:
        by_hill = 0.0
        if of_energies:
            by_hill = (
                _sum_of_products(by_a, problem.windows_a)
                + _sum_of_products(by_b, problem.windows_b)
                + _sum_of_products(by_matrix, problem.energies)
            )
        results.append(log_hill.new_full(log_hill.shape, by_hill))
    return results


def _sum_of_products(gradients: Floats, values: Floats) -> float:
    """The sum of gradients times values, where there is a gradient."""
    starts = range(0, len(values), max(_LEAST_CHUNK, -(-len(values) // _MOST_CHUNKS)))
    parts = np.empty(len(starts))

    def add_up(chunk: int) -> None:
        rows = slice(starts[chunk], starts[chunk] + starts.step)
        parts[chunk] = loops.sum_of_products(
            gradients[rows].reshape(len(gradients[rows]), -1),
            values[rows].reshape(len(values[rows]), -1),
        )

    run_all(add_up, len(parts))
    return float(parts.sum())

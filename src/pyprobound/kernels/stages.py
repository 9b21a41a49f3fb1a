"""Which rows are scored with which tables, and the sum of their gradients.

Rows pass through up to four stages. Rows of letters only, in the precision of the
parameters, are the rule. Rows with a wildcard or a zero code are scored with tables
whose alphabet has these two symbols more. Rows whose sums come so close to the least
number of the precision that terms may be missing are scored in double precision, and
if that does not help by the definition of the kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from . import loops, reference
from .arguments import ROWS
from .problem import Indices, Problem
from .tables import (
    Doubles,
    Floats,
    Tables,
    additive_tables,
    multiplicative_tables,
    parameter_gradient,
)
from .threads import run_all
from .tiles import SPECIAL, UNDERFLOW

_LEAST_CHUNK = 8192
_MOST_CHUNKS = 64
_MOST_GRADIENT_VALUES = 1 << 22
"""Greatest number of values in the gradient buffers of all chunks together."""
_DEFINITION_ROWS = 1024


class Stage(Protocol):
    """Rows that were scored in the same way."""

    def gradient(self, problem: Problem, upstream: Floats) -> list[Doubles]:
        """Gradient with respect to the parameters times the Hill coefficient."""
        ...


@dataclass(frozen=True)
class TableStage:
    """Rows that were scored with the same tables.

    Attributes:
        members: Which rows of the batch, ``None`` for all.
        tables: The tables.
        status: What became of each row, shape (rows,).
        sums: Sums of products, shape (rows,), or ``None`` if windows were scored.
    """

    members: Indices | None
    tables: Tables
    status: npt.NDArray[np.uint8]
    sums: Floats | None = None

    def having(self, status: int) -> Indices:
        """Rows of the batch with a status."""
        found = np.flatnonzero(self.status == status)
        return found if self.members is None else self.members[found]

    def gradient(self, problem: Problem, upstream: Floats) -> list[Doubles]:
        """Gradient with respect to the parameters times the Hill coefficient."""
        rows = problem.rows(self.members, self.tables)
        weights = upstream if self.members is None else upstream[self.members]
        scorer = self.tables.scorer
        parts, lengths, windows, group = scorer.entry.shape
        if lengths == windows == 1:
            windows = 0  # the histograms hold what these gradients would
        chunks = _chunks(
            len(self.status), scorer.tables.size + parts * lengths * windows * group
        )
        tables = np.zeros((len(chunks), *scorer.tables.shape))
        entries = np.zeros((len(chunks), parts, lengths, windows, group))

        def run(chunk: int) -> None:
            target = (rows, scorer, *chunks[chunk], tables[chunk], entries[chunk])
            if self.sums is None:
                loops.window_gradient(*target, self.status, weights)
            else:
                loops.row_gradient(*target, self.status, weights, self.sums)

        run_all(run, len(chunks))
        return parameter_gradient(
            self.tables, tables.sum(0), entries.sum(0), problem.parameters
        )


@dataclass(frozen=True)
class DefinitionStage:
    """Rows that were scored by the definition of the kernels, in double precision.

    Attributes:
        members: Which rows of the batch.
    """

    members: Indices

    def _scores(self, problem: Problem, chunk: slice) -> tuple[Tensor, list[Tensor]]:
        """Scores of some rows, and the leaves they depend on."""
        parameters = problem.parameters
        leaves = [
            torch.from_numpy(parameters.hill * values).requires_grad_()
            for values in parameters.arrays()
        ]
        with torch.enable_grad():
            scores = reference.row_scores(
                torch.from_numpy(problem.codes[self.members[chunk]]),
                leaves[0],
                list(zip(problem.distances, leaves[1:-1], strict=True)),
                None,
                leaves[-1].expand(-1, -1, problem.windows),
                dilation=problem.dilation,
            )
        return scores, leaves

    def _chunks(self) -> list[slice]:
        starts = range(0, len(self.members), _DEFINITION_ROWS)
        return [slice(start, start + _DEFINITION_ROWS) for start in starts]

    def score(self, problem: Problem, scores: Floats) -> None:
        """Writes the scores of the rows to their places."""
        for chunk in self._chunks():
            found, _ = self._scores(problem, chunk)
            scores[self.members[chunk]] = found.detach().numpy()

    def gradient(self, problem: Problem, upstream: Floats) -> list[Doubles]:
        """Gradient with respect to the parameters times the Hill coefficient."""
        total = [np.zeros_like(values) for values in problem.parameters.arrays()]
        for chunk in self._chunks():
            scores, leaves = self._scores(problem, chunk)
            weights = upstream[self.members[chunk]].astype(np.float64)
            gradients = torch.autograd.grad(scores, leaves, torch.from_numpy(weights))
            for part, gradient in zip(total, gradients, strict=True):
                part += gradient.numpy()
        return total


def _chunks(rows: int, values: int = 0) -> list[tuple[int, int]]:
    """Cuts rows into chunks that depend on nothing but the size of the problem.

    Args:
        rows: Number of rows.
        values: Number of values in the buffers of a chunk.
    """
    most = max(1, min(_MOST_CHUNKS, _MOST_GRADIENT_VALUES // max(1, values)))
    number = max(1, min(most, rows // max(_LEAST_CHUNK, values // 2)))
    size = max(1, -(-rows // (number * ROWS))) * ROWS
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def _score_rows(
    problem: Problem, members: Indices | None, tables: Tables, scores: Floats
) -> TableStage:
    """Scores some rows with the same tables."""
    rows = problem.rows(members, tables)
    count = len(scores) if members is None else len(members)
    status = np.empty(count, np.uint8)
    sums = np.empty(count, tables.scorer.tables.dtype)
    result = scores if members is None else np.empty(count)
    chunks = _chunks(count)

    def score(chunk: int) -> None:
        first, last = chunks[chunk]
        loops.row_sums(rows, tables.scorer, first, last, tables.floor, status, sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            logarithms = np.log(sums[first:last], dtype=np.float64)
        result[first:last] = logarithms + tables.shift

    run_all(score, len(chunks))
    if members is not None:
        scores[members] = result
    problem.check(members, status)
    return TableStage(members, tables, status, sums)


def score_rows(problem: Problem) -> tuple[Floats, list[Stage]]:
    """Scores of all rows, and what their gradient needs."""
    scores = np.empty(len(problem.codes), problem.kind)
    extended = problem.mostly_special()
    tables = problem.tables(multiplicative_tables, len(scores), extended)
    tried = [_score_rows(problem, None, tables, scores)]
    special = tried[0].having(SPECIAL)
    if len(special) > 0:
        tables = problem.tables(multiplicative_tables, len(special), extended=True)
        tried.append(_score_rows(problem, special, tables, scores))
    lost = np.concatenate([stage.having(UNDERFLOW) for stage in tried])
    if len(lost) > 0 and problem.kind != np.float64:
        tables = problem.tables(
            multiplicative_tables, len(lost), extended=True, kind=np.float64
        )
        tried.append(_score_rows(problem, lost, tables, scores))
        lost = tried[-1].having(UNDERFLOW)
    stages: list[Stage] = [*tried]
    if len(lost) > 0:
        last = DefinitionStage(lost)
        last.score(problem, scores)
        stages.append(last)
    return scores, stages


def _score_windows(
    problem: Problem, members: Indices | None, tables: Tables, scores: Floats
) -> TableStage:
    """Scores the windows of some rows with the same tables."""
    rows = problem.rows(members, tables)
    result = scores if members is None else scores[members]
    status = np.empty(len(result), np.uint8)
    chunks = _chunks(len(result))

    def score(chunk: int) -> None:
        first, last = chunks[chunk]
        loops.window_values(rows, tables.scorer, first, last, status, result)

    run_all(score, len(chunks))
    if members is not None:
        scores[members] = result
    problem.check(members, status)
    return TableStage(members, tables, status)


def score_windows(problem: Problem) -> tuple[Floats, list[Stage]]:
    """Scores of all windows, (N, C, W), and what their gradient needs."""
    count = len(problem.codes)
    channels = problem.parameters.monomer.shape[0]
    scores = np.empty((count, channels, problem.windows), problem.kind)
    tables = problem.tables(additive_tables, count, problem.mostly_special())
    first = _score_windows(problem, None, tables, scores)
    special = first.having(SPECIAL)
    if len(special) == 0:
        return scores, [first]
    tables = problem.tables(additive_tables, len(special), extended=True)
    return scores, [first, _score_windows(problem, special, tables, scores)]


def _power_above(values: Floats) -> float:
    """The least power of 2 above the magnitudes of some values."""
    greatest = float(np.abs(values).max(initial=0.0))
    if greatest == 0.0 or not np.isfinite(greatest):
        return 1.0
    return float(np.ldexp(1.0, np.frexp(greatest)[1]))


def gradient(problem: Problem, stages: list[Stage], upstream: Floats) -> list[Doubles]:
    """Gradient of scores with respect to the parameters times the Hill coefficient.

    Args:
        problem: The arguments of the kernel.
        stages: Result of ``score_rows`` or ``score_windows``.
        upstream: Gradient of the scores, of rows (N,) or of windows (N, C, W).

    Returns:
        Gradients in the order of ``Parameters.arrays``.
    """
    scale = 1.0
    if upstream.ndim == 1:
        scale = _power_above(upstream)
        upstream = upstream / upstream.dtype.type(scale)
    total = [np.zeros_like(values) for values in problem.parameters.arrays()]
    for stage in stages:
        parts = stage.gradient(problem, upstream)
        for whole, part in zip(total, parts, strict=True):
            whole += scale * part
    return total

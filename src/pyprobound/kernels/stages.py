"""Which rows are scored with which tables, and the sum of their gradients.

Rows pass through up to four stages. Rows of letters only, in the precision of the
parameters, are the rule. Rows with a wildcard or a zero code are scored with tables
whose alphabet has these two symbols more. Rows whose sums come so close to the least
number of the precision that terms may be missing are scored in double precision, and
if that does not help by the logarithms of the terms.

The status of each row tells the gradient which stages it went through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from . import loops
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
from .tiles import EMPTY, FINE, SPECIAL, UNDERFLOW

Status: TypeAlias = npt.NDArray[np.uint8]
MakeTables: TypeAlias = Callable[..., Tables]

_LOGARITHMS = 6
"""What becomes of rows whose sums underflow in double precision, too."""
_OUTCOME = 7
_EXTENDED = 8
"""A status is an outcome, and this bit for rows that need the extended alphabet."""

_LEAST_CHUNK = 8192
_MOST_CHUNKS = 64
_MOST_GRADIENT_VALUES = 1 << 22
"""Greatest number of values in the gradient buffers of all chunks together."""
_LOGARITHM_ROWS = 1024


class RowScores(NamedTuple):
    """Scores of rows, and what their gradient needs.

    Attributes:
        scores: The scores, (N,).
        sums: Sums of products of table entries, (N,); not every way needs them.
        status: The way in which each row was scored, (N,).
    """

    scores: Floats
    sums: Doubles
    status: Status


class WindowScores(NamedTuple):
    """Scores of windows, and what their gradient needs.

    Attributes:
        scores: The scores, (N, C, W).
        status: The way in which each row was scored, (N,).
    """

    scores: Floats
    status: Status


@dataclass(frozen=True)
class Stage:
    """Rows that are scored with the same tables.

    Attributes:
        members: Which rows of the batch, ``None`` for all.
        tables: The tables.
    """

    members: Indices | None
    tables: Tables

    def of(self, values: Any) -> Any:
        """The values that belong to the rows."""
        return values if self.members is None else values[self.members]


def _first(problem: Problem, make: MakeTables) -> Stage:
    """All rows; those that hold a wildcard or a zero code may be left over."""
    tables = problem.tables(make, len(problem.codes), problem.mostly_special())
    return Stage(None, tables)


def _extended(problem: Problem, make: MakeTables, status: Status) -> Stage | None:
    """The rows that need the extended alphabet."""
    members = np.flatnonzero(status & _EXTENDED)
    if len(members) == 0:
        return None
    return Stage(members, problem.tables(make, len(members), extended=True))


def _double(problem: Problem, status: Status) -> Stage | None:
    """The rows whose sums single precision cannot hold."""
    outcome = status & _OUTCOME
    members = np.flatnonzero((outcome == UNDERFLOW) | (outcome == _LOGARITHMS))
    if len(members) == 0 or problem.kind == np.float64:
        return None
    tables = problem.tables(
        multiplicative_tables, len(members), extended=True, kind=np.dtype(np.float64)
    )
    return Stage(members, tables)


def _logarithmic(
    problem: Problem, status: Status
) -> Iterator[tuple[Indices, Problem, WindowScores]]:
    """The scores of the windows, times the Hill coefficient, of the last rows.

    Yields:
        Some of the rows, the problem of scoring their windows, and its solution.
    """
    members = np.flatnonzero(status & _OUTCOME == _LOGARITHMS)
    for start in range(0, len(members), _LOGARITHM_ROWS):
        chunk = members[start : start + _LOGARITHM_ROWS]
        part = replace(
            problem,
            codes=problem.codes[chunk],
            parameters=problem.parameters.times_hill(),
            kind=np.dtype(np.float64),
        )
        yield chunk, part, score_windows(part)


def _log_sums(windows: Floats) -> Floats:
    """Log-sum-exp over channels and windows, (N,); each row has a finite window."""
    greatest = windows.max((1, 2))
    sums = np.exp(windows - greatest[:, None, None]).sum((1, 2))
    logarithms: Floats = np.log(sums) + greatest
    return logarithms


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


def _score_rows(problem: Problem, stage: Stage, found: RowScores) -> Status:
    """Scores the rows of a stage; returns what became of each of them."""
    tables = stage.tables
    rows = problem.rows(stage.members, tables)
    part = found
    if stage.members is not None:
        part = RowScores(*(np.empty_like(stage.of(values)) for values in found))
    scores, sums, status = part
    chunks = _chunks(len(status))

    def score(chunk: int) -> None:
        first, last = chunks[chunk]
        loops.row_sums(rows, tables.scorer, first, last, tables.floor, status, sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            scores[first:last] = np.log(sums[first:last]) + tables.shift

    run_all(score, len(chunks))
    problem.check(stage.members, status)
    if stage.members is not None:
        found.scores[stage.members] = scores
        found.sums[stage.members] = sums
    return status


def score_rows(problem: Problem) -> RowScores:
    """Scores of all rows, and what their gradient needs."""
    count = len(problem.codes)
    scores = np.empty(count, problem.kind)
    found = RowScores(scores, np.empty(count), np.empty(count, np.uint8))
    status = _score_rows(problem, _first(problem, multiplicative_tables), found)
    if not status.any():
        return found

    status[status == SPECIAL] |= _EXTENDED
    stage = _extended(problem, multiplicative_tables, status)
    if stage is not None:
        status[stage.members] = _score_rows(problem, stage, found) | _EXTENDED

    lost = status & _OUTCOME == UNDERFLOW
    stage = _double(problem, status)
    if stage is not None:
        lost[stage.members] = _score_rows(problem, stage, found) == UNDERFLOW
    status[lost] += _LOGARITHMS - UNDERFLOW
    for members, _, windows in _logarithmic(problem, status):
        scores[members] = _log_sums(windows.scores)
    return found


def _score_windows(problem: Problem, stage: Stage, scores: Floats) -> Status:
    """Scores the windows of a stage's rows; returns what became of each row."""
    rows = problem.rows(stage.members, stage.tables)
    result = stage.of(scores)
    status = np.empty(len(result), np.uint8)
    chunks = _chunks(len(result))

    def score(chunk: int) -> None:
        first, last = chunks[chunk]
        loops.window_values(rows, stage.tables.scorer, first, last, status, result)

    run_all(score, len(chunks))
    problem.check(stage.members, status)
    if stage.members is not None:
        scores[stage.members] = result
    return status


def score_windows(problem: Problem) -> WindowScores:
    """Scores of all windows, and what their gradient needs."""
    channels = problem.parameters.monomer.shape[0]
    shape = (len(problem.codes), channels, problem.windows)
    scores = np.empty(shape, problem.kind)
    status = _score_windows(problem, _first(problem, additive_tables), scores)
    status[status == SPECIAL] |= _EXTENDED
    stage = _extended(problem, additive_tables, status)
    if stage is not None:
        status[stage.members] = _score_windows(problem, stage, scores) | _EXTENDED
    return WindowScores(scores, status)


def _gradient(
    problem: Problem, stage: Stage, loop: Callable[..., None], arrays: tuple[Any, ...]
) -> list[Doubles]:
    """Gradient of the rows of a stage.

    Args:
        problem: The arguments of the kernel.
        stage: The rows and their tables.
        loop: Adds the gradient of the logs of tables for a range of rows.
        arrays: What the loop takes after rows, tables, range and results.
    """
    rows = problem.rows(stage.members, stage.tables)
    scorer = stage.tables.scorer
    parts, lengths, windows, group = scorer.entry.shape
    if lengths == windows == 1:
        windows = 0  # the histograms hold what these gradients would
    count = len(problem.codes) if stage.members is None else len(stage.members)
    chunks = _chunks(count, scorer.tables.size + parts * lengths * windows * group)
    tables = np.zeros((len(chunks), *scorer.tables.shape))
    entries = np.zeros((len(chunks), parts, lengths, windows, group))

    def run_chunk(chunk: int) -> None:
        loop(rows, scorer, *chunks[chunk], tables[chunk], entries[chunk], *arrays)

    run_all(run_chunk, len(chunks))
    return parameter_gradient(
        stage.tables, tables.sum(0), entries.sum(0), problem.parameters
    )


def _add(total: list[Doubles], parts: list[Doubles], scale: float = 1.0) -> None:
    for whole, part in zip(total, parts, strict=True):
        whole += scale * part


def _power_above(values: Floats) -> float:
    """The least power of 2 above the magnitudes of some values."""
    greatest = float(np.maximum(values.max(initial=0.0), -values.min(initial=0.0)))
    if not np.finfo(np.float64).tiny < greatest < np.inf:
        return 1.0
    return float(np.ldexp(1.0, np.frexp(greatest)[1]))


def row_gradient(
    problem: Problem, sums: Doubles, status: Status, upstream: Floats
) -> list[Doubles]:
    """Gradient of row scores with respect to the parameters times the Hill coefficient.

    Args:
        problem: The arguments of the kernel.
        sums: Result of ``score_rows``.
        status: Result of ``score_rows``.
        upstream: Gradient of the scores, (N,).

    Returns:
        Gradients in the order of ``Parameters.arrays``.
    """
    scale = _power_above(upstream)
    total = [np.zeros_like(values) for values in problem.parameters.arrays()]

    def add(stage: Stage, status: Status) -> None:
        arrays = (status, stage.of(upstream), 1.0 / scale, stage.of(sums))
        found = _gradient(problem, stage, loops.row_gradient, arrays)
        _add(total, found, scale)

    add(_first(problem, multiplicative_tables), status)
    if not status.any():
        return total
    stage = _extended(problem, multiplicative_tables, status)
    if stage is not None:
        add(stage, stage.of(status) & _OUTCOME)
    stage = _double(problem, status)
    if stage is not None:
        fine = stage.of(status) & _OUTCOME == UNDERFLOW
        add(stage, np.where(fine, FINE, EMPTY).astype(np.uint8))
    for members, part, windows in _logarithmic(problem, status):
        logarithms = _log_sums(windows.scores)[:, None, None]
        weights = np.exp(windows.scores - logarithms)
        weights *= upstream[members, None, None]
        _add(total, window_gradient(part, windows.status, weights))
    return total


def window_gradient(
    problem: Problem, status: Status, upstream: Floats
) -> list[Doubles]:
    """Gradient of window scores with respect to the parameters.

    Args:
        problem: The arguments of the kernel.
        status: Result of ``score_windows``.
        upstream: Gradient of the scores, (N, C, W).

    Returns:
        Gradients in the order of ``Parameters.arrays``.
    """
    total = [np.zeros_like(values) for values in problem.parameters.arrays()]

    def add(stage: Stage, status: Status) -> None:
        arrays = (status, stage.of(upstream))
        _add(total, _gradient(problem, stage, loops.window_gradient, arrays))

    add(_first(problem, additive_tables), status)
    stage = _extended(problem, additive_tables, status)
    if stage is not None:
        add(stage, stage.of(status) & _OUTCOME)
    return total

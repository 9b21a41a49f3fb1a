"""Which rows are scored with which tables, and the sum of their gradients.

Rows pass through up to four stages. Rows of letters only, in the precision of the
parameters, are the rule. Rows with a wildcard or a zero code are scored with tables
whose alphabet has these two symbols more. Rows whose sums come so close to the least
number of the precision that terms may be missing are scored in double precision, and
if that does not help by the definition of the kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pyprobound.kernels import loops, reference
from pyprobound.kernels.arguments import ROWS, check_length_index, invalid_code
from pyprobound.kernels.plan import MOST_ENTRIES
from pyprobound.kernels.tables import (
    Doubles,
    Floats,
    Parameters,
    Tables,
    additive_tables,
    multiplicative_tables,
    parameter_gradient,
)
from pyprobound.kernels.threads import run_all
from pyprobound.kernels.tiles import INVALID, SPECIAL, TOO_LONG, UNDERFLOW, Rows

Codes = npt.NDArray[np.int8]
Indices = npt.NDArray[np.intp]

_LEAST_CHUNK = 8192
_MOST_CHUNKS = 64
_MOST_GRADIENT_VALUES = 1 << 22
"""Greatest number of values in the gradient buffers of all chunks together."""
_DEFINITION_ROWS = 1024
_FEW_ROWS = 4096
_FEW_ENTRIES = 256
"""For few rows, filling large tables would take longer than using them saves."""


@dataclass(frozen=True)
class Problem:
    """The arguments of a kernel as arrays."""

    codes: Codes  # (N, L)
    parameters: Parameters
    distances: tuple[int, ...]
    dilation: int
    windows: int
    kind: npt.DTypeLike

    def chosen(self, members: Indices | None) -> Codes:
        """Codes of some rows, of all if `None`."""
        return self.codes if members is None else self.codes[members]

    def rows(self, members: Indices | None, tables: Tables) -> Rows:
        """Some rows for the compiled loops."""
        return Rows(
            codes=self.chosen(members).reshape(-1),
            length=self.codes.shape[1],
            letters=self.parameters.monomer.shape[1],
            extended=tables.extended,
            size=self.parameters.monomer.shape[2],
            dilation=self.dilation,
            windows=self.windows,
        )

    def tables(
        self,
        make: Callable[..., Tables],
        rows: int,
        extended: bool,
        kind: npt.DTypeLike | None = None,
    ) -> Tables:
        """Tables fit for a number of rows."""
        return make(
            self.parameters,
            self.distances,
            self.windows,
            self.dilation,
            self.kind if kind is None else kind,
            extended,
            _FEW_ENTRIES if rows < _FEW_ROWS else MOST_ENTRIES,
        )

    def check(self, members: Indices | None, status: npt.NDArray[np.uint8]) -> None:
        """Raises the error that belongs to a row's status, if any."""
        letters = self.parameters.monomer.shape[1]
        if (status == INVALID).any():
            raise invalid_code(letters)
        if (status == TOO_LONG).any():
            known = (self.chosen(members)[status == TOO_LONG] != letters).sum(1)
            check_length_index(int(known.max()), len(self.parameters.constants))


@dataclass(frozen=True)
class Stage:
    """Rows that were scored in the same way.

    Attributes:
        members: Which rows of the batch, `None` for all.
        tables: Their tables, `None` if they were scored by the definition.
        status: What became of each row, shape (rows,).
        sums: Sums of products, shape (rows,), empty where there are none.
    """

    members: Indices | None
    tables: Tables | None
    status: npt.NDArray[np.uint8]
    sums: Floats

    def having(self, status: int) -> Indices:
        """Rows of the batch with a status."""
        found = np.flatnonzero(self.status == status)
        return found if self.members is None else self.members[found]


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
) -> Stage:
    """Scores some rows with the same tables."""
    rows = problem.rows(members, tables)
    count = len(scores) if members is None else len(members)
    kind = tables.scorer.tables.dtype
    stage = Stage(members, tables, np.empty(count, np.uint8), np.empty(count, kind))
    result = scores if members is None else np.empty(count)
    chunks = _chunks(count)

    def score(chunk: int) -> None:
        first, last = chunks[chunk]
        loops.row_sums(
            rows, tables.scorer, first, last, tables.floor, stage.status, stage.sums
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            logarithms = np.log(stage.sums[first:last], dtype=np.float64)
        result[first:last] = logarithms + tables.shift

    run_all(score, len(chunks))
    if members is not None:
        scores[members] = result
    if stage.status.any():
        problem.check(members, stage.status)
    return stage


def score_rows(problem: Problem) -> tuple[Floats, list[Stage]]:
    """Scores of all rows, and what their gradient needs."""
    scores = np.empty(len(problem.codes), problem.kind)
    tables = problem.tables(multiplicative_tables, len(scores), extended=False)
    stages = [_score_rows(problem, None, tables, scores)]
    special = stages[0].having(SPECIAL)
    if len(special) > 0:
        tables = problem.tables(multiplicative_tables, len(special), extended=True)
        stages.append(_score_rows(problem, special, tables, scores))
    lost = np.concatenate([stage.having(UNDERFLOW) for stage in stages])
    if len(lost) > 0 and problem.kind != np.float64:
        tables = problem.tables(
            multiplicative_tables, len(lost), extended=True, kind=np.float64
        )
        stages.append(_score_rows(problem, lost, tables, scores))
        lost = stages[-1].having(UNDERFLOW)
    if len(lost) > 0:
        stages.append(Stage(lost, None, np.empty(0, np.uint8), np.empty(0)))
        for first in range(0, len(lost), _DEFINITION_ROWS):
            chunk = lost[first : first + _DEFINITION_ROWS]
            scores[chunk] = _by_definition(problem, chunk)[0].detach().numpy()
    return scores, stages


def score_windows(problem: Problem) -> tuple[Floats, list[Stage]]:
    """Scores of all windows, (N, C, W), and what their gradient needs."""
    count = len(problem.codes)
    channels = problem.parameters.monomer.shape[0]
    scores = np.empty((count, channels, problem.windows), problem.kind)
    tables = problem.tables(additive_tables, count, extended=False)
    stages = [_score_windows(problem, None, tables, scores)]
    special = stages[0].having(SPECIAL)
    if len(special) > 0:
        tables = problem.tables(additive_tables, len(special), extended=True)
        stages.append(_score_windows(problem, special, tables, scores))
    return scores, stages


def _score_windows(
    problem: Problem, members: Indices | None, tables: Tables, scores: Floats
) -> Stage:
    """Scores the windows of some rows with the same tables."""
    rows = problem.rows(members, tables)
    count = len(scores) if members is None else len(members)
    stage = Stage(members, tables, np.empty(count, np.uint8), np.empty(0))
    result = (
        scores
        if members is None
        else np.empty_like(scores, shape=(count, *scores.shape[1:]))
    )
    chunks = _chunks(count)

    def score(chunk: int) -> None:
        first, last = chunks[chunk]
        loops.window_values(rows, tables.scorer, first, last, stage.status, result)

    run_all(score, len(chunks))
    if members is not None:
        scores[members] = result
    if stage.status.any():
        problem.check(members, stage.status)
    return stage


def _by_definition(
    problem: Problem, members: Indices | None
) -> tuple[Tensor, list[Tensor]]:
    """Scores of some rows in double precision, and the leaves they depend on."""
    parameters = problem.parameters
    leaves = [
        torch.from_numpy(parameters.hill * values).requires_grad_()
        for values in parameters.arrays()
    ]
    with torch.enable_grad():
        scores = reference.row_scores(
            torch.from_numpy(problem.chosen(members)),
            leaves[0],
            list(zip(problem.distances, leaves[1:-1], strict=True)),
            None,
            leaves[-1].expand(-1, -1, problem.windows),
            dilation=problem.dilation,
        )
    return scores, leaves


def _definition_gradient(
    problem: Problem, members: Indices | None, upstream: Floats
) -> list[Doubles]:
    """Gradient of rows that were scored by the definition."""
    if members is None:
        members = np.arange(len(problem.codes))
    total = [np.zeros_like(values) for values in problem.parameters.arrays()]
    for first in range(0, len(members), _DEFINITION_ROWS):
        chunk = slice(first, first + _DEFINITION_ROWS)
        scores, leaves = _by_definition(problem, members[chunk])
        weights = torch.from_numpy(upstream[chunk].astype(np.float64))
        gradients = torch.autograd.grad(scores, leaves, weights)
        for part, gradient in zip(total, gradients, strict=True):
            part += gradient.numpy()
    return total


def _table_gradient(
    problem: Problem,
    stage: Stage,
    tables: Tables,
    loop: Callable[..., None],
    *arrays: npt.NDArray[Any],
) -> list[Doubles]:
    """Gradient of rows that were scored with tables."""
    rows = problem.rows(stage.members, tables)
    scorer = tables.scorer
    parts, lengths, windows, group = scorer.entry.shape
    if lengths == windows == 1:
        windows = 0  # the histograms hold what these gradients would
    chunks = _chunks(
        len(stage.status), scorer.tables.size + parts * lengths * windows * group
    )
    gradients = np.zeros((len(chunks), *scorer.tables.shape))
    entries = np.zeros((len(chunks), parts, lengths, windows, group))

    def run(chunk: int) -> None:
        first, last = chunks[chunk]
        loop(
            rows,
            scorer,
            first,
            last,
            gradients[chunk],
            entries[chunk],
            stage.status,
            *arrays,
        )

    run_all(run, len(chunks))
    return parameter_gradient(
        tables, gradients.sum(0), entries.sum(0), problem.parameters
    )


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
        stages: Result of `score_rows` or `score_windows`.
        upstream: Gradient of the scores, of rows (N,) or of windows (N, C, W).

    Returns:
        Gradients in the order of `Parameters.arrays`.
    """
    total = [np.zeros_like(values) for values in problem.parameters.arrays()]
    scale = _power_above(upstream)
    upstream = upstream / upstream.dtype.type(scale)
    for stage in stages:
        weights = upstream if stage.members is None else upstream[stage.members]
        if stage.tables is None:
            parts = _definition_gradient(problem, stage.members, weights)
        elif upstream.ndim == 1:
            parts = _table_gradient(
                problem,
                stage,
                stage.tables,
                loops.row_gradient,
                weights,
                stage.sums,
            )
        else:
            parts = _table_gradient(
                problem, stage, stage.tables, loops.window_gradient, weights
            )
        for whole, part in zip(total, parts, strict=True):
            whole += scale * part
    return total

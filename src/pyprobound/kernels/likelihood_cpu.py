"""The compiled implementations of ``log_sums`` and ``log_likelihood``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from . import likelihood_loops as loops
from .threads import run_all

_CHUNK = 1 << 15
"""Rows of a piece of work; sums do not depend on the number of threads."""


def _chunks(n_rows: int) -> int:
    return max(1, -(-n_rows // _CHUNK))


def _in_chunks(n_rows: int, work: Callable[[int, int, int], None]) -> None:
    """Calls a function with the number, first and last row of each chunk."""
    if n_rows <= _CHUNK:
        work(0, 0, n_rows)
        return
    run_all(
        lambda i: work(i, i * _CHUNK, min(n_rows, (i + 1) * _CHUNK)), _chunks(n_rows)
    )


def _array(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().numpy()


def _dense(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Vectors whose values follow each other or are all one."""
    return [t if t.stride(0) in (0, 1) else t.contiguous() for t in tensors]


def _vectors(tensors: list[Tensor]) -> loops.Vectors:
    """Where the values of some vectors are; these must be kept while this is used."""
    return loops.Vectors(
        np.array([tensor.data_ptr() for tensor in tensors]),
        np.array([tensor.stride(0) for tensor in tensors]),
    )


def _places(wanted: list[bool]) -> npt.NDArray[np.int64]:
    """The number of each wanted thing among the wanted ones, -1 for the others."""
    places, found = np.full(len(wanted), -1), 0
    for number, each in enumerate(wanted):
        if each:
            places[number] = found
            found += 1
    return places


def _weights(shifts: Any) -> tuple[Any, Any, Any]:
    """Shifts, the greatest of each term, and exponentials relative to these."""
    peaks = shifts.max(axis=0)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        weights = np.exp(shifts - np.where(np.isinf(peaks), 0, peaks))
    return shifts, peaks, weights


def log_sums(terms: Sequence[Tensor], shifts: Tensor) -> Tensor:
    """See ``pyprobound.kernels.likelihood.log_sums``."""
    terms = _dense(terms)
    n_rows = terms[0].shape[0]
    result = terms[0].new_empty(shifts.shape[0], n_rows)
    inputs = (_vectors(terms), *_weights(_array(shifts)))
    sums = result.numpy()

    def work(_: int, first: int, last: int) -> None:
        loops.log_sums(*inputs, first, last, sums)

    _in_chunks(n_rows, work)
    return result


def log_sums_backward(
    upstream: Sequence[Tensor],
    terms: Sequence[Tensor],
    shifts: Tensor,
    result: Tensor,
    wanted: list[bool],
) -> tuple[Tensor, Tensor]:
    """The gradient of ``log_sums``.

    Args:
        upstream: The gradients of the result.
        terms: As in ``log_sums``.
        shifts: As in ``log_sums``.
        result: The result of ``log_sums``.
        wanted: Whether a gradient is wanted, for each term.

    Returns:
        The gradients with respect to the wanted terms, of shape (wanted terms, rows),
        and with respect to shifts, in double precision.
    """
    terms, above = _dense(terms), _dense(upstream)
    n_rows = result.shape[1]
    gradients = result.new_empty(sum(wanted), n_rows)
    inputs = (_vectors(terms), *_weights(_array(shifts)))
    others = (_array(result), _vectors(above), _places(wanted), gradients.numpy())
    sums = np.empty((_chunks(n_rows), *shifts.shape))

    def work(chunk: int, first: int, last: int) -> None:
        loops.log_sums_gradient(*inputs, first, last, *others, sums[chunk])

    _in_chunks(n_rows, work)
    return gradients, torch.from_numpy(sums.sum(0))


def log_likelihood(
    log_counts: Sequence[Tensor], log_depths: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor]:
    """See ``pyprobound.kernels.likelihood.log_likelihood``.

    Returns:
        The log-likelihood, and for each row the log of the sum over rounds.
    """
    log_counts = _dense(log_counts)
    n_rows = counts.shape[0]
    log_totals = log_counts[0].new_empty(n_rows)
    inputs = (_vectors(log_counts), _array(log_depths), _array(counts))
    totals = log_totals.numpy()
    sums = np.empty(_chunks(n_rows))

    def work(chunk: int, first: int, last: int) -> None:
        sums[chunk] = loops.log_likelihood(*inputs, first, last, totals)

    _in_chunks(n_rows, work)
    return torch.tensor(sums.sum(), dtype=torch.float64), log_totals


def log_likelihood_backward(
    upstream: Tensor,
    log_counts: Sequence[Tensor],
    log_depths: Tensor,
    counts: Tensor,
    log_totals: Tensor,
    wanted: list[bool],
) -> tuple[Tensor, Tensor]:
    """The gradient of ``log_likelihood``.

    Args:
        upstream: The gradient of the log-likelihood.
        log_counts: As in ``log_likelihood``.
        log_depths: As in ``log_likelihood``.
        counts: As in ``log_likelihood``.
        log_totals: The second result of ``log_likelihood``.
        wanted: Whether a gradient is wanted, for each round.

    Returns:
        The gradients with respect to the wanted logs, of shape (wanted rounds, rows),
        and with respect to depths, in double precision.
    """
    log_counts = _dense(log_counts)
    n_rows = counts.shape[0]
    gradients = log_totals.new_empty(sum(wanted), n_rows)
    inputs = (_vectors(log_counts), _array(log_depths), _array(counts))
    others = (_array(log_totals), float(upstream), _places(wanted), gradients.numpy())
    sums = np.empty((_chunks(n_rows), len(log_counts)))

    def work(chunk: int, first: int, last: int) -> None:
        loops.log_likelihood_gradient(*inputs, first, last, *others, sums[chunk])

    _in_chunks(n_rows, work)
    return gradients, torch.from_numpy(sums.sum(0))

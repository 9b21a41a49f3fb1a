r"""Sums of affinities and likelihoods of counts: what follows the scores of bindings.

``log_sums`` adds the contributions :math:`a` of bindings to each row :math:`i`, for
several rounds :math:`r` at once,

.. math:: \log Z_{ri} = \log \sum_a e^{t_{ai} + c_{ra}},

and ``log_likelihood`` compares the relative counts :math:`\eta f` of all rounds with the
counts :math:`k`,

.. math:: \log L = \sum_{i,r} k_{ir} \log
    \frac{\eta_r f_{ir}}{\sum_{r'} \eta_{r'} f_{ir'}}.

Both have a compiled implementation for the CPU, which passes over the rows once, and a
definition in PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from . import implementation, likelihood_ops

__all__ = ["log_likelihood", "log_likelihood_of_shares", "log_sums"]

_PRECISIONS = (torch.float32, torch.float64)
_FEW_ROWS = 1024
"""Fewer rows are left to the definition, which starts at once."""


def log_sums(terms: Sequence[Tensor], shifts: Tensor) -> Sequence[Tensor]:
    r"""The logs of sums, :math:`\log \sum_a e^{t_a + c_{ra}}`.

    Unlike with ``torch.logsumexp``, gradients are zero where all terms are -inf.
    Differentiable twice.

    Args:
        terms: The logs of the terms, at least one, each of shape (rows,).
        shifts: What is added to them in each sum, of shape (sums, terms).

    Returns:
        A tensor of shape (rows,) for each sum.
    """
    if _are_compiled([*terms, shifts], terms[0].shape[0]):
        return likelihood_ops.log_sums(terms, shifts)
    return [likelihood_ops.log_sum_definition(terms, each) for each in shifts]


def log_likelihood(
    log_counts: Sequence[Tensor], log_depths: Tensor, counts: Tensor
) -> Tensor:
    r"""The log-likelihood of counts without constants, a scalar in double precision.

    A round that is impossible for a row (:math:`\log f = -\infty`) does not matter if
    it has no count, and makes the likelihood zero otherwise. Differentiable twice with
    respect to the relative counts and the depths. Where a device has no double
    precision, neither has the result.

    Args:
        log_counts: The logs of the relative counts :math:`f` in each round, of shape
            (rows,).
        log_depths: The logs of the depths :math:`\eta`, of shape (rounds,).
        counts: The counts, of shape (rows, rounds).
    """
    are_counts = counts.dtype in _PRECISIONS and counts.device.type == "cpu"
    if are_counts and _are_compiled([*log_counts, log_depths], counts.shape[0]):
        return likelihood_ops.log_likelihood(log_counts, log_depths, counts)
    return likelihood_ops.log_likelihood_definition(log_counts, log_depths, counts)


def log_likelihood_of_shares(log_shares: Tensor, counts: Tensor) -> Tensor:
    """The log-likelihood of counts, as of ``log_likelihood``, from the shares.

    Args:
        log_shares: The logs of the shares of rounds, of shape (rows, rounds).
        counts: The counts, of shape (rows, rounds).
    """
    return likelihood_ops.log_likelihood_of_shares(log_shares, counts)


def _are_compiled(tensors: list[Tensor], n_rows: int) -> bool:
    """Whether the compiled loops serve some tensors."""
    wanted = implementation()
    # A traced program serves inputs of other sizes, too.
    if wanted not in ("auto", "numba") or (
        wanted == "auto" and n_rows < _FEW_ROWS and not torch.compiler.is_compiling()
    ):
        return False
    kind = tensors[0].dtype
    return kind in _PRECISIONS and all(
        tensor.dtype == kind and tensor.device.type == "cpu" for tensor in tensors
    )

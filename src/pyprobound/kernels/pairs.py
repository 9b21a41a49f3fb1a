r"""Sums over all pairs of windows of two modes.

With the scores :math:`w^a_{x,m}` and :math:`w^b_{y,n}` of the windows :math:`m` and
:math:`n` on the strands :math:`x` and :math:`y` of a row, and an energy :math:`G` of
each pair of windows, the score of the row is

.. math::
    \log \sum_{x,y,m,n} \exp\big(h (G_{x,y,m,n} + w^a_{x,m} + w^b_{y,n})\big)
"""

from __future__ import annotations

import functools
import logging
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import pairs_reference as reference
from .pairs_ops import Arguments
from .pairs_ops import pair_scores as compiled_pair_scores

__all__ = ["PairJacobian", "pair_jacobian", "pair_scores"]

_logger = logging.getLogger(__name__)

_TYPES = (torch.float32, torch.float64)
"""Types of numbers that compiled code handles."""
_FEW_PAIRS = 1 << 18
"""Inputs with fewer pairs are left to the definition, which starts at once."""
_MOST_VALUES = 1 << 18
"""Greatest number of derivatives by energies that are handled at a time."""
_LEAST_SUM = 1e-16
"""Rows with smaller sums, relative to the best windows, may lack precision."""


class PairJacobian(NamedTuple):
    """Row scores and their derivatives, row by row.

    Attributes:
        scores: The row scores, shape (N,).
        windows_a: Derivatives with respect to the first mode's window scores, shape
            (N, A, Wa).
        windows_b: Derivatives with respect to those of the second mode, (N, B, Wb).
        energies: Derivatives with respect to the energies of each row, shape
            (N, A, B, Wa, Wb).
    """

    scores: Tensor
    windows_a: Tensor
    windows_b: Tensor
    energies: Tensor


def pair_scores(
    windows_a: Tensor,
    windows_b: Tensor,
    energies: Tensor,
    groups: Tensor | None = None,
    log_hill: Tensor | None = None,
) -> Tensor:
    """Scores of rows, the log of the sum over all pairs of windows.

    Nothing is stored for the pairs of a row. Pairs of -inf have no part in values nor
    in gradients, and a row of only such pairs scores -inf with zero gradients.
    Differentiable twice with respect to every floating point argument.

    Args:
        windows_a: Scores of the first mode's windows in RT, shape (N, A, Wa).
        windows_b: Scores of the second mode's windows, shape (N, B, Wb).
        energies: Energies of pairs, of shape (A, B, Wa, Wb), or (G, A, B, Wa, Wb) for
            groups of rows.
        groups: The energies of each row, integers of shape (N,); needed if there are
            several groups.
        log_hill: Logarithm of the Hill coefficient h, one value; ``None`` means 0.

    Returns:
        Scores of shape (N,), of the widest type of the arguments.

    Raises:
        ValueError: If shapes do not fit together.
        IndexError: If there are no energies for a group.
    """
    return _scores(_arguments(windows_a, windows_b, energies, groups, log_hill))


def pair_jacobian(
    windows_a: Tensor,
    windows_b: Tensor,
    energies: Tensor,
    groups: Tensor | None = None,
    log_hill: Tensor | None = None,
) -> PairJacobian:
    """Scores of rows, and the derivatives of each of them.

    The derivatives by the energies take the memory of all pairs of windows of all rows,
    so this is meant for some thousands of rows. The derivative by ``log_hill`` is the
    sum of all derivatives of the row times what they are taken by.

    Args:
        windows_a: See ``pair_scores``, as for all that follow.
        windows_b: See ``pair_scores``.
        energies: See ``pair_scores``.
        groups: See ``pair_scores``.
        log_hill: See ``pair_scores``.

    Returns:
        Scores and derivatives, which cannot be differentiated further.

    Raises:
        ValueError: If shapes do not fit together.
        IndexError: If there are no energies for a group.
    """
    arguments = _arguments(
        windows_a.detach(),
        windows_b.detach(),
        energies.detach(),
        groups,
        None if log_hill is None else log_hill.detach(),
    )
    leaves = arguments.windows_a.requires_grad_(), arguments.windows_b.requires_grad_()
    with torch.enable_grad():
        scores = _scores(arguments)
        by_a, by_b = torch.autograd.grad(scores.sum(), leaves)
    with torch.no_grad():
        by_energies = _by_energies(arguments, scores)
    return PairJacobian(scores.detach(), by_a, by_b, by_energies)


def _arguments(
    windows_a: Tensor,
    windows_b: Tensor,
    energies: Tensor,
    groups: Tensor | None,
    log_hill: Tensor | None,
) -> Arguments:
    """Checked arguments of one type, whose energies have an axis of groups."""
    if energies.ndim == 4:
        energies = energies.unsqueeze(0)
        if groups is not None and not torch.compiler.is_compiling():
            reference.check_groups(groups, 1)
        groups = None
    reference.check_arguments(windows_a, windows_b, energies, groups, log_hill)
    tensors = (windows_a, windows_b, energies)
    kind = functools.reduce(torch.promote_types, (x.dtype for x in tensors))
    first, second, energies = (x.to(kind) for x in tensors)
    hill = None if log_hill is None else log_hill.to(kind)
    return Arguments(first, second, energies, groups, hill)


def _scores(arguments: Arguments) -> Tensor:
    if _is_compiled(arguments):
        return compiled_pair_scores(*arguments)
    return reference.pair_scores(*arguments)


def _is_compiled(arguments: Arguments) -> bool:
    """Whether compiled code handles these arguments."""
    # What this module is a part of cannot be imported before it.
    from . import implementation

    wanted = implementation()
    if wanted == "reference":
        return False
    windows, energies = arguments.windows_a, arguments.energies
    device = windows.device.type
    # A traced program serves inputs of other sizes, too.
    if (
        wanted == "auto"
        and not torch.compiler.is_compiling()
        and len(windows) * energies[0].numel() < _FEW_PAIRS
    ):
        _logger.debug("few pairs of windows: using the reference kernels")
        return False
    of_one_device = windows.device == arguments.windows_b.device == energies.device
    if windows.dtype in _TYPES and of_one_device and _has_kernel(wanted, device):
        return True
    if not torch.compiler.is_compiling():
        _logger.debug(
            "no compiled kernel for pairs of %s windows on %s: using the reference"
            " kernels",
            windows.dtype,
            windows.device,
        )
    return False


def _has_kernel(wanted: str, device: str) -> bool:
    """Whether the chosen kernels exist for a type of device."""
    if device == "cpu":
        return wanted in ("auto", "numba")
    if device != "cuda" or wanted == "numba":
        return False
    from . import _compiled_module  # see above

    return _compiled_module(wanted, device) is not None


def _empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """A large tensor; NumPy asks the system for large pages, which are filled faster."""
    if like.device.type != "cpu" or like.dtype not in _TYPES:
        return like.new_empty(shape)
    return torch.from_numpy(np.empty(shape, like.detach()[:0].numpy().dtype))


def _by_energies(arguments: Arguments, scores: Tensor) -> Tensor:
    """Derivatives of the scores of rows with respect to the energies of the row."""
    windows_a, windows_b, energies, groups, log_hill = arguments
    hill = 1.0 if log_hill is None else math.exp(float(log_hill))
    first = reference.affinities(windows_a, hill, (1, 2))[0]
    second = reference.affinities(windows_b, hill, (1, 2))[0]
    matrices = reference.affinities(energies, hill, (1, 2, 3, 4))[0]
    result = _empty((len(scores), *energies.shape[1:]), scores)
    step = max(1, _MOST_VALUES // energies[0].numel())
    lost = []
    for start in range(0, len(scores), step):
        part = slice(start, start + step)
        terms = result[part]
        own = matrices[:1] if groups is None else matrices[groups[part]]
        torch.mul(own, first[part, :, None, :, None], out=terms)
        terms *= second[part, None, :, None, :]
        sums = terms.sum((1, 2, 3, 4), keepdim=True)
        terms *= hill / sums.masked_fill(sums == 0, 1.0)
        lost.append(start + (sums.flatten() < _LEAST_SUM).nonzero().squeeze(1))
    for rows in lost:
        result[rows] = _by_energies_of(rows, arguments, scores, hill)
    return result


def _by_energies_of(
    rows: Tensor, arguments: Arguments, scores: Tensor, hill: float
) -> Tensor:
    """The same for rows whose pairs lie far below their best windows."""
    windows_a, windows_b, energies, groups, _ = arguments
    own = energies[:1] if groups is None else energies[groups[rows]]
    terms = own.to(reference.wide_type(own))
    terms = terms + windows_a[rows, :, None, :, None]
    terms += windows_b[rows, None, :, None, :]
    # A row without any pair scores -inf, and has no derivatives.
    tops = scores[rows].masked_fill(scores[rows] == -torch.inf, 0.0)
    terms = terms.mul_(hill).sub_(tops.view(-1, 1, 1, 1, 1)).exp_()
    # The sums are 1 for exact scores.
    sums = terms.sum((1, 2, 3, 4), keepdim=True)
    terms *= hill / sums.masked_fill(sums == 0, 1.0)
    return terms.to(scores.dtype)

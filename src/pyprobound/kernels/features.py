r"""Derivatives of scores of single rows with respect to the features of a motif.

A feature is one entry of a motif's filters: a letter at a position, or two letters a
distance apart. The score of a window is a sum of features, so the derivative of any
function of the window scores of one row is, with the weight
:math:`v_{c,x} = \partial f / \partial w_{c,x}` of each window,

.. math::
    \frac{\partial f}{\partial M_{c,a,i}} = \sum_x v_{c,x}\, [s_{x+iD} = a],
    \qquad
    \frac{\partial f}{\partial P^{(d)}_{c,a,b,i}}
        = \sum_x v_{c,x}\, [s_{x+i} = a]\, [s_{x+i+d} = b]

where a wildcard counts as :math:`1/n` of every letter and the zero code as no letter.
Summed over rows this is the gradient. The outer products of the rows are what expected
information (Fisher) matrices are made of.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from . import features_reference
from .arguments import MISSING, SPECIAL_CODES, Pair, number_of_windows
from .features_ops import window_jacobian as compiled_window_jacobian
from .features_reference import feature_shapes, split_features

__all__ = [
    "RowJacobian",
    "row_score_jacobian",
    "window_jacobian",
    "window_jacobian_columns",
]

_logger = logging.getLogger(__name__)

_FEW_LETTERS = 4096
"""Inputs with fewer letters are left to the definition, which starts at once."""
_CODES = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)


class RowJacobian(NamedTuple):
    r"""Row scores and their derivatives, row by row.

    Attributes:
        scores: The row scores, shape (N,).
        monomer: Derivatives with respect to the filters of single letters, shape
            (N, C, n, k).
        pairs: Derivatives with respect to the filters of letter pairs, for each
            distance of shape (N, C, n, n, k - d).
        bias: Derivatives with respect to the constants of the channels, shape (N, C).
        posbias: Derivatives with respect to the position bias, of shape (N,) followed
            by its own; ``None`` without a position bias.
        log_hill: Derivatives with respect to the logarithm of the Hill coefficient,
            shape (N,).
    """

    scores: Tensor
    monomer: Tensor
    pairs: tuple[Tensor, ...]
    bias: Tensor
    posbias: Tensor | None
    log_hill: Tensor


def _check_arguments(
    codes: Tensor,
    weights: Tensor,
    letters: int,
    size: int,
    distances: Sequence[int],
    dilation: int,
) -> None:
    """Checks shapes and numbers (not the values of codes)."""
    if codes.ndim != 2 or codes.is_floating_point():
        raise ValueError(
            "codes must be integers of shape (rows, positions),"
            f" not {codes.dtype} of shape {tuple(codes.shape)}"
        )
    if letters < 1 or size < 1 or dilation < 1:
        raise ValueError(
            "the numbers of letters and positions and the dilation must be at least 1,"
            f" not {letters}, {size} and {dilation}"
        )
    windows = number_of_windows(codes.shape[1], size, dilation)
    if (
        weights.ndim != 3
        or len(weights) != len(codes)
        or weights.shape[2] != windows
        or not weights.is_floating_point()
    ):
        raise ValueError(
            "weights must be real numbers of shape (rows, channels, windows) ="
            f" ({len(codes)}, channels, {windows}), not {weights.dtype} of shape"
            f" {tuple(weights.shape)}"
        )
    if distances and dilation != 1:
        raise ValueError("pairwise filters cannot be combined with a dilation above 1")
    if len(set(distances)) < len(distances) or not all(
        1 <= distance < size for distance in distances
    ):
        raise ValueError(
            f"distances of pairs must be different numbers from 1 to {size - 1},"
            f" not {list(distances)}"
        )


def _flat_columns(
    columns: Sequence[Tensor], shapes: Sequence[tuple[int, ...]]
) -> Tensor:
    """The columns of all features one after the other."""
    found = [tuple(column.shape) for column in columns]
    if found != list(shapes):
        raise ValueError(
            f"columns must have the shapes {list(shapes)}: first that of the filters"
            f" of single letters, then one for each distance, not {found}"
        )
    if any(column.is_floating_point() for column in columns):
        raise ValueError(
            f"columns must be integers, not {[column.dtype for column in columns]}"
        )
    return torch.cat([column.reshape(-1).long() for column in columns])


def _implementation_for(
    codes: Tensor, weights: Tensor, letters: int
) -> Callable[..., Tensor]:
    """The function that handles these arguments."""
    from . import implementation  # the package imports this module

    wanted = implementation()
    if wanted == "reference":
        return features_reference.window_jacobian
    # A traced program serves inputs of other sizes, too.
    traced = torch.compiler.is_compiling()
    if wanted == "auto" and not traced and codes.numel() < _FEW_LETTERS:
        return features_reference.window_jacobian
    if (
        codes.device == weights.device
        and codes.dtype in _CODES
        and weights.dtype in (torch.float32, torch.float64)
        and letters + SPECIAL_CODES <= 128
        and _has_kernel(wanted, codes.device.type)
    ):
        return compiled_window_jacobian
    if not traced:
        _logger.debug(
            "no compiled kernel for Jacobians of %s codes of %d letters with %s"
            " weights on %s: using the reference kernel",
            codes.dtype,
            letters,
            weights.dtype,
            weights.device,
        )
    return features_reference.window_jacobian


def _has_kernel(wanted: str, device: str) -> bool:
    """Whether the chosen kernels exist for a type of device."""
    if device == "cpu":
        return wanted in ("auto", "numba")
    if device != "cuda" or wanted == "numba":
        return False
    # Loads the kernels for GPUs, if the packages that they need are there.
    from . import _compiled_module

    return _compiled_module(wanted, device) is not None


def window_jacobian(
    codes: Tensor,
    weights: Tensor,
    letters: int,
    size: int,
    distances: Sequence[int] = (),
    *,
    dilation: int = 1,
) -> tuple[Tensor, ...]:
    r"""Derivatives of a function of each row with respect to the motif's filters.

    The formulas are those of the module. Windows that touch a missing position
    contribute nothing, whatever their weight. Differentiable any number of times with
    respect to the weights, in which the result is linear.

    Args:
        codes: Integer codes, shape (N, L), values ``0..n+2``.
        weights: Derivatives :math:`v_{c,x}` of the function of each row with respect
            to its window scores, shape (N, C, W), ``W = L - dilation * (k - 1)``.
        letters: Number of letters n.
        size: Positions k of the motif.
        distances: Distances of the letter pairs, each from 1 to k - 1.
        dilation: Spacing of the motif's positions; pairs require 1.

    Returns:
        Derivatives with respect to the filters of single letters, shape (N, C, n, k),
        and then for each distance d with respect to the filters of letter pairs, shape
        (N, C, n, n, k - d), in the precision of the weights. They share storage.

    Raises:
        RuntimeError: If the motif is longer than the rows.
        ValueError: If shapes do not fit together.
    """
    _check_arguments(codes, weights, letters, size, distances, dilation)
    shapes = feature_shapes(weights.shape[1], letters, size, distances)
    features = sum(math.prod(shape) for shape in shapes)
    found = _implementation_for(codes, weights, letters)(
        codes, weights, None, features, letters, size, list(distances), dilation
    )
    return split_features(found, shapes)


def window_jacobian_columns(
    codes: Tensor,
    weights: Tensor,
    columns: Sequence[Tensor],
    n_columns: int,
    letters: int,
    size: int,
    distances: Sequence[int] = (),
    *,
    dilation: int = 1,
) -> Tensor:
    """Derivatives of a function of each row with respect to parameters.

    Most motifs have fewer parameters than features: those of the two strands are the
    same numbers. This is ``window_jacobian`` with the features that are copies of
    one parameter added up, without the features ever being stored.

    Args:
        codes: Integer codes, shape (N, L), values ``0..n+2``.
        weights: Derivatives of the function of each row with respect to its window
            scores, shape (N, C, W).
        columns: For each feature the parameter that it is a copy of, or -1 for
            constants: integers of shape (C, n, k), then for each distance d of shape
            (C, n, n, k - d).
        n_columns: Number of parameters.
        letters: Number of letters n.
        size: Positions k of the motif.
        distances: Distances of the letter pairs, each from 1 to k - 1.
        dilation: Spacing of the motif's positions; pairs require 1.

    Returns:
        Derivatives of shape (N, n_columns), in the precision of the weights.

    Raises:
        RuntimeError: If the motif is longer than the rows.
        ValueError: If shapes do not fit together, or a column does not exist.
    """
    _check_arguments(codes, weights, letters, size, distances, dilation)
    shapes = feature_shapes(weights.shape[1], letters, size, distances)
    flat = _flat_columns(columns, shapes).to(weights.device)
    return _implementation_for(codes, weights, letters)(
        codes, weights, flat, n_columns, letters, size, list(distances), dilation
    )


@torch.no_grad()
def row_score_jacobian(
    codes: Tensor,
    monomer: Tensor,
    pairs: Sequence[Pair] = (),
    bias: Tensor | None = None,
    posbias: Tensor | None = None,
    log_hill: Tensor | None = None,
    *,
    dilation: int = 1,
) -> RowJacobian:
    r"""Row scores with the derivatives of each row's score.

    The score :math:`\log \sum_{c,x} \exp(h\, w_{c,x})` of a row has the derivative
    :math:`v_{c,x} = h\, p_{c,x}` with respect to a window's score, where :math:`p` is
    the share of the window in the sum, and :math:`h \sum_{c,x} p_{c,x} w_{c,x}` with
    respect to :math:`\log h`. Rows without a window have derivatives of 0.

    Args:
        codes: Integer codes, shape (N, L), values ``0..n+2``.
        monomer: Filters of single letters, shape (C, n, k), in units of RT.
        pairs: Distances ``d >= 1`` with filters of letter pairs, each of shape
            (C, n, n, k - d).
        bias: Constant of each channel, shape (C,) or (C, 1).
        posbias: Constant of each window, shape (G, C or 1, W).
        log_hill: Logarithm of the Hill coefficient, one value; ``None`` means 0.
        dilation: Spacing of the motif's positions; pairs require 1.

    Returns:
        Scores and derivatives, in the precision of the filters. They are constants:
        nothing can be differentiated through them.

    Raises:
        RuntimeError: If the motif is longer than the rows.
        ValueError: If shapes do not fit together.
        IndexError: If a row has more letters than ``posbias`` has entries.
    """
    from . import window_scores  # the package imports this module

    windows = window_scores(codes, monomer, pairs, bias, posbias, dilation=dilation)
    absent = windows == -torch.inf
    finite = windows.masked_fill(absent, 0.0)
    hill = 1.0 if log_hill is None else log_hill.reshape(()).exp()
    scaled = (finite * hill).masked_fill(absent, -torch.inf).flatten(1)
    shares = scaled.softmax(1).view_as(windows).masked_fill(absent, 0.0)
    weights = hill * shares

    _, letters, size = monomer.shape
    distances = [distance for distance, _ in pairs]
    by_monomer, *by_pairs = window_jacobian(
        codes, weights, letters, size, distances, dilation=dilation
    )
    return RowJacobian(
        scores=scaled.logsumexp(1),
        monomer=by_monomer,
        pairs=tuple(by_pairs),
        bias=weights.sum(2),
        posbias=None
        if posbias is None
        else _posbias_jacobian(codes, weights, letters, posbias),
        log_hill=(weights * finite).sum((1, 2)),
    )


def _posbias_jacobian(
    codes: Tensor, weights: Tensor, letters: int, posbias: Tensor
) -> Tensor:
    """Derivatives with respect to the position bias of each row's own length."""
    if posbias.shape[1] == 1:
        weights = weights.sum(1, keepdim=True)
    if len(posbias) == 1:
        return weights.unsqueeze(1)
    found = weights.new_zeros(len(codes), *posbias.shape)
    lengths = (codes != letters + MISSING).sum(1)
    found[torch.arange(len(codes), device=codes.device), lengths] = weights
    return found

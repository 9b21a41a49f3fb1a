r"""The hot loops: arrays in, arrays out.

A few functions, each with several implementations behind one interface. The choice is
made per call: compiled code for integer codes on the CPU (numba) and on NVIDIA GPUs
(triton), the plain PyTorch definition elsewhere and for inputs so small that compiling
would not pay. It can be forced by the environment variable ``PYPROBOUND_KERNELS``
(``reference``, ``numba`` or ``triton``) or in code by ``use``.

Letters are coded ``0..n-1``; code ``n`` is a missing position, ``n + 1`` the wildcard
and ``n + 2`` the zero code.

With motif positions :math:`i` at places :math:`x + iD` (dilation :math:`D`) of a row
:math:`s`, the score of the window that starts at :math:`x` is

.. math::
    w_{c,x} = b_c + \omega_{g,c,x} + \sum_i M_{c, s_{x+iD}, i}
        + \sum_d \sum_i P^{(d)}_{c, s_{x+i}, s_{x+i+d}, i}
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType, TracebackType

import torch
from torch import Tensor

from . import (
    ops,  # noqa: F401 - defines the operators
    reference,
)
from .arguments import Pair
from .features import (
    RowJacobian,
    row_score_jacobian,
    window_jacobian,
    window_jacobian_columns,
)
from .pairs import PairJacobian, pair_jacobian, pair_scores

__all__ = [
    "Pair",
    "PairJacobian",
    "RowJacobian",
    "implementation",
    "pair_jacobian",
    "pair_scores",
    "row_score_jacobian",
    "row_scores",
    "use",
    "window_jacobian",
    "window_jacobian_columns",
    "window_scores",
]

_logger = logging.getLogger(__name__)

_NAMES = ("auto", "reference", "numba", "triton")
_VARIABLE = "PYPROBOUND_KERNELS"
_FEW_LETTERS = 4096
"""Inputs with fewer letters are left to the definition, which starts at once."""
_chosen: list[str] = []


def _checked(name: str, source: str) -> str:
    if name not in _NAMES:
        raise ValueError(f"{source}: {name!r} is none of {', '.join(_NAMES)}")
    return name


def implementation() -> str:
    """Name of the implementation asked for.

    Returns:
        ``auto``, ``reference``, ``numba`` or ``triton``.

    Raises:
        ValueError: If the environment variable holds another word.
    """
    if _chosen:
        return _chosen[-1]
    return _checked(os.environ.get(_VARIABLE) or "auto", _VARIABLE)


class use:  # noqa: N801 - reads as a statement
    """Chooses the implementation from now on, or within a ``with`` block.

    The choice holds for all threads.

    Args:
        name: ``reference``, ``numba``, ``triton``, or ``auto`` for the choice by
            input.

    Raises:
        ValueError: If the name is unknown.
    """

    def __init__(self, name: str) -> None:
        self._before = list(_chosen)
        _chosen[:] = [_checked(name, "kernels")]

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _chosen[:] = self._before


def _debug(message: str, *values: object) -> None:
    """Logs the choice of an implementation, except while PyTorch traces a program."""
    if not torch.compiler.is_compiling():
        _logger.debug(message, *values)


def _compiled_module(wanted: str, device: str) -> ModuleType | None:
    """The compiled implementation for a type of device, if there is one.

    The modules are imported here because compilers take a while to load.
    """
    if wanted == "numba" or (wanted == "auto" and device == "cpu"):
        from . import cpu

        return cpu
    if wanted == "triton" or device == "cuda":
        try:
            return import_module(".gpu", __package__)
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith("triton"):
                raise
            if wanted == "auto":
                return None
            raise ImportError(
                "the kernels 'triton' need the package triton, which is not installed:"
                " install it (pip install triton; it comes with PyTorch for NVIDIA"
                " GPUs on Linux), or choose other kernels by PYPROBOUND_KERNELS or"
                " pyprobound.kernels.use"
            ) from error
    return None


def _implementation_for(
    codes: Tensor, monomer: Tensor, pairs: Sequence[Pair]
) -> ModuleType:
    """The module that handles these arguments."""
    wanted = implementation()
    if wanted == "reference":
        return reference
    # A traced program serves inputs of other sizes, too.
    traced = torch.compiler.is_compiling()
    if wanted == "auto" and not traced and codes.numel() < _FEW_LETTERS:
        _debug("few letters: using the reference kernels")
        return reference
    module = _compiled_module(wanted, codes.device.type)
    if module is not None and module.supports(codes, monomer, pairs):
        return module
    _debug(
        "no compiled kernel for %s codes of shape %s with %s filters of shape %s on %s:"
        " using the reference kernels",
        codes.dtype,
        tuple(codes.shape),
        monomer.dtype,
        tuple(monomer.shape),
        monomer.device,
    )
    return reference


def window_scores(
    codes: Tensor,
    monomer: Tensor,
    pairs: Sequence[Pair] = (),
    bias: Tensor | None = None,
    posbias: Tensor | None = None,
    *,
    dilation: int = 1,
) -> Tensor:
    r"""Scores of every window, the :math:`w_{c,x}` of the module's formula.

    A window that touches a missing position scores exactly :math:`-\infty`; a wildcard
    contributes the mean over the letters of its column (in a pair, over that axis);
    a zero code contributes 0 to every term it takes part in. Differentiable twice
    with respect to every floating point argument.

    Args:
        codes: Integer codes, shape (N, L), values ``0..n+2``.
        monomer: Filters of single letters, shape (C, n, k), in units of RT.
        pairs: Distances ``d >= 1`` with filters of letter pairs, each of shape
            (C, n, n, k - d): letter at ``i``, letter at ``i + d``, position ``i``.
        bias: Constant of each channel, shape (C,) or (C, 1).
        posbias: Constant of each window, shape (G, C or 1, W). With ``G > 1`` the
            first index is the number of positions of the row that are not missing.
        dilation: Spacing of the motif's positions; pairs require 1.

    Returns:
        Scores of shape (N, C, W), ``W = L - dilation * (k - 1)``.

    Raises:
        RuntimeError: If the motif is longer than the rows.
        ValueError: If shapes do not fit together.
        IndexError: If a row has more letters than ``posbias`` has entries.
    """
    module = _implementation_for(codes, monomer, pairs)
    scores: Tensor = module.window_scores(
        codes, monomer, pairs, bias, posbias, dilation=dilation
    )
    return scores


def row_scores(
    codes: Tensor,
    monomer: Tensor,
    pairs: Sequence[Pair] = (),
    bias: Tensor | None = None,
    posbias: Tensor | None = None,
    log_hill: Tensor | None = None,
    *,
    dilation: int = 1,
) -> Tensor:
    r"""Score of every row, :math:`\log \sum_{c,x} \exp(h\, w_{c,x})`.

    Here :math:`h` is the Hill coefficient and :math:`w_{c,x}` the score of a window.
    Nothing of shape (N, C, W) is stored by the compiled implementation. Rows whose
    windows all score :math:`-\infty` do so too, and such windows contribute nothing
    to any gradient. Differentiable twice with respect to every floating point
    argument.

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
        Scores of shape (N,).

    Raises:
        RuntimeError: If the motif is longer than the rows.
        ValueError: If shapes do not fit together.
        IndexError: If a row has more letters than ``posbias`` has entries.
    """
    module = _implementation_for(codes, monomer, pairs)
    scores: Tensor = module.row_scores(
        codes, monomer, pairs, bias, posbias, log_hill, dilation=dilation
    )
    return scores

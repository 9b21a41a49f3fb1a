r"""The hot loops: arrays in, arrays out.

Two functions, each with several implementations behind one interface. The choice is
made per call: compiled code (numba) for integer codes on the CPU, the plain PyTorch
definition elsewhere and for inputs so small that compiling would not pay. It can be
forced by the environment variable ``PYPROBOUND_KERNELS`` (``reference`` or ``numba``)
or in code by ``use``.

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
from types import ModuleType, TracebackType

from torch import Tensor

from . import reference
from .arguments import Pair

__all__ = ["Pair", "implementation", "row_scores", "use", "window_scores"]

_logger = logging.getLogger(__name__)

_NAMES = ("auto", "reference", "numba")
_VARIABLE = "PYPROBOUND_KERNELS"
_FEW_LETTERS = 4096
"""Inputs with fewer letters are left to the definition, which starts at once."""
_chosen: list[str] = []


def _checked(name: str, source: str) -> str:
    if name not in _NAMES:
        raise ValueError(f"{source}: {name!r} is none of {', '.join(_NAMES)}")
    return name


def implementation() -> str:
    """Name of the implementation asked for: ``auto``, ``reference`` or ``numba``.

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
        name: ``reference``, ``numba``, or ``auto`` for the choice by input.

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


def _implementation_for(
    codes: Tensor, monomer: Tensor, pairs: Sequence[Pair]
) -> ModuleType:
    """The module that handles these arguments."""
    wanted = implementation()
    if wanted == "reference":
        return reference
    if wanted == "auto" and codes.numel() < _FEW_LETTERS:
        _logger.debug("few letters: using the reference kernels")
        return reference
    # Imported here because the compiler takes a while to load.
    from . import cpu

    if cpu.supports(codes, monomer, pairs):
        return cpu
    _logger.debug(
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

"""The operators on CPUs, by compiled loops over arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import stages
from .arguments import SPECIAL_CODES, Pair, invalid_code
from .ops import Arguments, row_scores, window_scores
from .plan import MOST_ENTRIES
from .problem import Codes, Problem
from .tables import Doubles, Parameters

__all__ = ["row_scores", "supports", "window_scores"]

_CODES = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)


def supports(codes: Tensor, monomer: Tensor, pairs: Sequence[Pair]) -> bool:
    """Whether the compiled kernels can handle these arguments."""
    if codes.ndim != 2 or monomer.ndim != 3 or 0 in monomer.shape:
        return False
    letters = monomer.shape[1]
    return (
        codes.device.type == monomer.device.type == "cpu"
        and codes.dtype in _CODES
        and monomer.dtype in (torch.float32, torch.float64)
        and letters + SPECIAL_CODES <= 128
        and (letters + 2) ** (2 if pairs else 1) <= MOST_ENTRIES
    )


def _array(tensor: Tensor) -> Any:
    return tensor.detach().numpy()


def _narrow(codes: Tensor, letters: int) -> Codes:
    """Codes as contiguous bytes."""
    if codes.dtype not in (torch.int8, torch.uint8) and codes.numel() > 0:
        least, greatest = (int(bound) for bound in codes.aminmax())
        if least < 0 or greatest >= letters + SPECIAL_CODES:
            raise invalid_code(letters)
    return np.ascontiguousarray(_array(codes).astype(np.int8, copy=False))


def _problem(arguments: Arguments) -> Problem:
    """The arguments as arrays."""
    windows = arguments.check()
    codes, monomer, pairs = arguments.codes, arguments.monomer, arguments.pairs()
    if not supports(codes, monomer, pairs):
        raise TypeError(
            f"the compiled kernels cannot score {codes.dtype} codes with"
            f" {monomer.dtype} filters of shape {tuple(monomer.shape)}: call"
            " pyprobound.kernels, which can"
        )
    channels, letters, _ = monomer.shape
    constants = np.zeros((1, channels, 1))
    if arguments.bias is not None:
        constants = constants + _array(arguments.bias).reshape(1, channels, 1)
    if arguments.posbias is not None:
        constants = constants + _array(arguments.posbias)
    log_hill = arguments.log_hill
    return Problem(
        codes=_narrow(codes, letters),
        parameters=Parameters(
            monomer=_array(monomer).astype(np.float64),
            pairs=tuple(_array(filters).astype(np.float64) for _, filters in pairs),
            constants=constants,
            hill=1.0 if log_hill is None else float(np.exp(float(log_hill))),
        ),
        distances=tuple(arguments.distances),
        dilation=arguments.dilation,
        windows=windows,
        kind=_array(monomer).dtype,
    )


def _gradients(
    arguments: Arguments, problem: Problem, gradients: list[Doubles]
) -> list[Tensor]:
    """Gradients of the parameters from those of what the Hill coefficient multiplies."""
    hill = problem.parameters.hill
    by_monomer, *by_pairs, by_constant = (hill * gradient for gradient in gradients)
    results = [by_monomer, *[np.zeros(0)] * 4]
    if arguments.filters is not None:
        results[1] = np.concatenate([by_pair.ravel() for by_pair in by_pairs])
    if arguments.bias is not None:
        results[2] = by_constant.sum((0, 2))
    if arguments.posbias is not None:
        results[3] = _summed(by_constant, arguments.posbias)
    if arguments.log_hill is not None:
        results[4] = np.zeros(1)
        for values, gradient in zip(
            problem.parameters.arrays(), gradients, strict=True
        ):
            # Where nothing arrives, the parameter may be infinite.
            known = np.where(gradient == 0, 0.0, values)
            results[4] += hill * np.vdot(known, gradient)
    tensors = []
    for parameter, result in zip(arguments.parameters(), results, strict=True):
        if parameter is None:
            tensors.append(arguments.monomer.new_empty(0))
        else:
            tensor = torch.from_numpy(result).reshape(parameter.shape)
            tensors.append(tensor.to(parameter.dtype))
    return tensors


def _summed(gradient: Doubles, tensor: Tensor) -> Doubles:
    """Sums a gradient over what was broadcast."""
    axes = tuple(
        axis
        for axis, length in enumerate(tensor.shape)
        if length == 1 and gradient.shape[axis] > 1
    )
    return gradient.sum(axes, keepdims=True) if axes else gradient


def row_scores_kernel(*values: Any) -> tuple[Tensor, ...]:
    """The operator of row scores, see ``ops.implement``."""
    found = stages.score_rows(_problem(Arguments(*values)))
    return tuple(map(torch.from_numpy, found))


def row_gradient_kernel(
    upstream: Tensor, sums: Tensor, status: Tensor, *values: Any
) -> tuple[Tensor, ...]:
    """The operator of the gradient of row scores, see ``ops.implement``."""
    arguments = Arguments(*values)
    problem = _problem(arguments)
    gradients = stages.row_gradient(
        problem, _array(sums), _array(status), np.ascontiguousarray(_array(upstream))
    )
    return tuple(_gradients(arguments, problem, gradients))


def window_scores_kernel(*values: Any) -> tuple[Tensor, ...]:
    """The operator of window scores, see ``ops.implement``."""
    found = stages.score_windows(_problem(Arguments(*values)))
    return tuple(map(torch.from_numpy, found))


def window_gradient_kernel(
    upstream: Tensor, status: Tensor, *values: Any
) -> tuple[Tensor, ...]:
    """The operator of the gradient of window scores, see ``ops.implement``."""
    arguments = Arguments(*values)
    problem = _problem(arguments)
    gradients = stages.window_gradient(
        problem, _array(status), np.ascontiguousarray(_array(upstream))
    )
    return tuple(_gradients(arguments, problem, gradients)[:-1])

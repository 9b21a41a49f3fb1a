"""The compiled kernels in PyTorch: arguments, differentiation, results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import reference, stages
from .arguments import (
    SPECIAL_CODES,
    Pair,
    check_arguments,
    invalid_code,
    number_of_windows,
)
from .plan import MOST_ENTRIES
from .problem import Codes, Problem
from .tables import Doubles, Parameters

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


def _problem(
    codes: Tensor,
    monomer: Tensor,
    pairs: Sequence[Pair],
    bias: Tensor | None,
    posbias: Tensor | None,
    log_hill: Tensor | None,
    dilation: int,
) -> Problem:
    channels, letters, size = monomer.shape
    constants = np.zeros((1, channels, 1))
    if bias is not None:
        constants = constants + _array(bias).reshape(1, channels, 1)
    if posbias is not None:
        constants = constants + _array(posbias)
    return Problem(
        codes=_narrow(codes, letters),
        parameters=Parameters(
            monomer=_array(monomer).astype(np.float64),
            pairs=tuple(_array(filters).astype(np.float64) for _, filters in pairs),
            constants=constants,
            hill=1.0 if log_hill is None else float(np.exp(float(log_hill))),
        ),
        distances=tuple(distance for distance, _ in pairs),
        dilation=dilation,
        windows=number_of_windows(codes.shape[1], size, dilation),
        kind=_array(monomer).dtype,
    )


def _to_shape(gradient: Doubles, tensor: Tensor) -> Tensor:
    """Sums a gradient over what was broadcast, and converts it."""
    for axis, length in enumerate(tensor.shape):
        if length == 1 and gradient.shape[axis] > 1:
            gradient = gradient.sum(axis, keepdims=True)
    return torch.from_numpy(gradient).reshape(tensor.shape).to(tensor.dtype)


class _Scores(torch.autograd.Function):
    """Scores of rows or windows; the last argument says which."""

    @staticmethod
    def forward(
        ctx: Any,
        codes: Tensor,
        monomer: Tensor,
        bias: Tensor | None,
        posbias: Tensor | None,
        log_hill: Tensor | None,
        dilation: int,
        distances: tuple[int, ...],
        of_rows: bool,
        *filters: Tensor,
    ) -> Tensor:
        pairs = list(zip(distances, filters, strict=True))
        problem = _problem(codes, monomer, pairs, bias, posbias, log_hill, dilation)
        score: Callable[[Problem], tuple[Any, Any]]
        score = stages.score_rows if of_rows else stages.score_windows
        scores, ctx.stages = score(problem)
        ctx.problem = problem
        ctx.of_rows = of_rows
        ctx.save_for_backward(codes, monomer, bias, posbias, log_hill, *filters)
        return torch.from_numpy(scores).to(monomer.dtype)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            results = _differentiable(ctx, upstream[0])
        else:
            results = _compiled(ctx, upstream[0])
        return None, *results[:4], None, None, None, *results[4:]


def _compiled(ctx: Any, weights: Tensor) -> list[Tensor | None]:
    """Gradients by the compiled loops."""
    _, monomer, bias, posbias, log_hill, *filters = ctx.saved_tensors
    parameters = ctx.problem.parameters
    upstream = np.ascontiguousarray(_array(weights))
    gradients = stages.gradient(ctx.problem, ctx.stages, upstream)

    hill_gradient = 0.0
    for values, gradient in zip(parameters.arrays(), gradients, strict=True):
        # Where nothing arrives, the parameter may be infinite.
        known = np.where(gradient == 0, 0.0, values)
        hill_gradient += parameters.hill * float(np.vdot(known, gradient))
        gradient *= parameters.hill

    constants = gradients[-1]
    return [
        _to_shape(gradients[0], monomer),
        None
        if bias is None
        else _to_shape(constants.sum((0, 2)).reshape(bias.shape), bias),
        None if posbias is None else _to_shape(constants, posbias),
        None if log_hill is None else torch.full_like(log_hill, hill_gradient),
        *map(_to_shape, gradients[1:-1], filters),
    ]


def _differentiable(ctx: Any, weights: Tensor) -> list[Tensor | None]:
    """Gradients that can be differentiated again, by the definition."""
    codes, monomer, bias, posbias, log_hill, *filters = ctx.saved_tensors
    pairs = list(zip(ctx.problem.distances, filters, strict=True))
    score, more = (
        (reference.row_scores, [log_hill])
        if ctx.of_rows
        else (reference.window_scores, [])
    )
    scores = score(
        codes, monomer, pairs, bias, posbias, *more, dilation=ctx.problem.dilation
    )
    inputs = [monomer, bias, posbias, log_hill, *filters]
    wanted = [x for x in inputs if x is not None and x.requires_grad]
    found = iter(torch.autograd.grad(scores, wanted, weights, create_graph=True))
    return [next(found) if x is not None and x.requires_grad else None for x in inputs]


def window_scores(
    codes: Tensor,
    monomer: Tensor,
    pairs: Sequence[Pair] = (),
    bias: Tensor | None = None,
    posbias: Tensor | None = None,
    *,
    dilation: int = 1,
) -> Tensor:
    """Scores of every window; see ``pyprobound.kernels.window_scores``."""
    check_arguments(codes, monomer, pairs, bias, posbias, dilation)
    return _apply(codes, monomer, pairs, bias, posbias, None, dilation, False)


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
    """Score of every row; see ``pyprobound.kernels.row_scores``."""
    check_arguments(codes, monomer, pairs, bias, posbias, dilation)
    return _apply(codes, monomer, pairs, bias, posbias, log_hill, dilation, True)


def _apply(
    codes: Tensor,
    monomer: Tensor,
    pairs: Sequence[Pair],
    bias: Tensor | None,
    posbias: Tensor | None,
    log_hill: Tensor | None,
    dilation: int,
    of_rows: bool,
) -> Tensor:
    scores: Tensor = _Scores.apply(  # type: ignore[no-untyped-call]
        codes,
        monomer,
        bias,
        posbias,
        log_hill,
        dilation,
        tuple(distance for distance, _ in pairs),
        of_rows,
        *(filters for _, filters in pairs),
    )
    return scores

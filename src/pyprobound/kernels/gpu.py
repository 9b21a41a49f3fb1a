"""The kernels for NVIDIA GPUs, written in Triton.

Scores are summed in the logarithmic domain with a running maximum, so that no range of
parameters is too large, and nothing is stored for the windows of a row. Results are the
same each time to the last bit. Importing this module loads Triton.

Triton's interpreter (``TRITON_INTERPRET=1`` in the environment before Triton is loaded)
runs the same code slowly on the CPU, for tests. So far the kernels have been checked in
this way and by compiling them to machine code of GPUs; they have not run on a GPU yet,
and the sizes of their blocks come from reasoning, not from measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from . import features_ops, gpu_features, gpu_pairs, ops, pairs_ops, reference
from .arguments import SPECIAL_CODES, Pair, check_arguments
from .gpu_gradients import gradient_kernel
from .gpu_launch import (
    Problem,
    ceil_divide,
    interpreted,
    make_problem,
    padded_channels,
    programs_for,
    split_gradients,
    start,
    sum_to,
)
from .gpu_scores import row_kernel, window_kernel
from .ops import Arguments

_CODES = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)
_MOST_ENTRIES = 1 << 30


def on_device(*tensors: Tensor) -> bool:
    """Whether the code for GPUs can run where some tensors are."""
    devices = {tensor.device for tensor in tensors}
    return len(devices) == 1 and (interpreted() or devices.pop().type == "cuda")


def supports(codes: Tensor, monomer: Tensor, pairs: Sequence[Pair]) -> bool:
    """Whether the kernels for GPUs can handle these arguments."""
    if codes.ndim != 2 or monomer.ndim != 3 or 0 in monomer.shape:
        return False
    channels, letters, size = monomer.shape
    positions = sum(size - distance for distance, _ in pairs)
    return (
        on_device(codes, monomer)
        and codes.dtype in _CODES
        and monomer.dtype in (torch.float32, torch.float64)
        and letters + SPECIAL_CODES <= 128
        and max(size, positions) * (letters + 2) ** 2 * (channels + 3) < _MOST_ENTRIES
    )


# --- the operators ----------------------------------------------------------------


def _problem(values: Sequence[Any]) -> Problem:
    """The arguments of an operator, made ready."""
    arguments = Arguments(*values)
    windows = arguments.check()
    codes, monomer = arguments.codes, arguments.monomer
    if not supports(codes, monomer, arguments.pairs()):
        raise TypeError(
            f"the kernels for GPUs cannot score {codes.dtype} codes with"
            f" {monomer.dtype} filters of shape {tuple(monomer.shape)} on"
            f" {monomer.device}: call pyprobound.kernels, which can"
        )
    return make_problem(arguments, windows)


def row_scores_kernel(*values: Any) -> tuple[Tensor, ...]:
    """The operator of row scores, see ``ops.implement``.

    The numbers for the gradient are the scores in double precision; bytes are zero.
    """
    problem = _problem(values)
    arguments = problem.arguments
    rows = len(arguments.codes)
    scores = arguments.monomer.new_empty(rows)
    logarithms = scores.new_empty(rows, dtype=torch.float64)
    if rows > 0:
        blocks = problem.blocks()
        start(
            row_kernel,
            ceil_divide(rows, blocks.rows),
            scores.device,
            *problem.scoring,
            problem.hill,
            scores,
            logarithms,
            **blocks.scoring(),
            **problem.flags,
        )
    return scores, logarithms, scores.new_zeros(rows, dtype=torch.uint8)


def window_scores_kernel(*values: Any) -> tuple[Tensor, ...]:
    """The operator of window scores, see ``ops.implement``; bytes are zero."""
    problem = _problem(values)
    arguments = problem.arguments
    rows, channels = len(arguments.codes), len(arguments.monomer)
    scores = arguments.monomer.new_empty(rows, channels, problem.windows)
    if rows > 0:
        blocks = problem.blocks()
        start(
            window_kernel,
            ceil_divide(rows, blocks.rows),
            scores.device,
            *problem.scoring,
            scores,
            **blocks.scoring(),
            **problem.flags,
        )
    return scores, scores.new_zeros(rows, dtype=torch.uint8)


def row_gradient_kernel(
    upstream: Tensor, logarithms: Tensor, status: Tensor, *values: Any
) -> tuple[Tensor, ...]:
    """The operator of the gradient of row scores, see ``ops.implement``."""
    del status
    problem = _problem(values)
    return tuple(_gradients(problem, upstream.contiguous(), logarithms))


def window_gradient_kernel(
    upstream: Tensor, status: Tensor, *values: Any
) -> tuple[Tensor, ...]:
    """The operator of the gradient of window scores, see ``ops.implement``."""
    del status
    problem = _problem(values)
    return tuple(_gradients(problem, upstream.contiguous(), None)[:-1])


def _sums(problem: Problem, upstream: Tensor, logarithms: Tensor | None) -> Tensor:
    """Gradient by the entries of tables and the constants, in double precision."""
    arguments = problem.arguments
    codes, (channels, letters, size) = arguments.codes, arguments.monomer.shape
    padded = padded_channels(channels)
    counted = letters + 1
    features = (size * counted + problem.pairs * counted**2) * padded
    values = features + problem.lengths * problem.windows * padded
    blocks = problem.blocks(gradient=True)
    tiles = ceil_divide(len(codes), blocks.rows)
    programs = programs_for(tiles, values)
    buffers = torch.zeros(programs, values, dtype=torch.float64, device=codes.device)
    if len(codes) > 0:
        start(
            gradient_kernel,
            programs,
            codes.device,
            *problem.scoring,
            problem.hill,
            upstream,
            upstream if logarithms is None else logarithms,
            buffers,
            tiles,
            features,
            values,
            **blocks.counting(),
            **problem.flags,
            OF_ROWS=logarithms is not None,
            TO_CONSTANTS=problem.flags["CONSTANTS"],
        )
    return buffers.sum(0)


def _gradients(
    problem: Problem, upstream: Tensor, logarithms: Tensor | None
) -> list[Tensor]:
    """Gradients by all parameters, without values for those that are absent."""
    arguments = problem.arguments
    sums = _sums(problem, upstream, logarithms)
    padded = padded_channels(len(arguments.monomer))
    by_letters, by_pairs, by_constants = split_gradients(problem, sums, padded)
    results: list[Tensor | None] = [by_letters.contiguous(), None, None, None, None]
    if arguments.filters is not None:
        results[1] = torch.cat([by_pair.reshape(-1) for by_pair in by_pairs])
    if arguments.bias is not None:
        results[2] = by_constants.sum((0, 2)).view_as(arguments.bias)
    if arguments.posbias is not None:
        results[3] = sum_to(by_constants, arguments.posbias.shape)
    parameters = arguments.parameters()
    if logarithms is not None:
        hill = problem.hill.double()
        results = [None if result is None else hill * result for result in results]
        if arguments.log_hill is not None:
            terms = [
                # Where nothing arrives, the parameter may be infinite.
                torch.where(result == 0, 0.0, parameter.double() * result).sum()
                for result, parameter in zip(results, parameters, strict=True)
                if result is not None and parameter is not None
            ]
            by_hill = torch.stack(terms).sum()
            results[4] = by_hill.expand(arguments.log_hill.shape)
    return [
        arguments.monomer.new_empty(0)
        if result is None or parameter is None
        else torch.empty_like(parameter, memory_format=torch.contiguous_format).copy_(
            result
        )
        for result, parameter in zip(results, parameters, strict=True)
    ]


if torch.version.cuda is not None:
    ops.implement(
        "cuda",
        row_scores=row_scores_kernel,
        row_gradient=row_gradient_kernel,
        window_scores=window_scores_kernel,
        window_gradient=window_gradient_kernel,
    )
    features_ops.implement("cuda", gpu_features.window_jacobian)
    pairs_ops.implement("cuda", gpu_pairs.pair_scores, gpu_pairs.pair_gradient)


# --- the functions ----------------------------------------------------------------


class _Interpreted(torch.autograd.Function):
    """What the operators do, on the CPU, whose own operators are others."""

    @staticmethod
    def forward(
        ctx: Any,
        of_rows: bool,
        codes: Tensor,
        distances: list[int],
        dilation: int,
        *parameters: Tensor | None,
    ) -> Tensor:
        ctx.of_rows, ctx.distances, ctx.dilation = of_rows, distances, dilation
        arguments = _arguments(codes, distances, dilation, parameters)
        kernel: Callable[..., tuple[Tensor, ...]]
        kernel = row_scores_kernel if of_rows else window_scores_kernel
        scores, *state = kernel(*arguments)
        ctx.save_for_backward(codes, *parameters, *state)
        return scores

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        codes, *rest = ctx.saved_tensors
        parameters, state = rest[:5], rest[5:]
        arguments = _arguments(codes, ctx.distances, ctx.dilation, parameters)
        found: Sequence[Tensor | None]
        if torch.is_grad_enabled():
            found = _differentiable(ctx.of_rows, arguments, upstream[0])
        elif ctx.of_rows:
            found = row_gradient_kernel(upstream[0], *state, *arguments)
        else:
            found = (*window_gradient_kernel(upstream[0], *state, *arguments), None)
        by_parameter = [
            None if parameter is None else gradient
            for parameter, gradient in zip(parameters, found, strict=True)
        ]
        return None, None, None, None, *by_parameter


def _arguments(
    codes: Tensor,
    distances: list[int],
    dilation: int,
    parameters: Sequence[Tensor | None],
) -> Arguments:
    """The arguments of an operator with some parameters."""
    monomer, filters, bias, posbias, log_hill = parameters
    assert monomer is not None  # noqa: S101 - the others may be absent
    return Arguments(
        codes, monomer, filters, distances, bias, posbias, dilation, log_hill
    )


def _differentiable(
    of_rows: bool, arguments: Arguments, upstream: Tensor
) -> list[Tensor | None]:
    """Gradients that can be differentiated again, by the definition."""
    codes, monomer, _, _, bias, posbias, dilation, log_hill = arguments
    first = (codes, monomer, arguments.pairs(), bias, posbias)
    if of_rows:
        scores = reference.row_scores(*first, log_hill, dilation=dilation)
    else:
        scores = reference.window_scores(*first, dilation=dilation)
    parameters = arguments.parameters()
    wanted = [x for x in parameters if x is not None and x.requires_grad]
    found = iter(torch.autograd.grad(scores, wanted, upstream, create_graph=True))
    return [
        next(found) if x is not None and x.requires_grad else None for x in parameters
    ]


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
    if codes.device.type != "cuda":
        return _interpret(
            True, codes, pairs, dilation, monomer, bias, posbias, log_hill
        )
    return ops.row_scores(
        codes, monomer, pairs, bias, posbias, log_hill, dilation=dilation
    )


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
    if codes.device.type != "cuda":
        return _interpret(False, codes, pairs, dilation, monomer, bias, posbias, None)
    return ops.window_scores(codes, monomer, pairs, bias, posbias, dilation=dilation)


def _interpret(
    of_rows: bool,
    codes: Tensor,
    pairs: Sequence[Pair],
    dilation: int,
    monomer: Tensor,
    *others: Tensor | None,
) -> Tensor:
    """Scores by the interpreter."""
    bias, posbias, _ = others
    check_arguments(codes, monomer, pairs, bias, posbias, dilation)
    filters = None
    if pairs:
        filters = torch.cat([values.reshape(-1) for _, values in pairs])
    distances = [distance for distance, _ in pairs]
    scores: Tensor = _Interpreted.apply(  # type: ignore[no-untyped-call]
        of_rows, codes, distances, dilation, monomer, filters, *others
    )
    return scores

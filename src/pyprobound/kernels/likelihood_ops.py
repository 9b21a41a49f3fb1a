"""``log_sums`` and ``log_likelihood`` as operators of PyTorch, and their definitions.

Programs that PyTorch traces keep an operator as one step. The gradient of an operator
is an operator too, unless it is to be differentiated again: then it is that of the
definition. Outside of traced programs the same work is done by functions that PyTorch
calls with less ado, which matters because they are called at every evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

_SUMS = "pyprobound::log_sums"
_LIKELIHOOD = "pyprobound::log_likelihood"


def log_sums(terms: Sequence[Tensor], shifts: Tensor) -> Sequence[Tensor]:
    """See ``pyprobound.kernels.likelihood.log_sums``."""
    if torch.compiler.is_compiling():
        sums: Tensor = torch.ops.pyprobound.log_sums.default(list(terms), shifts)
        return sums.unbind()
    found: tuple[Tensor, ...]
    found = _LogSums.apply(shifts, *terms)  # type: ignore[no-untyped-call]
    return found


def log_likelihood(
    log_counts: Sequence[Tensor], log_depths: Tensor, counts: Tensor
) -> Tensor:
    """See ``pyprobound.kernels.likelihood.log_likelihood``."""
    result: Tensor
    if torch.compiler.is_compiling():
        operator = torch.ops.pyprobound.log_likelihood.default
        result, _ = operator(list(log_counts), log_depths, counts)
    else:
        result = _LogLikelihood.apply(  # type: ignore[no-untyped-call]
            counts, log_depths, *log_counts
        )
    return result


# --- definitions -----------------------------------------------------------------


def log_sum_definition(terms: Sequence[Tensor], shifts: Tensor) -> Tensor:
    """The log of one sum; its gradient is zero where all terms are -inf."""
    shifted = torch.stack([t + c for t, c in zip(terms, shifts, strict=True)])
    empty = (shifted == -torch.inf).all(dim=0)
    total = torch.logsumexp(shifted.masked_fill(empty, 0.0), dim=0)
    return total.masked_fill(empty, -torch.inf)


def log_likelihood_definition(
    log_counts: Sequence[Tensor], log_depths: Tensor, counts: Tensor
) -> Tensor:
    """The log-likelihood of counts; impossible rounds without reads do not matter."""
    logs = torch.stack([f + d for f, d in zip(log_counts, log_depths, strict=True)])
    impossible = (logs == -torch.inf).all(dim=0)
    log_shares = logs.masked_fill(impossible, 0.0).log_softmax(dim=0)
    log_shares = log_shares.masked_fill(impossible, -torch.inf)
    return log_likelihood_of_shares(log_shares.T, counts)


def log_likelihood_of_shares(log_shares: Tensor, counts: Tensor) -> Tensor:
    """The log-likelihood of counts; shares of zero without reads do not matter."""
    # Not the other way around, for 0 times -inf is no number.
    relevant = log_shares.masked_fill(counts == 0, 0.0)
    dtype = torch.float32 if counts.device.type == "mps" else torch.float64
    return (counts * relevant).sum(dtype=dtype)


def _differentiable(
    definition: Callable[[Sequence[Tensor], Tensor], Sequence[Tensor]],
    vectors: Sequence[Tensor],
    shifts: Tensor,
    upstream: Sequence[Tensor],
) -> tuple[list[Tensor | None], Tensor | None]:
    """The gradient of a definition, which can be differentiated again.

    Args:
        definition: Takes vectors and shifts.
        vectors: The vectors, of which those that require a gradient get one.
        shifts: The shifts.
        upstream: The gradients of the results.
    """
    # Views, because one input may depend on another.
    own = [tensor.view_as(tensor) for tensor in (*vectors, shifts)]
    wanted = [tensor for tensor in own if tensor.requires_grad]
    results = definition(own[:-1], own[-1])
    found = iter(torch.autograd.grad(results, wanted, upstream, create_graph=True))
    *by_vectors, by_shifts = [
        next(found) if tensor.requires_grad else None for tensor in own
    ]
    return by_vectors, by_shifts


# --- differentiation -------------------------------------------------------------


def _save_sums(ctx: Any, inputs: tuple[Sequence[Tensor], Tensor], output: Any) -> None:
    terms, shifts = inputs
    ctx.save_for_backward(shifts, output, *terms)


def _sums_gradient(
    ctx: Any, upstream: Sequence[Tensor], gradient: Callable[..., Any]
) -> tuple[list[Tensor | None], Tensor | None]:
    shifts, result, *terms = ctx.saved_tensors
    if torch.is_grad_enabled():
        return _differentiable(
            lambda terms, shifts: [log_sum_definition(terms, each) for each in shifts],
            terms,
            shifts,
            upstream,
        )
    wanted = [term.requires_grad for term in terms]
    rows, sums = gradient(upstream, terms, shifts, result, wanted)
    return _placed(rows, wanted), sums.to(shifts.dtype)


def _save_likelihood(
    ctx: Any, inputs: tuple[Sequence[Tensor], Tensor, Tensor], output: Any
) -> None:
    log_counts, log_depths, counts = inputs
    _, log_totals = output
    ctx.save_for_backward(log_depths, counts, log_totals, *log_counts)


def _likelihood_gradient(
    ctx: Any, upstream: Tensor, gradient: Callable[..., Any]
) -> tuple[list[Tensor | None], Tensor | None, None]:
    log_depths, counts, log_totals, *log_counts = ctx.saved_tensors
    if torch.is_grad_enabled():
        found, by_depths = _differentiable(
            lambda logs, depths: [log_likelihood_definition(logs, depths, counts)],
            log_counts,
            log_depths,
            [upstream],
        )
        return found, by_depths, None
    wanted = [each.requires_grad for each in log_counts]
    rows, sums = gradient(upstream, log_counts, log_depths, counts, log_totals, wanted)
    return _placed(rows, wanted), sums.to(log_depths.dtype), None


def _placed(rows: Tensor, wanted: list[bool]) -> list[Tensor | None]:
    """Rows of a tensor in the places where they are wanted."""
    found = iter(rows.unbind())
    return [next(found) if each else None for each in wanted]


class _LogSums(torch.autograd.Function):
    """The operator ``log_sums``."""

    @staticmethod
    def forward(ctx: Any, shifts: Tensor, *terms: Tensor) -> tuple[Tensor, ...]:
        result: Tensor = _on_cpu("log_sums")(terms, shifts)
        _save_sums(ctx, (terms, shifts), result)
        return result.unbind()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        gradient = _on_cpu("log_sums_backward")
        by_terms, by_shifts = _sums_gradient(ctx, upstream, gradient)
        return by_shifts, *by_terms


class _LogLikelihood(torch.autograd.Function):
    """The operator ``log_likelihood``."""

    @staticmethod
    def forward(
        ctx: Any, counts: Tensor, log_depths: Tensor, *log_counts: Tensor
    ) -> Tensor:
        result: tuple[Tensor, Tensor]
        result = _on_cpu("log_likelihood")(log_counts, log_depths, counts)
        _save_likelihood(ctx, (log_counts, log_depths, counts), result)
        return result[0]

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        gradient = _on_cpu("log_likelihood_backward")
        by_counts, by_depths, _ = _likelihood_gradient(ctx, upstream[0], gradient)
        return None, by_depths, *by_counts


# --- registration ----------------------------------------------------------------


@lru_cache
def _on_cpu(name: str) -> Callable[..., Any]:
    """A function of the module for CPUs, which is loaded when first called."""

    def kernel(*values: Any) -> Any:
        # Imported here because the compiler takes a while to load.
        from . import likelihood_cpu

        return getattr(likelihood_cpu, name)(*values)

    return kernel


def _define(name: str, schema: str, fake: Callable[..., Any]) -> None:
    torch.library.define(name, schema, tags=(torch.Tag.pt2_compliant_tag,))
    torch.library.register_fake(name, fake)
    torch.library.register_kernel(name, "cpu", _on_cpu(name.rpartition(":")[2]))


_define(
    _SUMS,
    "(Tensor[] terms, Tensor shifts) -> Tensor",
    lambda terms, shifts: terms[0].new_empty(shifts.shape[0], terms[0].shape[0]),
)
_define(
    f"{_SUMS}_backward",
    "(Tensor[] upstream, Tensor[] terms, Tensor shifts, Tensor result, bool[] wanted)"
    " -> (Tensor, Tensor)",
    lambda _, __, shifts, result, wanted: (
        result.new_empty(sum(wanted), result.shape[1]),
        shifts.new_empty(shifts.shape, dtype=torch.float64),
    ),
)
_define(
    _LIKELIHOOD,
    "(Tensor[] log_counts, Tensor log_depths, Tensor counts) -> (Tensor, Tensor)",
    lambda log_counts, _, counts: (
        counts.new_empty((), dtype=torch.float64),
        log_counts[0].new_empty(counts.shape[0]),
    ),
)
_define(
    f"{_LIKELIHOOD}_backward",
    "(Tensor upstream, Tensor[] log_counts, Tensor log_depths, Tensor counts,"
    " Tensor log_totals, bool[] wanted) -> (Tensor, Tensor)",
    lambda _, __, log_depths, ___, log_totals, wanted: (
        log_totals.new_empty(sum(wanted), log_totals.shape[0]),
        log_depths.new_empty(log_depths.shape, dtype=torch.float64),
    ),
)


def _sums_operator_gradient(ctx: Any, upstream: Tensor) -> Any:
    operator = torch.ops.pyprobound.log_sums_backward.default
    return _sums_gradient(ctx, upstream.unbind(), operator)


def _save_likelihood_operator(
    ctx: Any, inputs: Any, output: tuple[Tensor, Tensor]
) -> None:
    ctx.mark_non_differentiable(output[1])
    _save_likelihood(ctx, inputs, output)


def _likelihood_operator_gradient(ctx: Any, upstream: Tensor, _: Any) -> Any:
    operator = torch.ops.pyprobound.log_likelihood_backward.default
    return _likelihood_gradient(ctx, upstream, operator)


torch.library.register_autograd(
    _SUMS, _sums_operator_gradient, setup_context=_save_sums
)
torch.library.register_autograd(
    _LIKELIHOOD,
    _likelihood_operator_gradient,
    setup_context=_save_likelihood_operator,
)

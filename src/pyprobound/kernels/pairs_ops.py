"""Sums over pairs of windows as operators of PyTorch, ``torch.ops.pyprobound``.

The operator ``pair_scores`` and that of its gradient are each one step in programs that
PyTorch traces. Each type of device has its own implementation, see ``implement``. The
gradient of the gradient is that of the definition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import pairs_reference as reference

_SCORES = "pyprobound::pair_scores"
_GRADIENT = "pyprobound::pair_scores_backward"
_ARGUMENTS = (
    "Tensor windows_a, Tensor windows_b, Tensor energies, Tensor? groups,"
    " Tensor? log_hill"
)


class Arguments(NamedTuple):
    """Arguments of the operators; the energies have an axis of groups."""

    windows_a: Tensor
    windows_b: Tensor
    energies: Tensor
    groups: Tensor | None
    log_hill: Tensor | None


def pair_scores(*values: Tensor | None) -> Tensor:
    """Scores of rows by the operator, from the values of ``Arguments``."""
    scores: Tensor = torch.ops.pyprobound.pair_scores.default(*values)
    return scores


def pair_gradient(
    upstream: Tensor, arguments: Arguments, of_energies: bool = True
) -> list[Tensor]:
    """Gradients of the scores by the operator, see ``implement``."""
    gradients: list[Tensor] = torch.ops.pyprobound.pair_scores_backward.default(
        upstream, *arguments, of_energies
    )
    return gradients


# --- what tracing needs to know --------------------------------------------------


def _fake_scores(*values: Any) -> Tensor:
    reference.check_arguments(*values)
    windows: Tensor = values[0]
    return windows.new_empty(windows.shape[0])


def _fake_gradient(_: Tensor, *values: Any) -> list[Tensor]:
    arguments = Arguments(*values[:-1])
    return [torch.empty_like(tensor) for tensor in _parameters(arguments)]


# --- differentiation -------------------------------------------------------------


def _parameters(arguments: Arguments) -> list[Tensor]:
    """What scores can be differentiated by."""
    known = [*arguments[:3], arguments.log_hill]
    return [tensor for tensor in known if tensor is not None]


def _placed(
    arguments: Arguments, gradients: list[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """Gradients of the parameters in the places of the arguments."""
    by_hill = None if arguments.log_hill is None else gradients[3]
    return (*gradients[:3], None, by_hill)


def _save_scores(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    ctx.save_for_backward(*inputs)


def _scores_gradient(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    arguments = Arguments(*ctx.saved_tensors)
    of_energies = ctx.needs_input_grad[2] or ctx.needs_input_grad[4]
    return _placed(arguments, [*pair_gradient(upstream, arguments, of_energies)])


def _save_gradient(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    del output
    *tensors, _ = inputs
    ctx.save_for_backward(*tensors)
    ctx.set_materialize_grads(False)


def _gradient_gradient(
    ctx: Any, cotangents: list[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """Gradient of the gradient of the scores, by the definition of the scores."""
    upstream, *values = ctx.saved_tensors
    arguments = Arguments(*values)
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        # Inputs of their own, because arguments may depend on each other.
        inputs = [
            tensor.view_as(tensor)
            if again and tensor.requires_grad
            else tensor.detach().requires_grad_()
            for tensor in [upstream, *_parameters(arguments)]
        ]
        hill = None if arguments.log_hill is None else inputs[4]
        first, second, energies = inputs[1:4]
        scores = reference.pair_scores(first, second, energies, arguments.groups, hill)
        gradients = torch.autograd.grad(
            scores, inputs[1:], inputs[0], create_graph=True
        )
        used = [
            (gradient, cotangent)
            for gradient, cotangent in zip(gradients, cotangents, strict=True)
            if cotangent is not None
        ]
        found: list[Tensor | None] = [None] * len(inputs)
        if used:
            outputs, weights = zip(*used, strict=True)
            found = [*torch.autograd.grad(outputs, inputs, weights, create_graph=again)]
    return found[0], *_placed(arguments, found[1:]), None


# --- registration ----------------------------------------------------------------


def implement(
    device: str,
    scores: Callable[..., Tensor],
    gradient: Callable[..., list[Tensor]],
) -> None:
    """Registers the implementation of the operators for a type of device.

    Both functions take the values of ``Arguments``, all numbers of one type, 32 or 64
    bits. Results must not share memory with arguments or each other.

    Args:
        device: Type of device, such as ``cuda``.
        scores: Returns the scores, shape (N,).
        gradient: Takes the gradient of the scores before the arguments, and after them
            whether gradients by the energies and the Hill coefficient are wanted; they
            may be zero otherwise. Returns gradients by the window scores of both
            modes, the energies, and the log of the Hill coefficient if there is one.
    """
    # Not ``register_kernel``, which takes a second to load the tracing compiler.
    torch.library.impl(_SCORES, device, scores)
    torch.library.impl(_GRADIENT, device, gradient)


def _cpu_scores(*values: Any) -> Tensor:
    # Imported here because the compiler takes a while to load.
    from . import pairs_cpu

    return pairs_cpu.pair_scores(*values)


def _cpu_gradient(*values: Any) -> list[Tensor]:
    from . import pairs_cpu

    return pairs_cpu.pair_gradient(*values)


def _define() -> None:
    tags = (torch.Tag.pt2_compliant_tag,)
    torch.library.define(_SCORES, f"({_ARGUMENTS}) -> Tensor", tags=tags)
    torch.library.define(
        _GRADIENT,
        f"(Tensor upstream, {_ARGUMENTS}, bool of_energies) -> Tensor[]",
        tags=tags,
    )
    torch.library.register_fake(_SCORES, _fake_scores)
    torch.library.register_fake(_GRADIENT, _fake_gradient)
    torch.library.register_autograd(
        _SCORES, _scores_gradient, setup_context=_save_scores
    )
    torch.library.register_autograd(
        _GRADIENT, _gradient_gradient, setup_context=_save_gradient
    )


_define()
implement("cpu", _cpu_scores, _cpu_gradient)

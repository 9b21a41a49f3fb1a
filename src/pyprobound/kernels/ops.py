"""The fast kernels as operators of PyTorch, ``torch.ops.pyprobound``.

Programs that PyTorch traces, such as those of ``torch.compile``, keep an operator as
one step: all they need to know is the shapes of its results, which functions here tell.
Each type of device has an implementation of its own, see ``implement``.

Besides the scores, an operator returns what its gradient needs of the work done. The
gradient is an operator, too; its own gradient is that of the kernels' definition.
Operators take no lists of tensors, because PyTorch takes long to look through them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import reference
from .arguments import Pair, check_arguments, number_of_windows

_ROWS = "row_scores"
_WINDOWS = "window_scores"
_SHARED = (
    "Tensor codes, Tensor monomer, Tensor? filters, int[] distances, Tensor? bias,"
    " Tensor? posbias, int dilation"
)
_ARGUMENTS = {_ROWS: f"{_SHARED}, Tensor? log_hill", _WINDOWS: _SHARED}
_STATE = {_ROWS: "Tensor sums, Tensor status", _WINDOWS: "Tensor status"}
_GRADIENTS = {_ROWS: 5, _WINDOWS: 4}


class Arguments(NamedTuple):
    """Arguments of an operator, see ``pyprobound.kernels.row_scores``.

    Attributes:
        filters: All values of the filters of letter pairs, one filter after another.
        distances: Distance of each of these filters.
        log_hill: Not an argument of window scores.
    """

    codes: Tensor
    monomer: Tensor
    filters: Tensor | None
    distances: list[int]
    bias: Tensor | None
    posbias: Tensor | None
    dilation: int
    log_hill: Tensor | None = None

    def parameters(self) -> list[Tensor | None]:
        """What scores can be differentiated by, in the order of gradients."""
        return [self.monomer, self.filters, self.bias, self.posbias, self.log_hill]

    def with_parameters(self, values: Sequence[Any]) -> Arguments:
        """The same with other parameters."""
        monomer, filters, bias, posbias, log_hill = values
        codes, distances, dilation = self.codes, self.distances, self.dilation
        return Arguments(
            codes, monomer, filters, distances, bias, posbias, dilation, log_hill
        )

    def pairs(self) -> list[Pair]:
        """The filters of letter pairs with their distances.

        Raises:
            ValueError: If the number of values does not fit.
        """
        if self.filters is None and not self.distances:
            return []
        channels, letters, size = self.monomer.shape
        shapes = [
            (channels, letters, letters, size - distance) for distance in self.distances
        ]
        lengths = [channels * letters**2 * shape[-1] for shape in shapes]
        if self.filters is None or self.filters.shape != (sum(lengths),):
            raise ValueError(
                f"the pairwise filters at distances {self.distances} must be"
                f" {sum(lengths)} values in one row"
            )
        parts = torch.split_with_sizes(self.filters, lengths)
        filters = (part.view(shape) for part, shape in zip(parts, shapes, strict=True))
        return list(zip(self.distances, filters, strict=True))

    def check(self) -> int:
        """Number of windows, if all shapes fit; raises the errors of the kernels."""
        # The shape of the filters says how to take the pairs' filters apart.
        pairs = self.pairs() if self.monomer.ndim == 3 else []
        check_arguments(
            self.codes, self.monomer, pairs, self.bias, self.posbias, self.dilation
        )
        size = self.monomer.shape[2]
        return number_of_windows(self.codes.shape[1], size, self.dilation)


def _joined(pairs: Sequence[Pair]) -> tuple[Tensor | None, list[int]]:
    """The values of the filters of letter pairs, and their distances."""
    if not pairs:
        return None, []
    filters = torch.cat([filters.reshape(-1) for _, filters in pairs])
    return filters, [distance for distance, _ in pairs]


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
    """Score of every row by the operator; see ``pyprobound.kernels.row_scores``."""
    if pairs:
        check_arguments(codes, monomer, pairs, bias, posbias, dilation)
    filters, distances = _joined(pairs)
    scores: Tensor = torch.ops.pyprobound.row_scores.default(
        codes, monomer, filters, distances, bias, posbias, dilation, log_hill
    )[0]
    return scores


def window_scores(
    codes: Tensor,
    monomer: Tensor,
    pairs: Sequence[Pair] = (),
    bias: Tensor | None = None,
    posbias: Tensor | None = None,
    *,
    dilation: int = 1,
) -> Tensor:
    """Scores of windows by the operator; see ``pyprobound.kernels.window_scores``."""
    if pairs:
        check_arguments(codes, monomer, pairs, bias, posbias, dilation)
    filters, distances = _joined(pairs)
    scores: Tensor = torch.ops.pyprobound.window_scores.default(
        codes, monomer, filters, distances, bias, posbias, dilation
    )[0]
    return scores


# --- what tracing needs to know --------------------------------------------------


def _fake_row_scores(*values: Any) -> tuple[Tensor, Tensor, Tensor]:
    arguments = Arguments(*values)
    arguments.check()
    rows = arguments.codes.shape[0]
    scores = arguments.monomer.new_empty(rows)
    sums = scores.new_empty(rows, dtype=torch.float64)
    return scores, sums, scores.new_empty(rows, dtype=torch.uint8)


def _fake_window_scores(*values: Any) -> tuple[Tensor, Tensor]:
    arguments = Arguments(*values)
    windows = arguments.check()
    rows, channels = arguments.codes.shape[0], arguments.monomer.shape[0]
    scores = arguments.monomer.new_empty(rows, channels, windows)
    return scores, scores.new_empty(rows, dtype=torch.uint8)


def _fake_gradient(*values: Any, name: str) -> tuple[Tensor, ...]:
    arguments = Arguments(*_split(name, values)[2])
    monomer = arguments.monomer
    return tuple(
        monomer.new_empty(0)
        if parameter is None
        else parameter.new_empty(parameter.shape)
        for parameter in arguments.parameters()[: _GRADIENTS[name]]
    )


def _split(
    name: str, values: Sequence[Any]
) -> tuple[Tensor, Sequence[Tensor], Sequence[Any]]:
    """Gradient of the scores, state and arguments of the operator of a gradient."""
    first = 3 if name == _ROWS else 2
    return values[0], values[1:first], values[first:]


# --- differentiation -------------------------------------------------------------


def _save(ctx: Any, arguments: Sequence[Any], others: Sequence[Tensor]) -> None:
    """Keeps the arguments of an operator, and other tensors."""
    codes, monomer, filters, distances, bias, posbias, dilation, *log_hill = arguments
    ctx.save_for_backward(codes, monomer, filters, bias, posbias, *log_hill, *others)
    ctx.constants = distances, dilation
    ctx.set_materialize_grads(False)


def _restore(ctx: Any, name: str) -> tuple[list[Any], list[Tensor]]:
    """What ``_save`` was given."""
    distances, dilation = ctx.constants
    count = 1 + _GRADIENTS[name]
    saved = ctx.saved_tensors
    codes, monomer, filters, bias, posbias, *log_hill = saved[:count]
    arguments = [codes, monomer, filters, distances, bias, posbias, dilation, *log_hill]
    return arguments, list(saved[count:])


def _placed(
    arguments: Sequence[Any], gradients: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Gradients of the parameters in the places of an operator's arguments."""
    monomer, filters, bias, posbias, *log_hill = gradients
    placed = [None, monomer, filters, None, bias, posbias, None, *log_hill]
    return [
        gradient if isinstance(argument, Tensor) else None
        for gradient, argument in zip(placed, arguments, strict=True)
    ]


def _save_scores(ctx: Any, inputs: Sequence[Any], output: Sequence[Tensor]) -> None:
    state = output[1:]
    _save(ctx, inputs, state)
    ctx.mark_non_differentiable(*state)


def _scores_gradient(ctx: Any, *upstream: Tensor | None, name: str) -> tuple[Any, ...]:
    arguments, state = _restore(ctx, name)
    if upstream[0] is None:
        return (None,) * len(arguments)
    operator = getattr(torch.ops.pyprobound, f"{name}_backward").default
    return tuple(_placed(arguments, operator(upstream[0], *state, *arguments)))


def _save_gradient(
    ctx: Any, inputs: Sequence[Any], output: Sequence[Tensor], name: str
) -> None:
    del output
    upstream, state, arguments = _split(name, inputs)
    ctx.state = len(state)
    _save(ctx, arguments, [upstream])


def _gradient_gradient(ctx: Any, *weights: Tensor | None, name: str) -> tuple[Any, ...]:
    """Gradient of the gradient of the scores, by the definition of the scores."""
    arguments, (upstream,) = _restore(ctx, name)
    present = Arguments(*arguments)
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        # Inputs of their own, because parameters may depend on each other.
        inputs = [_input(x, again) for x in (upstream, *present.parameters())]
        scores = _definition(name, present.with_parameters(inputs[1:]))
        gradients = _differentiate([scores], inputs[1:], inputs[:1], True)
        # Window scores have one gradient less.
        outputs = gradients[: len(weights)]
        found = _differentiate(outputs, inputs, weights, again)
    by_parameter = _placed(arguments, found[1 : 1 + len(weights)])
    return found[0], *[None] * ctx.state, *by_parameter


def _input(tensor: Tensor | None, differentiable: bool) -> Tensor | None:
    """A copy of a tensor to differentiate by, if need be connected to its history."""
    if tensor is None:
        return None
    if differentiable and tensor.requires_grad:
        return tensor.view_as(tensor)
    return tensor.detach().requires_grad_()


def _differentiate(
    outputs: Sequence[Tensor | None],
    inputs: Sequence[Tensor | None],
    weights: Sequence[Tensor | None],
    again: bool,
) -> list[Tensor | None]:
    """Gradients of weighted outputs by the inputs, of which any may be absent.

    Args:
        outputs: What to differentiate.
        inputs: What to differentiate by.
        weights: A factor for each value of the outputs.
        again: Whether the result can be differentiated.
    """
    used = [
        (output, weight)
        for output, weight in zip(outputs, weights, strict=True)
        if output is not None and weight is not None and output.requires_grad
    ]
    if not used:
        return [None] * len(inputs)
    found = iter(
        torch.autograd.grad(
            [output for output, _ in used],
            [tensor for tensor in inputs if tensor is not None],
            [weight for _, weight in used],
            create_graph=again,
            allow_unused=True,
        )
    )
    return [None if tensor is None else next(found) for tensor in inputs]


def _definition(name: str, arguments: Arguments) -> Tensor:
    """Scores by the definition of the kernels."""
    codes, monomer, _, _, bias, posbias, dilation, log_hill = arguments
    first = (codes, monomer, arguments.pairs(), bias, posbias)
    if name == _WINDOWS:
        return reference.window_scores(*first, dilation=dilation)
    return reference.row_scores(*first, log_hill, dilation=dilation)


# --- registration ----------------------------------------------------------------


def implement(
    device: str,
    *,
    row_scores: Callable[..., tuple[Tensor, ...]],
    row_gradient: Callable[..., tuple[Tensor, ...]],
    window_scores: Callable[..., tuple[Tensor, ...]],
    window_gradient: Callable[..., tuple[Tensor, ...]],
) -> None:
    """Registers the implementation of the operators for a type of device.

    All functions take the values of ``Arguments``, without ``log_hill`` for windows;
    those of gradients take before them the gradient of the scores and what else the
    operator of the scores returned. Results must not share memory with arguments or
    with each other.

    Args:
        device: Type of device, such as ``cuda``.
        row_scores: Returns the scores (N,), and for the gradient numbers in double
            precision (N,) and bytes (N,) with a meaning of its own.
        row_gradient: Returns gradients in the order of ``Arguments.parameters``; those
            of absent ones are tensors of the shape (0,).
        window_scores: Returns the scores (N, C, W), and bytes (N,).
        window_gradient: Returns gradients in the order of ``Arguments.parameters``.
    """
    for name, scores, gradient in (
        (_ROWS, row_scores, row_gradient),
        (_WINDOWS, window_scores, window_gradient),
    ):
        # Not ``register_kernel``, which takes a second to load the tracing compiler.
        torch.library.impl(f"pyprobound::{name}", device, scores)
        torch.library.impl(f"pyprobound::{name}_backward", device, gradient)


def _define(name: str, fake: Callable[..., Any]) -> None:
    """Defines an operator and its gradient."""
    scores, gradient = f"pyprobound::{name}", f"pyprobound::{name}_backward"
    taken, state = _ARGUMENTS[name], _STATE[name]
    tags = (torch.Tag.pt2_compliant_tag,)
    torch.library.define(scores, f"({taken}) -> (Tensor scores, {state})", tags=tags)
    results = ", ".join(["Tensor"] * _GRADIENTS[name])
    torch.library.define(
        gradient, f"(Tensor upstream, {state}, {taken}) -> ({results})", tags=tags
    )
    torch.library.register_fake(scores, fake)
    torch.library.register_fake(gradient, partial(_fake_gradient, name=name))
    torch.library.register_autograd(
        scores, partial(_scores_gradient, name=name), setup_context=_save_scores
    )
    torch.library.register_autograd(
        gradient,
        partial(_gradient_gradient, name=name),
        setup_context=partial(_save_gradient, name=name),
    )


def _on_cpu(name: str) -> Callable[..., Any]:
    """A function of the module for CPUs, which is loaded when first called."""

    def kernel(*values: Any) -> Any:
        return getattr(import_module(f"{__package__}.cpu"), name)(*values)

    return kernel


_define(_ROWS, _fake_row_scores)
_define(_WINDOWS, _fake_window_scores)
implement(
    "cpu",
    row_scores=_on_cpu("row_scores_kernel"),
    row_gradient=_on_cpu("row_gradient_kernel"),
    window_scores=_on_cpu("window_scores_kernel"),
    window_gradient=_on_cpu("window_gradient_kernel"),
)

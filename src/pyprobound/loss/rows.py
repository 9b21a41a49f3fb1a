"""Sums over the rows of a batch, some rows at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from .. import facts
from ..table import Batch, Table

BatchT = TypeVar("BatchT", bound=Batch)


def accumulator(device: torch.device) -> torch.dtype:
    """The type in which sums over rows are accumulated on a device."""
    return torch.float32 if device.type == "mps" else torch.float64


def parts(batch: BatchT, max_rows: int, device: torch.device) -> Iterator[BatchT]:
    """Splits a batch.

    Args:
        batch: The batch, or a table.
        max_rows: The number of rows of a part.
        device: Where the tensors of a part are; they are views of those of the batch,
            or these themselves if there is one part, if these are there already.

    Yields:
        Batches of the class of the batch (of a table, of the batch that it is), with
        the tensors split and all other fields as they are.
    """
    kind = batch_class(batch)
    fields = {
        field.name: getattr(batch, field.name)
        for field in dataclasses.fields(kind)
        if field.init
    }
    n_rows = batch.batchlen()
    for start in range(0, max(1, n_rows), max_rows):
        stop = start + max_rows
        yield kind(
            **{
                name: _rows_of(value, start, stop, device)
                for name, value in fields.items()
            }
        )


def batch_class(batch: BatchT) -> type[BatchT]:
    """The class of a batch; of a table, that of the batch that it is."""
    for kind in type(batch).__mro__:
        if issubclass(kind, Batch) and not issubclass(kind, Table):
            return cast("type[BatchT]", kind)
    raise TypeError(f"{type(batch).__name__} is a table but no Batch")


def _rows_of(value: Any, start: int, stop: int, device: torch.device) -> Any:
    if not isinstance(value, Tensor):
        return value
    # The same tensors each time, so that what is known about them is of use.
    return (facts.rows(value, start, stop) if value.ndim else value).to(device)


def total_over(
    batches: Iterator[BatchT],
    function: Callable[[BatchT], tuple[Tensor, Tensor]],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Adds up a function over the parts of a batch.

    If there are several parts, each is differentiated at once and only the gradients
    of the parameters are kept, so that the memory needed is that of one part.

    Args:
        batches: The parts; at least one.
        function: Returns a value and a norm, two scalars.
        device: Where the parts are.

    Returns:
        The sum of the values, which can be differentiated with respect to the
        parameters (twice only if there is one part), and that of the norms.
    """
    dtype = accumulator(device)
    total = torch.zeros((), dtype=dtype, device=device)
    norm = torch.zeros((), dtype=dtype, device=device)
    gradients: dict[Tensor, Tensor] = {}
    following = next(batches)
    while True:
        value, weight = function(following)
        upcoming = next(batches, None)
        norm = norm + torch.as_tensor(weight).detach()
        if upcoming is None and not gradients:
            return total + value, norm
        total = total + value.detach()
        _add_gradients(gradients, value)
        if upcoming is None:
            break
        following = upcoming
    with_gradients: Tensor = _Differentiated.apply(  # type: ignore[no-untyped-call]
        total, list(gradients.values()), *gradients
    )
    return with_gradients, norm


def _add_gradients(gradients: dict[Tensor, Tensor], value: Tensor) -> None:
    """Adds the gradients of a scalar to those of its parameters."""
    leaves = _leaves(value)
    if not leaves:
        return
    for leaf, gradient in zip(leaves, torch.autograd.grad(value, leaves), strict=True):
        wide = gradient.to(accumulator(gradient.device))
        gradients[leaf] = gradients[leaf] + wide if leaf in gradients else wide


def _leaves(value: Tensor) -> list[Tensor]:
    """The parameters that a tensor was computed from."""
    leaves = []
    waiting = [value.grad_fn] if value.grad_fn is not None else []
    visited = set(waiting)
    while waiting:
        node = waiting.pop()
        if hasattr(node, "variable"):
            leaves.append(node.variable)
        for following, _ in node.next_functions:
            if following is not None and following not in visited:
                visited.add(following)
                waiting.append(following)
    return leaves


class _Differentiated(torch.autograd.Function):
    """A scalar whose gradients are known already."""

    @staticmethod
    def forward(
        ctx: Any, value: Tensor, gradients: list[Tensor], *parameters: Tensor
    ) -> Tensor:
        ctx.gradients = [
            gradient.to(parameter.dtype)
            for gradient, parameter in zip(gradients, parameters, strict=True)
        ]
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph=True
            raise RuntimeError(
                "The rows of this loss were split, so it can be differentiated only"
                " once; set max_split to at least the number of rows"
            )
        (factor,) = upstream
        return (None, None, *(gradient * factor for gradient in ctx.gradients))

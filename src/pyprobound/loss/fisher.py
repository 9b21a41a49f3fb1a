r"""The expected curvature of a loss: the Fisher information per read.

The loss of a row is a function of a few outputs :math:`o_{ir}` (the log shares of the
rounds). Its expected second derivatives are

.. math:: F = \frac{1}{n} \sum_{i,r} v_{ir}
    \frac{\partial o_{ir}}{\partial \theta} \frac{\partial o_{ir}}{\partial \theta}^T

with weights :math:`v`, which for counts are the expected reads of each round. The
outputs depend on the parameters of a binding through its score alone, so that the
derivatives of a row are those of its scores, which bindings know, times the derivatives
of the outputs with respect to scores, which differ from row to row only by numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from .. import evaluation
from ..aggregate import Aggregate
from ..base import Binding, Component
from ..table import Batch
from .rows import batch_class

BatchT = TypeVar("BatchT", bound=Batch)

__all__ = [
    "Curvature",
    "ParameterColumns",
    "add_information",
    "penalty_hessian",
    "sampled",
]

_SEED = 0


class Curvature(NamedTuple):
    """What the curvature of some rows is made of.

    Attributes:
        outputs: What the loss of each row depends on, of shape (rows, outputs).
        weights: The expected second derivative of the loss of a row with respect to
            each output, of the same shape, without gradient.
        norm: What sums over rows are divided by.
    """

    outputs: Tensor
    weights: Tensor
    norm: float


@dataclass(frozen=True)
class ParameterColumns:
    """The place of each parameter in a matrix.

    Attributes:
        parameters: The parameters.
        starts: The first column of each, and the number of all columns.
    """

    parameters: tuple[Tensor, ...]
    starts: tuple[int, ...]

    @classmethod
    def of(cls, parameters: Sequence[Tensor]) -> ParameterColumns:
        """Columns in the order of the parameters."""
        starts = [0]
        for parameter in parameters:
            starts.append(starts[-1] + parameter.numel())
        return cls(tuple(parameters), tuple(starts))

    @property
    def total(self) -> int:
        """The number of columns."""
        return self.starts[-1]

    def within(self, component: Component) -> list[int]:
        """The numbers of the parameters that belong to a component."""
        own = {id(parameter) for parameter in component.parameters()}
        return [i for i, p in enumerate(self.parameters) if id(p) in own]

    def columns(self, numbers: Sequence[int]) -> Tensor:
        """The columns of some parameters, in order."""
        places = [torch.arange(self.starts[i], self.starts[i + 1]) for i in numbers]
        return torch.cat(places) if places else torch.empty(0, dtype=torch.long)


class _Scored(NamedTuple):
    """The scores of one binding."""

    scores: Tensor  # (rows,), a leaf
    jacobian: Tensor | None  # (rows, own columns); None if nothing is trainable
    columns: Tensor


def sampled(batch: BatchT, max_rows: int, device: torch.device) -> BatchT:
    """Some rows of a batch, spread evenly over it; always the same ones.

    Args:
        batch: The batch, or a table.
        max_rows: The greatest number of rows.
        device: Where the tensors are to be.
    """
    kind = batch_class(batch)
    n_rows = batch.batchlen()
    chosen: Tensor | slice = slice(None)
    if n_rows > max_rows:
        # One row at random from each of as many ranges of equal length, so that rows
        # in an order of any period are sampled alike.
        generator = torch.Generator().manual_seed(_SEED)
        places = torch.arange(max_rows, dtype=torch.float64)
        places += torch.rand(max_rows, dtype=torch.float64, generator=generator)
        chosen = (places * (n_rows / max_rows)).long()
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        value = getattr(batch, field.name) if field.init else None
        if isinstance(value, Tensor) and value.ndim:
            rows = chosen.to(value.device) if isinstance(chosen, Tensor) else chosen
            value = value[rows].to(device)
        if field.init:
            values[field.name] = value
    return kind(**values)


def add_information(
    matrix: Tensor,
    component: Component,
    seqs: Tensor,
    curvature_of: Callable[[], Curvature | None],
    layout: ParameterColumns,
) -> float | None:
    """Adds the curvature of some rows to a matrix.

    Args:
        matrix: Of shape (columns, columns), in float64; changed in place.
        component: The transform that scores the rows.
        seqs: Codes of shape (rows, length).
        curvature_of: Computes what the curvature is made of, from these very codes.
        layout: The parameters.

    Returns:
        The norm of the rows; None, and the matrix is of no use, if a part of the
        component cannot tell its derivatives.
    """
    scored: dict[Binding, _Scored] = {}
    direct = set(range(len(layout.parameters)))
    for binding in _bindings(component):
        numbers = layout.within(binding)
        direct -= set(numbers)
        found = _score(binding, seqs, numbers, layout)
        if found is None:
            return None
        scored[binding] = found
    leaves = {binding: each.scores for binding, each in scored.items()}
    with evaluation.given(seqs, leaves):
        curvature = curvature_of()
    if curvature is None or _depends_otherwise(curvature.outputs, scored, layout):
        return None
    _add_outer_products(matrix, curvature, list(scored.values()), layout, direct)
    return curvature.norm


def _bindings(component: Component) -> list[Binding]:
    """All bindings that contribute to an aggregate, each once."""
    found = {
        contribution.binding: None
        for aggregate in component.modules()
        if isinstance(aggregate, Aggregate)
        for contribution in aggregate.contributions
        if contribution.is_contributing
    }
    return list(found)


def _score(
    binding: Binding, seqs: Tensor, numbers: list[int], layout: ParameterColumns
) -> _Scored | None:
    columns = layout.columns(numbers)
    if not numbers:
        with torch.no_grad():
            scores = binding(seqs)
        return _Scored(scores.detach().clone().requires_grad_(), None, columns)
    own = [layout.parameters[i] for i in numbers]
    found = binding.score_jacobian(seqs, own)
    if found is None:
        return None
    scores, jacobian = found
    return _Scored(scores.detach().clone().requires_grad_(), jacobian, columns)


def _depends_otherwise(
    outputs: Tensor, scored: dict[Binding, _Scored], layout: ParameterColumns
) -> bool:
    """Whether parameters of bindings matter in another way than by their scores."""
    inner = [layout.parameters[i] for each in scored for i in layout.within(each)]
    if not inner or not outputs.requires_grad:
        return False
    gradients = torch.autograd.grad(
        outputs,
        inner,
        torch.ones_like(outputs),
        retain_graph=True,
        allow_unused=True,
    )
    return any(gradient is not None for gradient in gradients)


def _add_outer_products(
    matrix: Tensor,
    curvature: Curvature,
    scored: list[_Scored],
    layout: ParameterColumns,
    direct: set[int],
) -> None:
    outputs, weights, _ = curvature
    if not outputs.requires_grad:
        return
    others = sorted(direct)
    by_others = _row_derivatives(outputs, [layout.parameters[i] for i in others])
    other_columns = layout.columns(others)
    trained = [each for each in scored if each.jacobian is not None]
    for output in range(outputs.shape[1]):
        rows = matrix.new_zeros(len(outputs), layout.total)
        factors = _factors(outputs[:, output], trained)
        for each, factor in zip(trained, factors, strict=True):
            if factor is not None and each.jacobian is not None:
                finite = factor.nan_to_num().unsqueeze(1)
                rows[:, each.columns] += finite * each.jacobian
        rows[:, other_columns] += by_others[:, output]
        rows *= weights[:, output].sqrt().unsqueeze(1)
        matrix += rows.T @ rows


def _factors(output: Tensor, scored: list[_Scored]) -> Sequence[Tensor | None]:
    """Derivatives of the output of each row with respect to the scores of the row."""
    if not scored:
        return ()
    return torch.autograd.grad(
        output.sum(),
        [each.scores for each in scored],
        retain_graph=True,
        allow_unused=True,
    )


def _row_derivatives(outputs: Tensor, parameters: list[Tensor]) -> Tensor:
    """Derivatives of each output with respect to a few parameters.

    Returns:
        A tensor of shape (rows, outputs, values of all parameters).
    """
    total = sum(parameter.numel() for parameter in parameters)
    result = outputs.new_zeros(*outputs.shape, total)
    if total == 0:
        return result
    # The gradient is linear in the weights of the outputs: its derivatives with
    # respect to them are those of the single outputs.
    probe = torch.zeros_like(outputs, requires_grad=True)
    gradients = torch.autograd.grad(
        outputs,
        parameters,
        probe,
        create_graph=True,
        allow_unused=True,
    )
    column = 0
    for parameter, gradient in zip(parameters, gradients, strict=True):
        values = [] if gradient is None else gradient.reshape(-1)
        for offset, value in enumerate(values):
            if value.requires_grad:
                (by_row,) = torch.autograd.grad(value, probe, retain_graph=True)
                result[..., column + offset] = by_row.nan_to_num()
        column += parameter.numel()
    return result


def penalty_hessian(penalty: Tensor, layout: ParameterColumns) -> Tensor:
    """The second derivatives of a penalty.

    Args:
        penalty: A scalar that can be differentiated twice.
        layout: The parameters.

    Returns:
        A matrix of shape (columns, columns), in float64.
    """
    size = layout.total
    result = torch.zeros(size, size, dtype=torch.float64, device=penalty.device)
    parameters = list(layout.parameters)
    if not penalty.requires_grad:
        return result
    gradients = torch.autograd.grad(
        penalty, parameters, create_graph=True, materialize_grads=True
    )
    joined = torch.cat([gradient.reshape(-1) for gradient in gradients])
    if not joined.requires_grad:
        return result
    seconds = torch.autograd.grad(
        joined,
        parameters,
        torch.eye(size, dtype=joined.dtype, device=joined.device),
        is_grads_batched=True,
        allow_unused=True,
    )
    for i, second in enumerate(seconds):
        if second is not None:
            start, stop = layout.starts[i : i + 2]
            result[:, start:stop] = second.reshape(size, -1)
    return result

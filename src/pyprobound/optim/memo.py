"""Losses that need not be computed again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..base import Component
from ..loss import Loss

_CONTAINERS = (
    torch.nn.ModuleList,
    torch.nn.ModuleDict,
    torch.nn.ParameterList,
    torch.nn.ParameterDict,
)


class _Evaluation(NamedTuple):
    values: Tensor
    loss: Loss
    gradients: tuple[Tensor | None, ...]


class Memo:
    """Remembers the lowest and the latest loss of one training.

    An optimizer ends a step where it has been before, and begins the next one there.
    A training that is to use this must have the same rows in each evaluation, see
    ``is_repeatable`` for the model.

    Args:
        parameters: The parameters that are trained; nothing else may change.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = list(parameters)
        self._known: list[_Evaluation] = []

    def values(self) -> Tensor:
        """The present values of all parameters."""
        return torch.cat([p.detach().reshape(-1) for p in self._parameters])

    def loss(self) -> Loss | None:
        """The loss at the present values, if it is known."""
        found = self._find()
        return None if found is None else found.loss

    def loss_with_gradients(self) -> Loss | None:
        """The same, and sets the gradients."""
        found = self._find()
        if found is None:
            return None
        for parameter, gradient in zip(self._parameters, found.gradients, strict=True):
            parameter.grad = None if gradient is None else gradient.clone()
        return found.loss

    def keep(self, loss: Loss) -> None:
        """Notes the loss and the gradients at the present values."""
        gradients = tuple(
            None if p.grad is None else p.grad.clone() for p in self._parameters
        )
        known = Loss(loss.negloglik.detach(), loss.regularization.detach())
        latest = _Evaluation(self.values(), known, gradients)
        lowest = min([*self._known, latest], key=_total)
        self._known = [latest] if lowest is latest else [lowest, latest]

    def _find(self) -> _Evaluation | None:
        if not self._known:
            return None
        values = self.values()
        for known in self._known:
            if torch.equal(known.values, values):
                return known
        return None


def _total(evaluation: _Evaluation) -> float:
    total = float(evaluation.loss.negloglik + evaluation.loss.regularization)
    return total if total == total else float("inf")


def is_repeatable(model: Component) -> bool:
    """Whether a model gives the same loss for the same parameters and rows.

    Modules that are not of this library may draw random numbers, or differ between
    training and evaluation.
    """
    package = __name__.partition(".")[0]
    return all(
        isinstance(module, _CONTAINERS)
        or type(module).__module__.partition(".")[0] == package
        for module in model.modules()
    )

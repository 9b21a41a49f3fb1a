"""Fisher scoring: a second-order optimizer for losses that know their curvature."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .curvature import Curvature

__all__ = ["FisherScoring"]

_logger = logging.getLogger(__name__)

FisherFunction = Callable[[Sequence[Tensor]], tuple[Tensor, Tensor] | None]
Closure = Callable[[], Any]

_GOOD = 0.6
"""Least ratio of a decrease to the predicted one at which the curvature is kept."""
_SMALL_DECREASE = 1e-3
_EASE, _TIGHTEN = 0.1, 4.0
_MOST_DAMPING = 1e10
_LEAST_DAMPING = 1e-10
_SPARED = 3
"""Failed steps after which all directions are damped."""
_ROUNDING = 1e-9
"""Relative error of a loss that is computed from scores in single precision."""
_LESS = 0.5


class _Point(NamedTuple):
    """What is known at some parameters."""

    values: Tensor
    loss: float
    gradient: Tensor


class FisherScoring(torch.optim.Optimizer):
    r"""Minimises a loss with the help of its expected second derivatives.

    Every iteration solves, for a change :math:`\delta` of all parameters at once,

    .. math:: (F + \mu \, \mathrm{diag}(F)) \, \delta = -g

    with the exact gradient :math:`g`, the Fisher matrix :math:`F` (of a sample of the
    rows, if the function that computes it takes one) and a damping :math:`\mu`, which
    grows if the loss does not decrease as predicted and shrinks if it does. A step that
    does not decrease the loss is never taken; where the predicted decrease is below the
    rounding error of the loss, the gradient has to become smaller instead.

    Where there is no Fisher matrix, as for a loss or a layer that cannot tell its
    curvature, or where there are too many parameters, ``torch.optim.LBFGS`` takes
    over, with strong Wolfe conditions.

    Args:
        params: The parameters, in one group.
        fisher: Returns the Fisher matrix of some parameters, with a row for each of
            their values, or None if there is none. ``pyprobound.Optimizer`` sets it,
            if it is None, to ``BaseLoss.fisher_matrix`` of the batch.
        max_iter: The greatest number of iterations of one ``step``.
        tolerance_grad: Iterations end if no component of the gradient is above it.
        tolerance_change: Iterations end if the loss is predicted to decrease by less.
        damping: The damping :math:`\mu` at first.
        max_parameters: For more values than that, L-BFGS takes over: the time of an
            iteration grows with their square and cube.

    Attributes:
        fisher: Returns the Fisher matrix.

    Raises:
        ValueError: An option is out of range, or there are several groups.

    References:
        Marquardt, J. Soc. Ind. Appl. Math. 1963, doi:10.1137/0111030.
        Osborne, Int. Stat. Rev. 1992, doi:10.2307/1403503.
    """

    def __init__(
        self,
        params: Iterable[Any],
        fisher: FisherFunction | None = None,
        max_iter: int = 20,
        tolerance_grad: float = 1e-8,
        tolerance_change: float = 1e-12,
        damping: float = 0.1,
        max_parameters: int = 2000,
    ) -> None:
        if max_iter < 1:
            raise ValueError(f"max_iter must be at least 1, not {max_iter}")
        for name, value in (
            ("tolerance_grad", tolerance_grad),
            ("tolerance_change", tolerance_change),
        ):
            if not value >= 0:
                raise ValueError(f"{name} must not be negative, found {value}")
        if not damping > 0:
            raise ValueError(f"damping must be positive, not {damping}")
        super().__init__(params, {})
        if len(self.param_groups) != 1:
            raise ValueError("FisherScoring takes one group of parameters")
        self.fisher = fisher
        self._max_iter = max_iter
        self._tolerance_grad = tolerance_grad
        self._tolerance_change = tolerance_change
        self._damping = self._first_damping = damping
        self._max_parameters = max_parameters
        self._curvature = Curvature()
        self._is_accurate = False
        self._known: tuple[FisherFunction, Tensor] | None = None
        self._substitute: torch.optim.LBFGS | None = None

    @property
    def _parameters(self) -> list[Tensor]:
        parameters: list[Tensor] = self.param_groups[0]["params"]
        return parameters

    @torch.no_grad()
    def step(self, closure: Closure) -> Any:  # type: ignore[override]
        """Makes iterations until convergence, at most ``max_iter``.

        Args:
            closure: Clears the gradients, computes the loss and its gradients, and
                returns the loss.

        Returns:
            The loss at the start.
        """
        evaluate = torch.enable_grad()(closure)
        if self._substitute is None and not (
            self._is_accurate or self._update_curvature()
        ):
            self._substitute = torch.optim.LBFGS(
                self._parameters, line_search_fn="strong_wolfe"
            )
        if self._substitute is not None:
            return self._substitute.step(evaluate)  # type: ignore[no-untyped-call]
        first = evaluate()
        self._iterate(self._point(first), evaluate)
        return first

    def _iterate(self, point: _Point, evaluate: Closure) -> None:
        for iteration in range(self._max_iter):
            if iteration > 0 and not self._is_accurate:
                self._update_curvature()
            if not self._is_promising(point):
                return
            following = self._improve(point, evaluate)
            if following is None:
                return
            self._curvature.add_change(
                following.values - point.values, following.gradient - point.gradient
            )
            point = following

    def _is_promising(self, point: _Point) -> bool:
        """Whether the loss could decrease by more than the tolerance."""
        gradient = point.gradient
        if not math.isfinite(point.loss) or not bool(gradient.isfinite().all()):
            return False
        if float(gradient.abs().max()) <= self._tolerance_grad:
            return False
        return self._promise(point) > self._tolerance_change

    def _improve(self, point: _Point, evaluate: Closure) -> _Point | None:
        """A better point; None, with the parameters unchanged, if there is none."""
        rejected = 0
        while True:
            if self._damping > _MOST_DAMPING:
                self._damping = self._first_damping
                if not self._curvature.forget_changes():
                    break
            # What looks flat may be steep, once all other steps have failed.
            step = self._curvature.step(
                point.gradient, self._damping, spare_flat=rejected < _SPARED
            )
            if step is None:
                self._damping *= _TIGHTEN
                continue
            predicted = self._curvature.predicted_decrease(point.gradient, step)
            self._assign(point.values + step)
            following = self._point(evaluate())
            if self._is_better(following, point, predicted):
                self._ease(point.loss - following.loss, predicted, point.loss)
                return following
            rejected += 1
            self._damping *= _TIGHTEN
            if predicted < self._tolerance_change:
                break
        self._assign(point.values)
        return None

    def _is_better(self, following: _Point, point: _Point, predicted: float) -> bool:
        """Whether the loss is lower; or, where it cannot tell, the gradient."""
        if not bool(following.gradient.isfinite().all()):
            return False
        if following.loss < point.loss:
            return True
        error = _ROUNDING * abs(point.loss)
        if predicted > error or not following.loss <= point.loss + error:
            return False
        return self._promise(following) < _LESS * self._promise(point)

    def _ease(self, decrease: float, predicted: float, loss: float) -> None:
        """Adapts the damping to how well a decrease was predicted."""
        ratio = decrease / predicted if predicted > 0 else 0.0
        factor = max(_EASE, 1 - (2 * min(max(ratio, 0.0), 1.0) - 1) ** 3)
        self._damping = max(self._damping * factor, _LEAST_DAMPING)
        is_small = decrease < _SMALL_DECREASE * abs(loss)
        self._is_accurate = is_small and _GOOD < ratio < 1 / _GOOD

    def _promise(self, point: _Point) -> float:
        """By how much the loss could decrease, if the curvature is right."""
        step = self._curvature.step(point.gradient, 0.0)
        if step is None:
            return math.inf
        return self._curvature.predicted_decrease(point.gradient, step)

    # --- parameters as one vector ------------------------------------------------

    def _point(self, loss: Any) -> _Point:
        parameters = self._parameters
        gradients = [
            torch.zeros_like(p) if p.grad is None else p.grad for p in parameters
        ]
        return _Point(_flat(parameters), float(loss), _flat(gradients))

    def _assign(self, values: Tensor) -> None:
        sizes = [parameter.numel() for parameter in self._parameters]
        parts = torch.split(values, sizes)
        for parameter, part in zip(self._parameters, parts, strict=True):
            parameter.copy_(part.view_as(parameter))

    def _update_curvature(self) -> bool:
        """Computes the curvature; returns whether there is one."""
        parameters = self._parameters
        size = sum(parameter.numel() for parameter in parameters)
        if self.fisher is None:
            raise RuntimeError(
                "FisherScoring needs a function that returns the Fisher matrix: pass"
                " fisher=functools.partial(loss.fisher_matrix, batches)"
            )
        if size > self._max_parameters:
            _logger.info(
                "%d parameters are more than max_parameters=%d: using L-BFGS",
                size,
                self._max_parameters,
            )
            return False
        values = _flat(parameters)
        known = self._known
        if known and known[0] is self.fisher and torch.equal(known[1], values):
            return True
        found = self.fisher(parameters)
        if found is None:
            _logger.info("the loss or a layer has no Fisher matrix: using L-BFGS")
            return False
        self._curvature.set_matrices(
            *(matrix.detach().to("cpu", torch.float64) for matrix in found)
        )
        self._known = self.fisher, values
        return True


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    """All values as one vector in float64 on the CPU."""
    joined = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
    return joined.to("cpu", torch.float64)

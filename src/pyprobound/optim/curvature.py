"""Steps downhill from a gradient and a matrix of curvature."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

_RIDGE = 1e-10
"""Added to the diagonal, relative to its mean: directions without any curvature."""
_FLAT = 1e-8
"""Relative curvature up to which a direction does not change the likelihood."""
_LEAST_RATIO = 1e-2
_MOST_CHANGES = 10


class Curvature:
    r"""The curvature of a loss around a point, and what past steps have told of it.

    The matrix is the Fisher matrix :math:`F` of the likelihood plus the second
    derivatives :math:`R` of the regularization. The true second derivatives differ
    from it where the model does not describe the data well; therefore it is brought
    into agreement with how the gradient has changed in past steps, by the updates of
    Broyden, Fletcher, Goldfarb and Shanno.
    """

    def __init__(self) -> None:
        self._changes: deque[tuple[Tensor, Tensor]] = deque(maxlen=_MOST_CHANGES)
        self._flat: Tensor | None = None
        self._scale = torch.empty(0)
        self._fisher = torch.empty(0)
        self._matrix = torch.empty(0)

    def set_matrices(self, likelihood: Tensor, regularization: Tensor) -> None:
        """Takes the matrices at a point, in float64."""
        diagonal = likelihood.diagonal()
        least = 1e-6 * float(diagonal.mean())
        self._scale = diagonal.clamp(min=max(least, torch.finfo(diagonal.dtype).tiny))
        if self._flat is None or not self._is_flat(likelihood, self._flat):
            self._flat = self._flat_directions(likelihood)
        self._fisher = likelihood + regularization
        self._correct()

    def add_change(self, step: Tensor, change: Tensor) -> None:
        """Notes how the gradient changed with a step."""
        self._changes.append((step, change))
        self._correct()

    def _correct(self) -> None:
        matrix = self._fisher
        for step, change in self._changes:
            image = matrix @ step
            expected, found = float(step @ image), float(step @ change)
            # Without positive curvature the matrix would not stay positive definite.
            if expected > 0 and found > _LEAST_RATIO * expected:
                matrix = (
                    matrix
                    - torch.outer(image, image) / expected
                    + torch.outer(change, change) / found
                )
        self._matrix = matrix

    def _scaled(self, matrix: Tensor) -> Tensor:
        root = self._scale.rsqrt()
        return matrix * torch.outer(root, root)

    def _flat_directions(self, likelihood: Tensor) -> Tensor:
        """Directions that leave the likelihood as it is, of shape (values, number).

        A constant added to all letters of a position and taken from an activity is
        such a direction. Only the regularization decides on them, so steps along them
        can be of any length.
        """
        values, vectors = torch.linalg.eigh(self._scaled(likelihood))
        flat: Tensor = vectors[:, values < _FLAT * values[-1]]
        return flat

    def _is_flat(self, likelihood: Tensor, directions: Tensor) -> bool:
        if len(directions) != len(likelihood):
            return False
        images = self._scaled(likelihood) @ directions
        return float(images.abs().amax()) < _FLAT if images.numel() else True

    def forget_changes(self) -> bool:
        """Goes back to the matrices as they are; returns whether that is a change."""
        if not self._changes:
            return False
        self._changes.clear()
        self._correct()
        return True

    def step(
        self, gradient: Tensor, damping: float, spare_flat: bool = True
    ) -> Tensor | None:
        r"""Solves :math:`(F + R + \mu D) \delta = -g`.

        The matrix :math:`D` is the diagonal of :math:`F`.

        Args:
            gradient: The gradient :math:`g`.
            damping: The damping :math:`\mu`.
            spare_flat: Whether :math:`D` is zero in directions that leave the
                likelihood as it is.

        Returns:
            The step; None if the matrix is not positive definite.
        """
        matrix = self._matrix
        ridge = _RIDGE * matrix.diagonal().mean()
        damped = matrix + torch.diag(ridge.expand(len(matrix)))
        if damping > 0:
            damped += torch.diag(damping * self._scale)
            if spare_flat and self._flat is not None:
                flat = self._flat * self._scale.sqrt().unsqueeze(1)
                damped -= damping * (flat @ flat.T)
        factor, failed = torch.linalg.cholesky_ex(damped)
        if bool(failed):
            return None
        return -torch.cholesky_solve(gradient.unsqueeze(1), factor).squeeze(1)

    def predicted_decrease(self, gradient: Tensor, step: Tensor) -> float:
        """The decrease of the loss by a step, if the curvature is right."""
        return -float(gradient @ step + 0.5 * step @ self._matrix @ step)

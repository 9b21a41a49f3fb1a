"""What all losses have in common: weights, splitting of rows, regularisation."""

from __future__ import annotations

import abc
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from ..base import Component, Transform
from ..containers import TModuleList
from ..table import Batch
from ..utils import get_split_size
from .fisher import (
    Curvature,
    ParameterColumns,
    add_information,
    penalty_hessian,
    sampled,
)
from .penalty import penalised_values
from .rows import accumulator, parts, total_over

TransformT = TypeVar("TransformT", bound=Transform)
BatchT = TypeVar("BatchT", bound=Batch)

# Bounds the memory that a large table takes; larger parts are not faster.
_MAX_ROWS = 1 << 19
# The derivatives of so many rows are held at once.
_CURVATURE_ROWS = 1 << 13


class Loss(NamedTuple):
    """A loss, as two terms that training minimises together.

    Attributes:
        negloglik: The negative log-likelihood per read, or whatever a loss has in its
            place, in float64.
        regularization: The regularisation, in float64.
    """

    negloglik: Tensor
    regularization: Tensor


class FisherMatrix(NamedTuple):
    """The expected second derivatives of a loss.

    Attributes:
        likelihood: Those of the negative log-likelihood per read.
        regularization: Those of the regularization.
    """

    likelihood: Tensor
    regularization: Tensor


class BaseLoss(Component, Generic[TransformT, BatchT]):
    r"""A loss of several transforms, each with a table of its own.

    .. math:: \sum_t w_t \, (NLL_t + R_t)

    where :math:`R` is a sum over the values :math:`v` of all parameters of the
    transform, trainable or not:

    .. math:: R = \lambda_2 \sum v^2 + \lambda_1 \sum |v|
        + \sum \left( e^{v - B} + e^{-v - B} \right)

    A loss of one's own is a subclass that implements ``negloglik``.

    Args:
        components: The transforms; those without a name are named by their place.
        weights: The weight of each transform, 1 / number of transforms by default.
        lambda_l2: The weight :math:`\lambda_2` of the squares.
        lambda_l1: The weight :math:`\lambda_1` of the absolute values.
        exponential_bound: The bound :math:`B`, beyond which values are pushed back;
            infinite for none.
        dilute_regularization: Whether the whole loss is regularised once, without
            weights, so that parameters shared by transforms count once.
        exclude_regularization: Parameters whose name contains one of these texts are
            not regularised. Names are those of ``named_parameters`` of the transform
            (of the loss if diluted), as in
            ``rounds.1.aggregate.contributions.0.log_activity``. The values of a motif
            have the names of their tensors and one name each, as in ``betas.3-0`` for
            position 3 and the first letter.
        equalize_contribution: Whether the weights are changed at every evaluation so
            that the terms :math:`w_t NLL_t` are in the ratio of the weights given;
            their sum stays the same.
        max_split: The number of rows that are scored at once, by default about half a
            million. If the rows are split, second derivatives are not available.

    Attributes:
        transforms: The transforms.
        weights: The weight of each transform.

    Raises:
        ValueError: There are no transforms, the number of weights is another, or
            ``max_split`` is below 1.

    References:
        Rube et al., Nature Biotechnology 2022, doi:10.1038/s41587-022-01307-0.
    """

    def __init__(
        self,
        components: Iterable[TransformT],
        weights: Sequence[float] | Tensor | None = None,
        lambda_l2: float = 1e-06,
        lambda_l1: float = 0,
        exponential_bound: float = 40,
        dilute_regularization: bool = False,
        exclude_regularization: Iterable[str] = (),
        equalize_contribution: bool = False,
        max_split: int | None = None,
    ) -> None:
        super().__init__()
        self.transforms: TModuleList[TransformT] = TModuleList(components)
        n_transforms = len(self.transforms)
        if not n_transforms:
            raise ValueError("A loss needs at least one component")
        if weights is None:
            weights = [1 / n_transforms] * n_transforms
        if len(weights) != n_transforms:
            raise ValueError(
                f"weights must have one number for each of {n_transforms} components,"
                f" not {len(weights)}"
            )
        if max_split is not None and max_split < 1:
            raise ValueError(f"max_split must be at least 1, not {max_split}")
        self.weights = [float(weight) for weight in weights]
        self.lambda_l2 = lambda_l2
        self.lambda_l1 = lambda_l1
        self.exponential_bound = exponential_bound
        self.dilute_regularization = dilute_regularization
        self.exclude_regularization = _as_texts(exclude_regularization)
        self.equalize_contribution = equalize_contribution
        self.max_split = max_split
        for index, transform in enumerate(self.transforms):
            if not transform.name:
                transform.name = str(index)

    def components(self) -> Iterator[Component]:
        """The transforms are the parts of a loss."""
        yield from self.transforms

    @abc.abstractmethod
    def negloglik(self, transform: TransformT, batch: BatchT) -> tuple[Tensor, Tensor]:
        """The negative log-likelihood of some rows.

        Args:
            transform: The transform.
            batch: The rows, on the device of the transform.

        Returns:
            The sum over the rows, and what sums over all rows are divided by in the
            end: two scalars.
        """

    def regularization(self, component: Component) -> Tensor:
        """The regularisation R of a component, a scalar in float64.

        Args:
            component: The component; a shared parameter counts once. A parameter that
                holds -inf is left out.
        """
        values = penalised_values(component, self.exclude_regularization)
        values = values.to(accumulator(values.device))
        total = values.new_zeros(())
        if self.lambda_l2 > 0:
            total = total + self.lambda_l2 * values.square().sum()
        if self.lambda_l1 > 0:
            total = total + self.lambda_l1 * values.abs().sum()
        bound = self.exponential_bound
        if not math.isinf(bound):
            total = total + ((values - bound).exp() + (-values - bound).exp()).sum()
        return total

    def forward(self, batches: Iterable[BatchT]) -> Loss:
        """Computes the loss.

        Args:
            batches: A batch or a table for each transform.

        Returns:
            Two scalars in float64 (in float32 where the device has no float64).

        Raises:
            ValueError: The number of batches is not that of the transforms, or there
                is nothing to divide by, as in a table without counts.
        """
        n_transforms = len(self.transforms)
        if isinstance(batches, Batch):
            raise ValueError("Pass a list of batches, with one for each component")
        batches = list(batches)
        if len(batches) != n_transforms:
            raise ValueError(
                f"There must be one batch for each of {n_transforms} components, not"
                f" {len(batches)}"
            )
        device = next((p.device for p in self.parameters()), torch.device("cpu"))
        values = torch.stack(
            [
                self._mean(transform, batch, device)
                for transform, batch in zip(self.transforms, batches, strict=True)
            ]
        )
        weights = values.new_tensor(self.weights)
        if self.equalize_contribution:
            weights = _equalized(weights, values.detach())
        return Loss((weights * values).sum(), self._total_regularization(weights))

    def _mean(
        self, transform: TransformT, batch: BatchT, device: torch.device
    ) -> Tensor:
        """The value of one transform, per unit of its norm."""
        max_rows = self.max_split or _MAX_ROWS
        if device.type == "mps":
            max_rows = get_split_size(transform.max_embedding_size(), max_rows, device)
        total, norm = total_over(
            parts(batch, max_rows, device),
            lambda part: self.negloglik(transform, part),
            device,
        )
        if not bool(norm):
            raise ValueError(
                f"The batch of {type(transform).__name__} {transform.name!r} holds"
                f" nothing to learn from: its {batch.batchlen()} rows have no counts"
            )
        return total / norm

    def _total_regularization(self, weights: Tensor) -> Tensor:
        if self.dilute_regularization:
            return self.regularization(self)
        terms = torch.stack([self.regularization(each) for each in self.transforms])
        return (weights * terms).sum()

    # --- curvature ---------------------------------------------------------------

    def curvature(self, transform: TransformT, batch: BatchT) -> Curvature | None:
        """What the expected second derivatives of the loss of some rows are made of.

        Args:
            transform: The transform.
            batch: The rows, on the device of the transform.

        Returns:
            The outputs that the loss depends on and their weights; None, as here, if a
            loss does not tell.
        """
        del transform, batch
        return None

    def sampled(self, batches: Iterable[BatchT], max_rows: int) -> list[BatchT]:
        """Some rows of each batch, spread evenly over it; always the same ones.

        Args:
            batches: A batch or a table for each transform.
            max_rows: The greatest number of rows of each.
        """
        device = next((p.device for p in self.parameters()), torch.device("cpu"))
        return [sampled(batch, max_rows, device) for batch in batches]

    @torch.enable_grad()
    def fisher_matrix(
        self,
        batches: Iterable[BatchT],
        parameters: Sequence[Tensor] | None = None,
    ) -> FisherMatrix | None:
        r"""The expected second derivatives of the loss.

        For counts this is the Fisher information per read plus the second derivatives
        of the regularisation; for squared errors the Gauss-Newton matrix. Unlike the
        second derivatives themselves it is positive semidefinite apart from the
        regularisation, and needs first derivatives of the model only.

        .. math:: \sum_t w_t \left( \frac{1}{n_t} \sum_{i,r} v_{ir}
            \frac{\partial o_{ir}}{\partial \theta}
            \frac{\partial o_{ir}}{\partial \theta}^T
            + \frac{\partial^2 R_t}{\partial \theta^2} \right)

        with the outputs :math:`o` and weights :math:`v` of ``curvature``.

        Args:
            batches: A batch or a table for each transform.
            parameters: The parameters, by default those that are trainable.

        Returns:
            The terms of the likelihood and of the regularisation, two symmetric
            matrices in float64 with a row for each value of the parameters in their
            order; None if the loss or a part of the model cannot tell its derivatives
            row by row.

        References:
            Amari, Neural Computation 1998, doi:10.1162/089976698300017746.
        """
        if parameters is None:
            parameters = [p for p in self.parameters() if p.requires_grad]
        layout = ParameterColumns.of(parameters)
        device = next((p.device for p in parameters), torch.device("cpu"))
        matrices, values = [], []
        for transform, batch in zip(self.transforms, batches, strict=True):
            found = self._information(transform, batch, layout, device)
            if found is None:
                return None
            matrices.append(found)
            if self.equalize_contribution:
                with torch.no_grad():
                    values.append(self._mean(transform, batch, device))
        weights = matrices[0].new_tensor(self.weights)
        if values:
            weights = _equalized(weights, torch.stack(values).to(weights))
        penalty = self._total_regularization(weights)
        likelihood = torch.tensordot(weights, torch.stack(matrices), dims=1)
        return FisherMatrix(likelihood, penalty_hessian(penalty, layout))

    def _information(
        self,
        transform: TransformT,
        batch: BatchT,
        layout: ParameterColumns,
        device: torch.device,
    ) -> Tensor | None:
        """The curvature of a transform per unit of its norm."""
        total = torch.zeros(
            layout.total, layout.total, dtype=accumulator(device), device=device
        )
        norm = 0.0
        for part in parts(batch, _CURVATURE_ROWS, device):
            codes = getattr(part, "seqs", None)
            if not isinstance(codes, Tensor):
                return None
            found = add_information(
                total,
                transform,
                codes,
                partial(self.curvature, transform, part),
                layout,
            )
            if found is None:
                return None
            norm += found
        return total / norm if norm else total

    def get_setup_string(self) -> str:
        """Describes the settings, the transforms and the order of training."""
        lines = ["### Regularization:"]
        lines += [f"\t{name}: {value}" for name, value in self._settings().items()]
        lines.append(f"### {type(self).__name__}:")
        lines += [f"\t{_one_line(transform)}" for transform in self.transforms]
        lines.append("### Bindings, in the order of training:")
        for index, key in enumerate(self.optim_procedure()):
            lines.append(f"\t{index}: {', '.join(_one_line(spec) for spec in key)}")
        return "\n".join(lines)

    def _settings(self) -> dict[str, Any]:
        """The settings that are reported, by name."""
        return {
            "L2 regularization": self.lambda_l2,
            "L1 regularization": self.lambda_l1,
            "Exponential bound": self.exponential_bound,
            "Excluded from regularization": ", ".join(self.exclude_regularization)
            or "nothing",
            "Dilute regularization": self.dilute_regularization,
            "Equalize contribution": self.equalize_contribution,
            "Weights": ", ".join(f"{weight:g}" for weight in self.weights),
            "Rows scored at once": self.max_split or _MAX_ROWS,
        }


def _equalized(weights: Tensor, values: Tensor) -> Tensor:
    """Weights that bring the terms of a loss into the ratio of the weights given."""
    return weights / values * (weights * values).sum() / weights.sum()


def _as_texts(texts: Iterable[str]) -> tuple[str, ...]:
    """Several texts; a single one is not taken apart into letters."""
    return (texts,) if isinstance(texts, str) else tuple(texts)


def _one_line(component: object) -> str:
    text = str(component)
    return type(component).__name__ if "\n" in text else text

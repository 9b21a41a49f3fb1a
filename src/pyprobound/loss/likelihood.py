"""Losses of count tables and of measured intensities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import evaluation, facts
from ..base import Component
from ..containers import TModuleList
from ..experiment import Experiment
from ..kernels.likelihood import log_likelihood, log_likelihood_of_shares
from ..layers.psam import PSAM
from ..rounds import BaseRound
from ..table import CountBatch
from .base import BaseLoss
from .fisher import Curvature
from .rows import accumulator


class MultiExperimentLoss(BaseLoss[Experiment, CountBatch]):
    r"""The likelihood of the reads of several experiments.

    For one experiment, with the counts :math:`k` and the predicted shares :math:`p`
    of row :math:`i` and round :math:`r`, per read and without constants,

    .. math:: NLL = - \frac{\sum_{i,r} k_{ir} \log p_{ir}}{\sum_{i,r} k_{ir}}

    With a ``pseudocount`` :math:`\alpha`, the regularisation of an experiment with
    :math:`N` reads becomes

    .. math:: R - \frac{\alpha}{N} \sum_g \sum_j \log \mathrm{softmax}(v_g)_j

    over the values of all positions and pairs of positions :math:`g` of the PSAMs that
    this experiment uses, which acts like :math:`\alpha` reads of every letter. (In
    PyProBound 1.5 the sum is over the PSAMs of all experiments.) If the
    regularisation is diluted, the sum is over all PSAMs, and the mean of
    :math:`\alpha / N` over the experiments is used.

    Args:
        components: The experiments.
        weights: See ``BaseLoss``, as for all arguments not described here.
        lambda_l2: See ``BaseLoss``.
        lambda_l1: See ``BaseLoss``.
        pseudocount: The pseudocount; needs the ``counts_per_round`` of experiments.
        exponential_bound: See ``BaseLoss``.
        full_loss: Whether to include the constants of the Poisson likelihood with the
            mean :math:`p_{ir} \sum_{r'} k_{ir'}`.
        dilute_regularization: See ``BaseLoss``.
        exclude_regularization: See ``BaseLoss``.
        equalize_contribution: See ``BaseLoss``.
        max_split: See ``BaseLoss``.

    References:
        Rube et al., Nature Biotechnology 2022, doi:10.1038/s41587-022-01307-0.
    """

    def __init__(
        self,
        components: Iterable[Experiment],
        weights: Sequence[float] | Tensor | None = None,
        lambda_l2: float = 1e-06,
        lambda_l1: float = 0,
        pseudocount: float = 0,
        exponential_bound: float = 40,
        full_loss: bool = False,
        dilute_regularization: bool = False,
        exclude_regularization: Iterable[str] = (),
        equalize_contribution: bool = False,
        max_split: int | None = None,
    ) -> None:
        super().__init__(
            components,
            weights=weights,
            lambda_l2=lambda_l2,
            lambda_l1=lambda_l1,
            exponential_bound=exponential_bound,
            dilute_regularization=dilute_regularization,
            exclude_regularization=exclude_regularization,
            equalize_contribution=equalize_contribution,
            max_split=max_split,
        )
        self.pseudocount = pseudocount
        self.full_loss = full_loss

    @property
    def experiments(self) -> TModuleList[Experiment]:
        """Another name of ``transforms``."""
        return self.transforms

    def negloglik(
        self, transform: Experiment, batch: CountBatch
    ) -> tuple[Tensor, Tensor]:
        """The negative log-likelihood of some rows, in float64.

        A round that is impossible for a sequence does not matter if it has no count,
        and makes the loss infinite otherwise.

        Args:
            transform: The experiment.
            batch: Sequences, and counts of shape (rows, observed rounds).

        Returns:
            The sum over rows and rounds, and the number of reads.

        Raises:
            ValueError: The number of columns is not that of the observed rounds, or a
                count is negative.
        """
        counts = batch.target
        _check_counts(transform, counts)
        if evaluation.is_plain(transform, Experiment):
            log_counts, log_depths = transform.log_counts(batch.seqs)
            _check_shape(transform, counts, (len(log_counts[0]), len(log_counts)))
            total = log_likelihood(log_counts, log_depths, counts)
        else:
            # The shares are whatever a class or a hook of a user's own makes of them.
            log_shares = transform(batch.seqs)
            _check_shape(transform, counts, tuple(log_shares.shape))
            total = log_likelihood_of_shares(log_shares, counts)
        if self.full_loss:
            total = total + facts.fact(counts, "poisson constant", _poisson_constant)
        return -total, facts.total(counts, accumulator(counts.device))

    def curvature(self, transform: Experiment, batch: CountBatch) -> Curvature:
        r"""The log shares of the rounds, and the reads expected in each.

        The derivatives of two log shares are proportional, :math:`p_0 \, d \log p_0 =
        - p_1 \, d \log p_1`, so the smaller one of each row stands for both.
        """
        log_shares = transform(batch.seqs)
        with torch.no_grad():
            reads = batch.target.sum(1, keepdim=True).to(log_shares)
            smaller = log_shares.argmin(1, keepdim=True)
        if log_shares.shape[1] == 2:
            outputs = log_shares.gather(1, smaller)
            rest = log_shares.detach().gather(1, 1 - smaller)
            weights = reads * (outputs.detach() - rest).exp()
        else:
            outputs = log_shares
            weights = reads * outputs.detach().exp()
        impossible = outputs == -torch.inf
        return Curvature(
            outputs.masked_fill(impossible, 0.0),
            weights.masked_fill(impossible, 0.0),
            float(facts.total(batch.target, accumulator(batch.target.device))),
        )

    def regularization(self, component: Component) -> Tensor:
        """The regularisation of a component, a scalar in float64.

        Args:
            component: An experiment, or the whole loss; anything else too, if there is
                no pseudocount.

        Raises:
            ValueError: There is a pseudocount, but no experiment in the component or
                no ``counts_per_round`` in an experiment.
        """
        total = super().regularization(component)
        if not self.pseudocount > 0:
            return total
        motifs = [part for part in component.modules() if isinstance(part, PSAM)]
        if not motifs:
            return total
        log_density = torch.stack([motif.get_dirichlet() for motif in motifs]).sum()
        return total - self._pseudocount_per_read(component) * log_density.to(total)

    def _pseudocount_per_read(self, component: Component) -> float:
        """The mean over the experiments of a component."""
        reads = [
            float(part.counts_per_round.sum())
            for part in component.modules()
            if isinstance(part, Experiment)
        ]
        if not reads or not all(reads):
            raise ValueError(
                "A pseudocount is divided by the number of reads of an experiment, but"
                f" {type(component).__name__} {component.name!r} has none"
            )
        return sum(self.pseudocount / each for each in reads) / len(reads)

    def _settings(self) -> dict[str, Any]:
        own = {"Pseudocount": self.pseudocount, "Full loss": self.full_loss}
        return {**super()._settings(), **own}


class MultiRoundMSLELoss(BaseLoss[BaseRound, CountBatch]):
    r"""The mean squared error of the log of measured intensities.

    .. math:: \frac{1}{n} \sum_i \left( \log y_i - \log f(S_i) \right)^2

    with the output :math:`\log f` of a round that has no reference round.

    See ``BaseLoss`` for the arguments.
    """

    def negloglik(
        self, transform: BaseRound, batch: CountBatch
    ) -> tuple[Tensor, Tensor]:
        """The squared log errors of some rows, in float64.

        Args:
            transform: A round without a reference round.
            batch: Sequences, and positive intensities of shape (rows, 1).

        Returns:
            The sum over the rows, and their number.

        Raises:
            ValueError: The round has a reference round, or the intensities have
                another shape or are not positive.
        """
        name = f"{type(transform).__name__} {transform.name!r}"
        if transform.reference_round is not None:
            raise ValueError(
                f"{name} has a reference round, but intensities are predicted by a"
                " single round: create it with reference_round=None"
            )
        target = batch.target
        if target.ndim != 2 or target.shape[1] != 1:
            raise ValueError(
                f"{name} needs one column of intensities, but the target has shape"
                f" {tuple(target.shape)}"
            )
        errors = target[:, 0].log() - transform(batch.seqs)
        total = errors.square().sum(dtype=accumulator(target.device))
        if not bool(total.isfinite()) and bool((target <= 0).any()):
            raise ValueError(f"{name} has intensities that are not positive")
        return total, total.new_tensor(len(target))

    def curvature(self, transform: BaseRound, batch: CountBatch) -> Curvature:
        """The predicted logs of the intensities, with the weight of a square."""
        predicted = transform(batch.seqs).unsqueeze(1)
        weights = torch.full_like(predicted, 2.0, requires_grad=False)
        return Curvature(predicted, weights, float(len(predicted)))


def _check_shape(
    transform: Experiment, counts: Tensor, expected: tuple[int, ...]
) -> None:
    if counts.shape != expected:
        raise ValueError(
            f"{type(transform).__name__} {transform.name!r} has"
            f" {len(transform.observed_rounds)} observed rounds and needs as many"
            f" columns of counts, but the counts have shape {tuple(counts.shape)}"
        )


def _check_counts(transform: Experiment, counts: Tensor) -> None:
    row = facts.fact(counts, "negative row", _negative_row)
    if row is not None:
        values = ", ".join(f"{value:g}" for value in counts[row].tolist())
        raise ValueError(
            f"{type(transform).__name__} {transform.name!r} counts reads, but row {row}"
            f" of the batch holds a negative number ({values}); compare measured values"
            " with a model by Fit or LogFit"
        )


def _negative_row(counts: Tensor) -> int | None:
    """The first row with a negative number, if there is one."""
    if not counts.numel() or not bool(counts.min() < 0):
        return None
    return int((counts < 0).flatten(1).any(dim=1).nonzero()[0])


def _poisson_constant(counts: Tensor) -> Tensor:
    r""":math:`\sum_{ir} (k_{ir} \log \sum_{r'} k_{ir'} - k_{ir} - \log k_{ir}!)`."""
    counts = counts.to(accumulator(counts.device))
    per_row = counts.sum(dim=1)
    log_factorials = torch.lgamma(counts + 1)
    return torch.xlogy(per_row, per_row).sum() - counts.sum() - log_factorials.sum()

"""An experiment: rounds of one library, sequenced together."""

from __future__ import annotations

import graphlib
import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from . import containers, evaluation, layers
from .aggregate import prepare_sums
from .base import Component, Transform
from .containers import TModuleList
from .cooperativity.binding import Cooperativity
from .cooperativity.spacing import Spacing
from .layers.betas import Betas
from .mode import Mode
from .rounds import BaseRound, BoundRound, InitialRound, Round, UnboundRound

__all__ = ["Experiment"]

# Bindings that are not trained keep their scores between evaluations. What modules of
# a user's own return (ModuleLayer) may depend on anything.
evaluation.keep_scores(
    {Mode, Cooperativity},
    {
        Betas,
        Spacing,
        containers.TModuleList,
        containers.TParameterDict,
        containers.TParameterList,
        layers.Conv0d,
        layers.Conv1d,
        layers.MaxPool1d,
        layers.MaxPool1dSpec,
        layers.NonSpecific,
        layers.PSAM,
        layers.Pad,
        layers.PadSpec,
        layers.Roll,
        layers.RollSpec,
    },
)


class Experiment(Transform):
    r"""The rounds of one library, which share the reads of each sequence.

    The share of round :math:`r` in the reads of a sequence is

    .. math:: p_r(S) = \frac{f_r(S)}{\sum_{r'} f_{r'}(S)}

    with the sum over the observed rounds and :math:`f_r` the output of a round.

    Args:
        rounds: The observed rounds, one for each column of the count table, in the
            same order. Rounds that they refer to are parts of the experiment too.
        counts_per_round: The number of reads of each observed round.
        name: A name for messages, legends and reports.

    Attributes:
        observed_rounds: The observed rounds, in the order given.
        rounds: The observed rounds and all that they refer to, each behind its
            reference round. Those without a name are named by their place in it.

    Raises:
        ValueError: The depths of all observed rounds are trained, although only
            their ratios matter; a round that is not observed has a depth that is
            trained; a round is given twice; references form a circle; or the number
            of counts is not that of the rounds.

    References:
        Rube et al., Nature Biotechnology 2022, doi:10.1038/s41587-022-01307-0.
    """

    def __init__(
        self,
        rounds: Iterable[BaseRound],
        counts_per_round: Sequence[float] | Tensor | None = None,
        name: str = "",
    ) -> None:
        super().__init__(name=name)
        self.observed_rounds = list(rounds)
        _check_rounds(self.observed_rounds)
        ordered = _in_order(self.observed_rounds)
        _check_depths(self.observed_rounds, ordered)
        self._counts_per_round = _as_counts(counts_per_round, len(self.observed_rounds))
        self.rounds: TModuleList[BaseRound] = TModuleList(ordered)
        for index, each in enumerate(ordered):
            if not each.name:
                each.name = str(index)

    @property
    def counts_per_round(self) -> Tensor:
        """The number of reads of each observed round, of shape (observed rounds,).

        Raises:
            ValueError: It was not given.
        """
        if self._counts_per_round is None:
            raise ValueError(
                f"The counts_per_round of the experiment {self.name!r} are not known;"
                " pass those of its table when the experiment is created"
            )
        return self._counts_per_round

    def components(self) -> Iterator[Component]:
        """The rounds are the parts of an experiment, each behind its reference."""
        yield from self.rounds

    def log_counts(self, seqs: Tensor) -> tuple[list[Tensor], Tensor]:
        r"""The logs of the relative counts in the observed rounds, in two parts.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).

        Returns:
            A tensor of shape (rows,) for each observed round, and numbers of shape
            (observed rounds,) that are to be added to them, usually the log depths:
            the sum is :math:`\log f_r`.
        """
        with evaluation.scope():
            aggregates = [
                each.aggregate for each in self.rounds if isinstance(each, Round)
            ]
            prepare_sums(aggregates, seqs)
            parts = [_log_count(each, seqs) for each in self.observed_rounds]
        return [part for part, _ in parts], torch.stack([depth for _, depth in parts])

    @Transform.cache
    def forward(self, seqs: Tensor) -> Tensor:
        r"""The log of the shares of the observed rounds, :math:`\log p_r`.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).

        Returns:
            A tensor of shape (rows, observed rounds). All entries are -inf in a row
            that is impossible in every observed round.
        """
        # Rows are the fast axis of the stack: the reductions below are vectorised.
        log_counts = torch.stack([each(seqs) for each in self.observed_rounds])
        if self._is_always_possible():
            return log_counts.log_softmax(dim=0).T
        impossible = (log_counts == -math.inf).all(dim=0)
        possible = log_counts.masked_fill(impossible, 0.0)
        return possible.log_softmax(dim=0).masked_fill(impossible, -math.inf).T

    def _is_always_possible(self) -> bool:
        """Whether some observed round gives every sequence a chance."""
        return any(isinstance(each, InitialRound) for each in self.observed_rounds)

    def free_protein(
        self,
        i_index: int,
        b_index: int,
        u_index: int,
        target_concentration: float | None = None,
        library_concentration: float | None = None,
    ) -> float:
        r"""The concentration of free protein in a Kd-seq experiment.

        .. math::
            [P]_{free} = [P]_{total} - [library] \,
            \frac{N_B}{N_I} \frac{\eta_I}{\eta_B}

        with the numbers of reads :math:`N` and the depths :math:`\eta` of the input I
        and the bound round B. Then :math:`1 / K_D(S) = Z(S) / [P]_{free}` is absolute.

        Args:
            i_index: The place of the input among the observed rounds.
            b_index: The place of the bound round.
            u_index: The place of the unbound round.
            target_concentration: The total concentration of the protein, by default
                that of the aggregate.
            library_concentration: The concentration of the library in the same unit,
                by default that of the bound round.

        Raises:
            ValueError: The rounds are not a bound and an unbound round with one
                aggregate that both refer to the input; or the concentration of the
                library or the numbers of reads are not known.
        """
        initial = self.observed_rounds[i_index]
        bound = self.observed_rounds[b_index]
        unbound = self.observed_rounds[u_index]
        if not isinstance(bound, BoundRound) or not isinstance(unbound, UnboundRound):
            raise ValueError(
                f"Rounds {b_index} and {u_index} must be a BoundRound and an"
                f" UnboundRound, not {type(bound).__name__} and"
                f" {type(unbound).__name__}"
            )
        if any(each.reference_round is not initial for each in (bound, unbound)):
            raise ValueError(
                f"Rounds {b_index} and {u_index} must both refer to round {i_index}"
            )
        if bound.aggregate is not unbound.aggregate:
            raise ValueError(
                f"Rounds {b_index} and {u_index} must share one aggregate; create the"
                " unbound one with UnboundRound.from_round"
            )
        if target_concentration is None:
            target_concentration = bound.aggregate.log_target_concentration.exp().item()
        if library_concentration is None:
            library_concentration = bound.library_concentration
        counts = self.counts_per_round
        log_depth_ratio = initial.log_depth.item() - bound.log_depth.item()
        read_ratio = float(counts[b_index]) / float(counts[i_index])
        bound_share = read_ratio * math.exp(log_depth_ratio)
        return target_concentration - library_concentration * bound_share


def _log_count(each: BaseRound, seqs: Tensor) -> tuple[Tensor, Tensor]:
    """The log relative count of a round without its depth, and the depth."""
    if evaluation.is_plain(each, InitialRound):
        return each.log_enrichment(seqs), each.log_depth
    if evaluation.is_plain(each, BaseRound):
        return each.log_cumulative_enrichment(seqs), each.log_depth
    return each(seqs), torch.zeros_like(each.log_depth, requires_grad=False)


def _check_rounds(observed: list[BaseRound]) -> None:
    if not observed:
        raise ValueError("An experiment needs at least one round")
    for index, each in enumerate(observed):
        if any(each is other for other in observed[:index]):
            raise ValueError(
                f"{_describe(each)} is given twice; each column of a count table needs"
                " a round of its own"
            )


def _check_depths(observed: list[BaseRound], ordered: list[BaseRound]) -> None:
    if all(each.train_depth for each in observed):
        raise ValueError(
            "All observed rounds train their depth, but only ratios of depths matter:"
            " observe the InitialRound, or pass train_depth=False to one round"
        )
    for each in ordered:
        if each.train_depth and not any(each is other for other in observed):
            raise ValueError(
                f"{_describe(each)} is not observed, so its depth cannot be trained:"
                " pass train_depth=False to it"
            )


def _in_order(observed: list[BaseRound]) -> list[BaseRound]:
    """The rounds and all that they refer to, references first.

    The places are part of the names in checkpoints. Each observed round lists all its
    ancestors, and of rounds with one reference the one that is listed last comes last.
    """
    graph: graphlib.TopologicalSorter[BaseRound] = graphlib.TopologicalSorter()
    for each in observed:
        graph.add(each)
        current, visited = each, {each}
        while (reference := current.reference_round) is not None:
            graph.add(current, reference)
            if reference in visited:
                break
            visited.add(reference)
            current = reference
    try:
        return list(graph.static_order())
    except graphlib.CycleError as error:
        circle = ", ".join(_describe(each) for each in error.args[1])
        raise ValueError(f"Rounds refer to each other in a circle: {circle}") from None


def _as_counts(counts: Sequence[float] | Tensor | None, n_rounds: int) -> Tensor | None:
    """The numbers of reads; None if they are not known (or negative)."""
    if counts is None:
        return None
    numbers = torch.as_tensor(counts, dtype=torch.float64).detach().cpu()
    if numbers.shape != (n_rounds,):
        raise ValueError(
            f"counts_per_round must have one number for each of {n_rounds} observed"
            f" rounds, not shape {tuple(numbers.shape)}"
        )
    return None if bool((numbers < 0).any()) else numbers


def _describe(each: BaseRound) -> str:
    return f"{type(each).__name__} {each.name!r}" if each.name else type(each).__name__

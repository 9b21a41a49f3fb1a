"""What all rounds have in common, and the round before any selection."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator
from typing import Any, Literal, Self

import torch
from torch import Tensor

from ..aggregate import Aggregate
from ..base import Binding, Call, Component, Procedure, Transform


class BaseRound(Transform):
    r"""A sequenced sample of a library.

    The share of a sequence in a round is proportional to

    .. math:: \log f_r(S) = \log \eta_r + \log \frac{f_r(S)}{f_0(S)}

    where the last term, the cumulative enrichment, is the enrichment of this round
    relative to its reference round plus that of the reference round.

    Args:
        reference_round: The round that the enrichment is relative to; None if there
            is none. It is not a part of this round.
        train_depth: Whether to train the depth.
        log_depth: The log of the sequencing depth :math:`\eta_r` at first.
        library_concentration: The concentration of the library in the unit of the
            concentration of the target; negative if unknown.
        name: A name for messages, legends and reports.

    Attributes:
        reference_round: The round that the enrichment is relative to.
        log_depth: The log of the depth; only differences between rounds matter.

    References:
        Rube et al., Nature Biotechnology 2022, doi:10.1038/s41587-022-01307-0.
    """

    unfreezable: Any = Literal["all", "depth"]
    reference_round: BaseRound | None

    def __init__(
        self,
        reference_round: BaseRound | None,
        train_depth: bool = True,
        log_depth: float = 0.0,
        library_concentration: float = -1,
        name: str = "",
    ) -> None:
        super().__init__(name=name)
        self.reference_round = reference_round
        self.train_depth = train_depth
        self.log_depth = torch.nn.Parameter(
            torch.tensor(float(log_depth)), requires_grad=train_depth
        )
        self._library_concentration = library_concentration

    def __setattr__(self, name: str, value: Any) -> None:
        # Torch would make every module a part of this one.
        if name == "reference_round":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @property
    def library_concentration(self) -> float:
        """The concentration of the library.

        Raises:
            ValueError: It was not given.
        """
        if self._library_concentration < 0:
            raise ValueError(
                f"The library_concentration of {type(self).__name__} {self.name!r} is"
                " not known; pass it when the round is created"
            )
        return self._library_concentration

    def components(self) -> Iterator[Component]:
        """A round has no parts, unless it has an aggregate."""
        yield from ()

    def unfreeze(self, parameter: Any = "all") -> None:
        """Makes parameters trainable.

        Args:
            parameter: ``depth``, or ``all``; some rounds know further words.

        Raises:
            ValueError: The round has no such parameter.
        """
        if parameter in ("all", "depth") and self.train_depth:
            self.log_depth.requires_grad_()
        if parameter != "depth":
            super().unfreeze(parameter)

    @abc.abstractmethod
    def log_aggregate(self, seqs: Tensor) -> Tensor:
        r"""The log of the aggregate, :math:`\log Z(S)`, of shape (rows,).

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).
        """

    @abc.abstractmethod
    def log_enrichment(self, seqs: Tensor) -> Tensor:
        r"""The log enrichment relative to the reference round, of shape (rows,).

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).
        """

    @Transform.cache
    def log_cumulative_enrichment(self, seqs: Tensor) -> Tensor:
        """The log enrichment of this round and all those before it, of shape (rows,).

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).
        """
        enrichment = self.log_enrichment(seqs)
        reference = self.reference_round
        if reference is None or isinstance(reference, InitialRound):
            return enrichment
        return reference.log_cumulative_enrichment(seqs) + enrichment

    @Transform.cache
    def forward(self, seqs: Tensor) -> Tensor:
        """The log of the relative count, of shape (rows,).

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).
        """
        return self.log_depth + self.log_cumulative_enrichment(seqs)


class InitialRound(BaseRound):
    """The library before selection, in which nothing is enriched.

    Its depth is zero and fixed, since only differences of depths matter.

    Args:
        name: A name for messages, legends and reports.
    """

    def __init__(self, name: str = "") -> None:
        super().__init__(None, train_depth=False, name=name)

    def log_aggregate(self, seqs: Tensor) -> Tensor:
        """Zeros of shape (rows,); see ``BaseRound``."""
        return self.log_enrichment(seqs)

    def log_enrichment(self, seqs: Tensor) -> Tensor:
        """Zeros of shape (rows,), which share one place in memory."""
        return self.log_depth.new_zeros(1).expand(len(seqs))

    @Transform.cache
    def forward(self, seqs: Tensor) -> Tensor:
        """The depth for each row, of shape (rows,), sharing one place in memory.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).
        """
        return self.log_depth.expand(len(seqs))


class Round(BaseRound):
    """A round of selection by the binding of a protein.

    Args:
        aggregate: What binds; rounds may share it.
        reference_round: See ``BaseRound``, as for all arguments that follow.
        train_depth: See ``BaseRound``.
        log_depth: See ``BaseRound``.
        library_concentration: See ``BaseRound``.
        name: See ``BaseRound``.

    Attributes:
        aggregate: What binds.
    """

    def __init__(
        self,
        aggregate: Aggregate,
        reference_round: BaseRound | None,
        train_depth: bool = True,
        log_depth: float = 0.0,
        library_concentration: float = -1,
        name: str = "",
    ) -> None:
        super().__init__(
            reference_round,
            train_depth=train_depth,
            log_depth=log_depth,
            library_concentration=library_concentration,
            name=name,
        )
        self.aggregate = aggregate

    @classmethod
    def from_binding(
        cls,
        binding: Iterable[Binding],
        reference_round: BaseRound | None,
        train_depth: bool = True,
        log_depth: float = 0.0,
        train_concentration: bool = False,
        target_concentration: float = 1,
        library_concentration: float = -1,
        activity_heuristic: float = 0.05,
        name: str = "",
    ) -> Self:
        """Creates a round with an aggregate of its own.

        Args:
            binding: The modes and cooperativities.
            reference_round: See ``BaseRound``.
            train_depth: See ``BaseRound``.
            log_depth: See ``BaseRound``.
            train_concentration: See ``Aggregate``.
            target_concentration: See ``Aggregate``.
            library_concentration: See ``BaseRound``.
            activity_heuristic: See ``Contribution``.
            name: See ``BaseRound``.
        """
        aggregate = Aggregate.from_binding(
            binding, train_concentration, target_concentration, activity_heuristic
        )
        return cls(
            aggregate,
            reference_round,
            train_depth=train_depth,
            log_depth=log_depth,
            library_concentration=library_concentration,
            name=name,
        )

    def components(self) -> Iterator[Component]:
        """The aggregate is the only part of a round."""
        yield self.aggregate

    def log_aggregate(self, seqs: Tensor) -> Tensor:
        r"""The log of the aggregate, :math:`\log Z(S)`, see ``BaseRound``."""
        log_z: Tensor = self.aggregate(seqs)
        return log_z

    def optim_procedure(
        self,
        ancestry: tuple[Component, ...] | None = None,
        current_order: Procedure | None = None,
    ) -> Procedure:
        """The steps that train the bindings, see ``Component.optim_procedure``.

        The depth is trained from the first step on.

        Args:
            ancestry: The components above this one, from the root.
            current_order: The procedure found so far; it is extended.
        """
        order = super().optim_procedure(ancestry, current_order)
        call = Call(self, "unfreeze", {"parameter": "depth"})
        for optim in order.values():
            calls = optim.steps[0].calls
            is_above = any(self is part for chain in optim.ancestry for part in chain)
            if is_above and call not in calls:
                calls.append(call)
        return order


def repeat_round(
    binding: Iterable[Binding], n_rounds: int, round_type: type[Round]
) -> list[BaseRound]:
    """Creates rounds that select the same way one after the other.

    Args:
        binding: The modes and cooperativities; each round gets activities of its own.
        n_rounds: The number of rounds, with the initial one.
        round_type: The type of the others.

    Returns:
        The initial round, and rounds that each refer to the one before, with the
        names ``1``, ``2``, ...
    """
    bindings = list(binding)
    rounds: list[BaseRound] = [InitialRound()]
    for number in range(1, n_rounds):
        rounds.append(round_type.from_binding(bindings, rounds[-1], name=str(number)))
    return rounds

"""The ways in which sequences are selected."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, Self

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from ..aggregate import Aggregate
from ..base import Binding
from ..utils import log1mexp
from .base import BaseRound, Round

# Beyond it nothing is left unbound in float32, and the gradient would be 0 * inf.
_MAX_LOG_Z = 80.0


class BoundRound(Round):
    r"""The bound sequences are kept, :math:`E = Z / (1 + Z)`.

    See ``Round`` for the arguments.
    """

    def log_enrichment(self, seqs: Tensor) -> Tensor:
        r""":math:`\log E = \log \sigma(\log Z)`, see ``BaseRound``."""
        return logsigmoid(self.log_aggregate(seqs))


class BoundUnsaturatedRound(Round):
    """The bound sequences are kept and little is bound, :math:`E = Z`.

    See ``Round`` for the arguments.
    """

    def log_enrichment(self, seqs: Tensor) -> Tensor:
        r""":math:`\log E = \log Z`, see ``BaseRound``."""
        return self.log_aggregate(seqs)


class UnboundRound(Round):
    r"""The unbound sequences are kept, :math:`E = 1 / (1 + Z)`.

    See ``Round`` for the arguments.
    """

    @classmethod
    def from_round(
        cls, base_round: Round, train_depth: bool = True, name: str = ""
    ) -> Self:
        """Creates the counterpart of a round that keeps the bound sequences.

        Args:
            base_round: The round whose aggregate, reference round and library
                concentration are used.
            train_depth: Whether to train the depth.
            name: A name for messages, legends and reports.
        """
        return cls(
            base_round.aggregate,
            base_round.reference_round,
            train_depth=train_depth,
            library_concentration=base_round._library_concentration,
            name=name,
        )

    def log_enrichment(self, seqs: Tensor) -> Tensor:
        r""":math:`\log E = \log \sigma(-\log Z)`, see ``BaseRound``."""
        return logsigmoid(-self.log_aggregate(seqs))


class RhoGammaRound(Round):
    r"""A general power law of saturation, :math:`E = Z^\rho (1 + Z)^\gamma`.

    The bound sequences are kept with :math:`\rho = 1, \gamma = -1`, the unbound ones
    with :math:`\rho = 0, \gamma = -1`.

    Args:
        aggregate: See ``Round``.
        reference_round: See ``BaseRound``.
        train_depth: See ``BaseRound``.
        log_depth: See ``BaseRound``.
        library_concentration: See ``BaseRound``.
        rho: The exponent of :math:`Z` at first; it is trained.
        gamma: The exponent of :math:`1 + Z` at first; it is trained.
        name: See ``BaseRound``.

    Attributes:
        rho: The exponent of :math:`Z`.
        gamma: The exponent of :math:`1 + Z`.
    """

    unfreezable = Literal["all", "depth", "rho"]

    def __init__(
        self,
        aggregate: Aggregate,
        reference_round: BaseRound | None,
        train_depth: bool = True,
        log_depth: float = 0.0,
        library_concentration: float = -1,
        rho: float = 0.0,
        gamma: float = -1.0,
        name: str = "",
    ) -> None:
        super().__init__(
            aggregate,
            reference_round,
            train_depth=train_depth,
            log_depth=log_depth,
            library_concentration=library_concentration,
            name=name,
        )
        self.rho = torch.nn.Parameter(torch.tensor(float(rho)))
        self.gamma = torch.nn.Parameter(torch.tensor(float(gamma)))

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
        rho: float = 1,
        gamma: float = -1,
    ) -> Self:
        """Creates a round with an aggregate of its own, see ``Round.from_binding``.

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
            rho: The exponent of Z at first; 1 here, unlike in the constructor.
            gamma: The exponent of 1 + Z at first.
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
            rho=rho,
            gamma=gamma,
            name=name,
        )

    def unfreeze(self, parameter: Any = "all") -> None:
        """Makes parameters trainable.

        Args:
            parameter: ``rho`` for both exponents, ``depth``, or ``all``.

        Raises:
            ValueError: The round has no such parameter.
        """
        if parameter in ("all", "rho"):
            self.rho.requires_grad_()
            self.gamma.requires_grad_()
        if parameter != "rho":
            super().unfreeze(parameter)

    def log_enrichment(self, seqs: Tensor) -> Tensor:
        r""":math:`\log E = \rho \log Z + \gamma \log(1 + Z)`, see ``BaseRound``."""
        log_z = self.log_aggregate(seqs)
        saturation = self.gamma * logsigmoid(-log_z)
        unbound = log_z == -math.inf
        if not bool(unbound.any()):
            return self.rho * log_z - saturation
        # The exponents get no gradient from rows in which Z is 0, instead of a NaN.
        result = self.rho * log_z.masked_fill(unbound, 0.0) - saturation
        rho = self.rho.item()
        return result.masked_fill(
            unbound, math.copysign(math.inf, -rho) if rho else 0.0
        )


class ExponentialRound(Round):
    r"""A reaction that goes on for some time, faster if more is bound.

    .. math:: E = s e^{-Z} + (1 - s) (1 - e^{-Z}), \quad s = \sigma(\delta)

    :math:`Z` is the number of reactions expected in the time of the round, and
    :math:`s` the share that is kept although nothing happened. The log of
    :math:`1 - e^{-Z}` is never below :math:`\log 10^{-8} = -18.42`, so without
    ``delta`` this is the least log enrichment.

    Args:
        aggregate: See ``Round``.
        reference_round: See ``BaseRound``.
        train_depth: See ``BaseRound``.
        log_depth: See ``BaseRound``.
        library_concentration: See ``BaseRound``.
        delta: The log odds of :math:`s` at first; -inf for :math:`s = 0`.
        train_delta: Whether to train ``delta``.
        name: See ``BaseRound``.

    Attributes:
        delta: The log odds of :math:`s`.
    """

    unfreezable = Literal["all", "depth", "delta"]

    def __init__(
        self,
        aggregate: Aggregate,
        reference_round: BaseRound | None,
        train_depth: bool = True,
        log_depth: float = 0.0,
        library_concentration: float = -1,
        delta: float = -15.0,
        train_delta: bool = True,
        name: str = "",
    ) -> None:
        super().__init__(
            aggregate,
            reference_round,
            train_depth=train_depth,
            log_depth=log_depth,
            library_concentration=library_concentration,
            name=name,
        )
        self.train_delta = train_delta
        self.delta = torch.nn.Parameter(
            torch.tensor(float(delta)), requires_grad=train_delta
        )

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
        delta: float = -15.0,
        train_delta: bool = True,
    ) -> Self:
        """Creates a round with an aggregate of its own, see ``Round.from_binding``.

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
            delta: See ``ExponentialRound``.
            train_delta: See ``ExponentialRound``.
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
            delta=delta,
            train_delta=train_delta,
            name=name,
        )

    @classmethod
    def from_round(
        cls,
        base_round: ExponentialRound,
        reference_round: BaseRound | None = None,
        train_depth: bool = True,
        target_concentration: float = 1,
        name: str = "",
    ) -> Self:
        """Creates a round of the same reaction at another time or concentration.

        The activities are those of the other round; ``delta`` starts at its value.

        Args:
            base_round: The other round.
            reference_round: See ``BaseRound``; that of the other round by default.
            train_depth: See ``BaseRound``.
            target_concentration: The concentration, or the time, in the unit of that
                of the other round; it is not trained.
            name: See ``BaseRound``.
        """
        aggregate = Aggregate(
            base_round.aggregate.contributions,
            target_concentration=target_concentration,
        )
        if reference_round is None:
            reference_round = base_round.reference_round
        return cls(
            aggregate,
            reference_round,
            train_depth=train_depth,
            delta=base_round.delta.item(),
            train_delta=base_round.train_delta,
            name=name,
        )

    @property
    def log_delta(self) -> Tensor:
        """Another name of ``delta``."""
        return self.delta

    def unfreeze(self, parameter: Any = "all") -> None:
        """Makes parameters trainable.

        Args:
            parameter: ``delta``, ``depth``, or ``all``.

        Raises:
            ValueError: The round has no such parameter.
        """
        if parameter in ("all", "delta") and self.train_delta:
            self.delta.requires_grad_()
        if parameter != "delta":
            super().unfreeze(parameter)

    def log_enrichment(self, seqs: Tensor) -> Tensor:
        """The log of E as above, see ``BaseRound``."""
        z = self.log_aggregate(seqs).clamp(max=_MAX_LOG_Z).exp()
        log_reacted = log1mexp(z)
        if bool(self.delta == -math.inf):
            return log_reacted
        return torch.logaddexp(
            logsigmoid(self.delta) - z, logsigmoid(-self.delta) + log_reacted
        )

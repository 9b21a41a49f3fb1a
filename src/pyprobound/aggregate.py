"""Everything that binds a sequence, summed: the aggregate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from . import evaluation
from .base import Binding, Call, Component, Procedure, Transform
from .containers import TModuleList
from .kernels.likelihood import log_sums

__all__ = ["Aggregate", "Contribution"]

_NOT_CONTRIBUTING = -math.inf


class Contribution(Transform):
    r"""The part of one binding in an aggregate.

    .. math::
        \log \frac{[P_a]}{K_{D,a}(S)} =
        \log \frac{[P_a]}{K_{D,a}(S_\text{ref})} + \log \frac{1}{K^{rel}_{D,a}(S)}

    The first term on the right is ``log_activity``; with ``-inf`` the binding does
    not contribute: it is neither scored nor trained.

    Args:
        binding: The mode or cooperativity.
        train_activity: Whether to train the activity.
        log_activity: The log of the activity at first.
        activity_heuristic: The share of the aggregate that the binding gets when its
            training starts, see ``Aggregate.activity_heuristic``.

    Attributes:
        binding: The mode or cooperativity.
        log_activity: The log of the activity, without unit.

    Raises:
        ValueError: ``activity_heuristic`` is not between 0 and 1.

    References:
        Rube et al., Nature Biotechnology 2022, doi:10.1038/s41587-022-01307-0.
    """

    unfreezable = Literal["all", "activity"]

    def __init__(
        self,
        binding: Binding,
        train_activity: bool = True,
        log_activity: float = float("-inf"),
        activity_heuristic: float = 0.05,
    ) -> None:
        super().__init__()
        _check_share("activity_heuristic", activity_heuristic)
        self.binding = binding
        self.train_activity = train_activity
        self.activity_heuristic = activity_heuristic
        self.log_activity = torch.nn.Parameter(
            torch.tensor(float(log_activity)), requires_grad=train_activity
        )

    def __str__(self) -> str:
        return f"Contribution( {self.binding} )"

    @property
    def is_contributing(self) -> bool:
        """Whether the activity is above zero."""
        return bool(self.log_activity.item() != _NOT_CONTRIBUTING)

    def components(self) -> Iterator[Component]:
        """The binding is the only part of a contribution."""
        yield self.binding

    def unfreeze(self, parameter: Literal["all", "activity"] = "all") -> None:
        """Makes parameters trainable.

        Args:
            parameter: ``activity``, or ``all``.

        Raises:
            ValueError: The activity is to be trained but is zero, so that there is no
                gradient; or a contribution has no such parameter.
        """
        if parameter in ("all", "activity") and self.train_activity:
            if not self.is_contributing:
                raise ValueError(
                    f"The log_activity of {self} is -inf and cannot be trained; set it"
                    " first, with set_contribution or Aggregate.activity_heuristic"
                )
            self.log_activity.requires_grad_()
        if parameter != "activity":
            super().unfreeze(parameter)

    @Transform.cache
    def forward(self, seqs: Tensor) -> Tensor:
        """The log of the contribution to the aggregate.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).

        Returns:
            A tensor of shape (rows,).
        """
        score: Tensor = self.binding(seqs)
        return self.log_activity + score

    def expected_log_contribution(self) -> float:
        """The log of the contribution for the expected sequence of the binding.

        It is computed in evaluation mode without gradients; -inf if the binding does
        not contribute.
        """
        if not self.is_contributing:
            return _NOT_CONTRIBUTING
        return self.log_activity.item() + self.binding.expected_log_score()

    def set_contribution(
        self, log_contribution: float = 0, only_decrease: bool = False
    ) -> None:
        """Sets the activity so that the expected contribution has a value.

        Args:
            log_contribution: The log of the contribution for the expected sequence.
            only_decrease: Whether an activity that is lower already is kept.
        """
        log_activity = float(log_contribution) - self.binding.expected_log_score()
        if (
            only_decrease
            and self.is_contributing
            and log_activity >= self.log_activity.item()
        ):
            return
        with torch.no_grad():
            self.log_activity.fill_(log_activity)


class Aggregate(Transform):
    r"""All bindings of a sequence together.

    .. math::
        \log Z(S) = \log [P]_T + \log \sum_a \frac{[P_a]}{K_{D,a}(S)}

    with the contributions :math:`a` and a concentration :math:`[P]_T` of the target,
    which shifts all activities. Without any contribution :math:`Z` is zero.

    Args:
        contributions: The contributions.
        train_concentration: Whether to train the concentration. It does the same as
            the activities together, so train it only where these are fixed or shared.
        target_concentration: The concentration at first, in a unit of choice.

    Attributes:
        contributions: The contributions.
        log_target_concentration: The log of the concentration.

    Raises:
        ValueError: There is no contribution, a binding occurs twice, or the
            concentration is not positive.

    References:
        Rube et al., Nature Biotechnology 2022, doi:10.1038/s41587-022-01307-0.
    """

    unfreezable = Literal["all", "concentration"]

    def __init__(
        self,
        contributions: Iterable[Contribution],
        train_concentration: bool = False,
        target_concentration: float = 1,
    ) -> None:
        super().__init__()
        self.contributions: TModuleList[Contribution] = TModuleList(contributions)
        _check_bindings([each.binding for each in self.contributions])
        if not target_concentration > 0:
            raise ValueError(
                f"target_concentration must be positive, not {target_concentration}"
            )
        self.train_concentration = train_concentration
        self.log_target_concentration = torch.nn.Parameter(
            torch.tensor(math.log(target_concentration)),
            requires_grad=train_concentration,
        )

    @classmethod
    def from_binding(
        cls,
        binding: Iterable[Binding],
        train_concentration: bool = False,
        target_concentration: float = 1,
        activity_heuristic: float = 0.05,
    ) -> Aggregate:
        """Creates an aggregate with one contribution for each binding.

        Args:
            binding: The modes and cooperativities.
            train_concentration: See ``Aggregate``.
            target_concentration: See ``Aggregate``.
            activity_heuristic: See ``Contribution``.
        """
        return cls(
            [
                Contribution(each, activity_heuristic=activity_heuristic)
                for each in binding
            ],
            train_concentration=train_concentration,
            target_concentration=target_concentration,
        )

    def components(self) -> Iterator[Component]:
        """The contributions are the parts of an aggregate."""
        yield from self.contributions

    def unfreeze(self, parameter: Literal["all", "concentration"] = "all") -> None:
        """Makes parameters trainable.

        Args:
            parameter: ``concentration``, or ``all``, which leaves out the bindings
                that do not contribute.

        Raises:
            ValueError: An aggregate has no such parameter.
        """
        word: str = parameter
        if word in ("all", "concentration") and self.train_concentration:
            self.log_target_concentration.requires_grad_()
        if word == "all":
            for contribution in self._contributing():
                contribution.unfreeze("all")
        elif word != "concentration":
            super().unfreeze(word)

    @Transform.cache
    def forward(self, seqs: Tensor) -> Tensor:
        r"""The log of the aggregate, :math:`\log Z`.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows, channels,
                length).

        Returns:
            A tensor of shape (rows,); -inf where nothing binds.
        """
        contributing = self._contributing()
        concentration = self.log_target_concentration
        if not contributing:
            return concentration.new_full((len(seqs),), -math.inf)
        if _are_plain(contributing):
            return _sums(seqs, [(self, contributing)])[0]
        terms = [each(seqs) for each in contributing]
        return log_sums(terms, concentration.expand(1, len(terms)))[0]

    def _contributing(self) -> list[Contribution]:
        return [each for each in self.contributions if each.is_contributing]

    # --- activities --------------------------------------------------------------

    def expected_log_aggregate(self) -> float:
        """The log of the aggregate for the expected sequence of the first binding.

        It is computed in evaluation mode without gradients.
        """
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                return float(self(self.contributions[0].binding.expected_sequence()))
        finally:
            self.train(training)

    def activity_heuristic(
        self, contribution: Contribution, frac: float | None = None
    ) -> None:
        r"""Gives a contribution a share of the aggregate.

        The contribution enters with the share ``frac`` of the expected aggregate and
        the others shrink by the factor ``1 - frac``, so that the expected aggregate
        stays as it is. The first one enters with an expected contribution of 1.
        An activity that is above zero already is never raised.

        Args:
            contribution: One of the contributions.
            frac: The share, by default the ``activity_heuristic`` of the contribution.

        Raises:
            ValueError: ``frac`` is not between 0 and 1, or the contribution is not one
                of this aggregate.
        """
        if frac is None:
            frac = contribution.activity_heuristic
        _check_share("frac", frac)
        if contribution not in self.contributions:
            raise ValueError(f"{contribution} is not a contribution of this aggregate")
        before = self._expected_log_sum()
        if before == -math.inf:
            contribution.set_contribution(0, contribution.is_contributing)
            return
        contribution.set_contribution(
            math.log(frac) + before, only_decrease=contribution.is_contributing
        )
        log_shrinkage = math.log(2 - math.exp(self._expected_log_sum() - before))
        for other in self._contributing():
            if other is not contribution:
                other.set_contribution(
                    other.expected_log_contribution() + log_shrinkage,
                    only_decrease=True,
                )

    def _expected_log_sum(self) -> float:
        """The expected aggregate without the concentration."""
        return self.expected_log_aggregate() - self.log_target_concentration.item()

    # --- optimisation ------------------------------------------------------------

    def optim_procedure(
        self,
        ancestry: tuple[Component, ...] | None = None,
        current_order: Procedure | None = None,
    ) -> Procedure:
        """The steps that train the bindings, see ``Component.optim_procedure``.

        Each contribution gets its share in the first step of its binding.

        Args:
            ancestry: The components above this one, from the root.
            current_order: The procedure found so far; it is extended.
        """
        order = super().optim_procedure(ancestry, current_order)
        for key, optim in order.items():
            members = [each for each in self.contributions if each.binding.key() == key]
            if members:
                optim.steps[0].calls.extend(
                    Call(self, "activity_heuristic", {"contribution": each})
                    for each in members
                )
                optim.merge_binding_optim()
        return order


def prepare_sums(aggregates: Iterable[Aggregate], seqs: Tensor) -> None:
    """Computes several aggregates of the same bindings at once.

    The current evaluation remembers them, so that nothing but time depends on it.

    Args:
        aggregates: Aggregates that the current evaluation needs.
        seqs: Codes of shape (rows, length), or values of shape (rows, channels,
            length).
    """
    groups: dict[tuple[int, ...], list[tuple[Aggregate, list[Contribution]]]] = {}
    distinct = dict.fromkeys(aggregates)
    for aggregate in distinct if len(distinct) > 1 else ():
        contributing = aggregate._contributing()
        if evaluation.is_plain(aggregate, Aggregate) and _are_plain(contributing):
            bindings = tuple(id(each.binding) for each in contributing)
            groups.setdefault(bindings, []).append((aggregate, contributing))
    for bindings, members in groups.items():
        if bindings and len(members) > 1:
            sums = _sums(seqs, members)
            for (aggregate, _), result in zip(members, sums, strict=True):
                evaluation.remember(aggregate, Aggregate.forward, seqs, result)


def _are_plain(contributions: list[Contribution]) -> bool:
    """Whether contributions are what their class says, so that they can be fused."""
    return all(evaluation.is_plain(each, Contribution) for each in contributions)


def _sums(
    seqs: Tensor, members: list[tuple[Aggregate, list[Contribution]]]
) -> Sequence[Tensor]:
    """The logs of aggregates whose contributions have the same bindings, in order."""
    terms = [each.binding(seqs) for each in members[0][1]]
    activities: list[Tensor]
    activities = [each.log_activity for _, chosen in members for each in chosen]
    concentrations: list[Tensor]
    concentrations = [aggregate.log_target_concentration for aggregate, _ in members]
    shifts = torch.stack(activities).view(len(members), -1)
    shifts = shifts + torch.stack(concentrations).unsqueeze(1)
    return log_sums(terms, shifts)


def _check_share(name: str, share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"{name} must be greater than 0 and less than 1, not {share}")


def _check_bindings(bindings: list[Binding]) -> None:
    if not bindings:
        raise ValueError("An aggregate needs at least one contribution")
    for index, binding in enumerate(bindings):
        if any(binding is other for other in bindings[:index]):
            raise ValueError(
                f"{binding} occurs twice in an aggregate: add its activities up in one"
                " contribution, or create a second mode"
            )

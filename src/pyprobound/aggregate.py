"""Everything that binds a sequence, summed: the aggregate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor

from .base import Binding, Call, Component, Procedure, Transform
from .containers import TModuleList

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
        return bool(self.log_activity != _NOT_CONTRIBUTING)

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
        terms = [contribution(seqs) for contribution in self._contributing()]
        if not terms:
            return self.log_target_concentration.new_full((len(seqs),), -math.inf)
        return self.log_target_concentration + log_sum(terms)

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


class _LogSum(torch.autograd.Function):
    """See ``log_sum``."""

    @staticmethod
    def forward(*terms: Tensor) -> Tensor:
        total = torch.logaddexp(terms[0], terms[1])
        for term in terms[2:]:
            torch.logaddexp(total, term, out=total)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(output, *inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        (gradient,) = gradients
        total, *terms = ctx.saved_tensors
        # A sum of zeros has no gradient; the difference of two -inf would be NaN.
        total = total.clamp(min=torch.finfo(total.dtype).min)
        return tuple((term - total).exp_() * gradient for term in terms)


def log_sum(terms: list[Tensor]) -> Tensor:
    r"""The log of a sum, :math:`\log \sum_a e^{t_a}`, added in the order given.

    Unlike with ``torch.logaddexp`` and ``torch.logsumexp``, where all terms are -inf
    the gradients are zero, and nothing is kept but the terms and the sum.

    Args:
        terms: At least one tensor, all of the same shape.
    """
    if len(terms) == 1:
        return terms[0]
    total: Tensor = _LogSum.apply(*terms)  # type: ignore[no-untyped-call]
    return total


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

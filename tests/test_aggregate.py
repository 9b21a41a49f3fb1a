"""Contributions, aggregates, and the heuristic that sets activities."""

import copy
import math
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound import Aggregate, Binding, Contribution, CountTable, Mode, Spec
from pyprobound.alphabets import DNA
from pyprobound.layers import PSAM, NonSpecific

INFINITY = float("inf")
SEQS = torch.tensor([[0, 1, 2], [3, 3, 0], [2, 2, 2]])


class Letters(Binding):
    """A binding that adds up a value per letter, and counts its evaluations."""

    def __init__(self, values, spec=None):
        super().__init__(name="letters")
        self.values = torch.nn.Parameter(torch.tensor(values))
        self.spec = spec or Spec()
        self.n_evaluations = 0

    def components(self):
        yield self.spec

    def key(self):
        return (self.spec,)

    def expected_sequence(self):
        return torch.full((1, 4, 3), 0.25)

    def score_windows(self, seqs):
        return self.values[seqs] if seqs.ndim == 2 else self.values @ seqs

    def forward(self, seqs):
        self.n_evaluations += 1
        return self.score_windows(seqs).sum(dim=-1)


@pytest.fixture
def bindings():
    return [
        Letters([0.5, -0.25, 0.0, 1.0]),
        Letters([0.0, 0.75, -1.0, 0.5]),
        Letters([-0.5, 0.25, 1.5, 0.0]),
    ]


def reference(aggregate, seqs):
    """The log of the aggregate, in float64 and without any shortcut."""
    total = np.zeros(len(seqs))
    for each in aggregate.contributions:
        values = each.binding.values.detach().double().numpy()
        score = values[seqs.numpy()].sum(axis=1)
        total += np.exp(each.log_activity.item() + score)
    with np.errstate(divide="ignore"):
        return aggregate.log_target_concentration.item() + np.log(total)


activities = st.one_of(st.just(-INFINITY), st.floats(-20, 20))


@given(
    values=st.tuples(activities, activities, activities), target=st.floats(0.01, 1e4)
)
@settings(deadline=None, max_examples=40)
def test_aggregate_is_the_sum_of_its_contributions(values, target):
    made = [Letters([0.5 * i, -0.25, 0.1, 1.0 - i]) for i in range(3)]
    aggregate = Aggregate(
        [Contribution(b, log_activity=v) for b, v in zip(made, values, strict=True)],
        target_concentration=target,
    )
    found = aggregate(SEQS).detach().double().numpy()
    np.testing.assert_allclose(found, reference(aggregate, SEQS), rtol=1e-5, atol=1e-5)


def test_an_absent_contribution_is_neither_scored_nor_trained(bindings):
    aggregate = Aggregate(
        [
            Contribution(bindings[0], log_activity=0.0),
            Contribution(bindings[1]),
        ]
    )
    aggregate.freeze()
    bindings[1].freeze()
    aggregate.unfreeze("all")
    aggregate(SEQS).sum().backward()
    assert bindings[0].n_evaluations == 1
    assert bindings[1].n_evaluations == 0
    assert aggregate.contributions[0].log_activity.requires_grad
    assert not aggregate.contributions[1].log_activity.requires_grad
    assert aggregate.contributions[1].expected_log_contribution() == -INFINITY


def test_without_contributions_nothing_is_bound(bindings):
    aggregate = Aggregate.from_binding(bindings, target_concentration=5.0)
    assert aggregate(SEQS).tolist() == [-INFINITY] * 3
    assert aggregate.expected_log_aggregate() == -INFINITY


def test_an_activity_that_is_not_a_number_is_not_hidden(bindings):
    aggregate = Aggregate([Contribution(bindings[0], log_activity=float("nan"))])
    assert aggregate(SEQS).isnan().all()


def test_a_contribution_of_two_aggregates_is_one_object(bindings):
    shared = Contribution(bindings[0], log_activity=0.5)
    one, two = Aggregate([shared]), Aggregate([shared], target_concentration=math.e)
    torch.testing.assert_close(two(SEQS), one(SEQS) + 1)
    shared.set_contribution(3.0)
    torch.testing.assert_close(two(SEQS), one(SEQS) + 1)


@pytest.mark.parametrize("value", [2, torch.tensor(2), np.int64(2)])
def test_d45_initial_values_may_be_integers(bindings, value):
    contribution = Contribution(bindings[0], log_activity=value)
    aggregate = Aggregate([contribution], True, target_concentration=value)
    for parameter in (contribution.log_activity, aggregate.log_target_concentration):
        assert parameter.dtype == torch.float32
        assert parameter.requires_grad
    assert contribution.log_activity.item() == 2.0
    assert aggregate.log_target_concentration.item() == pytest.approx(math.log(2))


# --- freezing --------------------------------------------------------------------


def test_unfreeze_knows_its_words(bindings):
    contribution = Contribution(bindings[0], log_activity=0.0)
    aggregate = Aggregate([contribution], train_concentration=True)
    aggregate.freeze()
    aggregate.unfreeze("concentration")
    assert aggregate.log_target_concentration.requires_grad
    assert not contribution.log_activity.requires_grad
    aggregate.freeze()
    contribution.unfreeze("activity")
    assert contribution.log_activity.requires_grad
    for component, word in ((aggregate, "activity"), (contribution, "concentration")):
        with pytest.raises(ValueError, match=word):
            component.unfreeze(word)


def test_what_is_not_to_be_trained_stays_frozen(bindings):
    fixed = Contribution(bindings[0], train_activity=False, log_activity=0.0)
    aggregate = Aggregate([fixed])
    aggregate.unfreeze("all")
    aggregate.unfreeze("concentration")
    fixed.unfreeze("activity")
    assert not fixed.log_activity.requires_grad
    assert not aggregate.log_target_concentration.requires_grad


@pytest.mark.parametrize("word", ["all", "activity"])
def test_an_absent_contribution_cannot_be_unfrozen(bindings, word):
    with pytest.raises(ValueError, match="-inf"):
        Contribution(bindings[0]).unfreeze(word)
    Contribution(bindings[0], train_activity=False).unfreeze(word)


# --- activities ------------------------------------------------------------------


def test_set_contribution_sets_the_expectation(bindings):
    contribution = Contribution(bindings[0])
    contribution.set_contribution(-5.0, only_decrease=True)  # from -inf: always set
    assert contribution.expected_log_contribution() == pytest.approx(-5.0)
    contribution.set_contribution(-4.0, only_decrease=True)
    assert contribution.expected_log_contribution() == pytest.approx(-5.0)
    contribution.set_contribution(-6.0, only_decrease=True)
    assert contribution.expected_log_contribution() == pytest.approx(-6.0)
    contribution.set_contribution()
    assert contribution.expected_log_contribution() == pytest.approx(0.0, abs=1e-6)


shares = st.floats(0.01, 0.99)


@given(first=shares, second=shares, target=st.floats(0.1, 100))
@settings(deadline=None, max_examples=30)
def test_heuristic_gives_shares_and_keeps_the_aggregate(first, second, target):
    made = [Letters([0.5 * i, -0.25, 0.1, 1.0 - i]) for i in range(3)]
    aggregate = Aggregate.from_binding(made, target_concentration=target)
    zero, one, two = aggregate.contributions
    aggregate.activity_heuristic(zero)
    assert zero.expected_log_contribution() == pytest.approx(0.0, abs=1e-5)
    aggregate.activity_heuristic(one, first)
    aggregate.activity_heuristic(two, second)
    expected = [
        (1 - first) * (1 - second),
        first * (1 - second),
        second,
    ]
    found = [math.exp(c.expected_log_contribution()) for c in aggregate.contributions]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert aggregate.expected_log_aggregate() == pytest.approx(
        math.log(target), abs=1e-4
    )


def test_heuristic_never_raises_an_activity(bindings):
    aggregate = Aggregate.from_binding(bindings[:2])
    zero, one = aggregate.contributions
    aggregate.activity_heuristic(zero)
    aggregate.activity_heuristic(one, 0.5)
    before = [c.log_activity.item() for c in aggregate.contributions]
    aggregate.activity_heuristic(one, 0.9)
    assert [c.log_activity.item() for c in aggregate.contributions] == before
    aggregate.activity_heuristic(one, 0.1)
    after = [c.log_activity.item() for c in aggregate.contributions]
    assert after[0] == before[0]
    assert after[1] == pytest.approx(before[1] + math.log(0.1 / 0.5), abs=1e-5)


def test_heuristic_uses_the_share_of_the_contribution(bindings):
    aggregate = Aggregate.from_binding(bindings[:2], activity_heuristic=0.25)
    for contribution in aggregate.contributions:
        aggregate.activity_heuristic(contribution)
    assert math.exp(
        aggregate.contributions[1].expected_log_contribution()
    ) == pytest.approx(0.25, rel=1e-5)


def test_expectations_leave_the_training_mode_alone(bindings):
    aggregate = Aggregate([Contribution(bindings[0], log_activity=0.0)])
    aggregate.expected_log_aggregate()
    assert aggregate.training
    aggregate.eval()
    aggregate.expected_log_aggregate()
    assert not aggregate.training


def test_gradients_are_available_after_the_heuristic():
    table = CountTable(pd.DataFrame([[1, 2]], index=["ACGTAC"]), DNA())
    modes = [
        Mode.from_nonspecific(NonSpecific(table.alphabet), table),
        Mode.from_psam(PSAM(kernel_size=3, alphabet=table.alphabet), table),
    ]
    aggregate = Aggregate.from_binding(modes)
    for contribution in aggregate.contributions:
        aggregate.activity_heuristic(contribution)
    aggregate(table.seqs).sum().backward()
    trained = [p for p in aggregate.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)


# --- errors ----------------------------------------------------------------------


@pytest.mark.parametrize("share", [0, 1, 1.0, -0.1, float("nan")])
def test_shares_are_between_zero_and_one(bindings, share):
    with pytest.raises(ValueError, match="activity_heuristic"):
        Contribution(bindings[0], activity_heuristic=share)
    aggregate = Aggregate.from_binding(bindings)
    with pytest.raises(ValueError, match="frac"):
        aggregate.activity_heuristic(aggregate.contributions[0], share)


def test_wrong_arguments_are_refused(bindings):
    with pytest.raises(ValueError, match="twice"):
        Aggregate.from_binding([bindings[0], bindings[1], bindings[0]])
    with pytest.raises(ValueError, match="at least one"):
        Aggregate([])
    with pytest.raises(ValueError, match="positive"):
        Aggregate.from_binding(bindings, target_concentration=0)
    with pytest.raises(ValueError, match="not a contribution of this aggregate"):
        Aggregate.from_binding(bindings).activity_heuristic(Contribution(bindings[0]))


# --- optimisation ----------------------------------------------------------------


def keyed_modes(n_modes):
    """Modes of one motif, which have one key."""
    table = CountTable(pd.DataFrame([[1, 2]], index=["ACGTAC"]), DNA())
    psam = PSAM(kernel_size=3, alphabet=table.alphabet)
    return psam, [Mode.from_psam(psam, table) for _ in range(n_modes)]


def test_d48_every_contribution_of_a_key_gets_its_activity():
    psam, modes = keyed_modes(2)
    aggregate = Aggregate.from_binding(modes)
    procedure = aggregate.optim_procedure()
    assert list(procedure) == [(psam,)]
    calls = procedure[psam,].steps[0].calls
    assert [call.fun for call in calls] == ["freeze"] + ["activity_heuristic"] * 2
    for call in calls:
        call.run()
    found = [c.expected_log_contribution() for c in aggregate.contributions]
    assert found == pytest.approx([math.log(0.95), math.log(0.05)], abs=1e-5)


def test_an_aggregate_that_is_visited_twice_has_each_call_once():
    psam, modes = keyed_modes(1)
    aggregate = Aggregate.from_binding(modes)
    once = [list(step.calls) for step in aggregate.optim_procedure()[psam,].steps]
    order = aggregate.optim_procedure()
    order = aggregate.optim_procedure(ancestry=(), current_order=order)
    assert [list(step.calls) for step in order[psam,].steps] == once
    assert [[call.fun for call in calls] for calls in once] == [
        ["freeze", "activity_heuristic"],
        ["unfreeze"],
        ["unfreeze"],
    ]


# --- copies and texts ------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_are_independent(bindings, duplicate):
    aggregate = Aggregate([Contribution(bindings[0], log_activity=0.0)])
    other = duplicate(aggregate)
    torch.testing.assert_close(other(SEQS), aggregate(SEQS))
    other.contributions[0].set_contribution(9.0)
    assert not torch.equal(other(SEQS), aggregate(SEQS))


def test_names(bindings):
    contribution = Contribution(bindings[0])
    assert str(contribution) == "Contribution( Letters-letters )"
    aggregate = Aggregate([contribution])
    assert [name for name, _ in aggregate.named_parameters()] == [
        "log_target_concentration",
        "contributions.0.log_activity",
        "contributions.0.binding.values",
    ]

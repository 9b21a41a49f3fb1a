"""Rounds: enrichments, their products along references, and how rounds are made."""

import copy
import logging
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound import (
    Aggregate,
    Binding,
    BindingOptim,
    Call,
    Contribution,
    Experiment,
    Spec,
    Step,
)
from pyprobound.rounds import (
    BoundRound,
    BoundUnsaturatedRound,
    ExponentialRound,
    InitialRound,
    RhoGammaRound,
    Round,
    UnboundRound,
    repeat_round,
)

INFINITY = float("inf")
FLOOR = math.log(1e-8)
KINDS = (
    BoundRound,
    BoundUnsaturatedRound,
    UnboundRound,
    RhoGammaRound,
    ExponentialRound,
)


class Given(Binding):
    """A binding whose score of a row is the first value of the row."""

    def __init__(self):
        super().__init__()
        self.spec = Spec()

    def components(self):
        yield self.spec

    def key(self):
        return (self.spec,)

    def expected_sequence(self):
        return torch.zeros(1, 1)

    def score_windows(self, seqs):
        return seqs

    def forward(self, seqs):
        return seqs[:, 0]


def aggregate(log_activity=0.0):
    return Aggregate([Contribution(Given(), log_activity=log_activity)])


def rows(*log_z):
    return torch.tensor(log_z)[:, None]


def enrichment(kind, log_z, **options):
    """The log enrichment of a round as an array of float64."""
    found = kind(aggregate(), None, **options).log_enrichment(rows(*log_z))
    return found.detach().double().numpy()


values = st.lists(st.floats(-15, 15, width=32), min_size=1, max_size=5)


@given(log_z=values)
@settings(deadline=None, max_examples=30)
def test_bound_and_unbound_fractions(log_z):
    z = np.exp(np.array(log_z))
    tolerance = {"rtol": 1e-5, "atol": 1e-6}
    expected = {
        BoundRound: np.log(z) - np.log1p(z),
        BoundUnsaturatedRound: np.log(z),
        UnboundRound: -np.log1p(z),
    }
    for kind, answer in expected.items():
        np.testing.assert_allclose(enrichment(kind, log_z), answer, **tolerance)
    total = np.exp(enrichment(BoundRound, log_z)) + np.exp(
        enrichment(UnboundRound, log_z)
    )
    np.testing.assert_allclose(total, 1, rtol=1e-5)


@given(log_z=values, rho=st.floats(-2, 2), gamma=st.floats(-2, 2))
@settings(deadline=None, max_examples=30)
def test_d1_gamma_is_the_exponent_of_one_plus_z(log_z, rho, gamma):
    z = np.exp(np.array(log_z))
    np.testing.assert_allclose(
        enrichment(RhoGammaRound, log_z, rho=rho, gamma=gamma),
        rho * np.log(z) + gamma * np.log1p(z),
        rtol=1e-4,
        atol=1e-4,
    )


def test_d1_from_binding_works_with_its_defaults_and_is_the_bound_fraction():
    made = RhoGammaRound.from_binding([Given()], None)
    assert (made.rho.item(), made.gamma.item()) == (1.0, -1.0)
    assert made.rho.requires_grad
    plain = RhoGammaRound(aggregate(), None)
    assert (plain.rho.item(), plain.gamma.item()) == (0.0, -1.0)
    log_z = [-3.0, 0.5, 8.0]
    np.testing.assert_allclose(
        enrichment(RhoGammaRound, log_z, rho=1, gamma=-1),
        enrichment(BoundRound, log_z),
        rtol=1e-5,
        atol=1e-6,
    )
    np.testing.assert_allclose(
        enrichment(RhoGammaRound, log_z), enrichment(UnboundRound, log_z), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("rho", "answer"), [(0.0, 0.0), (0.5, -INFINITY), (-0.5, INFINITY)]
)
def test_powers_of_an_aggregate_of_zero(rho, answer):
    made = RhoGammaRound(aggregate(), None, rho=rho)
    found = made.log_enrichment(rows(-INFINITY, 1.0))
    assert found[0].item() == answer
    found[1].backward()
    assert made.rho.grad.item() == pytest.approx(1.0)
    made.rho.grad = None
    # The row of the aggregate of zero has no count, so its gradient is zero.
    (made.log_enrichment(rows(-INFINITY, 1.0)).nan_to_num(0, 0, 0)).sum().backward()
    assert made.rho.grad.isfinite()


@given(log_z=st.lists(st.floats(-10, 4, width=32), min_size=1), delta=st.floats(-8, 8))
@settings(deadline=None, max_examples=30)
def test_exponential_enrichment(log_z, delta):
    z = np.exp(np.array(log_z))
    share = 1 / (1 + np.exp(-delta))
    expected = np.log(share * np.exp(-z) - (1 - share) * np.expm1(-z))
    found = enrichment(ExponentialRound, log_z, delta=delta)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_exponential_without_delta():
    z = np.array([0.01, 1.0, 20.0])
    found = enrichment(ExponentialRound, np.log(z).tolist(), delta=-INFINITY)
    np.testing.assert_allclose(found, np.log(-np.expm1(-z)), rtol=1e-4, atol=1e-7)


def test_d2_exponential_enrichment_has_a_floor():
    found = enrichment(ExponentialRound, [-30.0, -50.0], delta=-INFINITY)
    np.testing.assert_allclose(found, FLOOR, rtol=1e-6)
    share = math.exp(-15) / (1 + math.exp(-15))
    found = enrichment(ExponentialRound, [-50.0])
    assert found[0] == pytest.approx(math.log(share + 1e-8), rel=1e-5)


@pytest.mark.parametrize("delta", [-15.0, 2.0, -INFINITY])
def test_exponential_gradients_are_finite_everywhere(delta):
    made = ExponentialRound(aggregate(), None, delta=delta, train_delta=False)
    seqs = rows(-INFINITY, -200.0, -20.0, 0.0, 20.0, 90.0, 500.0).requires_grad_()
    found = made.log_enrichment(seqs)
    assert found.isfinite().all()
    (gradient,) = torch.autograd.grad(found.sum(), seqs)
    assert gradient.isfinite().all()


# --- depths and references -------------------------------------------------------


def test_initial_round_is_not_enriched():
    initial = InitialRound()
    seqs = rows(1.0, 2.0, 3.0)
    for function in (
        initial,
        initial.log_aggregate,
        initial.log_enrichment,
        initial.log_cumulative_enrichment,
    ):
        assert function(seqs).tolist() == [0.0] * 3
    with torch.no_grad():
        initial.log_depth.fill_(0.5)
    assert initial(seqs).tolist() == [0.5] * 3
    assert initial.log_enrichment(seqs).tolist() == [0.0] * 3
    assert not initial.log_depth.requires_grad
    assert not list(initial.components())


def test_enrichments_multiply_along_references():
    initial = InitialRound()
    one = BoundUnsaturatedRound(aggregate(), initial, log_depth=0.25)
    two = BoundRound(aggregate(1.0), one, log_depth=-0.5)
    seqs = rows(-1.0, 0.5)
    first, second = one.log_enrichment(seqs), two.log_enrichment(seqs)
    torch.testing.assert_close(one.log_cumulative_enrichment(seqs), first)
    torch.testing.assert_close(two.log_cumulative_enrichment(seqs), first + second)
    torch.testing.assert_close(two(seqs), first + second - 0.5)


def test_a_reference_without_reference_contributes_its_enrichment():
    one = BoundUnsaturatedRound(aggregate(), None)
    two = BoundUnsaturatedRound(aggregate(), one)
    seqs = rows(-1.0, 0.5)
    torch.testing.assert_close(two.log_cumulative_enrichment(seqs), 2 * seqs[:, 0])


def test_every_round_is_computed_once(caplog):
    rounds = repeat_round([Given()], 4, BoundUnsaturatedRound)
    for each in rounds[1:]:
        each.aggregate.contributions[0].set_contribution()
    experiment = Experiment(rounds)
    with caplog.at_level(logging.INFO, logger="pyprobound"):
        experiment(rows(0.0, 1.0))
    lines = [r.message for r in caplog.records if "Calculating output" in r.message]
    cumulative = [line for line in lines if "log_cumulative_enrichment" in line]
    assert len(cumulative) == 3
    assert len(lines) == len(set(lines)) + 2  # three aggregates without names


def test_a_reference_is_not_a_part():
    initial = InitialRound()
    one = BoundRound(aggregate(), initial)
    assert "reference_round" not in dict(one.named_modules())
    assert initial.log_depth not in set(one.parameters())
    other = InitialRound()
    one.reference_round = other
    assert one.reference_round is other
    assert "reference_round" not in dict(one.named_modules())
    duplicate = copy.deepcopy(one)
    assert duplicate.reference_round is not other
    assert isinstance(duplicate.reference_round, InitialRound)


@pytest.mark.parametrize("value", [1, torch.tensor(1), np.int32(1)])
def test_d45_initial_values_may_be_integers(value):
    made = [
        BoundRound(aggregate(), None, log_depth=value),
        RhoGammaRound(aggregate(), None, rho=value, gamma=value),
        ExponentialRound(aggregate(), None, delta=value),
    ]
    for each in made:
        own = [p for name, p in each.named_parameters() if "aggregate" not in name]
        assert all(p.dtype == torch.float32 and p.requires_grad for p in own)
    assert made[0].log_depth.item() == made[1].rho.item() == made[2].delta.item() == 1


# --- making rounds ---------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_from_binding_makes_an_aggregate(kind):
    binding = [Given(), Given()]
    initial = InitialRound()
    made = kind.from_binding(
        iter(binding),
        initial,
        train_depth=False,
        log_depth=0.5,
        train_concentration=True,
        target_concentration=3.0,
        library_concentration=7.0,
        activity_heuristic=0.2,
        name="x",
    )
    assert [c.binding for c in made.aggregate.contributions] == binding
    assert [c.activity_heuristic for c in made.aggregate.contributions] == [0.2, 0.2]
    assert made.reference_round is initial
    assert made.log_depth.item() == 0.5
    assert not made.log_depth.requires_grad
    assert made.aggregate.log_target_concentration.requires_grad
    assert made.aggregate.log_target_concentration.item() == pytest.approx(math.log(3))
    assert made.library_concentration == 7.0
    assert str(made) == f"{kind.__name__}-x"


def test_unbound_round_shares_the_aggregate():
    initial = InitialRound()
    bound = BoundRound(aggregate(), initial, library_concentration=2.5)
    unbound = UnboundRound.from_round(bound, train_depth=False, name="free")
    assert unbound.aggregate is bound.aggregate
    assert unbound.reference_round is initial
    assert unbound.library_concentration == 2.5
    assert not unbound.log_depth.requires_grad
    assert unbound.name == "free"


def test_exponential_round_at_another_time_shares_the_activities():
    initial = InitialRound()
    one = ExponentialRound(
        aggregate(0.5), initial, delta=-2, train_delta=False, library_concentration=1
    )
    two = ExponentialRound.from_round(one, target_concentration=4, name="late")
    assert two.aggregate is not one.aggregate
    assert two.aggregate.contributions[0] is one.aggregate.contributions[0]
    assert two.reference_round is initial
    assert two.delta is not one.delta
    assert two.delta.item() == -2.0
    assert two.log_delta is two.delta
    assert not two.delta.requires_grad
    seqs = rows(0.0, 1.0)
    torch.testing.assert_close(
        two.log_aggregate(seqs), one.log_aggregate(seqs) + math.log(4)
    )
    with pytest.raises(ValueError, match="library_concentration"):
        _ = two.library_concentration
    three = ExponentialRound.from_round(one, one)
    assert three.reference_round is one


def test_repeated_rounds_follow_each_other():
    rounds = repeat_round(iter([Given(), Given()]), 4, BoundRound)
    assert [type(each) for each in rounds] == [InitialRound] + [BoundRound] * 3
    assert [each.name for each in rounds] == ["", "1", "2", "3"]
    assert [each.reference_round for each in rounds] == [None, *rounds[:-1]]
    assert [len(each.aggregate.contributions) for each in rounds[1:]] == [2, 2, 2]
    assert isinstance(rounds[0], InitialRound)
    activities = {each.aggregate.contributions[0].log_activity for each in rounds[1:]}
    assert len(activities) == 3


def test_library_concentration_must_be_given():
    with pytest.raises(ValueError, match="'bound' is not known"):
        _ = BoundRound(aggregate(), None, name="bound").library_concentration
    assert (
        BoundRound(aggregate(), None, library_concentration=0).library_concentration
        == 0
    )


# --- freezing and optimisation ---------------------------------------------------

WORDS = {
    BoundRound: {"depth": {"log_depth"}},
    RhoGammaRound: {"depth": {"log_depth"}, "rho": {"rho", "gamma"}},
    ExponentialRound: {"depth": {"log_depth"}, "delta": {"delta"}},
}


@pytest.mark.parametrize("kind", WORDS)
def test_unfreeze_knows_its_words(kind):
    made = kind(aggregate(), None)
    for word, names in WORDS[kind].items():
        made.freeze()
        made.unfreeze(word)
        trained = {name for name, p in made.named_parameters() if p.requires_grad}
        assert trained == names
    made.freeze()
    made.unfreeze()
    trained = {name for name, p in made.named_parameters() if p.requires_grad}
    own = set().union(*WORDS[kind].values())
    assert trained == {*own, "aggregate.contributions.0.log_activity"}
    with pytest.raises(ValueError, match="'depth'"):
        made.unfreeze("monomer")


def test_what_is_not_to_be_trained_stays_frozen():
    made = ExponentialRound(aggregate(), None, train_depth=False, train_delta=False)
    for word in ("depth", "delta", "all"):
        made.unfreeze(word)
    assert not made.log_depth.requires_grad
    assert not made.delta.requires_grad
    initial = InitialRound()
    initial.unfreeze("all")
    assert not initial.log_depth.requires_grad


class Trained(Given):
    """A binding with a procedure like that of a mode."""

    def optim_procedure(self, ancestry=None, current_order=None):
        chain = (*(ancestry or ()), self)
        order = {} if current_order is None else current_order
        first = Step([Call(chain[0], "freeze", {})])
        order.setdefault(self.key(), BindingOptim(set(), [first])).ancestry.add(chain)
        return order


def test_depths_are_trained_from_the_first_step():
    binding = Trained()
    rounds = repeat_round([binding], 3, BoundRound)
    experiment = Experiment([*rounds, UnboundRound.from_round(rounds[-1], name="free")])
    procedure = experiment.optim_procedure()
    calls = list(procedure[binding.key()].steps[0].calls)
    found = [(getattr(call.cmpt, "name", ""), call.fun) for call in calls]
    assert found == [
        ("", "freeze"),
        ("", "activity_heuristic"),
        ("1", "unfreeze"),
        ("", "activity_heuristic"),
        ("2", "unfreeze"),
        ("free", "unfreeze"),
    ]
    for call in calls:
        call.run()
    assert all(each.log_depth.requires_grad for each in experiment.observed_rounds[1:])
    again = experiment.optim_procedure(current_order=procedure)
    assert again[binding.key()].steps[0].calls == calls


def test_depths_of_other_experiments_are_left_alone():
    one, two = Trained(), Trained()
    first = Experiment(repeat_round([one], 2, BoundRound))
    second = Experiment(repeat_round([two], 2, BoundRound))
    order = second.optim_procedure(current_order=first.optim_procedure())
    for binding, experiment in ((one, first), (two, second)):
        calls = order[binding.key()].steps[0].calls
        depths = [call.cmpt for call in calls if call.fun == "unfreeze"]
        assert depths == [experiment.rounds[1]]


def test_round_cannot_be_made_without_a_law():
    with pytest.raises(TypeError, match="abstract"):
        Round(aggregate(), None)

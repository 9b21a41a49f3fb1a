"""Experiments: shares of reads, the order of rounds, and free protein."""

import copy
import logging
import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound import Aggregate, Binding, Contribution, Experiment, Spec
from pyprobound.rounds import (
    BoundRound,
    BoundUnsaturatedRound,
    InitialRound,
    UnboundRound,
)

INFINITY = float("inf")


class Given(Binding):
    """A binding whose score of a row is the first value of the row."""

    def __init__(self, name=""):
        super().__init__(name=name)
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


def rows(*log_z):
    return torch.tensor(log_z)[:, None]


def selected(reference, kind=BoundUnsaturatedRound, **options):
    aggregate = Aggregate([Contribution(Given(), log_activity=0.0)])
    return kind(aggregate, reference, **options)


@given(
    depths=st.lists(st.floats(-3, 3), min_size=1, max_size=4),
    log_z=st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=4),
)
@settings(deadline=None, max_examples=30)
def test_shares_are_in_proportion_to_the_rounds(depths, log_z):
    rounds = [InitialRound()]
    for depth in depths:
        rounds.append(selected(rounds[-1], BoundRound, log_depth=depth))
    seqs = rows(*log_z)
    found = Experiment(rounds)(seqs)
    assert found.shape == (len(log_z), len(rounds))
    outputs = torch.stack([each(seqs).double() for each in rounds], dim=1)
    torch.testing.assert_close(
        found.double(), outputs.log_softmax(dim=1), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(found.exp().sum(dim=1), torch.ones(len(log_z)))


def test_columns_are_in_the_order_given():
    initial = InitialRound()
    one = selected(initial, log_depth=1.0)
    two = selected(one, log_depth=2.0)
    seqs = rows(0.5, 1.0)
    ordered = Experiment([initial, one, two])(seqs)
    shuffled = Experiment([two, initial, one])
    assert shuffled.observed_rounds == [two, initial, one]
    assert list(shuffled.rounds) == [initial, one, two]
    torch.testing.assert_close(shuffled(seqs), ordered[:, [2, 0, 1]])


def test_rows_that_no_round_can_hold_have_no_share_and_no_gradient():
    one = selected(None, train_depth=False)
    two = selected(one)
    seqs = rows(-INFINITY, 0.5).requires_grad_()
    found = Experiment([one, two])(seqs)
    assert found[0].tolist() == [-INFINITY, -INFINITY]
    assert found[1].exp().sum().item() == pytest.approx(1)
    (gradient,) = torch.autograd.grad(found[1, 1], seqs)
    assert gradient[:, 0].isfinite().all()


def test_a_shared_aggregate_is_computed_once(caplog):
    initial = InitialRound()
    bound = selected(initial, BoundRound)
    experiment = Experiment([initial, bound, UnboundRound.from_round(bound)])
    with caplog.at_level(logging.INFO, logger="pyprobound"):
        found = experiment(rows(0.5))
    lines = [r.message for r in caplog.records if "Calculating output" in r.message]
    assert sum("of Aggregate(" in line for line in lines) == 1
    assert len(lines) == 1 + 3 + 2 + 1  # itself, rounds, enrichments, aggregate
    assert found.exp().sum().item() == pytest.approx(1)


# --- the order of rounds ---------------------------------------------------------


def test_ancestors_are_parts_and_get_names():
    initial = InitialRound()
    one = selected(initial, train_depth=False, name="first")
    two = selected(one)
    experiment = Experiment([initial, two], name="x")
    assert list(experiment.rounds) == [initial, one, two]
    assert [each.name for each in experiment.rounds] == ["0", "first", "2"]
    assert list(experiment.components()) == [initial, one, two]
    names = set(experiment.state_dict())
    assert {
        "rounds.0.log_depth",
        "rounds.2.aggregate.log_target_concentration",
    } <= names
    assert not any("observed" in name for name in names)


def test_a_round_that_is_listed_again_comes_later():
    initial = InitialRound()
    one, two = selected(initial), selected(initial)
    three = selected(one)
    experiment = Experiment([initial, one, two, three])
    assert list(experiment.rounds) == [initial, two, one, three]
    assert list(Experiment([initial, one, two]).rounds) == [initial, one, two]


def test_d46_rounds_without_references_are_parts():
    one, two = selected(None, train_depth=False), selected(None)
    experiment = Experiment([one, two])
    assert list(experiment.rounds) == [one, two]
    assert one.log_depth in set(experiment.parameters())


def test_wrong_rounds_are_refused():
    initial = InitialRound()
    one, two = selected(initial, name="one"), selected(initial)
    hidden = selected(selected(initial, name="hidden"))
    for rounds, message in (
        ([], "at least one"),
        ([one, two], "train_depth=False"),
        ([initial, one, one], "BoundUnsaturatedRound 'one' is given twice"),
        ([initial, hidden], "'hidden' is not observed"),
    ):
        with pytest.raises(ValueError, match=message):
            Experiment(rounds)
    one.reference_round, two.reference_round = two, one
    two.train_depth = False
    with pytest.raises(ValueError, match="circle"):
        Experiment([one, two])


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_observe_their_own_rounds(duplicate):
    initial = InitialRound()
    experiment = Experiment([initial, selected(initial)], [3, 4])
    other = duplicate(experiment)
    assert list(map(id, other.observed_rounds)) == list(map(id, other.rounds))
    assert other.rounds[1].reference_round is other.rounds[0]
    assert other.rounds[0] is not initial
    with torch.no_grad():
        other.rounds[1].log_depth.fill_(2.0)
    assert not torch.equal(other(rows(0.5)), experiment(rows(0.5)))


# --- counts and free protein -----------------------------------------------------


@pytest.mark.parametrize("counts", [[3, 4], (3.0, 4.0), torch.tensor([3, 4])])
def test_counts_per_round(counts):
    initial = InitialRound()
    experiment = Experiment([initial, selected(initial)], counts)
    assert experiment.counts_per_round.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("counts", [None, [3.0, -1.0]])
def test_counts_per_round_must_be_given(counts):
    initial = InitialRound()
    experiment = Experiment([initial, selected(initial)], counts, name="selex")
    with pytest.raises(ValueError, match="'selex' are not known"):
        _ = experiment.counts_per_round


def test_counts_per_round_must_fit():
    initial = InitialRound()
    with pytest.raises(ValueError, match="each of 2 observed rounds"):
        Experiment([initial, selected(initial)], [1.0, 2.0, 3.0])


def kd_seq(order=(0, 1, 2), **options):
    initial = InitialRound()
    bound = BoundRound.from_binding(
        [Given()], initial, log_depth=0.7, target_concentration=30.0, **options
    )
    rounds = [initial, bound, UnboundRound.from_round(bound)]
    counts = [400.0, 100.0, 300.0]
    return Experiment([rounds[i] for i in order], [counts[i] for i in order])


def test_free_protein():
    experiment = kd_seq(library_concentration=12.0)
    bound_share = 100 / 400 * math.exp(-0.7)
    for options, total, library in (
        ({}, 30.0, 12.0),
        ({"target_concentration": 50.0}, 50.0, 12.0),
        ({"library_concentration": 3.0}, 30.0, 3.0),
    ):
        found = experiment.free_protein(0, 1, 2, **options)
        assert found == pytest.approx(total - library * bound_share, rel=1e-6)


def test_d47_free_protein_counts_columns():
    expected = kd_seq(library_concentration=12.0).free_protein(0, 1, 2)
    shuffled = kd_seq(order=(2, 1, 0), library_concentration=12.0)
    assert shuffled.free_protein(2, 1, 0) == pytest.approx(expected)


def test_free_protein_needs_a_bound_and_an_unbound_round():
    experiment = kd_seq()
    with pytest.raises(ValueError, match="library_concentration"):
        experiment.free_protein(0, 1, 2)
    initial, bound, unbound = experiment.observed_rounds
    other = UnboundRound.from_binding([Given()], initial)
    elsewhere = UnboundRound(bound.aggregate, InitialRound(), train_depth=False)
    extended = Experiment(
        [initial, bound, unbound, other, elsewhere, elsewhere.reference_round]
    )
    for places, message in (
        (
            (0, 2, 1),
            "a BoundRound and an UnboundRound, not UnboundRound and BoundRound",
        ),
        ((0, 1, 1), "not BoundRound and BoundRound"),
        ((1, 1, 2), "must both refer to round 1"),
        ((0, 1, 4), "must both refer to round 0"),
        ((0, 1, 3), "share one aggregate"),
        ((0, 1, 2), "counts_per_round"),
    ):
        with pytest.raises(ValueError, match=message):
            extended.free_protein(*places, library_concentration=1.0)

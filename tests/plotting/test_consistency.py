"""Tests of measured shares against predicted absolute constants."""

import numpy as np
import pytest

from plotting.scenes import kd_seq, kinase
from pyprobound.experiment import Experiment
from pyprobound.plotting import kd_consistency, keff_consistency
from pyprobound.plotting.consistency import log_affinities, shares_in_round
from pyprobound.plotting.scoring import observed_counts, predicted_counts
from pyprobound.rounds import ExponentialRound


@pytest.fixture(scope="module")
def titration():
    return kd_seq(400)


@pytest.fixture(scope="module")
def reaction():
    return kinase(400)


def points(axes):
    """The observed and the predicted lines of a panel, of shape (bins, 2)."""
    return [line.get_xydata() for line in axes.lines]


def test_affinities_are_absolute(titration):
    experiment, data = titration
    bound = experiment.observed_rounds[1]
    free = experiment.free_protein(0, 1, 2)
    assert 0 < free < 50
    expected = bound.log_aggregate(data.seqs).detach().double().numpy() - np.log(free)
    result = log_affinities(experiment, 0, 1, 2, data)
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_predicted_shares_follow_the_binding_curve(titration):
    experiment, data = titration
    log_z = experiment.observed_rounds[1].log_aggregate(data.seqs)
    log_z = log_z.detach().double().numpy()
    predicted = predicted_counts(experiment, data) * 1e9
    bound = shares_in_round(experiment, 1, 0, (predicted, predicted), log_z, 1)
    z = np.sort(np.exp(log_z))
    np.testing.assert_allclose(bound.constant, z)
    np.testing.assert_allclose(bound.predicted, z / (1 + z), rtol=1e-4)
    unbound = shares_in_round(experiment, 2, 0, (predicted, predicted), log_z, 1)
    np.testing.assert_allclose(unbound.predicted, 1 / (1 + z), rtol=1e-4)
    assert unbound.rmse == 0


def test_panels_show_bins_with_a_pseudocount(titration):
    experiment, data = titration
    figure = kd_consistency(experiment, 0, 1, 2, data, kernel=50)
    order = np.argsort(log_affinities(experiment, 0, 1, 2, data), kind="stable")[:50]
    rounds = experiment.observed_rounds
    for place, axes in zip((1, 2), figure.axes, strict=True):
        for drawn, counts in zip(
            points(axes),
            (observed_counts(experiment, data), predicted_counts(experiment, data)),
            strict=True,
        ):
            assert len(drawn) == 8
            means = counts[order].mean(axis=0)
            depth = np.exp((rounds[0].log_depth - rounds[place].log_depth).item())
            expected = (means[place] + 0.02) / (means[0] + 0.02) * depth
            assert drawn[0, 1] == pytest.approx(expected)
    assert figure.axes[0].get_ylabel() == "Bound share"
    assert figure.axes[1].get_xscale() == "log"


def test_d47_places_are_those_of_the_columns(titration):
    expected = kd_consistency(titration[0], 0, 1, 2, titration[1], kernel=50)
    rounds = titration[0].observed_rounds
    order = [1, 2, 0]
    turned = Experiment(
        [rounds[i] for i in order], titration[0].counts_per_round[order], name="x"
    )
    assert list(turned.rounds) != turned.observed_rounds
    data = kd_seq(400)[1]
    data.target = titration[1].target[:, order]
    figure = kd_consistency(turned, 2, 0, 1, data, kernel=50)
    for axes, other in zip(figure.axes, expected.axes, strict=True):
        for drawn, twin in zip(points(axes), points(other), strict=True):
            np.testing.assert_allclose(drawn, twin, rtol=1e-6)
    with pytest.raises(ValueError, match="must be a BoundRound"):
        kd_consistency(turned, 0, 1, 2, data)


def test_impossible_concentrations_are_refused(titration):
    experiment, data = titration
    bound = experiment.observed_rounds[1]
    kept, bound._library_concentration = bound._library_concentration, 1e9
    with pytest.raises(ValueError, match="free protein"):
        kd_consistency(experiment, 0, 1, 2, data)
    bound._library_concentration = kept
    with pytest.raises(ValueError, match="smaller kernel"):
        kd_consistency(experiment, 0, 1, 2, data)


def test_every_time_point_has_a_panel(reaction):
    experiment, data = reaction
    figure = keff_consistency(experiment, data, kernel=40)
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "Modified share, 5 min",
        "Modified share, 30 min",
    ]
    for axes, place in zip(figure.axes, (1, 2), strict=True):
        rate = experiment.observed_rounds[place].log_aggregate(data.seqs)
        rate = np.sort(rate.detach().double().exp().numpy())
        np.testing.assert_allclose(
            points(axes)[0][:, 0], rate.reshape(-1, 40).mean(axis=1), rtol=1e-6
        )
    only = keff_consistency(experiment, data, columns=[2], kernel=40)
    assert len(only.axes) == 1
    np.testing.assert_array_equal(points(only.axes[0])[0], points(figure.axes[1])[0])


def test_d47_references_are_found_among_the_columns(reaction):
    experiment, data = reaction
    turned = Experiment([experiment.observed_rounds[i] for i in (2, 0, 1)])
    other = kinase(400)[1]
    other.target = data.target[:, [2, 0, 1]]
    figure = keff_consistency(turned, other, columns=[2], kernel=40)
    expected = keff_consistency(experiment, data, columns=[1], kernel=40)
    for drawn, twin in zip(
        points(figure.axes[0]), points(expected.axes[0]), strict=True
    ):
        np.testing.assert_allclose(drawn, twin, rtol=1e-6)


def test_rounds_without_a_rate_are_refused(reaction, titration):
    experiment, data = reaction
    with pytest.raises(ValueError, match="InitialRound, not"):
        keff_consistency(experiment, data, columns=[0])
    with pytest.raises(ValueError, match="no ExponentialRound"):
        keff_consistency(*titration)
    start, early, _ = experiment.observed_rounds
    late = ExponentialRound(early.aggregate, early, train_depth=False)
    early.train_depth = False
    alone = Experiment([start, late])
    with pytest.raises(ValueError, match="reference of round 1 is not observed"):
        keff_consistency(alone, data)

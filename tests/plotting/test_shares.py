"""Tests of the figure of the contributions to an aggregate."""

import numpy as np
import pytest
import torch

from plotting.scenes import contributions, selex, table
from pyprobound.aggregate import Aggregate
from pyprobound.plotting import contribution
from pyprobound.plotting.shares import contributions_of
from pyprobound.plotting.style import new_figure


@pytest.fixture(scope="module")
def fitted():
    experiment, data = selex(400)
    return experiment.observed_rounds[1], data


def test_shares_add_up_and_are_sorted_by_the_aggregate(fitted):
    rnd, data = fitted
    result = contributions_of(rnd, data)
    assert result.names == ["Mode-Factor", "Mode-Non-specific"]
    np.testing.assert_allclose(result.shares.sum(axis=1), 1)
    expected = rnd.log_aggregate(data.seqs).detach().double().numpy()
    np.testing.assert_allclose(result.log_aggregate, np.sort(expected), atol=1e-5)
    first = rnd.aggregate.contributions[0](data.seqs).detach().double().numpy()
    concentration = rnd.aggregate.log_target_concentration.item()
    np.testing.assert_allclose(
        result.shares[:, 0],
        np.exp(first + concentration - expected)[np.argsort(expected, kind="stable")],
        rtol=1e-4,
    )


def test_areas_are_the_means_of_bins(fitted):
    rnd, data = fitted
    figure = contribution(rnd, data, kernel=40)
    upper, lower = figure.axes
    result = contributions_of(rnd, data)
    labels = [text.get_text() for text in lower.get_legend().get_texts()]
    means = result.shares.mean(axis=0)
    assert labels == [
        f"Mode-Factor ({means[0]:.1%})",
        f"Mode-Non-specific ({means[1]:.1%})",
    ]
    (path,) = lower.collections[0].get_paths()
    heights = result.shares[:, 0].reshape(-1, 40).mean(axis=1)
    drawn = path.vertices[path.vertices[:, 1] > 0][:, 1]
    np.testing.assert_allclose(sorted(set(drawn)), sorted(set(heights)))
    assert sum(patch.get_height() for patch in upper.patches) == len(data)
    assert lower.get_xscale() == upper.get_yscale() == "log"


def test_bindings_and_rows_without_contribution_are_left_out():
    data = table(30, 1)
    aggregate = Aggregate(contributions(data))
    with torch.no_grad():
        aggregate.contributions[1].log_activity.fill_(-np.inf)
    assert contributions_of(aggregate, data).names == ["Mode-Factor"]
    blank = table(30, 1)
    blank.seqs = data.seqs.clone()
    blank.seqs[:7] = data.alphabet.neginf_pad
    assert len(contributions_of(aggregate, blank).log_aggregate) == 23
    blank.seqs[:] = data.alphabet.neginf_pad
    with pytest.raises(ValueError, match="Nothing binds"):
        contribution(aggregate, blank)
    with torch.no_grad():
        aggregate.contributions[0].log_activity.fill_(-np.inf)
    with pytest.raises(ValueError, match="No binding contributes"):
        contribution(aggregate, data)


def test_equal_aggregates_fill_the_panel():
    data = table(30, 1)
    aggregate = Aggregate(contributions(data)[1:])
    figure = new_figure(5, 4)
    assert contribution(aggregate, data, kernel=30, figure=figure) is figure
    left, right = figure.axes[1].get_xlim()
    (path,) = figure.axes[1].collections[0].get_paths()
    assert left < right
    assert path.vertices[:, 0].min() == pytest.approx(left)
    assert path.vertices[:, 0].max() == pytest.approx(right)
    with pytest.raises(ValueError, match="smaller kernel"):
        contribution(aggregate, data, kernel=31)


def test_numbered_rounds_are_called_rounds(fitted):
    rnd, data = fitted
    kept, rnd.name = rnd.name, "1"
    try:
        figure = contribution(rnd, data, kernel=40)
    finally:
        rnd.name = kept
    assert figure.get_suptitle() == "Round 1 (10 bins of 40 sequences)"
    aggregate = contribution(rnd.aggregate, data, kernel=40)
    assert aggregate.get_suptitle() == "10 bins of 40 sequences"

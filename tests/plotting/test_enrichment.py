"""Tests of observed against predicted enrichment."""

import numpy as np
import pytest
import torch
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.figure import Figure
from scipy import stats

from plotting.scenes import selex
from pyprobound.alphabets import DNA
from pyprobound.plotting import enrichment_plotter, kmer_enrichment, probe_enrichment
from pyprobound.plotting.enrichment import compare_enrichment
from pyprobound.plotting.kmers import n_letters_of, sum_over_kmers
from pyprobound.plotting.scoring import observed_counts, predicted_counts
from pyprobound.table import CountBatch
from pyprobound.utils import count_kmers


@pytest.fixture(scope="module")
def fitted():
    return selex(600)


@pytest.fixture
def ax():
    return Figure().subplots()


def counts(rows=60, columns=2, seed=1):
    rng = np.random.default_rng(seed)
    predicted = np.exp(rng.normal(2, 1, (rows, columns)))
    return rng.poisson(predicted).astype(float), predicted


def test_rows_are_sorted_averaged_and_given_a_pseudocount():
    observed = np.array([[1, 3], [0, 0], [2, 2], [4, 0], [0, 6], [5, 5]], float)
    predicted = np.array([[1, 4], [9, 9], [2, 2], [4, 1], [1, 5], [5, 6]], float)
    result = compare_enrichment(observed, predicted, kernel=2)
    # Predicted ratios, from high to low: rows 4, 0 / 5, 2 / (3 is left over).
    np.testing.assert_allclose(result.observed, [(4.5 + 0.5) / 1.0, (3.5 + 0.5) / 4.0])
    np.testing.assert_allclose(result.predicted, [(4.5 + 0.5) / 1.5, (4 + 0.5) / 4.0])
    single = compare_enrichment(observed, predicted)
    assert len(single.observed) == 5
    assert single.observed[0] == (6 + 1) / (0 + 1)


def test_predictions_of_zero_are_sorted_without_overflow():
    predicted = np.array([[1, 1], [0, 1e12], [0, 0], [1e12, 0], [1, 2]], float)
    observed = np.array([[1, 10], [1, 20], [1, 30], [1, 40], [1, 50]], float)
    result = compare_enrichment(observed, predicted)
    # From an infinite ratio to zero; nothing to nothing is no enrichment.
    np.testing.assert_array_equal(result.observed * 2 - 1, [20, 50, 10, 30, 40])


def test_statistics_are_the_usual_ones():
    result = compare_enrichment(*counts())
    observed, predicted = result.observed, result.predicted
    assert result.spearman == pytest.approx(stats.spearmanr(observed, predicted)[0])
    logs = np.log(observed), np.log(predicted)
    assert result.pearson == pytest.approx(stats.pearsonr(*logs)[0])
    assert result.rmsle == pytest.approx(np.sqrt(np.mean((logs[0] - logs[1]) ** 2)))
    assert result.dynamic_range == observed.max() / observed.min()
    constant = compare_enrichment(np.ones((3, 2)), np.ones((3, 2)))
    assert "undefined" in constant.summary()


def test_few_points_are_drawn_one_by_one_and_many_as_hexagons(ax):
    artist = enrichment_plotter(ax, *counts(), ["a", "b"], alpha=0.3)
    assert isinstance(artist, PathCollection)
    assert artist.get_alpha() == 0.3
    assert len(artist.get_offsets()) == 60
    (label,) = [text.get_text() for text in ax.get_legend().get_texts()]
    assert label.startswith("a→b: max/min ")
    many = Figure().subplots()
    observed, predicted = counts(600)
    artist = enrichment_plotter(many, observed, predicted, ["a", "b"], gridsize=20)
    assert isinstance(artist, PolyCollection)
    assert artist.get_array().sum() == observed.any(axis=1).sum()
    pairs = Figure().subplots()
    artist = enrichment_plotter(pairs, *counts(600, 3), ["a", "b", "c"])
    assert isinstance(artist, PathCollection)
    assert len(pairs.collections) == 2
    assert pairs.get_xlim() == pairs.get_ylim()


def test_counts_can_be_tensors(ax):
    observed, predicted = counts()
    artist = enrichment_plotter(
        ax, torch.tensor(observed), torch.tensor(predicted), ["a", "b"]
    )
    expected = compare_enrichment(observed, predicted)
    np.testing.assert_allclose(
        artist.get_offsets(), np.stack([expected.predicted, expected.observed], 1)
    )


def test_counts_that_do_not_agree_are_refused(ax):
    observed, predicted = counts()
    with pytest.raises(ValueError, match="same shape"):
        enrichment_plotter(ax, observed, predicted[:-1], ["a", "b"])
    with pytest.raises(ValueError, match="2 columns of counts but 3 names"):
        enrichment_plotter(ax, observed, predicted, ["a", "b", "c"])
    with pytest.raises(ValueError, match="only one"):
        enrichment_plotter(ax, observed[:, :1], predicted[:, :1], ["a"])
    with pytest.raises(ValueError, match="smaller kernel"):
        enrichment_plotter(ax, observed, predicted, ["a", "b"], kernel=61)


def test_d64_predictions_have_the_scale_of_the_counts(fitted):
    experiment, data = fitted
    predicted = predicted_counts(experiment, data)
    np.testing.assert_allclose(
        predicted.sum(axis=1), data.target.double().sum(dim=1), rtol=1e-6
    )
    figure = probe_enrichment(experiment, data, columns=[0, 1], kernel=1)
    (hexagons,) = figure.axes[0].collections
    assert hexagons.get_array().sum() == len(data)
    shares = experiment(data.seqs).detach().double().exp().numpy()
    expected = shares * data.target.double().sum(dim=1, keepdim=True).numpy()
    np.testing.assert_allclose(predicted, expected)
    # Unscaled shares would all be drawn within a factor of 2 of no enrichment.
    drawn = compare_enrichment(
        observed_counts(experiment, data)[:, :2], expected[:, :2]
    )
    assert drawn.predicted.min() < 0.5


def test_columns_choose_the_rounds(fitted):
    experiment, data = fitted
    figure = probe_enrichment(experiment, data, columns=[0, -1], kernel=20)
    (label,) = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert label.startswith("R0→R2")
    points = figure.axes[0].collections[0].get_offsets()
    expected = compare_enrichment(
        observed_counts(experiment, data)[:, [0, 2]],
        predicted_counts(experiment, data)[:, [0, 2]],
        20,
    )
    np.testing.assert_allclose(
        points, np.stack([expected.predicted, expected.observed], 1)
    )
    with pytest.raises(ValueError, match="no column 3"):
        probe_enrichment(experiment, data, columns=[0, 3])
    with pytest.raises(ValueError, match="given twice"):
        probe_enrichment(experiment, data, columns=[0, -3])


def test_split_rows_give_the_same_and_leave_the_model_as_it_was(fitted):
    experiment, data = fitted
    experiment.train()
    experiment.rounds[0].eval()
    whole = predicted_counts(experiment, data)
    np.testing.assert_allclose(predicted_counts(experiment, data, 77), whole, rtol=1e-6)
    assert experiment.training
    assert not experiment.rounds[0].training
    assert all(each.grad is None for each in experiment.parameters())


def test_unusable_batches_are_refused(fitted):
    experiment, data = fitted
    with pytest.raises(ValueError, match="observes 3 rounds"):
        probe_enrichment(experiment, CountBatch(data.seqs, data.target[:, :2]))
    with pytest.raises(ValueError, match="no rows"):
        probe_enrichment(experiment, CountBatch(data.seqs[:0], data.target[:0]))
    with pytest.raises(ValueError, match="max_split"):
        probe_enrichment(experiment, data, max_split=0)


def test_d63_equal_kmers_are_counted_together_and_paddings_left_out():
    alphabet = DNA()
    texts = ["ACGTAC", "ACG", "GT*ACG", "TTACGN"]
    codes = alphabet.translate_many(texts)[0]
    values = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]])
    kmers, sums = sum_over_kmers(codes, values, 3, 4)
    named = {
        "".join("ACGT"[code] for code in kmer): tuple(row)
        for kmer, row in zip(kmers, sums, strict=True)
    }
    assert named == {
        "ACG": (10.0, 100.0),
        "CGT": (1.0, 10.0),
        "GTA": (1.0, 10.0),
        "TAC": (5.0, 50.0),
        "TTA": (4.0, 40.0),
    }


@pytest.mark.parametrize("length", [1, 2, 5])
def test_kmers_are_those_of_the_helper(fitted, length):
    _, data = fitted
    values = data.target.double().numpy()
    kmers, sums = sum_over_kmers(data.seqs.numpy(), values, length, 4)
    matrix, vocabulary = count_kmers(data.seqs, length)
    assert len(kmers) == len(vocabulary)
    for kmer, row in zip(kmers, sums, strict=True):
        expected = matrix[vocabulary[tuple(kmer.tolist())]] @ values
        np.testing.assert_allclose(row, expected[0])


def test_kmers_are_binned_only_if_there_are_enough(fitted):
    experiment, data = fitted
    few = kmer_enrichment(experiment, data, columns=[0, 1])
    assert len(few.axes[0].collections[0].get_offsets()) == 64
    assert few.axes[0].get_title() == "SELEX (64 3-mers)"
    binned = kmer_enrichment(experiment, data, columns=[0, 1], kernel=16)
    assert len(binned.axes[0].collections[0].get_offsets()) == 4
    assert binned.axes[0].get_title() == "SELEX (4 bins of 16 3-mers)"


def test_impossible_kmers_are_refused(fitted):
    experiment, data = fitted
    with pytest.raises(ValueError, match="from 1 to 31"):
        kmer_enrichment(experiment, data, kmer_length=0)
    with pytest.raises(ValueError, match="No row has 13 letters"):
        kmer_enrichment(experiment, data, kmer_length=13)
    with pytest.raises(ValueError, match="2 successive letters"):
        sum_over_kmers(np.full((2, 4), 4), np.ones((2, 1)), 2, 4)


def test_letters_are_known_from_the_table_or_the_motif(fitted, ax):
    experiment, data = fitted
    batch = CountBatch(data.seqs, data.target)
    assert n_letters_of(experiment, data) == n_letters_of(experiment, batch) == 4
    assert kmer_enrichment(experiment, batch, ax=ax) is ax.get_figure()
    with pytest.raises(ValueError, match="count table"):
        n_letters_of(torch.nn.Identity(), batch)

"""Tests of the conversions between counts, probabilities, log-odds and energies."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pyprobound.alphabets import DNA
from pyprobound.errors import InputError
from pyprobound.io.motifs import (
    Motif,
    alphabet_of,
    default_pseudocount,
    fold_pairs,
    motifs_of_psam,
    psam_of_motif,
    to_counts,
    to_energies,
    to_kind,
    to_log_odds,
    to_probabilities,
)
from pyprobound.io.motifs.motif import KINDS
from pyprobound.layers import PSAM

BACKGROUND = (0.3, 0.2, 0.1, 0.4)
MATRICES = arrays(np.float64, (5, 4), elements=st.floats(-8, 8, width=64))


def test_energies_become_probabilities_with_the_background():
    motif = Motif("x", [[0, -1, -2, 0.5]], "energies", background=BACKGROUND)
    weights = np.array(BACKGROUND) * np.exp([0, -1, -2, 0.5])
    found = to_probabilities(motif)
    np.testing.assert_allclose(found.matrix[0], weights / weights.sum(), rtol=1e-14)
    odds = to_log_odds(found).matrix[0]
    np.testing.assert_allclose(odds, np.log(found.matrix[0] / BACKGROUND), rtol=1e-14)
    np.testing.assert_allclose(
        to_energies(found).matrix[0], [-0.5, -1.5, -2.5, 0], atol=1e-14
    )


@settings(deadline=None, max_examples=50)
@given(matrix=MATRICES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_brings_energies_back(kind, matrix):
    motif = Motif("x", matrix, "energies", background=BACKGROUND, n_sites=37)
    back = to_energies(to_kind(motif, kind), 0.0).matrix
    expected = matrix - matrix.max(axis=1, keepdims=True)
    back = back - back.max(axis=1, keepdims=True)
    np.testing.assert_allclose(back, expected, rtol=0, atol=1e-12)


def test_pseudocounts():
    counts = Motif("x", [[8, 2, 0, 0]], "counts", background=BACKGROUND)
    found = to_probabilities(counts, 2.0)
    np.testing.assert_allclose(found.matrix[0], np.array([8.6, 2.4, 0.2, 0.8]) / 12)
    assert (found.n_sites, found.pseudocount) == (10, 2)
    np.testing.assert_allclose(to_counts(counts, 2.0).matrix[0], [8.6, 2.4, 0.2, 0.8])
    assert default_pseudocount(counts) == pytest.approx(np.sqrt(10))
    # Counts that are no whole numbers are probabilities times a number.
    assert default_pseudocount(Motif("x", [[8.5, 1.5, 1, 1]], "counts")) == 0
    exact = to_probabilities(counts)
    assert default_pseudocount(exact) == 0
    again = to_probabilities(exact, 2.0)
    np.testing.assert_allclose(again.matrix, found.matrix)
    energies = Motif("x", [[0, 0, 0, 0]], "energies", background=BACKGROUND)
    np.testing.assert_allclose(to_probabilities(energies, 3.0).matrix[0], BACKGROUND)


def test_log_odds_take_a_pseudocount_only_when_asked():
    odds = Motif("x", np.log([[2, 0.8, 0.8, 0.4]]), "log-odds")
    assert to_log_odds(odds) is odds
    smooth = to_log_odds(odds, 1.0).matrix
    np.testing.assert_allclose(smooth, np.log([[1.5, 0.9, 0.9, 0.7]]))


def test_probabilities_of_zero_have_no_energy():
    motif = Motif("x", [[1, 0, 0, 0]], "probabilities")
    with pytest.raises(ValueError, match="letter C at position 1"):
        to_energies(motif)
    assert np.isfinite(to_energies(motif, 0.01).matrix).all()
    with pytest.raises(ValueError, match="position without counts"):
        to_probabilities(Motif("x", [[0, 0, 0, 0]], "counts"))


def test_counts_stay_as_they_are():
    counts = Motif("x", [[8, 2, 0, 0]], "counts")
    assert to_counts(counts) is counts
    shares = Motif("x", [[0.25, 0.25, 0.5, 0]], "probabilities")
    np.testing.assert_array_equal(to_counts(shares).matrix, [[25, 25, 50, 0]])


def test_pairs_are_folded_into_the_nearest_single_letters():
    rng = np.random.default_rng(2)
    pairs = {1: rng.normal(size=(3, 4, 4)), 2: rng.normal(size=(2, 4, 4))}
    matrix = rng.normal(size=(4, 4))
    motif = Motif("x", matrix, "energies", background=BACKGROUND, pairs=pairs)
    folded = fold_pairs(motif)
    assert not folded.pairs
    assert fold_pairs(folded) is folded
    # Least squares over all sequences, weighted by their probabilities.
    words = np.array(np.meshgrid(*[range(4)] * 4, indexing="ij")).reshape(4, -1).T
    exact = matrix[range(4), words].sum(axis=1)
    for distance, block in pairs.items():
        for i, table in enumerate(block):
            exact += table[words[:, i], words[:, i + distance]]
    design = np.concatenate([np.eye(4)[words[:, i]] for i in range(4)], axis=1)
    weight = np.sqrt(np.prod(np.array(BACKGROUND)[words], axis=1))[:, None]
    best, *_ = np.linalg.lstsq(design * weight, exact * weight[:, 0], rcond=None)
    found = folded.matrix[range(4), words].sum(axis=1)
    np.testing.assert_allclose(found, design @ best, atol=1e-10)
    with pytest.raises(ValueError, match="pairs of letters"):
        to_probabilities(motif)


# --- models -------------------------------------------------------------------------


def test_a_psam_with_pairs_comes_back_exactly():
    torch.manual_seed(0)
    psam = PSAM(6, DNA(), pairwise_distance=2).double()
    with torch.no_grad():
        for value in psam.betas.values():
            value.normal_()
    (motif,) = motifs_of_psam(psam, "x", BACKGROUND)
    assert motif.background == BACKGROUND
    again = psam_of_motif(motif)
    for distance in range(3):
        torch.testing.assert_close(
            again.get_filter(distance), psam.get_filter(distance), rtol=0, atol=0
        )
    assert not any(p.requires_grad for p in again.parameters())


def test_dilation_constants_and_channels_are_written_out():
    torch.manual_seed(0)
    psam = PSAM(3, DNA(), out_channels=2, dilation=2, score_reverse=False).double()
    with torch.no_grad():
        psam.bias.copy_(torch.tensor([[1.0], [0.0]]))
        for value in psam.betas.values():
            value.normal_()
    one, two = motifs_of_psam(psam, "x")
    assert (one.name, two.name) == ("x_1", "x_2")
    assert one.both_strands is False
    letters = np.random.default_rng(0).integers(4, size=5)
    values = psam.get_filter(0).detach().numpy()
    for channel, (motif, bias) in enumerate(((one, 1.0), (two, 0.0))):
        expected = bias + sum(values[channel, letters[2 * i], i] for i in range(3))
        found = motif.matrix[range(5), letters].sum()
        assert found == pytest.approx(expected, abs=1e-12)


def test_alphabets_by_their_letters():
    assert alphabet_of("ACGT") == DNA()
    assert alphabet_of(("AAA", "CCC")).monomer_length == 3
    with pytest.raises(InputError, match="no alphabet"):
        motifs_of_psam(PSAM(2, in_channels=4), "x")

"""The best sequence of a motif, and the energies relative to it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound.alphabets import DNA, Alphabet
from pyprobound.layers import PSAM
from pyprobound.workflow import MotifEnergies, consensus
from pyprobound.workflow import motifs as motifs_module


def random_psam(seed, **options):
    torch.manual_seed(seed)
    psam = PSAM(alphabet=Alphabet("ABC"), **options)
    with torch.no_grad():
        for values in psam.betas.values():
            values.copy_(torch.randn_like(values))
    return psam


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 4))
def test_best_sequence_is_the_best_of_all(seed, size, distance):
    psam = random_psam(
        seed, kernel_size=size, pairwise_distance=min(distance, size - 1)
    )
    energies = MotifEnergies(psam)
    every = np.array(list(itertools.product(range(3), repeat=size)))
    scores = energies.score(every)
    assert energies.score(energies.best[None])[0] == pytest.approx(scores.max())
    assert energies.matrix.shape == (size, 3)
    assert energies.matrix.max() == pytest.approx(0, abs=1e-12)
    for position, letter in itertools.product(range(size), range(3)):
        changed = energies.best.copy()
        changed[position] = letter
        expected = energies.score(changed[None])[0] - scores.max()
        assert energies.matrix[position, letter] == pytest.approx(expected, abs=1e-12)


def test_scores_are_those_of_the_layer():
    from pyprobound.layers import Conv1d

    torch.manual_seed(0)
    psam = PSAM(kernel_size=5, alphabet=DNA(), pairwise_distance=3, score_reverse=False)
    with torch.no_grad():
        for values in psam.betas.values():
            values.copy_(torch.randn_like(values))
    layer = Conv1d(psam, 5, 5, 5)
    codes = torch.randint(0, 4, (50, 5))
    expected = layer(codes)[:, 0, 0].detach().numpy()
    np.testing.assert_allclose(MotifEnergies(psam).score(codes.numpy()), expected, 1e-5)


def test_without_pairs_the_matrix_is_that_of_the_motif():
    psam = random_psam(3, kernel_size=4)
    values = psam.get_filter(0)[0].detach().double().numpy().T
    expected = values - values.max(axis=1, keepdims=True)
    np.testing.assert_allclose(MotifEnergies(psam).matrix, expected, atol=1e-12)


def test_motifs_of_one_psam_are_told_apart():
    psam = random_psam(5, kernel_size=3, out_channels=2)
    assert consensus(psam, 0) != consensus(psam, 1)
    assert len(consensus(psam, 1)) == 3


def test_long_distances_are_searched_within_bounds(monkeypatch):
    monkeypatch.setattr(motifs_module, "_MAX_STATES", 200)
    psam = random_psam(1, kernel_size=8, pairwise_distance=7)
    energies = MotifEnergies(psam)
    every = np.array(list(itertools.product(range(3), repeat=8)))
    assert energies.score(energies.best[None])[0] == pytest.approx(
        energies.score(every).max()
    )


def test_no_letters_no_consensus():
    with pytest.raises(ValueError, match="without alphabet"):
        consensus(PSAM(kernel_size=2, in_channels=4))

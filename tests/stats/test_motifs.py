"""Tests of the built-in motif and of the alignment of motifs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound.stats.motifs import align_motifs, builtin_motif


def random_motif(size, seed=0, letters=4):
    return np.random.default_rng(seed).normal(size=(letters, size))


def turned(motif):
    return motif[::-1, ::-1]


def test_the_builtin_motif_is_given_relative_to_its_best_letters():
    psam = builtin_motif()
    values = psam.get_filter(0)[0].detach().numpy()
    assert values.shape == (4, 10)
    np.testing.assert_array_equal(values.max(axis=0), 0)
    consensus = "".join("ACGT"[i] for i in values.argmax(axis=0))
    assert consensus == "ATGACGGAAT"
    assert psam.score_reverse
    # It tells its strands apart, or a recovered motif could not be compared.
    reverse = align_motifs(values, turned(values), complement=False)
    assert reverse.correlation < 0.8


@settings(deadline=None, max_examples=50)
@given(
    shift=st.integers(-3, 4),
    size=st.integers(6, 14),
    reverse=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_shifted_reversed_motif_is_found_again(shift, size, reverse, seed):
    motif = random_motif(10, seed)
    # The other motif has a constant at each position, and nothing beyond the first.
    wide = np.pad(motif, ((0, 0), (20, 20)))[:, 20 + shift : 20 + shift + size]
    other = wide + random_motif(size, seed + 1, letters=1)
    if reverse:
        other = turned(other)

    found = align_motifs(motif, other)

    assert (found.offset, found.reverse) == (shift, reverse)
    assert found.correlation == pytest.approx(1)
    assert found.start == max(shift, 0)
    assert found.n_positions == min(10, shift + size) - max(shift, 0)
    np.testing.assert_allclose(found.first, found.second, atol=1e-12)
    np.testing.assert_allclose(found.first.mean(axis=0), 0, atol=1e-12)
    centred = motif - motif.mean(axis=0)
    stop = found.start + found.n_positions
    np.testing.assert_allclose(found.first, centred[:, found.start : stop])


def test_the_other_strand_is_left_alone_where_there_is_none():
    motif = random_motif(8)
    assert align_motifs(motif, turned(motif)).reverse
    assert not align_motifs(motif, turned(motif), complement=False).reverse


def test_the_correlation_is_that_of_the_shared_positions():
    motif = random_motif(8)
    noisy = motif + random_motif(8, seed=1) / 2
    found = align_motifs(motif, noisy)
    expected = np.corrcoef(found.first.ravel(), found.second.ravel())[0, 1]
    assert found.correlation == pytest.approx(expected)
    assert 0.7 < found.correlation < 0.99


def test_a_short_overlap_that_agrees_by_chance_is_not_chosen():
    motif = random_motif(8)
    noisy = motif + random_motif(8, seed=1) / 2
    noisy[:, 0] = motif[:, -1]
    assert align_motifs(motif, noisy).offset == 0


def test_motifs_without_preferences_have_no_correlation():
    assert np.isnan(align_motifs(random_motif(4), np.zeros((4, 4))).correlation)


def test_motifs_over_other_letters_are_refused():
    with pytest.raises(ValueError, match="4 and of 20 letters"):
        align_motifs(random_motif(3), random_motif(3, letters=20))

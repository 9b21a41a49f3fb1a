"""Tests of the k-mers that a motif binds most tightly."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound.errors import InputError
from pyprobound.stats.best import MAX_SEQUENCES, MotifScores
from pyprobound.stats.kmers import kmer_affinities, top_kmers

from .test_best import all_codes, energy, motifs


def forward_affinity(scores, kmer):
    """The affinity of one k-mer on one strand, by its definition."""
    size, length = scores.n_positions, len(kmer)
    if length >= size:
        windows = [kmer[i : i + size] for i in range(length - size + 1)]
        return sum(np.exp(energy(scores, window)) for window in windows)
    total = 0.0
    for start in range(size - length + 1):
        around = itertools.product(range(scores.n_letters), repeat=size - length)
        total += np.mean(
            [
                np.exp(energy(scores, (*rest[:start], *kmer, *rest[start:])))
                for rest in around
            ]
        )
    return total


def reverse_of(scores, kmer):
    return tuple(scores.n_letters - 1 - a for a in reversed(kmer))


@given(motifs(max_positions=4, letters=(2, 4)), st.integers(1, 5))
@settings(deadline=None, max_examples=50)
def test_affinities_are_sums_over_windows_or_means_over_surroundings(scores, length):
    found = np.exp(kmer_affinities(scores, length))
    for kmer in all_codes(scores, length)[:: max(1, scores.n_letters**length // 60)]:
        assert found[tuple(kmer)] == pytest.approx(
            forward_affinity(scores, tuple(kmer))
        )


@given(
    motifs(max_positions=4, letters=(2, 4)),
    st.integers(1, 4),
    st.integers(1, 30),
    st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_the_top_kmers_are_those_of_a_search_through_all(scores, length, count, both):
    values = {
        kmer: np.log(forward_affinity(scores, kmer))
        for kmer in map(tuple, all_codes(scores, length).tolist())
    }
    expected = {}
    for kmer, value in values.items():
        other = reverse_of(scores, kmer)
        if both:
            expected[min(kmer, other)] = np.logaddexp(value, values[other])
        else:
            expected[kmer] = value
    best = sorted(expected.values(), reverse=True)[:count]
    found = top_kmers(scores, length, count, both_strands=both)
    np.testing.assert_allclose(found.energies, best, atol=1e-9)
    kmers = [tuple(row) for row in found.codes.tolist()]
    names = [min(k, reverse_of(scores, k)) if both else k for k in kmers]
    assert len(set(names)) == len(names)
    for kmer, name, value in zip(kmers, names, found.energies, strict=True):
        assert value == pytest.approx(expected[name], abs=1e-9)
        if both:  # the strand that is bound more tightly is listed
            assert values[kmer] >= values[reverse_of(scores, kmer)] - 1e-9


def test_a_motif_too_long_to_try_all_sequences_is_ranked_by_both_strands():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(10, 4))
    # Nearly a palindrome: the other strand decides the order.
    scores = MotifScores(np.concatenate([half, half[::-1, ::-1] + 0.1]))
    found = top_kmers(scores, 20, 50)
    codes = found.codes.astype(int)
    both = np.logaddexp(scores.score(codes), scores.reversed().score(codes))
    np.testing.assert_allclose(found.energies, both, atol=1e-9)
    for row in codes[:5]:
        for i, a in itertools.product(range(20), range(4)):
            changed = row.copy()
            changed[i] = a
            value = np.logaddexp(
                scores.score(changed[None]), scores.reversed().score(changed[None])
            )[0]
            listed = {tuple(each) for each in codes}
            names = {tuple(changed), reverse_of(scores, changed.tolist())}
            assert value <= found.energies[-1] + 1e-9 or names & listed


def test_too_many_kmers_are_refused_with_advice():
    scores = MotifScores(np.zeros((16, 4)))
    with pytest.raises(InputError, match="at most 12 letters, or exactly 16"):
        top_kmers(scores, 14)
    pairs = {d: np.ones((16 - d, 4, 4)) for d in range(1, 6)}
    with pytest.raises(InputError, match="choose fewer letters, or exactly 16"):
        top_kmers(MotifScores(np.zeros((16, 4)), pairs), 10)


def test_sequences_that_are_nearly_alike_cannot_be_ranked_without_end(monkeypatch):
    monkeypatch.setattr("pyprobound.stats.kmers.MAX_SEQUENCES", 500)
    rng = np.random.default_rng(0)
    flat = MotifScores(1e-3 * rng.normal(size=(16, 4)))
    with pytest.raises(InputError, match="bind about as tightly as the first 400"):
        top_kmers(flat, 16, 400)


@pytest.mark.parametrize(("length", "count"), [(0, 1), (3, 0), (3, MAX_SEQUENCES + 1)])
def test_impossible_numbers_are_refused(length, count):
    with pytest.raises(InputError, match=r"not 0|choose between"):
        top_kmers(MotifScores(np.zeros((3, 4))), length, count)

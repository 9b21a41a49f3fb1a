"""Tests of the exact search for the best sequences, and of gauges."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound.alphabets import DNA
from pyprobound.errors import InputError
from pyprobound.layers import PSAM
from pyprobound.stats.best import MAX_SEQUENCES, MotifScores, best_sequences
from pyprobound.stats.gauges import information, mean_gauge, mismatch_gauge, to_gauge


@st.composite
def motifs(draw, max_positions=6, letters=(2, 3, 4)):
    """Small motifs with pairs up to some distance; coarse values make ties."""
    size = draw(st.integers(1, max_positions))
    n_letters = draw(st.sampled_from(letters))
    reach = draw(st.integers(0, size - 1))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    coarse = draw(st.booleans())

    def values(*shape):
        found = rng.normal(size=shape)
        return np.round(found) if coarse else found

    return MotifScores(
        values(size, n_letters),
        {d: values(size - d, n_letters, n_letters) for d in range(1, reach + 1)},
    )


def all_codes(scores, length=None):
    """All sequences, in the order of the alphabet."""
    letters = range(scores.n_letters)
    return np.array(
        list(itertools.product(letters, repeat=length or scores.n_positions))
    )


def energy(scores, sequence):
    """The energy of one sequence, letter by letter and pair by pair."""
    total = sum(scores.letters[i, a] for i, a in enumerate(sequence))
    for distance, block in scores.pairs.items():
        for i in range(len(sequence) - distance):
            total += block[i, sequence[i], sequence[i + distance]]
    return total


@given(motifs(), st.integers(1, 40))
@settings(deadline=None, max_examples=80)
def test_the_best_sequences_are_those_of_a_search_through_all(scores, count):
    codes = all_codes(scores)
    energies = np.array([energy(scores, row) for row in codes])
    found = best_sequences(scores, count)
    expected = np.sort(energies)[::-1][:count]
    np.testing.assert_allclose(found.energies, expected, atol=1e-9)
    np.testing.assert_allclose(
        [energy(scores, row) for row in found.codes], found.energies, atol=1e-9
    )
    assert len({tuple(row) for row in found.codes}) == min(count, len(codes))


def test_of_equally_good_sequences_the_first_of_the_alphabet_comes_first():
    found = best_sequences(MotifScores(np.zeros((3, 2))), 3)
    assert found.codes.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_a_long_motif_with_distant_pairs_is_searched_exactly():
    rng = np.random.default_rng(3)
    pairs = {d: rng.normal(size=(14 - d, 4, 4)) for d in range(1, 6)}
    scores = MotifScores(rng.normal(size=(14, 4)), pairs)
    found = best_sequences(scores, 500)
    # No single or double change of the best sequence is better or missing.
    listed = {tuple(row) for row in found.codes}
    best = found.codes[0].astype(int)
    for i, j in itertools.combinations(range(14), 2):
        for a, b in itertools.product(range(4), repeat=2):
            changed = best.copy()
            changed[[i, j]] = a, b
            value = scores.score(changed[None])[0]
            assert value <= found.energies[0] + 1e-9
            assert value < found.energies[-1] + 1e-9 or tuple(changed) in listed
    assert (np.diff(found.energies) <= 0).all()


def test_pairs_that_are_all_zero_cost_nothing():
    far = {d: np.zeros((30 - d, 4, 4)) for d in range(1, 30)}
    scores = MotifScores(np.eye(30, 4), far)
    assert scores.reach == 0
    assert best_sequences(scores).energies[0] == 4


def test_too_many_combinations_are_refused_with_advice():
    pairs = {d: np.ones((30 - d, 4, 4)) for d in range(1, 20)}
    with pytest.raises(
        InputError, match=r"4\^19 = .*a distance of 10 at most"
    ) as error:
        best_sequences(MotifScores(np.zeros((30, 4)), pairs))
    assert "pairwise_distance" in str(error.value)


@pytest.mark.parametrize("count", [0, MAX_SEQUENCES + 1])
def test_impossible_counts_are_refused(count):
    with pytest.raises(InputError, match="choose between 1 and 1,000,000"):
        best_sequences(MotifScores(np.zeros((3, 4))), count)


def random_psam(**options):
    torch.manual_seed(5)
    psam = PSAM(6, DNA(), pairwise_distance=2, **options)
    with torch.no_grad():
        for value in psam.betas.values():
            value.normal_()
    return psam


def test_a_psam_and_its_other_strand_have_the_energies_of_its_filters():
    psam = random_psam()
    scores = MotifScores.from_psam(psam)
    reverse = scores.reversed()
    for distance in range(3):
        both = np.moveaxis(psam.get_filter(distance).detach().double().numpy(), -1, 1)
        for own, other in zip((scores, reverse), both, strict=True):
            block = own.pairs[distance] if distance else own.letters
            np.testing.assert_array_equal(block, other)


@given(motifs())
@settings(deadline=None, max_examples=50)
def test_gauges_change_all_energies_by_one_constant(scores):
    codes = all_codes(scores)
    for gauge in ("mean", "mismatch"):
        changed, shift = to_gauge(scores, gauge)
        np.testing.assert_allclose(
            changed.score(codes) + shift, scores.score(codes), atol=1e-9
        )
        again, nothing = to_gauge(changed, gauge)
        assert nothing == pytest.approx(0, abs=1e-9)
        np.testing.assert_allclose(again.letters, changed.letters, atol=1e-9)


@given(motifs())
@settings(deadline=None, max_examples=50)
def test_the_mean_gauge_centres_letters_rows_and_columns(scores):
    changed, shift = mean_gauge(scores)
    np.testing.assert_allclose(changed.letters.mean(axis=1), 0, atol=1e-9)
    for block in changed.pairs.values():
        np.testing.assert_allclose(block.mean(axis=1), 0, atol=1e-9)
        np.testing.assert_allclose(block.mean(axis=2), 0, atol=1e-9)
    assert shift == pytest.approx(scores.score(all_codes(scores)).mean(), abs=1e-9)


@given(motifs())
@settings(deadline=None, max_examples=50)
def test_the_mismatch_gauge_holds_the_changes_of_the_best_sequence(scores):
    changed, shift = mismatch_gauge(scores)
    best = best_sequences(scores).codes[0].astype(int)
    assert shift == pytest.approx(energy(scores, best), abs=1e-9)
    for i, a in itertools.product(range(scores.n_positions), range(scores.n_letters)):
        mutant = best.copy()
        mutant[i] = a
        assert changed.letters[i, a] == pytest.approx(
            energy(scores, mutant) - shift, abs=1e-9
        )
    for distance, block in changed.pairs.items():
        left, right = best[:-distance], best[distance:]
        places = np.arange(len(block))
        np.testing.assert_allclose(block[places, left], 0, atol=1e-9)
        np.testing.assert_allclose(block[places, :, right], 0, atol=1e-9)


def test_an_unknown_gauge_is_refused():
    with pytest.raises(ValueError, match="'mean' or 'mismatch'"):
        to_gauge(MotifScores(np.zeros((1, 4))), "zero")


def test_information_counts_bits_of_the_changes_of_the_best_sequence():
    certain = np.array([[0.0, -200, -200, -200], [0, 0, 0, 0], [0, 0, -200, -200]])
    np.testing.assert_allclose(information(MotifScores(certain)), [2, 0, 1])

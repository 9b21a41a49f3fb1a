"""Which entries of a motif share a parameter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound.layers.symmetry import (
    check_options,
    has_plain_pairs,
    monomer_plan,
    pair_plan,
)

ids = st.lists(st.integers(-4, 4).filter(bool), min_size=2, max_size=7).map(tuple)


def reverse_complement(index):
    """The filter of the other strand: all axes reversed, pairs exchanged."""
    flipped = np.flip(index)
    return flipped.transpose(1, 0, 2) if index.ndim == 3 else flipped


def test_single_letters_follow_ids_and_complements():
    plan = monomer_plan((3, 1, -3), 4)
    assert [part.key for part in plan.classes] == ["3", "1"]
    assert plan.index.tolist() == [[0, 4, 3], [1, 5, 2], [2, 6, 1], [3, 7, 0]]


@given(half=st.lists(st.integers(1, 5), min_size=1, max_size=4))
@settings(deadline=None, max_examples=50)
def test_d29_exact_palindromes_read_alike_on_both_strands(half):
    symmetry = (*half, *(-i for i in reversed(half)))
    for distance in range(1, len(symmetry)):
        index = pair_plan(symmetry, distance, 4, "exact").index
        assert np.array_equal(index, reverse_complement(index))


def test_d29_layout_1_5_does_not():
    index = pair_plan((1, 2, -2, -1), 1, 4, "1.5").index
    assert not np.array_equal(index, reverse_complement(index))


def test_d29_exact_keeps_pairs_at_different_distances_apart():
    keys = {
        distance: {
            part.key for part in pair_plan((1, 2, -2, -1), distance, 4, "exact").classes
        }
        for distance in (1, 2, 3)
    }
    assert keys == {1: {"1:2@1", "2:-2@1"}, 2: {"1:-2@2"}, 3: {"1:-1@3"}}
    shared = pair_plan((1, 2, -2, -1), 1, 4, "1.5").classes
    assert [part.key for part in shared] == ["1:2", "2:2"]


@given(symmetry=ids, distance=st.integers(1, 6), letters=st.integers(2, 5))
@settings(deadline=None, max_examples=60)
def test_every_stored_pair_value_is_read(symmetry, distance, letters):
    if distance >= len(symmetry):
        return
    plan = pair_plan(symmetry, distance, letters, "exact")
    stored = sum(part.size for part in plan.classes)
    assert set(plan.index.ravel().tolist()) == set(range(stored))


@given(symmetry=ids, distance=st.integers(1, 6))
@settings(deadline=None, max_examples=60)
def test_equal_pairs_of_ids_at_one_distance_are_the_same_feature(symmetry, distance):
    pairs = list(zip(symmetry, symmetry[distance:], strict=False))
    if not pairs:
        return
    index = pair_plan(symmetry, distance, 3, "exact").index
    for i, pair in enumerate(pairs):
        for j, other in enumerate(pairs):
            same = np.array_equal(index[..., i], index[..., j])
            assert same == (pair == other)


def test_distinct_positive_ids_are_alike_in_both_layouts():
    symmetry = (5, 1, 2, 3)
    exact = pair_plan(symmetry, 1, 4, "exact")
    legacy = pair_plan(symmetry, 1, 4, "1.5")
    for position, (ours, theirs) in enumerate(
        zip(exact.classes, legacy.classes, strict=True)
    ):
        names = np.array(ours.scalar_names(1, 4))
        legacy_names = np.array(theirs.scalar_names(1, 4))
        mine = names[exact.index[..., position] - 16 * position]
        other = legacy_names[legacy.index[..., position] - 16 * position]
        assert np.array_equal(mine, other)


@pytest.mark.parametrize(
    ("symmetry", "plain"),
    [((1, 2, 3), True), ((3, 1), True), ((1, 1), False), ((1, -2), False)],
)
def test_plain_pairs(symmetry, plain):
    assert has_plain_pairs(symmetry) is plain


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symmetry": [1, 0]}, "must not be zero"),
        ({"symmetry": [1]}, "one id for each of 2"),
        ({"pairwise_distance": 2}, "pairwise_distance"),
        ({"pairwise_distance": -1}, "pairwise_distance"),
        ({"n_strands": 2}, "multiple of the 2 strands"),
        ({"pair_symmetry": "2.0"}, "'exact' or '1.5'"),
    ],
)
def test_options_that_do_not_agree_are_refused(change, message):
    sizes = {"kernel_size": 2, "in_channels": 4, "out_channels": 1, "dilation": 1}
    options = {
        "sizes": sizes,
        "n_strands": 1,
        "symmetry": [1, 2],
        "pairwise_distance": 1,
        "pair_symmetry": "exact",
    }
    check_options(**options)
    with pytest.raises(ValueError, match=message):
        check_options(**{**options, **change})

"""Symmetry strings of ProBound."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound.alphabets import DNA
from pyprobound.errors import InputError
from pyprobound.external.symmetry_strings import (
    MotifSymmetry,
    parse_symmetry_string,
    symmetry_of_ids,
    write_symmetry_string,
)
from pyprobound.layers import PSAM

# The two notations, the ids (* for an own complement), the barriers, the ties of
# neighbouring pairs (s for an own mirror), and the free values of single letters and
# of pairs at distances 1, 2 and 3.
EXAMPLES = [
    (["1:4:1", "ABba"], "1 2 -2 -1", "", "1 2s -1", (8, 26, 16, 10)),
    (["1:5:1", "AB1ba"], "1 2 3* -2 -1", "", "1 2 -2 -1", (10, 32, 26, 16)),
    (["abcdDCBA"], "-1 -2 -3 -4 4 3 2 1", "", "1 2 3 4s -3 -2 -1", (16, 58, 48, 42)),
    (
        ["1:3:0|0:2:0|-1:3:0", "ABC|..|cba"],
        "1 2 3 . . -3 -2 -1",
        "2 4",
        "1 2 . . . -2 -1",
        (12, 32, 16, 0),
    ),
    (["1:2:0|1:2:0", "AB|AB"], "1 2 1 2", "1", "1 . 1", (8, 16, 0, 0)),
    (["ABAB"], "1 2 1 2", "", "1 2 1", (8, 32, 32, 16)),
    (
        ["AB1ba|.|AB1ba", "1:5:1|0:1:0|1:5:1"],
        "1 2 3* -2 -1 . 1 2 3* -2 -1",
        "4 5",
        "1 2 -2 -1 . . 1 2 -2 -1",
        (10, 32, 26, 16),
    ),
    (
        ["1:3:0|2:2:0|-1:3:0"],
        "1 2 3 4 5 -3 -2 -1",
        "2 4",
        "1 2 . 3 . -2 -1",
        (20, 48, 16, 0),
    ),
    (["1:2:1|-1:2:1"], "1 -1 1 -1", "1", "1s . 1s", (4, 10, 0, 0)),
    (["A.a"], "1 . -1", "", ". .", (4, 0, 10, 0)),
    (["11"], "1* 1*", "", "1s", (2, 10, 0, 0)),
]
CASES = [(text, *rest) for texts, *rest in EXAMPLES for text in texts]


def described(symmetry):
    marks = {0: "."} | {i: f"{i}*" for i in symmetry.own_complements}
    return " ".join(marks.get(i, str(i)) for i in symmetry.ids)


def tie_text(tie):
    if tie is None:
        return "."
    return ("-" if tie.mirrored else "") + str(tie.number) + "s" * tie.own_mirror


def free_values(symmetry, distance):
    if distance == 0:
        ids = {abs(i) for i in symmetry.ids} - {0}
        return sum(2 if i in symmetry.own_complements else 4 for i in ids)
    ties = [tie for tie in symmetry.pair_ties(distance) if tie is not None]
    return sum({tie.number: 10 if tie.own_mirror else 16 for tie in ties}.values())


@pytest.mark.parametrize(("text", "ids", "barriers", "ties", "free"), CASES)
def test_worked_examples(text, ids, barriers, ties, free):
    symmetry = parse_symmetry_string(text)
    assert described(symmetry) == ids
    assert symmetry.barriers == set(map(int, barriers.split()))
    assert " ".join(map(tie_text, symmetry.pair_ties(1))) == ties
    assert tuple(free_values(symmetry, d) for d in range(4)) == free


@pytest.mark.parametrize("text", ["1:4:1", "abcdDCBA", "ABAB", "ABCDE", "AbA"])
def test_ties_are_those_of_a_motif_with_the_same_ids(text):
    symmetry = parse_symmetry_string(text)
    psam = PSAM(
        len(symmetry.ids),
        DNA(),
        symmetry=symmetry.ids,
        pairwise_distance=len(symmetry.ids) - 1,
    )
    for distance in range(len(symmetry.ids)):
        free = sum(part.size for part in psam.plan(distance).classes)
        assert free == free_values(symmetry, distance)


def test_a_negative_block_may_come_first():
    assert parse_symmetry_string("-1:3:0|1:3:0").ids == (-3, -2, -1, 1, 2, 3)


def test_null_is_no_symmetry():
    assert parse_symmetry_string("null") is None
    assert write_symmetry_string(None) == "null"
    assert write_symmetry_string(MotifSymmetry.free(5)) == "null"


def test_a_leading_barrier_is_ignored():
    assert parse_symmetry_string("|AB") == parse_symmetry_string("AB")
    assert parse_symmetry_string("AB|") == parse_symmetry_string("AB")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1:4", "is no block"),
        ("1:0:0", "is no block"),
        ("x:4:1", "is no block"),
        ("1:2:0|1:3:0", "another length or RC"),
        ("1:2:1|-1:2:0", "another length or RC"),
        ("A||B", "two barriers in a row"),
        ("A B", "holds blanks"),
        ("", "has no positions"),
        ("|", "has no positions"),
        ("1:99999:0", "more than 10,000 positions"),
        ("A" * 10_001, "more than 10,000 positions"),
    ],
)
def test_malformed_strings_are_refused(text, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_symmetry_string(text, key="symmetryString")
    assert caught.value.key == "symmetryString"
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", [case[0] for case in CASES])
def test_examples_survive_writing(text):
    symmetry = parse_symmetry_string(text)
    assert parse_symmetry_string(write_symmetry_string(symmetry)) == _renumbered(
        symmetry
    )


def _renumbered(symmetry):
    """The same symmetry with ids in the order of appearance."""
    names: dict[int, int] = {}
    for i in symmetry.ids:
        if i:
            names.setdefault(abs(i), len(names) + 1)
    ids = tuple(
        (i > 0) - (i < 0) and names[abs(i)] * (1 if i > 0 else -1) for i in symmetry.ids
    )
    own = frozenset(names[i] for i in symmetry.own_complements)
    return MotifSymmetry(ids, own, symmetry.barriers)


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet="ABCabc12.|", min_size=1, max_size=12))
def test_any_symmetry_survives_writing(text):
    try:
        symmetry = parse_symmetry_string(text)
    except InputError:
        return
    if any(symmetry.ids):
        written = parse_symmetry_string(write_symmetry_string(symmetry))
        if written is None:
            written = MotifSymmetry.free(len(symmetry.ids))
        expected = _renumbered(symmetry)
        assert written == expected


def test_long_motifs_are_written_in_blocks_unless_they_read_pairs():
    ids = (*range(1, 31), -1)
    symmetry = symmetry_of_ids(ids)
    text = write_symmetry_string(symmetry, with_pairs=False)
    assert text.startswith("1:1:0|2:1:0|")
    assert parse_symmetry_string(text).ids == ids
    with pytest.raises(InputError, match="no symmetry string"):
        write_symmetry_string(symmetry)


def test_ids_of_a_motif_are_renumbered():
    assert symmetry_of_ids((7, -3, 3)).ids == (1, -2, 2)
    assert write_symmetry_string(symmetry_of_ids((7, -3, 3))) == "AbB"

"""Aligning rows of different lengths."""

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound import CountTable
from pyprobound.alphabets import DNA, Alphabet
from pyprobound.layers import Lengths, PadSpec, Roll, RollSpec

ALPHABET = DNA()


def codes(*rows):
    """Rows of letters, of one length, as codes."""
    return torch.stack([ALPHABET.translate(row) for row in rows])


def text(seqs):
    names = ALPHABET.encoding
    return ["".join(names[code] for code in row) for row in seqs.tolist()]


def make_roll(direction, shape=7, minimum=3, **kwargs):
    return Roll(RollSpec(ALPHABET, direction, **kwargs), shape, minimum, shape)


ROWS = codes("ACGTACG", "ACGTA  ", "ACGT   ")


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("left", ["ACGTACG", "ACGTA  ", "ACGT   "]),
        ("center", ["ACGTACG", " ACGTA ", " ACGT  "]),
        ("right", ["ACGTACG", "  ACGTA", "   ACGT"]),
    ],
)
def test_rows_move_to_a_side(direction, expected):
    assert text(make_roll(direction)(ROWS)) == expected


@pytest.mark.parametrize("direction", ["left", "center", "right"])
def test_the_side_of_the_input_does_not_matter(direction):
    on_the_right = make_roll("right")(ROWS)
    roll = make_roll(direction, input_side="right")
    assert torch.equal(roll(on_the_right), make_roll(direction)(ROWS))


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("left", ["ACGTA", "ACGTA", "ACGT "]), ("right", ["GTACG", "ACGTA", " ACGT"])],
)
def test_a_maximum_keeps_the_positions_of_one_side(direction, expected):
    assert text(make_roll(direction, max_length=5)(ROWS)) == expected


def test_wildcards_at_the_end_move_if_asked():
    rows = codes("ACNGTNN", "ACGNN  ")
    assert text(make_roll("right")(rows)) == ["AC*GT**", "  ACG**"]
    moved = make_roll("right", include_n=True)(rows)
    assert text(moved) == ["**AC*GT", "**  ACG"]


LETTERS = st.text("ACGTN-", min_size=1, max_size=8)


@given(
    rows=st.lists(LETTERS, min_size=1, max_size=5),
    direction=st.sampled_from(["left", "center", "right"]),
    side=st.sampled_from(["left", "right"]),
    include_n=st.booleans(),
)
@settings(deadline=None, max_examples=80)
def test_codes_and_values_move_alike(rows, direction, side, include_n):
    width = max(map(len, rows))
    seqs = codes(*(row.ljust(width) for row in rows))
    roll = make_roll(direction, width, 1, include_n=include_n, input_side=side)
    moved = roll(seqs)
    torch.testing.assert_close(
        roll(ALPHABET.embed(seqs)), ALPHABET.embed(moved), rtol=0, atol=0
    )
    assert torch.equal(moved.sort().values, seqs.sort().values)


def test_d38_only_missing_positions_at_the_end_count():
    rows = codes("A-CG-  ", "- ACGT ", "ACGTAC-")
    expected = ["  A-CG-", " - ACGT", "ACGTAC-"]
    roll = make_roll("right")
    assert text(roll(rows)) == expected
    values = roll(ALPHABET.embed(rows))
    torch.testing.assert_close(values, ALPHABET.embed(codes(*expected)))


@pytest.mark.parametrize("direction", ["left", "right"])
@pytest.mark.parametrize("length", [3, 6, 8])
def test_d28_out_len_is_the_length_of_the_output(direction, length):
    rows = codes("ACGTACGT"[:length], "ACGT".ljust(length)[:length])
    roll = make_roll(direction, length, 3, max_length=6)
    for seqs in (rows, ALPHABET.embed(rows)):
        moved = roll(seqs)
        assert moved.shape[-1] == roll.out_len(length) == 6
        assert torch.equal(roll.lengths(moved), roll.lengths(seqs).clamp(max=6))
    expected = "ACG   " if direction == "left" else "   ACG"
    if length == 3:
        assert text(roll(rows)) == [expected, expected]


def test_lengths_of_the_output():
    spec = RollSpec(ALPHABET, "right", max_length=6)
    lengths = torch.tensor([4, 9])
    assert spec.out_len(lengths).tolist() == [6, 6]
    for mode in ("min", "max"):
        assert spec.out_len(lengths, mode).tolist() == [4, 6]
        assert [spec.out_len(n, mode) for n in (4, 9)] == [4, 6]
    assert spec.in_len(lengths, "min").tolist() == [4, 6]
    assert spec.in_len(9, "min") == 6
    assert spec.in_len(4) is None
    free = RollSpec(ALPHABET, "center")
    assert free.max_length is None
    assert free.out_len(9) == free.in_len(9) == free.in_len(9, "min") == 9


def test_gradients_follow_the_values():
    values = ALPHABET.embed(ROWS).requires_grad_()
    weights = torch.arange(7.0).expand(4, 7)
    moved = make_roll("right")(values)
    kept = torch.where(moved.isfinite(), moved * weights, 0.0)
    kept.sum().backward()
    assert values.grad is not None
    assert values.grad[2, 0].tolist() == [3, 4, 5, 6, 0, 0, 0]


def test_other_alphabets_have_their_own_missing_code():
    alphabet = Alphabet(["AA", "BB"], monomer_length=2)
    rows = torch.stack([alphabet.translate("AABB  "), alphabet.translate("AABBAA")])
    roll = Roll(RollSpec(alphabet, "right"), 3, 2, 3)
    assert roll(rows).tolist() == [[alphabet.neginf_pad, 0, 1], [0, 1, 0]]


def test_a_roll_follows_a_table():
    table = CountTable(pd.DataFrame([[1, 2]] * 2, index=["ACGTA", "ACG"]), ALPHABET)
    roll = Roll.from_spec(RollSpec(ALPHABET, "right", max_length=4, name="end"), table)
    assert roll.input_lengths == Lengths(5, 3, 5)
    assert roll.output_lengths == Lengths(4, 3, 4)
    assert text(roll(table.seqs)) == ["CGTA", " ACG"]
    assert (roll.in_channels, roll.out_channels) == (4, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": "up"}, "direction must be"),
        ({"direction": "center", "max_length": 3}, "max_length needs the direction"),
        ({"direction": "left", "max_length": 0}, "max_length must be positive"),
        ({"direction": "left", "input_side": "center"}, "input_side must be"),
    ],
)
def test_options_must_agree(options, message):
    with pytest.raises(ValueError, match=message):
        RollSpec(ALPHABET, **options)


def test_specs_of_one_type_are_equal():
    assert RollSpec(ALPHABET, "left") == RollSpec(ALPHABET, "right")
    assert RollSpec(ALPHABET, "left") != PadSpec(ALPHABET)

"""Adding wildcards to the ends of rows, or cutting letters off."""

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound import CountTable, Mode
from pyprobound.alphabets import DNA, Protein
from pyprobound.layers import (
    PSAM,
    Conv1d,
    Lengths,
    Pad,
    PadSpec,
    Roll,
    get_padding_layers,
)

ALPHABET = DNA()
READS = ["ACGTACGTA", "CCGTAAC", "TTGCATGC"]


def make_table(reads=READS, **kwargs):
    frame = pd.DataFrame([[1, 2]] * len(reads), index=list(reads))
    return CountTable(frame, ALPHABET, **kwargs)


def text(seqs):
    names = ALPHABET.encoding
    return ["".join(names[code] for code in row) for row in seqs.tolist()]


def applied(layers, seqs):
    for layer in layers:
        seqs = layer(seqs)
    return seqs


def edited(read, left, right):
    """A read with wildcards at its ends, or without some letters."""
    read = "*" * left + read if left >= 0 else read[-left:]
    return read + "*" * right if right >= 0 else read[:right]


def test_wildcards_are_added_at_the_ends_of_the_stored_positions():
    table = make_table()
    pad = Pad.from_spec(PadSpec(ALPHABET, left=1, right=2), table)
    assert text(pad(table.seqs)) == ["*ACGTACGTA**", "*CCGTAAC  **", "*TTGCATGC **"]
    assert pad(table.seqs).dtype == table.seqs.dtype


def test_letters_are_removed_at_the_ends_of_the_stored_positions():
    table = make_table()
    pad = Pad.from_spec(PadSpec(ALPHABET, left=-2, right=-1), table)
    assert text(pad(table.seqs)) == ["GTACGT", "GTAAC ", "GCATGC"]


@given(left=st.integers(-3, 3), right=st.integers(-3, 3))
@settings(deadline=None, max_examples=50)
def test_codes_and_values_are_padded_alike(left, right):
    table = make_table()
    pad = Pad.from_spec(PadSpec(ALPHABET, left, right), table)
    torch.testing.assert_close(
        pad(ALPHABET.embed(table.seqs)),
        ALPHABET.embed(pad(table.seqs)),
        rtol=0,
        atol=0,
    )
    assert pad(table.seqs).shape[1] == pad.out_len(table.input_shape)


def test_lengths():
    spec = PadSpec(ALPHABET, left=2, right=-1, name="ends")
    assert (spec.left, spec.right) == (2, -1)
    assert spec.out_len(9) == spec.out_len(9, "min") == 10
    assert spec.in_len(10) == spec.in_len(10, "min") == 9
    assert spec.out_len(torch.tensor([5, 6])).tolist() == [6, 7]
    pad = Pad.from_spec(spec, make_table())
    assert pad.input_lengths == Lengths(9, 7, 9)
    assert pad.output_lengths == Lengths(10, 8, 10)
    assert PadSpec(ALPHABET, 1) == PadSpec(Protein(), 2)


def test_a_pad_that_leaves_nothing_is_refused():
    table = make_table()
    pad = Pad.from_spec(PadSpec(ALPHABET, left=-4, right=-3), table)
    with pytest.raises(ValueError, match="needs more than 7 positions"):
        pad.check_length_consistency()
    with pytest.raises(ValueError, match="needs more than 7 positions"):
        get_padding_layers(ALPHABET, table, left=-7)


@pytest.mark.parametrize(
    ("left", "right", "kinds"),
    [
        (0, 0, []),
        (2, 0, [Pad]),
        (0, -1, [Roll, Pad, Roll]),
        (-1, 2, [Pad, Roll, Pad, Roll]),
    ],
)
def test_the_layers_of_a_padding(left, right, kinds):
    layers = get_padding_layers(ALPHABET, make_table(), left, right)
    assert [type(layer) for layer in layers] == kinds


@given(
    left=st.integers(-3, 3),
    right=st.integers(-3, 3).filter(bool),
    read=st.text("ACGT", min_size=7, max_size=9),
)
@settings(deadline=None, max_examples=50)
def test_d39_padded_rows_start_at_the_left(left, right, read):
    table = make_table([*READS, read + "A"])
    layers = get_padding_layers(ALPHABET, table, left, right, align="left")
    found = text(applied(layers, table.seqs))
    assert [row.rstrip(" ") for row in found] == [
        edited(row, left, right) for row in [*READS, read + "A"]
    ]


def test_d39_by_default_short_rows_stay_at_the_right_as_in_1_5():
    table = make_table()
    found = text(applied(get_padding_layers(ALPHABET, table, 0, 1), table.seqs))
    assert found == ["ACGTACGTA*", "  CCGTAAC*", " TTGCATGC*"]


def test_d39_rows_of_one_length_do_not_depend_on_the_alignment():
    table = make_table(["ACGTACG", "TTTACGA"])
    for left, right in ((1, 2), (-1, -2), (2, -3)):
        both = [
            applied(
                get_padding_layers(ALPHABET, table, left, right, align=align),
                table.seqs,
            )
            for align in ("left", "1.5")
        ]
        assert torch.equal(*both)


def test_d39_windows_keep_their_numbers():
    table = make_table()
    psam = PSAM(kernel_size=3, alphabet=ALPHABET)
    whole = Conv1d.from_psam(psam, table)
    layers = get_padding_layers(ALPHABET, table, left=1, right=2, align="left")
    padded = Mode([*layers, Conv1d.from_psam(psam, layers[-1])])
    windows = padded.score_windows(table.seqs)
    for row, read in enumerate(READS):
        n = len(read) - 2
        torch.testing.assert_close(
            windows[row, :, 1 : 1 + n], whole(table.seqs)[row, :, :n]
        )
        assert windows[row].isfinite().sum(dim=1).tolist() == [n + 3] * 2


def test_an_unknown_alignment_is_refused():
    with pytest.raises(ValueError, match="align must be"):
        get_padding_layers(ALPHABET, make_table(), 1, 1, align="right")

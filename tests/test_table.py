"""Tests of count tables: rows, counts, flanks, deletion."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound._tables import columns, count_table
from pyprobound.alphabets import DNA, Alphabet, Codon, Protein, UnknownLetterError
from pyprobound.table import (
    CountTable,
    get_dataframe,
)

LETTERS = "ACGT *-MRWSYKVHDB"


def frame(sequences, counts=None, **options):
    if counts is None:
        counts = [[i + 1, 2 * i] for i in range(len(sequences))]
    return pd.DataFrame(counts, index=sequences, **options)


def make(sequences, **options):
    return CountTable(frame(sequences), DNA(), **options)


def spell(table, seqs=None):
    """The rows of a DNA table as text, with a dot for missing letters."""
    rows = table.seqs if seqs is None else seqs
    return ["".join(LETTERS[i] for i in row).replace(" ", ".") for row in rows]


def random_sequences(n, low, high, seed=0):
    generator = np.random.default_rng(seed)
    return [
        "".join(generator.choice(list("ACGT"), generator.integers(low, high + 1)))
        for _ in range(n)
    ]


# ---------------------------------------------------------------------------
# Rows, counts, lengths


def test_rows_are_codes_of_the_smallest_type():
    table = make(["ACG", "ACGTT", ""])
    assert spell(table) == ["ACG..", "ACGTT", "....."]
    assert table.seqs.dtype == torch.int8
    assert table.seqs.is_contiguous()
    assert table.variable_lengths.tolist() == [[3], [5], [0]]
    assert (table.min_read_length, table.max_read_length, table.input_shape) == (
        0,
        5,
        5,
    )
    assert not table.wildcard_padded
    assert CountTable(frame(["ACG"]), Codon()).seqs.dtype == torch.int16


@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.float32, "Int64", bool])
def test_counts_are_float32_and_their_sums_float64(dtype):
    counts = frame(["AC", "GT"], [[1, 0], [1, 1]]).astype(dtype)
    table = CountTable(counts, DNA())
    assert table.target.dtype == torch.float32
    assert table.target.tolist() == [[1, 0], [1, 1]]
    assert table.counts_per_round.dtype == torch.float64
    assert table.counts_per_round.tolist() == [2, 1]


def test_sums_of_large_counts_are_exact():
    largest = 2**24
    table = CountTable(frame(["A", "C", "G"], [[largest], [1], [1]]), DNA())
    assert table.counts_per_round.tolist() == [largest + 2]


def test_the_counts_do_not_share_memory_with_the_frame():
    counts = frame(["AC"], np.ones((1, 2), np.float32), copy=False)
    table = CountTable(counts, DNA())
    table.target[0, 0] = 7
    assert counts.iloc[0, 0] == 1


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([[1.0], [-np.inf]], r"column 0 holds .*inf.* in row 1 \('GT'\)"),
        ([[1.0], [np.nan]], "column 0 holds .*nan.* in row 1"),
        ([[1.0], [np.inf]], "column 0 holds .*inf.* in row 1"),
        ([[1], ["x"]], "column 0 does not hold numbers"),
    ],
)
def test_values_that_are_no_counts_are_refused(counts, message):
    with pytest.raises(ValueError, match=message):
        CountTable(frame(["AC", "GT"], counts), DNA())


def test_measured_values_may_be_negative_and_zero():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no count is missing
        table = CountTable(frame(["AC", "GT", "AA"], [[-1.25], [0.0], [2.5]]), DNA())
    assert table.target.tolist() == [[-1.25], [0.0], [2.5]]
    assert table.counts_per_round.tolist() == [1.25]


def test_rows_without_counts_are_kept_with_a_warning():
    with pytest.warns(
        UserWarning, match=r"2 of 3 rows .* the first of them row 1"
    ) as w:
        table = CountTable(frame(["A", "C", "G"], [[1], [0], [0]]), DNA())
    assert len(table) == 3
    assert w[0].filename == __file__


@pytest.mark.parametrize("index", [None, [1.5, 2.5], [("A", "C"), ("G", "T")]])
def test_an_index_without_sequences_is_refused(index):
    counts = pd.DataFrame([[1], [2]])
    if index is not None:
        counts.index = pd.Index(index)
    with pytest.raises(TypeError, match="set_index"):
        CountTable(counts, DNA())


def test_a_missing_sequence_is_refused():
    with pytest.raises(TypeError, match="sequence 1 is"):
        CountTable(frame(pd.Index(["AC", None], dtype=object)), DNA())


def test_an_unknown_letter_is_named_with_its_row():
    with pytest.raises(UnknownLetterError, match="'J' at position 2 of sequence 1"):
        make(["ACG", "ACJ"])


@pytest.mark.parametrize("block", [1, 3, 1 << 16])
def test_blanks_at_the_end_are_missing_letters(monkeypatch, block):
    monkeypatch.setattr(columns, "_BLOCK_ROWS", block)
    table = make(["AC  ", "ACG ", "G", "T"])
    assert spell(table) == ["AC.", "ACG", "G..", "T.."]
    assert table.variable_lengths[:, 0].tolist() == [2, 3, 1, 1]
    assert table.seqs.is_contiguous()


@pytest.mark.parametrize("sequence", ["A C", " AC", "A C "])
def test_blanks_before_a_letter_are_refused(sequence):
    place = sequence.index(" ")
    with pytest.raises(ValueError, match=f"sequence 1 has a blank at position {place}"):
        make(["ACG", sequence], right_flank="GT")


def test_blanks_within_rows_are_missing_positions_if_nothing_follows_the_row():
    table = make(["A CG", "AC  "])
    assert spell(table) == ["A.CG", "AC.."]
    assert table.variable_lengths[:, 0].tolist() == [3, 2]
    assert table.input_shape == 4
    with pytest.raises(ValueError, match="blank at position 1"):
        make(["A CG"], wildcard_pad=True)


def test_limits_of_the_length_can_be_widened_only():
    table = make(["ACG", "AC"], min_variable_length=1, max_variable_length=5)
    assert spell(table) == ["ACG..", "AC..."]
    assert (table.min_read_length, table.max_read_length) == (1, 5)
    with pytest.raises(ValueError, match="shortest row has 2"):
        make(["ACG", "AC"], min_variable_length=3)
    with pytest.raises(ValueError, match="min_variable_length is -1"):
        make(["ACG", "AC"], min_variable_length=-1)
    with pytest.raises(ValueError, match="longest row has 3"):
        make(["ACG", "AC"], max_variable_length=2)


def test_tables_without_rows_need_a_length():
    empty = frame(["AC"]).iloc[:0]
    with pytest.raises(ValueError, match="has no rows"):
        CountTable(empty, DNA())
    table = CountTable(empty, DNA(), max_variable_length=4, right_flank="AC")
    table.set_flank_length(0, 2)
    assert table.seqs.shape == (0, 6)
    assert table.min_read_length == 6
    short = CountTable(empty, DNA(), min_variable_length=1, max_variable_length=4)
    assert short.min_read_length == 1
    padded = CountTable(empty, DNA(), wildcard_pad=True, max_variable_length=4)
    assert padded.min_read_length == 4


def test_properties_and_descriptions():
    table = make(["ACG"], left_flank="TT", right_flank="GA", left_flank_length=1)
    assert (len(table), table.batchlen()) == (1, 1)
    assert (table.left_flank, table.right_flank) == ("TT", "GA")
    assert (table.left_flank_length, table.right_flank_length) == (1, 0)
    assert (table.max_left_flank_length, table.max_right_flank_length) == (2, 2)
    assert table.get_setup_string().splitlines() == [
        "\tMaximum variable length: 3",
        "\tLeft flank length: 1",
        "\tRight flank length: 0",
    ]
    assert repr(table) == (
        "CountTable(1 rows, 2 columns, variable length 3 to 3, flanks 1 and 0, DNA())"
    )


def test_the_loaded_ctcf_table(data_dir):
    table = CountTable(get_dataframe(data_dir / "ctcf" / "ctcf_r3.tsv.gz"), DNA())
    assert table.seqs.shape == (120_096, 30)
    assert table.counts_per_round.tolist() == [72_289, 51_687]
    assert spell(table, table.seqs[:2]) == [
        "AAAAAAAGCCCGGAAATAGGCAACTTGTAG",
        "AAAAAAAGGATGTTCCTAGCAACTTATAAA",
    ]


def test_proteins_are_tables_too():
    table = CountTable(frame(["GSW", "A"]), Protein(), left_flank="GS")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table.set_flank_length(1, 0)
    assert table.seqs.tolist() == [[15, 5, 15, 18], [15, 0, 20, 20]]


# ---------------------------------------------------------------------------
# Transliteration


@pytest.mark.parametrize("flanks", [False, True])
def test_transliteration_replaces_in_order(flanks):
    table = CountTable(
        frame(["ACGCGTTA", "TTTT"]),
        Alphabet("ACmgGT"),
        transliterate={"CG": "mg", "TA": "AA", "AA": "GG"},
        transliterate_flanks=flanks,
        left_flank="CGTA",
        left_flank_length=4,
    )
    letters = "ACmgGT "
    assert ["".join(letters[i] for i in row[4:]) for row in table.seqs] == [
        "AmgmgTGG",
        "TTTT    ",
    ]
    assert table.left_flank == ("mgGG" if flanks else "CGTA")
    assert "".join(letters[i] for i in table.seqs[0, :4]) == table.left_flank


def test_transliteration_may_change_lengths():
    table = make(["AAXXC", "XXG"], transliterate={"XX": ""})
    assert spell(table) == ["AAC", "G.."]
    flanked = make(
        ["A"], left_flank="XXC", transliterate={"XX": ""}, transliterate_flanks=True
    )
    assert flanked.max_left_flank_length == 1


def test_transliteration_leaves_reporting_to_the_translation():
    counts = frame(pd.Index(["AC", None], dtype=object))
    with pytest.raises(TypeError, match="sequence 1 is None"):
        CountTable(counts, DNA(), transliterate={"A": "C"})
    with pytest.raises(ValueError, match="empty text"):
        make(["AC"], transliterate={"": "C"})


def test_d15_the_callers_frame_is_left_as_it_is():
    counts = frame(["ACG", "TTT"])
    before = counts.copy()
    CountTable(counts, DNA(), transliterate={"A": "C"}, left_flank="AA")
    pd.testing.assert_frame_equal(counts, before)


# ---------------------------------------------------------------------------
# Flanks

FLANKS = {
    "left_flank": "AAC",
    "right_flank": "GTT",
    "max_left_flank_length": 6,
    "max_right_flank_length": 6,
}


def flanked_row(sequence, width, left, right, flanks, wildcard):
    """What a row should be, spelled out."""
    before = flanks["left_flank"].rjust(6, "*")[6 - left :] if left else ""
    after = flanks["right_flank"].ljust(6, "*")[:right]
    if wildcard:
        sequence = sequence.ljust(width, "*")
    return (before + sequence + after).ljust(width + left + right, ".")


def test_flanks_adjoin_the_variable_region():
    table = make(["ACG", "ACGTT"], **FLANKS)
    table.set_flank_length(2, 2)
    assert spell(table) == ["ACACGGT..", "ACACGTTGT"]
    assert (table.min_read_length, table.max_read_length, table.input_shape) == (
        7,
        9,
        9,
    )


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.text("ACGT", max_size=7), min_size=1, max_size=9),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=5),
    st.booleans(),
    st.integers(1, 9),
)
def test_rows_do_not_depend_on_the_way_to_their_flanks(seqs, walk, wildcard, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(count_table, "_BLOCK_ROWS", block)
        table = make(seqs, wildcard_pad=wildcard, **FLANKS)
        width = max(map(len, seqs))
        for left, right in [*walk, (0, 0)]:
            table.set_flank_length(left, right)
            assert spell(table) == [
                flanked_row(seq, width, left, right, FLANKS, wildcard) for seq in seqs
            ]
            assert table.seqs.dtype == torch.int8
            assert table.seqs.is_contiguous()
            assert table.input_shape == width + left + right == table.max_read_length
            shortest = width if wildcard else min(map(len, seqs))
            assert table.min_read_length == shortest + left + right


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (
            (4, 0),
            r"left flank length is 4, .* from 0 to 3; raise max_left_flank_length",
        ),
        ((0, 4), "right flank length is 4"),
        ((-1, 0), "left flank length is -1"),
        ((0, -1), "right flank length is -1"),
    ],
)
def test_flank_lengths_have_limits(lengths, message):
    table = make(["ACG"], left_flank="AAC", right_flank="GTT", left_flank_length=1)
    before = table.seqs
    with pytest.raises(ValueError, match=message):
        table.set_flank_length(*lengths)
    assert table.seqs is before
    assert table.left_flank_length == 1
    with pytest.raises(ValueError, match=message):
        make(
            ["ACG"],
            left_flank="AAC",
            right_flank="GTT",
            left_flank_length=lengths[0],
            right_flank_length=lengths[1],
        )


def test_setting_the_same_flanks_does_nothing():
    table = make(["ACG"], left_flank="AA", left_flank_length=1)
    before = table.seqs
    table.set_flank_length(1, 0)
    assert table.seqs is before


def test_codes_are_stored_once_without_flanks():
    table = make(["ACG"], left_flank="AA", left_flank_length=1)
    table.set_flank_length(0, 0)
    assert table.seqs is table._unflanked


def test_flanks_are_checked():
    with pytest.raises(UnknownLetterError, match="left_flank: 'J' at position 1"):
        make(["ACG"], left_flank="AJ")
    with pytest.raises(ValueError, match="right_flank 'A C' contains a blank"):
        make(["ACG"], right_flank="A C")
    with pytest.raises(ValueError, match="right_flank: the sequence has 2 characters"):
        CountTable(frame(["ACG"]), Codon(), right_flank="AC")


def test_d13_flanks_are_counted_in_monomers():
    codon = Codon()
    table = CountTable(
        frame(["ACGTTT", "ACG"]),
        codon,
        left_flank="AAACCC",
        right_flank="GGG",
        left_flank_length=1,
        right_flank_length=1,
    )
    assert table.max_left_flank_length == 2
    assert table.seqs.tolist() == [[21, 6, 63, 42], [21, 6, 42, codon.neginf_pad]]
    assert table.max_read_length == 4


def test_d16_left_extension_beyond_flank_is_padded_with_wildcards():
    table = make(["ACG"], **FLANKS)
    table.set_flank_length(5, 0)
    assert spell(table) == ["**AACACG"]
    assert table.input_shape == table.max_read_length == 8


def test_d17_no_wildcards_of_the_right_flank_are_left_behind():
    table = make(["ACG", "A"], **FLANKS)
    table.set_flank_length(0, 5)
    assert spell(table) == ["ACGGTT**", "AGTT**.."]
    table.set_flank_length(0, 6)
    assert spell(table) == ["ACGGTT***", "AGTT***.."]
    table.set_flank_length(0, 1)
    assert spell(table) == ["ACGG", "AG.."]


def test_d18_wildcard_padding_is_restored_when_flanks_shrink():
    table = make(["ACG", "A"], wildcard_pad=True, max_variable_length=5, **FLANKS)
    assert spell(table) == ["ACG**", "A****"]
    # As in the reference interface, the flank follows the longest row.
    table.set_flank_length(1, 2)
    assert spell(table) == ["CACGGT**", "CA**GT**"]
    table.set_flank_length(0, 0)
    assert spell(table) == ["ACG**", "A****"]
    assert (table.min_read_length, table.max_read_length) == (5, 5)
    assert table.wildcard_padded


def test_wildcards_replace_blanks_at_the_end():
    assert spell(make(["AC", "A ", " "], wildcard_pad=True)) == ["AC", "A*", "**"]


def test_d19_earlier_tensors_of_rows_do_not_change():
    table = make(["ACG", "A"], left_flank_length=2, right_flank_length=2, **FLANKS)
    before, copied = table.seqs, table.seqs.clone()
    for lengths in [(2, 0), (1, 1), (0, 0), (3, 3)]:
        table.set_flank_length(*lengths)
        assert torch.equal(before, copied)


# ---------------------------------------------------------------------------
# Deletion


@pytest.mark.parametrize(
    ("index", "deleted"),
    [
        (4, {4}),
        (-1, {7}),
        (slice(1, 6, 2), {1, 3, 5}),
        (slice(6, 1, -2), {2, 4, 6}),
        (slice(3, 3), set()),
        ([0, -1, 0], {0, 7}),
        ([], set()),
        (range(2), {0, 1}),
        ([True] + [False] * 7, {0}),
        (np.array([2, 5]), {2, 5}),
        (torch.tensor([-2, 1]), {6, 1}),
        (torch.arange(8) % 3 == 0, {0, 3, 6}),
        (torch.zeros(8, dtype=torch.bool), set()),
        (slice(None), set(range(8))),
    ],
)
@pytest.mark.parametrize("left", [0, 2])
def test_d21_rows_are_deleted_by_any_index(index, deleted, left):
    sequences = random_sequences(8, 3, 6)
    table = make(sequences, **FLANKS)
    table.set_flank_length(left, 1)
    wanted = copy.deepcopy(table)
    rows = [i for i in range(8) if i not in deleted]
    del table[index]
    assert len(table) == len(rows)
    for lengths in [(left, 1), (0, 0), (1, 3)]:
        table.set_flank_length(*lengths)
        wanted.set_flank_length(*lengths)
        assert torch.equal(table.seqs, wanted.seqs[rows])
    assert torch.equal(table.target, wanted.target[rows])
    assert torch.equal(table.variable_lengths, wanted.variable_lengths[rows])
    assert torch.equal(table.counts_per_round, table.target.double().sum(0))


@pytest.mark.parametrize("index", [3, -4, [0, 3], torch.tensor([True, False])])
def test_rows_that_do_not_exist_cannot_be_deleted(index):
    table = make(["AC", "GT", "TT"])
    with pytest.raises(IndexError):
        del table[index]
    assert len(table) == 3


def test_d20_deletion_keeps_the_limits_of_the_length():
    table = make(["ACGT", "A"], min_variable_length=0, max_variable_length=6)
    del table[0]
    assert (table.min_read_length, table.max_read_length) == (0, 6)
    assert table.input_shape == 6
    assert table.seqs is table._unflanked


def test_tables_are_pickled_and_copied():
    table = make(["ACG", "A"], left_flank_length=2, **FLANKS)
    for other in (pickle.loads(pickle.dumps(table)), copy.deepcopy(table)):
        other.set_flank_length(0, 1)
        assert spell(other) == ["ACGG", "AG.."]
    assert spell(table) == ["ACACG", "ACA.."]

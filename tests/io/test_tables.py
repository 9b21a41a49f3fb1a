"""Reading count tables."""

from __future__ import annotations

import gzip
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound.alphabets import DNA, RNA, Alphabet, Codon, Protein
from pyprobound.errors import InputError
from pyprobound.io import parquet
from pyprobound.io import text as text_module
from pyprobound.io.tables import drop_column, read_table

PLAIN = "ACGT\t1\t0\nAAAA\t0\t3\nGGCC\t2\t2\n"


def write(tmp_path, text, name="table.tsv"):
    path = tmp_path / name
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return path


def rows(data):
    frame = data.dataframe
    return list(zip(frame.index, *(frame[name] for name in frame), strict=True))


def message(tmp_path, text, alphabet=None, name="table.tsv", **options):
    path = write(tmp_path, text, name)
    with pytest.raises(InputError) as caught:
        read_table(path, alphabet or DNA(), **options)
    assert str(caught.value).startswith(f"{path}")
    return str(caught.value).removeprefix(str(path))


EXPECTED = [("ACGT", 1, 0), ("AAAA", 0, 3), ("GGCC", 2, 2)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", PLAIN),
        ("a.txt", PLAIN),
        ("a.tsv.gz", PLAIN),
        ("a.csv", PLAIN.replace("\t", ",")),
        ("a.csv.gz", PLAIN.replace("\t", ",")),
        ("a.tsv", PLAIN.replace("\n", "\r\n")),
        ("a.tsv", PLAIN.rstrip("\n")),
        ("a.tsv", "\n  \n" + PLAIN.replace("\n", "\n\n") + "\n \n"),
        ("a.tsv", PLAIN.lower()),
        ("a.tsv", "﻿" + PLAIN),
        ("a.tsv", "ACGT\t1.0\t0\nAAAA\t 0\t3e0\nGGCC \t2\t+2\n"),
        ("a.csv", '"ACGT","1","0"\n"AAAA",0,3\nGGCC,2,"2"\n'),
    ],
)
def test_formats_give_the_same_table(tmp_path, name, text):
    data = read_table(write(tmp_path, text, name), DNA())
    assert rows(data) == EXPECTED
    assert list(data.dataframe.columns) == [0, 1]
    assert all(kind == np.int64 for kind in data.dataframe.dtypes)
    assert not data.header
    assert len(data.sha256) == 64


def test_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    frame = {"seq": ["acgt", "AAAA", "GGCC"], "in": [1, 0, 2], "out": [0.0, 3.0, 2.0]}
    pl.DataFrame(frame).write_parquet(path)
    data = read_table(path, DNA())
    assert rows(data) == EXPECTED
    assert list(data.dataframe.columns) == ["in", "out"]
    # As pandas stores an index: behind the columns.
    pl.DataFrame(frame).select("in", "out", "seq").write_parquet(path)
    assert rows(read_table(path, DNA())) == EXPECTED


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ({"seq": ["ACGT", "ACXT"], "n": [1, 2]}, "row 2: letter 'X' at position 3"),
        (
            {"seq": ["ACGT", "ACCT"], "n": [1, -2]},
            r"row 2: count column 1 \('n'\): the",
        ),
        ({"seq": ["ACGT", None], "n": [1, 2]}, "row 2: the sequence is missing"),
        ({"seq": ["ACGT", "AAAA"], "n": [None, 2]}, "row 1: .*count is missing"),
        ({"seq": ["ACGT", "AAAA"], "n": [0.5, 2]}, "row 1: .*not a whole number"),
        ({"seq": [1, 2], "n": [1, 2]}, "expected a first column of text"),
        ({"seq": ["ACGT"]}, "expected a first column of text"),
    ],
)
def test_bad_parquet_names_the_row(tmp_path, frame, expected):
    path = tmp_path / "a.parquet"
    pl.DataFrame(frame).write_parquet(path)
    with pytest.raises(InputError, match=expected):
        read_table(path, DNA())


def test_file_that_is_no_parquet(tmp_path):
    with pytest.raises(InputError, match="no readable Parquet file"):
        read_table(write(tmp_path, PLAIN, "a.parquet"), DNA())
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "b.parquet", DNA())


def test_too_many_rows(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"seq": ["A", "C", "G"], "n": [1, 2, 3]}).write_parquet(path)
    monkeypatch.setattr(parquet, "MAX_ROWS", 2)
    with pytest.raises(InputError, match="3 rows, more than 2"):
        read_table(path, DNA())


@pytest.mark.parametrize(
    ("first", "names"),
    [
        ("sequence\tin\tout\n", ["in", "out"]),
        ("seq\t0\t1\n", [0, 1]),
        ("\t0\t1\n", [0, 1]),
        ("#sequence\tR0\tR1\n", ["R0", "R1"]),
        ("random region\tR0\tR1\n", ["R0", "R1"]),
    ],
)
def test_header_is_recognised(tmp_path, first, names):
    data = read_table(write(tmp_path, first + PLAIN), DNA())
    assert rows(data) == EXPECTED
    assert list(data.dataframe.columns) == names
    assert data.header


def test_header_can_be_announced(tmp_path):
    path = write(tmp_path, "ACGT\tCC\tGG\n" + PLAIN)
    with pytest.raises(InputError, match="line 1: count column 1: 'CC' is not a count"):
        read_table(path, DNA())
    data = read_table(path, DNA(), header=True)
    assert list(data.dataframe.columns) == ["CC", "GG"]
    protein = read_table(write(tmp_path, "seq\tin\tout\nACDE\t1\t2\n"), Protein())
    assert rows(protein) == [("ACDE", 1, 2)]
    assert ", line 1: letter 'S'" in message(
        tmp_path, "seq\tin\n" + PLAIN, header=False
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PLAIN + "ACXT\t1\t2\n", ", line 4: letter 'X' at position 3 of the sequence"),
        (PLAIN + "A GT\t1\t2\n", ", line 4: letter ' ' at position 2"),
        (PLAIN + "\t1\t2\n", ", line 4: the sequence is missing"),
        (PLAIN + "ACGT\t-1\t2\n", ", line 4: count column 1: the count is negative"),
        (PLAIN + "ACGT\t1\t2.5\n", ", line 4: count column 2: the count 2.5 is not a"),
        (PLAIN + "ACGT\t1\t\n", ", line 4: count column 2: the count is missing;"),
        (PLAIN + "ACGT\tNA\t1\n", ", line 4: count column 1: the count is missing ("),
        (PLAIN + "ACGT\tfew\t1\n", ", line 4: count column 1: 'few' is not a count"),
        (PLAIN + "ACGT\t1_0\t1\n", ", line 4: count column 1: '1_0' is not a count"),
        (PLAIN + "ACGT\tinf\t1\n", ", line 4: count column 1: 'inf' is not a count"),
        (PLAIN + f"ACGT\t{10**17}\t1\n", ", line 4: count column 1: the count 1000"),
        (PLAIN + f"ACGT\t{'9' * 5000}\t1\n", ", line 4: count column 1: '999"),
        (PLAIN + "ACGT\t1\n", ", line 4: found 2 columns, but line 1 has 3"),
        (PLAIN + "ACGT\t1\t2\t3\n", ", line 4: found 4 columns, but line 1 has 3"),
        ("ACGT\n" + PLAIN, ", line 1: expected a sequence and at least one count"),
        (PLAIN.replace("\t", ","), ", line 1: expected a sequence and at least one"),
        ("a\tx\tx\n" + PLAIN, ", line 1: count column 1: 'x' is not a count"),
        ("seq\tx\tx\n" + PLAIN, ", line 1: the header names more than one column 'x'"),
        ("seq\tx\ty\n" + "ACGT\t1\n", ", line 2: found 2 columns, but the header in"),
        ("seq\tx\ty\n", ": the table has no rows"),
        ("\n \n\t\n", ": the file holds nothing but blank lines"),
        (PLAIN + "ACUT\t1\t2\n", "if these are RNA sequences, give another alphabet"),
        (PLAIN + "ACRT\t1\t2\n", ", line 4: letter 'R' at position 3 .* one_hot: true"),
    ],
)
def test_bad_rows_are_named(tmp_path, text, expected):
    import re

    found = message(tmp_path, text)
    assert re.search(re.escape(expected).replace(r"\.\*", ".*"), found), found
    # The message is the same wherever blocks end.
    assert found == message(tmp_path, text, block_bytes=8)


def test_bad_rows_far_down_and_in_csv(tmp_path):
    text = "ACGT,1,0\n" * 5000 + "\n" + "ACGX,1,0\n"
    assert message(tmp_path, text, name="a.csv.gz").startswith(
        ", line 5002: letter 'X'"
    )


def test_text_that_is_not_utf8(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(PLAIN.encode() + b"AC\xff\t1\t2\n")
    with pytest.raises(InputError, match="line 4: expected UTF-8 text"):
        read_table(path, DNA())


def test_names_of_other_formats(tmp_path):
    for name in ("a.xlsx", "a", "a.gz", "a.tsv.bz2"):
        assert "must end with one of .tsv" in message(tmp_path, PLAIN, name=name)
    with pytest.raises(InputError, match="regular file"):
        read_table(tmp_path, DNA())


def test_degenerate_letters(tmp_path):
    path = write(tmp_path, "ACNN\t1\nA*-T\t2\n")
    assert rows(read_table(path, DNA())) == [("ACNN", 1), ("A*-T", 2)]
    path = write(tmp_path, "ACRY\t1\n")
    assert rows(read_table(path, DNA(), degenerate=True)) == [("ACRY", 1)]


def test_case_is_folded_only_where_it_has_no_meaning(tmp_path):
    methylated = Alphabet("ACGTmg", complement=True)
    path = write(tmp_path, "ACmg\t1\n")
    assert rows(read_table(path, methylated)) == [("ACmg", 1)]
    assert "letter 'a' at position 1" in message(tmp_path, "acGT\t1\n", methylated)


def test_u_and_t_are_exchanged_on_request_only(tmp_path):
    assert "if these are DNA sequences" in message(tmp_path, "ACGT\t1\n", RNA())
    path = write(tmp_path, "acgt\t1\n")
    assert rows(read_table(path, RNA(), transliterate={"t": "u"})) == [("ACGU", 1)]


def test_transliteration_can_change_lengths(tmp_path):
    data = read_table(
        write(tmp_path, "ACGTCG\t1\nAAAA\t2\n"), DNA(), transliterate={"CG": "G"}
    )
    assert rows(data) == [("AGTG", 1), ("AAAA", 2)]


def test_codons(tmp_path):
    data = read_table(write(tmp_path, "atgAAATAA\t1\nNNNATG\t2\n"), Codon())
    assert rows(data) == [("ATGAAATAA", 1), ("NNNATG", 2)]
    assert (data.shortest, data.shortest_line) == (2, 2)
    assert "not a multiple of 3" in message(tmp_path, "ATGA\t1\n", Codon())
    found = message(tmp_path, "ATGAXA\t1\n", Codon())
    assert "letter 'AXA' at position 2" in found
    assert "(64 letters)" in found


def test_duplicates_are_summed_in_order(tmp_path):
    text = "ACGT\t1\t0\nGGGG\t1\t1\nacgt\t2\t3\nACGT\t0\t1\n"
    data = read_table(write(tmp_path, text), DNA())
    assert rows(data) == [("ACGT", 3, 4), ("GGGG", 1, 1)]
    assert data.n_duplicates == 2


def test_shortest_sequence_and_its_line(tmp_path):
    text = "seq\ta\nACGT\t1\n\nACG\t2\nCGT\t2\n"
    data = read_table(write(tmp_path, text), DNA(), block_bytes=4)
    assert (data.shortest, data.shortest_line) == (3, 4)


def test_columns_are_chosen_by_number_or_name(tmp_path):
    path = write(tmp_path, "sequence\tin\tsequence\nACGT\t1\t2\n")
    assert rows(read_table(path, DNA(), columns=["sequence", 0])) == [("ACGT", 2, 1)]
    for columns, expected in (
        ([2], "no count column 2; the table has 0: 'in', 1: 'sequence'"),
        (["out"], "no count column 'out'"),
        ([-1], "no count column -1"),
        ([0, "in"], "chosen twice"),
    ):
        with pytest.raises(InputError, match=expected):
            read_table(path, DNA(), columns=columns)


def test_a_column_can_be_dropped(tmp_path):
    data = read_table(write(tmp_path, PLAIN), DNA())
    dropped = drop_column(data, 0)
    assert list(dropped.dataframe.columns) == [1]
    assert list(data.dataframe.columns) == [0, 1]


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_bulk_and_line_by_line_agree(tmp_path_factory, data):
    """The fast path gives what the slow one defines, whatever the blocks."""
    seed = data.draw(st.integers(0, 10**6))
    size = data.draw(st.integers(1, 200))
    random_values = random.Random(seed)
    table = [
        (
            "".join(random_values.choices("ACGTacgtN", k=random_values.randint(1, 6))),
            random_values.randint(0, 9),
        )
        for _ in range(random_values.randint(1, 30))
    ]
    plain = "".join(f"{sequence}\t{count}\n" for sequence, count in table)
    odd = "".join(f" {sequence}\t{count}.0\n" for sequence, count in table)
    folder = tmp_path_factory.mktemp("tables")
    fast = read_table(write(folder, plain, "fast.tsv"), DNA(), block_bytes=size)
    slow = read_table(write(folder, odd, "slow.tsv"), DNA())
    assert rows(fast) == rows(slow)
    assert fast.n_duplicates == slow.n_duplicates
    assert (fast.shortest, fast.shortest_line) == (slow.shortest, slow.shortest_line)
    totals: dict[str, int] = {}
    for sequence, count in table:
        totals[sequence.upper()] = totals.get(sequence.upper(), 0) + count
    assert rows(fast) == list(totals.items())


def test_well_formed_text_is_never_parsed_line_by_line(tmp_path, monkeypatch):
    monkeypatch.setattr(text_module, "_parse_lines", None)
    text = "seq\tin\tout\n" + PLAIN * 10
    assert len(read_table(write(tmp_path, text), DNA()).dataframe) == 3


def test_ctcf(shared):
    data = read_table(shared / "data" / "ctcf" / "ctcf_r3.tsv.gz", DNA())
    assert data.dataframe.shape == (120_096, 2)
    assert data.dataframe.sum().tolist() == [72_289, 51_687]
    assert data.shortest == 30
    assert data.sha256.startswith("3cae2ebc5d32")
